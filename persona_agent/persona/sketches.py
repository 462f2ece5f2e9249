"""Past cases in a few key words each: what little room can hold of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from persona_agent.persona.words import telling_words
from persona_agent.schema import Episode

KEY_WORDS = 4
LATEST = 50
"""Cases, the latest ones, that are looked at."""
MOST = 30
"""Sketches that are made; what is shown of them is a matter of room."""
OFTEN = 3
"""Cases with a word from which on more of them do not make it more telling."""


def sketches(
    episodes: Sequence[Episode], left_out: Collection[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Return key words and outcome of the latest cases, newest first.

    Key words are those that stand in other cases of the user as well, and of these the first ones:
    they tell what a case has in common with others.

    Args:
        episodes: with outcomes, of one task, in time order.
        left_out: ids of episodes that are shown anyway.
    """
    latest = [episode for episode in episodes[-LATEST:] if episode.id not in left_out]
    told = [telling_words(episode.query.text) for episode in latest]
    usual = Counter(word for one in told for word in one)
    made = [
        (_key_words(words, usual), episode.outcome or "")
        for words, episode in zip(told, latest, strict=True)
    ]
    return tuple([one for one in reversed(made) if one[0]][:MOST])


def _key_words(words: Sequence[str], usual: Counter[str]) -> str:
    ranked = sorted(range(len(words)), key=lambda place: -min(usual[words[place]], OFTEN))
    return " ".join(words[place] for place in sorted(ranked[:KEY_WORDS]))
