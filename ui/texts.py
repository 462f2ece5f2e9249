"""Texts of users and models on a page, always literally: never as Markdown, never as HTML.

:func:`literal` is the normal way. :func:`escaped` is for the places where Streamlit takes only
Markdown (labels and messages), :func:`reworded` for what changed from one text to another.
"""

from __future__ import annotations

import difflib
import re
from datetime import datetime

import streamlit as st

from persona_agent.agent.show import one_line, printable

LONGEST_MESSAGE = 1_000

_PUNCTUATION = re.compile(r"([!-/:-@\[-`{-~])")


def literal(text: str) -> None:
    """Show a text as it is, with its line breaks."""
    st.text(printable(text))


def escaped(text: str, limit: int = LONGEST_MESSAGE) -> str:
    """Return Markdown that shows a text as it is, on one line.

    Behind each colon is an invisible mark: bare links, emoji codes and colours are made after the
    Markdown is read, where a backslash no longer helps.
    """
    marked = _PUNCTUATION.sub(r"\\\1", one_line(text, limit))
    return marked.replace(":", ":\u2060")


def reworded(before: str, after: str) -> str:
    """Return Markdown with the words that went struck out, and those that came in bold green."""
    old, new = (one_line(text, LONGEST_MESSAGE).split() for text in (before, after))
    parts = []
    for kind, a, b, c, d in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        gone, come = escaped(" ".join(old[a:b])), escaped(" ".join(new[c:d]))
        if kind == "equal":
            parts.append(come)
            continue
        if gone:
            parts.append(f":red[~~{gone}~~]")
        if come:
            parts.append(f":green[**{come}**]")
    return " ".join(parts)


def moment(at: datetime) -> str:
    """Return a time as ``2026-03-01 14:05`` in UTC, as it was stored."""
    return at.strftime("%Y-%m-%d %H:%M")
