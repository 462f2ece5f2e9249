"""What the offline model says in a chat: what is known of the matter, and its own limits."""

from __future__ import annotations

import re
from collections.abc import Sequence

from persona_agent.llm.offline.terms import words
from persona_agent.protocols import ChatMessage

_ITEM = re.compile(r"^- (.+)$", re.MULTILINE)
_KNOWN_BELOW = "\n<persona>\n"
MOST_ITEMS = 3


def reply(messages: Sequence[ChatMessage], about: str) -> str:
    """Return the known items that share most words with the last message, and a disclaimer.

    Known is also what the user said before in this conversation, other than questions.
    """
    *earlier, asked = [m.content for m in messages if m.role == "user"] or [""]
    wanted = words(asked)
    system = [_without_rules(m.content) for m in messages if m.role in ("system", "tool")]
    said = [" ".join(text.split()) for text in earlier if not text.rstrip().endswith("?")]
    items = list(dict.fromkeys([*_ITEM.findall("\n".join(system)), *said]))
    ranked = sorted(items, key=lambda item: -len(wanted & words(item)))
    known = [item for item in ranked if wanted & words(item)][:MOST_ITEMS]
    if not known:
        return f"Nothing that I know of you bears on this. {about}"
    lines = "\n".join(f"- {item}" for item in known)
    return f"What I know of you that bears on this:\n{lines}\n{about}"


def _without_rules(content: str) -> str:
    """Return what a message tells of the user: above the persona stand instructions."""
    above, found, below = content.partition(_KNOWN_BELOW)
    return below if found else above
