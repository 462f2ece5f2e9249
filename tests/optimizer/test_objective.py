"""The objective: what may not be paid for a smaller loss, and that nothing else moves it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.optimizer import OptimizerConfig, Search
from persona_agent.optimizer.gates import compare, score
from persona_agent.optimizer.objective import TermReader, judged, means_of_terms, objective, weights
from persona_agent.prompts import RespondInputs
from persona_agent.schema import Episode, Persona, Query, Terms, Trial
from persona_agent.testing import HashEmbedder, ScriptedModel
from persona_agent.testing.models import Script
from tests.optimizer.notes import DEFAULT, START, persona, searched_for, simulator

PLAIN = OptimizerConfig(contradiction_weight=0, relevance_weight=0, copying_weight=0)
CLAIM = "writes short warm thank you notes and signs them love Ann"
NOTES = ("the lovely jam", "the red scarf", "your long letter", "the garden tools", "the tickets")


def notes() -> list[Episode]:
    return [
        Episode(
            id=f"n{n}",
            user_id="ann",
            query=Query(text=f"Write a note to thank my aunt for {thing}", task="notes"),
            outcome=f"Dear aunt, thank you for {thing}! It made my day. Love, Ann",
            at=START + timedelta(days=n),
        )
        for n, thing in enumerate(NOTES)
    ]


def good(thing: str) -> str:
    return f"Dear aunt, thank you for {thing}! I was so happy. Love, Ann"


def parroting(thing: str) -> str:
    return f"Thank you for {thing}! It made my day. As ever Ann {CLAIM}."


def generic(thing: str) -> str:
    return "I appreciate your message and hope that this finds you well. Kind regards."


async def trials(
    write: Script, of: Persona, episodes: Sequence[Episode], *, reasons: bool = False
) -> list[Trial]:
    model = ScriptedModel({"respond": write, "decide": write})
    return await simulator(episodes, reasons=reasons)(of, episodes, model)


async def written(write: Callable[[str], str]) -> list[Trial]:
    def answer(inputs: RespondInputs) -> dict[str, object]:
        return {"answer": write(inputs.query.text.partition(" for ")[2])}

    return await trials(answer, persona(CLAIM), notes())


def cost(found: Sequence[Trial], config: OptimizerConfig = DEFAULT) -> float:
    return sum(objective(one, config) for one in found) / len(found)


async def test_reciting_the_persona_and_saying_nothing_both_lose_to_a_good_answer() -> None:
    best, parrot, bland = [await written(one) for one in (good, parroting, generic)]
    for loser in (parrot, bland):
        result = compare(
            "g",
            judged(best, DEFAULT),
            judged(loser, DEFAULT),
            confidence_weight=0,
            margin_errors=1,
        )
        assert result.passed
    assert all(one.terms.copying == 1 for one in parrot)
    assert all(one.terms.copying == 0 for one in best)
    assert cost(bland, DEFAULT) - cost(bland, PLAIN) > 0.1  # not to the point


async def test_without_the_term_for_copying_the_parrot_would_win() -> None:
    def recites_all(thing: str) -> str:  # what the user keeps, and the persona on top of it
        return f"Dear aunt, thank you for {thing}! It made my day. Love, Ann {CLAIM}"

    def free(thing: str) -> str:
        return f"Aunt, thank you so much, {thing} and you are on my mind. Ann"

    parrot, honest = await written(recites_all), await written(free)
    assert cost(parrot, PLAIN) < cost(honest, PLAIN)
    assert cost(parrot) > cost(honest)


async def searched(config: OptimizerConfig) -> Search:
    """Search where one edit is proposed, after which the model recites the persona."""
    episodes = [
        one.model_copy(update={"id": f"{one.id}-{n}", "at": one.at + timedelta(days=9 * n)})
        for n in range(5)
        for one in notes()
    ]

    def respond(inputs: RespondInputs) -> dict[str, object]:
        thing = inputs.query.text.partition(" for ")[2]
        kept = f"Dear aunt, thank you for {thing}! It made my day. Love, Ann"
        recites = CLAIM in inputs.persona
        return {"answer": f"{kept} {CLAIM}" if recites else f"Thanks a lot for {thing} then"}

    return await searched_for(CLAIM, episodes, respond, config)


async def test_a_search_turns_down_what_makes_the_model_recite() -> None:
    plain, weighed = await searched(PLAIN), await searched(DEFAULT)
    assert [edit.text for edit in plain.accepted] == [CLAIM]
    assert [edit.text for edit in weighed.rejected] == [CLAIM] and not weighed.accepted
    gate = next(gate for gate in weighed.gates if gate.gate.startswith("minibatch"))
    terms = {one.term: one for one in gate.terms}
    task, copying = terms["task"], terms["copying"]
    assert (task.candidate or 0) < (task.incumbent or 0) and not gate.passed
    assert (copying.candidate, copying.incumbent) == (1.0, None)


async def test_what_the_user_kept_costs_nothing_whatever_is_claimed() -> None:
    kept = {one.query.text: one.outcome for one in notes()}
    claims = ("Dear aunt, thank you", "never thanks anybody", "I do not write to my aunt")

    def answer(inputs: RespondInputs) -> dict[str, object]:
        return {"answer": kept[inputs.query.text]}

    for one in await trials(answer, persona(*claims), notes()):
        assert one.terms == Terms(contradiction=0, irrelevance=0, copying=0, invention=0)
        assert objective(one, DEFAULT) == 0


def test_contradicting_a_claim_or_an_earlier_answer_costs() -> None:
    reader = TermReader(HashEmbedder())
    asked, kept = "Do I have a dog?", "Yes, you have one dog."
    claims = ["I have a dog"]
    against = reader.read("You have no dog.", query=asked, kept=kept, claims=claims)
    before = reader.read("You have no dog.", query=asked, kept=kept, earlier=["You have a dog."])
    agreeing = reader.read("You have a dog.", query=asked, kept=kept, claims=claims)
    assert (against.contradiction or 0) > 0.3 and (before.contradiction or 0) > 0.3
    assert agreeing.contradiction == 0


async def test_earlier_answers_count_only_as_far_as_they_stood() -> None:
    def asked(n: int, response: str | None, outcome: str) -> Episode:
        query = Query(text="Do I have a dog?", task="dogs")
        at = START + timedelta(days=n)
        return Episode(
            id=f"d{n}", user_id="ann", query=query, response=response, outcome=outcome, at=at
        )

    async def term(*episodes: Episode) -> float | None:
        found = await trials({"answer": "You have no dog."}, persona(), episodes)
        return found[-1].terms.contradiction

    last = asked(9, None, "Yes, you do.")
    stood = asked(1, "You have a dog.", "You have a dog.")
    corrected = asked(1, "You have a dog.", "It was the neighbour's.")
    assert (await term(stood, last) or 0) > 0.3
    assert await term(corrected, last) is None


async def test_a_term_that_does_not_apply_is_none() -> None:
    nothing = await trials({"answer": "Thanks."}, persona(), notes())
    hidden = await trials({"answer": "Thanks."}, persona(CLAIM, shown=False), notes())
    for one in (*nothing, *hidden):
        assert one.terms.copying is None and one.terms.contradiction is None
        assert one.terms.irrelevance is not None
    table = {one.term: one for one in means_of_terms(nothing, await written(good), DEFAULT)}
    assert table["copying"].candidate is None and table["copying"].incumbent == 0
    assert not TermReader(HashEmbedder()).read("  ", query="q").irrelevance


# --- choices ------------------------------------------------------------------------------------


def choices() -> list[Episode]:
    return [
        Episode(
            id=f"c{n}",
            user_id="ann",
            query=Query(text=f"a drink for morning {n}", options=("tea", "coffee")),
            outcome="tea",
            at=START + timedelta(days=n),
        )
        for n in range(4)
    ]


PARROTED = {"choice": 1, "confidence": 0.7, "reason": f"Because Ann {CLAIM}."}


async def test_a_choice_is_judged_by_its_loss_alone() -> None:
    for one in await trials(PARROTED, persona(CLAIM), choices()):
        assert one.terms == Terms()
        assert objective(one, DEFAULT) == score(one, DEFAULT.confidence_weight)


async def test_reasons_are_judged_where_a_setting_says_so() -> None:
    (one, *_) = await trials(PARROTED, persona(CLAIM), choices(), reasons=True)
    assert one.terms.of_reason and one.terms.copying == 1
    plain = score(one, DEFAULT.confidence_weight)
    assert objective(one, DEFAULT) == plain
    weighed = OptimizerConfig(reason_weight=0.5, relevance_weight=0, contradiction_weight=0)
    assert objective(one, weighed) == pytest.approx(plain + 0.25)


part = st.none() | st.floats(0, 1)


@given(st.floats(0, 1), st.fixed_dictionaries({name: part for name in weights(DEFAULT)}))
def test_it_stays_between_0_and_1_and_a_term_never_helps(
    loss: float, found: dict[str, float | None]
) -> None:
    one = Trial(episode_id="e", answer="a", loss=loss, terms=Terms.model_validate(found))
    everything = OptimizerConfig(listener_weight=0.5, invention_weight=0.5)
    assert loss <= objective(one, DEFAULT) <= objective(one, everything) <= 1
    assert set(weights(DEFAULT)) == set(Terms.model_fields) - {"of_reason", "said"}
