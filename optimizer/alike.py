"""What is about the same, or says it: by words alone, without an embedder."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence

from persona_agent.persona.contradiction import stem
from persona_agent.persona.copying import tokens
from persona_agent.schema import Episode


def _always(_text: str, _episode: Episode) -> bool:
    return True


def telling_cases(
    texts: Sequence[str],
    episodes: Sequence[Episode],
    most: int,
    *,
    latest_share: float = 0.5,
    may_tell: Callable[[str, Episode], bool] = _always,
) -> list[Episode]:
    """Return at most ``most`` episodes, in time order: some about a text, the rest the latest.

    Every text has its turn in choosing; words shared with a query or its options count by -log of
    the share of the episodes that have them, so that what all have in common does not count. A
    text chooses among those that may tell something of it, as long as there are any.
    """
    if len(episodes) <= most:
        return list(episodes)
    words = [frozenset(stems(" ".join(_texts(episode)))) for episode in episodes]
    spread = Counter(word for bag in words for word in bag)
    scores = [
        # Added up exactly: a set has another order in each process, and ties must stay ties.
        [
            math.fsum(math.log(len(episodes) / spread[word]) for word in bag & wanted)
            for bag in words
        ]
        for wanted in (frozenset(stems(text)) for text in texts)
    ]
    chosen: list[int] = []
    while scores and len(chosen) < int(most * (1 - latest_share)):
        turn = len(chosen) % len(scores)
        score, left = scores[turn], [n for n in range(len(episodes)) if n not in chosen]
        fit = [place for place in left if may_tell(texts[turn], episodes[place])]
        chosen.append(max(fit or left, key=lambda place: (score[place], place)))
    latest = [place for place in reversed(range(len(episodes))) if place not in chosen]
    return [episodes[place] for place in sorted([*chosen, *latest[: most - len(chosen)]])]


def _texts(episode: Episode) -> tuple[str, ...]:
    return (episode.query.text, *episode.query.options)


def stems(text: str) -> tuple[str, ...]:
    """Return the words of a text in order, without case and the commonest endings."""
    return tuple(stem(word) for word in tokens(text))
