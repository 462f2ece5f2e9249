"""What tests of personas share: somebody who likes tea, what she chose, texts that can be read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

from persona_agent.schema import Claim, ContextPolicy, Episode, Persona, Query, Section

AT = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = settings(max_examples=40, deadline=None, derandomize=True)
_NOT_FINITE = re.compile("nan|inf", re.IGNORECASE)
# Words that float() reads as no finite number have a test of their own (tests/schema).
READABLE = st.text(
    alphabet=st.one_of(st.characters(exclude_categories=("C", "Z")), st.just(" ")),
    min_size=1,
    max_size=20,
).filter(lambda label: bool(label.split()) and not _NOT_FINITE.search(label))
ALL = ContextPolicy(show_claims=True, show_statistics=True, show_demonstrations=True)


def claim(text: str = "likes tea", *, seen: int = 1, **fields: Any) -> Claim:
    evidence = tuple(f"e{n}" for n in range(seen))
    return Claim(**({"section": Section.PREFERENCES, "text": text, "evidence": evidence} | fields))


def persona(*claims: Claim, **fields: Any) -> Persona:
    return Persona(user_id="ana", version="v1", claims=claims, **fields)


def episodes(
    *outcomes: str | None, options: tuple[str, ...] = (), task: str = "t"
) -> list[Episode]:
    query = Query(text="q", options=options, task=task)
    return [
        Episode(id=f"e{n}", user_id="ana", query=query, outcome=one, at=AT + timedelta(days=n))
        for n, one in enumerate(outcomes)
    ]
