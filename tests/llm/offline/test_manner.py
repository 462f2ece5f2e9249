"""What is said of the manner of replies is drafted, read back, and acted on."""

from __future__ import annotations

import pytest

from persona_agent.llm.offline.manner import MANNERS, manners
from persona_agent.llm.offline.reading import read_claim
from persona_agent.llm.offline.verifying import verify
from persona_agent.llm.offline.writing import draft
from persona_agent.memory.hash_embedder import HashEmbedder
from persona_agent.persona.admission import admitted
from persona_agent.prompts import Case, DraftInputs, VerifyInputs

CURT = ("Dock four, Friday 07:30. Call me before nine.", "Ten slides. In my inbox by noon.")
POLITE = ("I am so sorry for the delay, truly!", "Thank you kindly, we would love to help!")


def replies(count: int = 8) -> tuple[Case, ...]:
    cases = []
    for number in range(count):
        curt, polite = (f"{one[number % 2]} It is order {number}." for one in (CURT, POLITE))
        cases.append(
            Case(
                query=f"A customer asks about order {number}.",
                options=(curt, polite),
                outcome=curt,
                task="reply",
                episode_id=f"e{number}",
            )
        )
    return tuple(cases)


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        (CURT[0], {"gives figures", "names a day or an hour"}),
        (POLITE[0], {"apologizes", "exclaims"}),
        (POLITE[1], {"has words of courtesy", "exclaims", "speaks of feelings"}),
        ("If it rains, shall we stay?", {"sets a condition", "asks something"}),
        ("sorry, exclaims!", set()),  # no prose
        ("Neural models of thanks and regret in 12 languages", set()),  # a title
    ],
)
def test_manners_are_marks_of_prose(text: str, marks: set[str]) -> None:
    assert manners(text) == marks


def test_the_manner_of_replies_becomes_claims() -> None:
    claims = draft(DraftInputs(cases=replies(), max_claims=8)).claims
    by_text = {claim.text: claim for claim in claims}
    assert {"avoids what exclaims", "prefers what names a day or an hour"} <= by_text.keys()
    assert len(by_text["avoids what exclaims"].evidence) == 8
    assert not [text for text in by_text if "sorry" in text or "thank" in text]


@pytest.mark.parametrize("manner", MANNERS)
@pytest.mark.parametrize("verb", ["prefers", "avoids"])
def test_a_claim_on_manner_is_admitted_and_read(verb: str, manner: str) -> None:
    statement = f"{verb} what {manner}"
    assert admitted(statement)
    read = read_claim(f"{statement} (seen 3x)")
    assert (read.likes, read.avoids) == (((manner,), ()) if verb == "prefers" else ((), (manner,)))


def test_a_claim_on_manner_is_checked_on_cases() -> None:
    claims = ("avoids what apologizes (seen 3x)", "prefers what exclaims (seen 3x)")
    said = verify(VerifyInputs(claims=claims, cases=replies(2)), HashEmbedder()).verdicts
    assert (said[0].supports, said[0].contradicts) == (("E1",), ())
    assert (said[1].supports, said[1].contradicts) == ((), ("E1", "E2"))
