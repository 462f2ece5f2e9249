"""Finding a user's interactions by what was answered in them.

Recall goes by what was asked. "The hotel that you told me of in Porto" may have been an answer to
"somewhere to stay, quiet": only its words find it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence, Set

from persona_agent.agent.chat.prompt import memory_line
from persona_agent.persona.words import COMMON
from persona_agent.prompts.parts import shorten
from persona_agent.schema import Episode

LATEST = 2_000
"""Episodes that are looked through."""
SHARE = 0.5
"""Of the telling words of a query, so many an answer has to hold."""

_WORD = re.compile(r"[^\W_]{3,}|\d+")
_BEFORE, _EXCERPT = 60, 200
_UNCONFIRMED = "you answered, unconfirmed by the user"


def found_by_answer(query: str, episodes: Sequence[Episode]) -> list[Episode]:
    """Return the episodes whose outcome, answer or comment holds the words of a query.

    Those first that hold more of them, rare words counting more, then the latest. Where the user
    settled on an outcome, what the assistant answered instead is not searched.
    """
    wanted = _words(query)
    held = [_held(wanted, _answer(one).casefold()) for one in episodes]
    count = Counter(word for words in held for word in words)
    weight = {word: math.log(1 + len(episodes) / number) for word, number in count.items()}
    ranked = [
        (sum(weight[word] for word in sorted(words)), one.at, place)
        for place, (words, one) in enumerate(zip(held, episodes, strict=True))
        if words and len(words) >= SHARE * len(wanted)
    ]
    return [episodes[place] for _, _, place in sorted(ranked, reverse=True)]


def is_kept_back(episode: Episode) -> bool:
    """Tell whether memories leave the answer out: nobody said whether it was right."""
    judged = episode.feedback is not None and episode.feedback.thumb
    return bool(episode.outcome is None and not judged and episode.response)


def answer_line(episode: Episode, query: str, *, thread: str | None = None) -> str:
    """Return an episode on one line, with the part of the answer that holds words of the query.

    In the ``thread`` that is under way the answer is shown as the assistant's own, else as
    unconfirmed.
    """
    line = memory_line(episode)
    if not is_kept_back(episode):
        return line
    own = thread is not None and episode.metadata.get("thread") == thread
    said = "earlier in this conversation; you answered" if own else _UNCONFIRMED
    return f"{line} ({said}: {_excerpt(episode.response or '', query)})"


def _held(wanted: Set[str], answer: str) -> Set[str]:
    """Return which words an answer, in small letters, holds; most hold none at a glance."""
    return wanted & _words(answer) if any(word in answer for word in wanted) else frozenset()


def _answer(episode: Episode) -> str:
    answered = episode.response if episode.outcome is None else episode.outcome
    comment = episode.feedback.comment if episode.feedback else ""
    return f"{answered or ''} {comment}"


def _excerpt(text: str, query: str) -> str:
    wanted = _words(query)
    first = next((one.start() for one in _WORD.finditer(text) if _words(one[0]) & wanted), 0)
    start = max(0, first - _BEFORE)
    return ("…" if start else "") + shorten(text[start:], _EXCERPT)


def _words(text: str) -> set[str]:
    """Return the telling words of a text in any language, without a plural's last letter."""
    found = (word for word in _WORD.findall(text.casefold()) if word not in COMMON)
    return {word.removesuffix("s") if len(word) > 3 else word for word in found}
