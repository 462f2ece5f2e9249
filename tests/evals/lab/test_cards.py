"""Cards of people and what they are told from."""

from __future__ import annotations

import pytest

from persona_agent.errors import InputError
from persona_agent.evals.lab.cards import demo_cards, persona_card, read_cards, shown
from persona_agent.evals.lab.people import STATEMENTS
from persona_agent.persona.rivals import contradicted_twin, flipped
from persona_agent.schema import Claim, Persona, Section
from tests.evals.conftest import Write
from tests.evals.lab.actors import ANA, BEN


def test_the_built_in_people_speak_for_themselves() -> None:
    cards = demo_cards()
    assert {card.user_id for card in cards} == set(STATEMENTS)
    assert all(card.episodes and len(card.statements) > 3 for card in cards)


@pytest.mark.parametrize("statement", [s for group in STATEMENTS.values() for s in group])
def test_a_flipped_statement_is_another_one(statement: str) -> None:
    assert flipped(statement) not in ("", statement)


def test_the_twin_differs_in_one_statement() -> None:
    twin = contradicted_twin(ANA.statements, 1)
    assert [one in twin for one in ANA.statements] == [True, False, True]


def test_personas_are_read_from_files(write: Write) -> None:
    (card,) = read_cards(write("I sing.\n\n I swim. \n", "my persona.txt"))
    assert (card.user_id, card.statements) == ("my-persona", ("I sing.", "I swim."))
    cards = read_cards(write([ANA.model_dump(), BEN.model_dump()]))
    assert cards == [ANA, BEN]
    assert read_cards(write(ANA.model_dump())) == [ANA], "one object is not a list of statements"
    for wrong, problem in (
        ("", "the file is empty"),
        ("[1]", "record 1: expected an object"),
        ('[{"user_id": "x"}]', "record 1: field 'statements'"),
        ('{"kind": "result"}', "record 1: field"),
    ):
        with pytest.raises(InputError, match=problem):
            read_cards(write(wrong, "wrong.txt"))
    with pytest.raises(InputError, match="no such file"):
        read_cards(write("", "x").parent / "absent")


def test_the_card_of_a_stored_persona_holds_its_claims() -> None:
    claim = Claim(section=Section.STYLE, scope="In letters", text="I am brief.", origin="user")
    card = persona_card("ana", Persona(user_id="ana", claims=(claim,)), ())
    assert card.statements == ("In letters: I am brief.",)
    assert "I am brief." in shown("ana", card.statements)
    with pytest.raises(InputError, match="no claim yet"):
        persona_card("ana", Persona.generic("ana"), ())
