"""Texts of users and models on a page, always literally: never as Markdown, never as HTML.

:func:`literal` is the normal way. :func:`escaped` is for the places where Streamlit takes only
Markdown (labels and messages).
"""

from __future__ import annotations

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


def moment(at: datetime) -> str:
    """Return a time as ``2026-03-01 14:05`` in UTC, as it was stored."""
    return at.strftime("%Y-%m-%d %H:%M")
