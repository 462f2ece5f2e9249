"""A critic gets what the answer was given from: claims, counts and cases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from persona_agent.agent.simulate import Simulator
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.optimizer import OptimizerConfig
from persona_agent.optimizer.gradient import (
    Critique,
    blame,
    critique_errors,
    missed_by,
    propose_edits,
)
from persona_agent.persona.left_out import NO_RULE, counting_left_out
from persona_agent.prompts import (
    CRITIQUE,
    PROPOSE_EDITS,
    Case,
    CritiqueInputs,
    DecideInputs,
    Failure,
    ProposeInputs,
)
from persona_agent.schema import Claim, ContextPolicy, Episode, Persona, Query, Section, Trial
from persona_agent.testing import HashEmbedder, ScriptedModel

START = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECTS = ("trench soldiers war", "fools jokes laughter", "wedding dress love", "space ship stars")
LABELS = ("war", "comedy", "romance", "fiction")
CLAIMS = tuple(
    Claim(
        id=label,
        section=Section.PREFERENCES,
        scope=f"when it is about {subject}",
        text=f'picks "{label}"',
        evidence=("e0", "e1"),
    )
    for subject, label in zip(SUBJECTS, LABELS, strict=True)
)


def episode(number: int) -> Episode:
    return Episode(
        id=f"e{number}",
        user_id="ann",
        query=Query(text=f"{SUBJECTS[number % 4]} {number}", options=LABELS, task="films"),
        outcome=LABELS[number % 4],
        at=START + timedelta(days=number),
    )


PAST = [episode(number) for number in range(40)]
ASKED = PAST[37]  # fools and jokes: "comedy"


async def criticized(policy: ContextPolicy, tokens: int = 600) -> tuple[CritiqueInputs, str]:
    """Answer ASKED wrongly; return what its critic was shown, and the persona that answered."""
    model = ScriptedModel(
        {
            "decide": {"choice": 4},
            "decide_brief": {"choice": 4},
            "critique": {"critique": "U1 leads to it", "preference": "laughs"},
        }
    )
    store, embedder = InMemoryEpisodeStore(), HashEmbedder()
    store.add(PAST, embedder.embed([one.query.text for one in PAST]))
    persona = Persona(user_id="ann", claims=CLAIMS, policy=policy)
    trials = await Simulator(store, embedder, persona_tokens=tokens)(persona, [ASKED], model)
    (found,) = await critique_errors(persona, trials, [ASKED], PAST, model)
    assert (found.failure.critique, found.failure.preference) == ("U1 leads to it", "laughs")
    (_, decided), (_, inputs) = model.requests
    assert isinstance(decided, DecideInputs) and isinstance(inputs, CritiqueInputs)
    assert inputs.recalled == decided.recalled
    assert inputs.failure.case.date == decided.date == "2026-02-07"
    return inputs, decided.persona


async def test_claims_that_were_left_out_as_less_near_are_told_apart() -> None:
    inputs, shown = await criticized(ContextPolicy(recalled=1, most_claims=2, show_claims=True))
    assert inputs.claims == CLAIMS and len(inputs.unused) == 2
    assert "comedy" not in inputs.unused
    for claim in CLAIMS:
        assert (claim.statement in shown) == (claim.id not in inputs.unused)


async def test_claims_for_which_there_was_no_room_are_told_apart() -> None:
    inputs, shown = await criticized(ContextPolicy(show_statistics=False), tokens=40)
    assert 0 < len(inputs.unused) < len(CLAIMS)
    for claim in CLAIMS:
        assert (claim.statement in shown) == (claim.id not in inputs.unused)


async def test_counts_are_those_of_the_answer_and_hold_no_claims() -> None:
    inputs, shown = await criticized(ContextPolicy(recalled=4))
    assert inputs.unused == ()
    assert inputs.besides in shown
    assert inputs.besides.startswith('Outcomes so far\n- films (37): "war" 10')
    assert "when it is about" not in inputs.besides
    hidden, shown = await criticized(ContextPolicy.generic())
    assert (hidden.besides, shown, len(hidden.unused)) == ("", "", len(CLAIMS))


async def test_further_cases_are_earlier_ones_that_the_answer_was_not_shown() -> None:
    for recalled, further in ((0, 6), (4, 2), (12, 2)):
        inputs, _ = await criticized(ContextPolicy(recalled=recalled))
        assert (len(inputs.recalled), len(inputs.similar)) == (recalled, further)
        known = {case.episode_id for case in inputs.recalled}
        for case in inputs.similar:
            assert case.episode_id not in known and case.date < "2026-02-07"


async def test_further_cases_are_the_most_alike_ones_however_old() -> None:
    trial = Trial(episode_id=ASKED.id, answer="war", reason="C1 fits", loss=1.0)
    model = ScriptedModel({"critique": {"critique": "missed"}})
    await critique_errors(Persona(user_id="ann"), [trial], [ASKED], PAST, model)
    (_, inputs) = model.requests[0]
    assert isinstance(inputs, CritiqueInputs)
    assert [case.outcome for case in inputs.similar] == ["comedy"] * 6
    assert inputs.sections()["answer"] == "war\n(reason given: C1 fits)"


async def test_the_reason_that_was_given_reaches_the_critic() -> None:
    model = ScriptedModel(
        {"decide": {"choice": 4, "reason": "a late\n<query>"}, "critique": {"critique": "x"}}
    )
    store, embedder = InMemoryEpisodeStore(), HashEmbedder()
    store.add(PAST, embedder.embed([one.query.text for one in PAST]))
    persona = Persona(user_id="ann", claims=CLAIMS)
    trials = await Simulator(store, embedder)(persona, [ASKED], model)
    (found,) = await critique_errors(persona, trials, [ASKED], PAST, model)
    (_, inputs) = model.requests[-1]
    assert isinstance(inputs, CritiqueInputs) and found.failure.reason == trials[0].reason
    shown = CRITIQUE.render(inputs)[1].content
    assert "fiction\n(reason given: a late \u2039query>)\n</answer>" in shown


async def test_a_proposal_gets_the_wish_apart_from_the_critique() -> None:
    model = ScriptedModel(
        {
            "decide": {"choice": 4},
            "critique": {"critique": "missed", "preference": "laughs"},
            "propose_edits": {"edits": []},
        }
    )
    store, embedder = InMemoryEpisodeStore(), HashEmbedder()
    persona = Persona(user_id="ann", claims=CLAIMS)
    store.add(PAST, embedder.embed([one.query.text for one in PAST]))
    trials = await Simulator(store, embedder)(persona, [ASKED], model)
    critiques = await critique_errors(persona, trials, [ASKED], PAST, model)
    await propose_edits(persona, critiques, [], PAST, [], model, OptimizerConfig())
    (_, inputs) = model.requests[-1]
    assert isinstance(inputs, ProposeInputs)
    assert "  critique: missed\n  wants: laughs" in inputs.sections()["failures"]


async def learned(said: Mapping[str, object], asked: Episode = ASKED) -> ProposeInputs:
    """Critique one wrong answer in these words, and return what a proposal is then shown."""
    model = ScriptedModel(
        {"decide": {"choice": 4}, "critique": said, "propose_edits": {"edits": []}}
    )
    store, embedder = InMemoryEpisodeStore(), HashEmbedder()
    store.add(PAST, embedder.embed([one.query.text for one in PAST]))
    persona = Persona(user_id="ann", claims=CLAIMS)
    trials = await Simulator(store, embedder)(persona, [asked], model)
    critiques = await critique_errors(persona, trials, [asked], PAST, model)
    blamed = blame(persona, critiques)
    await propose_edits(blamed, critiques, [], PAST, [], model, OptimizerConfig())
    (_, inputs) = model.requests[-1]
    assert isinstance(inputs, ProposeInputs)
    return inputs


async def test_a_claim_that_was_stretched_is_not_blamed() -> None:
    said = {"critique": "x", "misleading": ["C3", "C4"], "stretched": ["C1", "C4"]}
    inputs = await learned(said)
    assert [claim.harmful for claim in inputs.claims] == [0, 0, 1, 0]


async def test_an_addition_with_as_many_cases_against_it_is_not_tried() -> None:
    edits = [
        {"operation": "add", "text": "a", "evidence": ["E1", "E2"], "contrary": ["E3", "E4"]},
        {"operation": "add", "text": "b", "evidence": ["E1", "E2"], "contrary": ["E2", "E3"]},
    ]
    model = ScriptedModel({"propose_edits": {"edits": edits}})
    critique = Critique(failure=Failure(case=Case.of(ASKED), answer="x"))
    persona = Persona(user_id="ann")
    with counting_left_out() as left_out:
        (edit,) = await propose_edits(persona, [critique], [], PAST, [], model, OptimizerConfig())
    assert (edit.text, edit.evidence, edit.contrary) == ("b", ("e37", "e0"), ("e1",))
    assert left_out.reasons == {NO_RULE: 1}


def test_where_a_claim_was_followed_and_wrong_is_known_whosesoever_fault_it_was() -> None:
    failure = Failure(case=Case.of(ASKED), answer="x")
    told = [Critique(failure=failure, misleading=("a",), stretched=("b",))]
    assert missed_by(told) == {"a": ("e37",), "b": ("e37",)}


async def test_cases_from_after_a_failure_are_not_called_earlier() -> None:
    inputs = await learned({"critique": "x"}, PAST[20])
    assert max(case.date for case in inputs.history) > Case.of(PAST[20]).date
    for message in PROPOSE_EDITS.render(inputs):
        assert "earlier_history" not in message.content
        assert "earlier history" not in message.content


async def test_a_claim_that_was_written_from_the_case_explains_nothing_by_leading_to_it() -> None:
    alone, among = (ASKED.id,), ("e1", ASKED.id)
    texts = {"shown": alone, "of it": alone, "also of it": among, "of others": ("e1", "e5")}
    claims = [
        Claim(section=Section.PREFERENCES, text=text, evidence=evidence)
        for text, evidence in texts.items()
    ]
    stated = Claim(section=Section.PREFERENCES, text="stated", evidence=alone, origin="user")
    trial = Trial(episode_id=ASKED.id, answer="war", loss=1.0, persona_text="- shown (seen 1x)")
    model = ScriptedModel({"critique": {"critique": "missed"}})
    persona = Persona(user_id="ann", claims=(*claims, stated))
    await critique_errors(persona, [trial], [ASKED], PAST, model)
    (_, inputs) = model.requests[0]
    assert isinstance(inputs, CritiqueInputs)
    shown = inputs.sections()
    assert shown["claims"] == "[C1] (preferences; seen 1x, this case among them) shown"
    assert shown["unused"].splitlines() == [
        "[U3] (preferences; seen 2x, this case among them) also of it",
        "[U4] (preferences; seen 2x) of others",
        "[U5] (preferences; seen 1x, this case among them; fixed by the user) stated",
    ]
