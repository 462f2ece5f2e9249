"""Personas for the lab: the built-in people, files, and the personas of an agent's users."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from persona_agent.errors import InputError
from persona_agent.evals.data.demo_data import load_demo_users
from persona_agent.evals.data.source import Item, read_rows, read_text
from persona_agent.evals.lab.bench import Card
from persona_agent.evals.lab.people import STATEMENTS
from persona_agent.persona import render
from persona_agent.schema import Claim, Episode, Persona, Section


def demo_cards() -> list[Card]:
    """Return the built-in people, with what they say of themselves and their interactions."""
    return [
        Card(
            user_id=user.user_id,
            statements=STATEMENTS[user.user_id],
            episodes=user.interactions,
        )
        for user in load_demo_users()
    ]


def persona_card(
    user_id: str, persona: Persona, episodes: Sequence[Episode], *, in_loss: Sequence[str] = ()
) -> Card:
    """Return the card of a user's persona in use, optimized against the models in ``in_loss``.

    Raises InputError when it makes no claim.
    """
    statements = tuple(claim.statement for claim in persona.claims)
    if not statements:
        raise InputError(
            f"the persona of {user_id!r} makes no claim yet: optimize it first "
            f"(persona-agent optimize --user {user_id})"
        )
    return Card(
        user_id=user_id,
        statements=statements,
        episodes=tuple(episodes),
        in_loss=tuple(in_loss),
    )


def card_persona(card: Card) -> Persona:
    """Return the persona of a user of whom the statements are true."""
    claims = tuple(
        Claim(section=Section.CONTEXT, text=statement[:1_000], origin="user")
        for statement in card.statements
    )
    return Persona(user_id=card.user_id, claims=claims)


def shown(user_id: str, statements: Sequence[str]) -> str:
    """Return statements as the agent shows a persona to a model that decides."""
    return render(card_persona(Card(user_id=user_id, statements=tuple(statements))))


def read_cards(path: Path) -> list[Card]:
    """Read personas: a text with a statement a line, or JSON ``[{user_id, statements}]``.

    Raises:
        InputError: the file cannot be read or is empty; names the record and the field.
    """
    text = read_text(path)
    if text.lstrip().startswith(("[", "{")):
        return [place.model(Card, **Item(row, place).value) for place, row in read_rows(path)]
    lines = tuple(line.strip() for line in text.splitlines() if line.strip())
    name = re.sub(r"[^\w.-]", "-", path.stem) or "persona"
    return [Card(user_id=name, statements=lines)]
