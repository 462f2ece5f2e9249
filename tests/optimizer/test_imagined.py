"""Invented queries: they judge by what a text shows, and stay apart from everything that is known.

With them a search is asked for more than before, so the journal of a run that was cut off, with all
that a critic was asked, is tried here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from persona_agent.agent.simulate import Simulator
from persona_agent.errors import (
    BudgetExceededError,
    InputError,
    ModelAnswerError,
    ModelCannotError,
)
from persona_agent.llm.offline import OfflineModel
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.memory.personas import SQLPersonaStore
from persona_agent.optimizer import OptimizerConfig, PersonaOptimizer, Search
from persona_agent.optimizer.asking import Asked
from persona_agent.optimizer.imagined import (
    Imagination,
    intent_of,
    is_simulated,
    simulated_episode,
)
from persona_agent.optimizer.objective import objective
from persona_agent.optimizer.watch import Event, Imagined, Simulated, watched
from persona_agent.prompts.lab import UserTurnInputs
from persona_agent.protocols import LanguageModel
from persona_agent.schema import (
    SIMULATED,
    Claim,
    ContextPolicy,
    Episode,
    Persona,
    Query,
    Section,
    Trial,
)
from persona_agent.testing import HashEmbedder, ScriptedModel

START = datetime(2026, 1, 1, tzinfo=UTC)
MADE_UP = "an invented wish about dogs"
CLAIM = "I have a dog"
CLAIMED = {"section": "context", "text": "travels a lot", "evidence": ["E1", "E2"]}


def history(count: int, *, options: tuple[str, ...] = ()) -> list[Episode]:
    return [
        Episode(
            id=f"e{n:02}",
            user_id="ann",
            query=Query(text=f"Do I bring my dog on journey {n}?", options=options, task="trips"),
            outcome=options[n % len(options)] if options else f"Yes, take the dog on {n}.",
            at=START + timedelta(days=n),
        )
        for n in range(count)
    ]


def respond(inputs: Any) -> dict[str, object]:
    edited = "EDITED" in inputs.persona
    return {"answer": "Take it along." if edited else "You have no dog."}


def model(**more: Any) -> ScriptedModel:
    edit = {"operation": "add", "section": "style", "text": "EDITED", "evidence": ["E1", "E2"]}
    script: dict[str, Any] = {
        "respond": respond,
        "decide": {"choice": 1, "reason": "You have no dog.", "confidence": 0.6},
        "draft_persona": {
            "claims": [{"section": "context", "text": "x", "evidence": ["E1", "E2"]}]
        },
        "critique": {"critique": "wrong"},
        "propose_edits": {"edits": [edit]},
        "verify_claims": {"verdicts": [{"claim": "C1", "supports": ["E1"]}]},
        "lab_user_turn": lambda inputs: {"message": f"{MADE_UP}, {inputs.intent}"},
    }
    return ScriptedModel(script | more)


class Watching(Simulator):
    """A simulator that notes which episodes it is asked to answer."""

    seen: list[Episode]

    async def __call__(
        self, persona: Persona, episodes: Sequence[Episode], model: LanguageModel
    ) -> list[Trial]:
        self.seen = [*getattr(self, "seen", []), *episodes]
        return await super().__call__(persona, episodes, model)


def store_of(past: Sequence[Episode]) -> tuple[InMemoryEpisodeStore, HashEmbedder]:
    store, embedder = InMemoryEpisodeStore(), HashEmbedder()
    store.add(past, embedder.embed([one.query.text for one in past]))
    return store, embedder


def persona() -> Persona:
    own = Claim(section=Section.CONTEXT, text=CLAIM, origin="user")
    return Persona(user_id="ann", claims=(own,), policy=ContextPolicy(show_claims=True))


async def searched(
    past: Sequence[Episode], asked: ScriptedModel, **config: Any
) -> tuple[Search, list[Event], Watching, InMemoryEpisodeStore]:
    store, embedder = store_of([one for one in past if not is_simulated(one)])
    simulator = Watching(store, embedder)
    told: list[Event] = []
    run = Search(
        "ann",
        past,
        evaluate=simulator,
        model=asked,
        config=OptimizerConfig(**config),
        current=persona(),
    )
    with watched(told.append):
        await run.run()
    return run, told, simulator, store


@settings(max_examples=8, deadline=None)
@given(st.integers(8, 30), st.integers(1, 6), st.integers(1, 3))
async def test_nothing_invented_is_evidence_or_stored_or_in_validation(
    count: int, simulated: int, epochs: int
) -> None:
    past, asked = history(count), model()
    run, told, simulator, store = await searched(past, asked, simulated=simulated, epochs=epochs)
    made = [episode for event in told if isinstance(event, Imagined) for episode in event.episodes]
    assert made and all(is_simulated(one) and one.outcome is None for one in made)
    first = {one.id for one in made if one.id.startswith(f"{SIMULATED}-0-")}
    assert first and first <= {one.id for one in simulator.seen}  # they were answered
    names = {one.id for one in made}
    cited = [name for claim in run.persona.claims for name in claim.evidence]
    cited += [name for edit in (*run.accepted, *run.rejected) for name in edit.evidence]
    cited += [one.episode_id for one in run.persona.demonstrations]
    assert not names & set(cited)
    assert store.timeline("ann") == past
    real = len(run._slices.validation)
    for gate in run.gates:
        batch = gate.gate.startswith("minibatch")
        assert gate.episodes <= (8 + simulated if batch else len(past))
        assert batch or not gate.gate.startswith("validation") or gate.episodes == real
    for name, inputs in asked.requests:  # whoever writes claims or critiques never sees them
        if name not in ("respond", "lab_user_turn"):
            assert MADE_UP not in inputs.model_dump_json()
    for event in told:
        if isinstance(event, Simulated):
            assert not any(is_simulated(one) for one in event.episodes)


async def test_intents_are_of_the_earlier_part_and_memory_ends_there() -> None:
    past, asked = history(20), model()
    _, told, _, _ = await searched(past, asked, simulated=4, epochs=1)
    (event,) = [one for one in told if isinstance(one, Imagined)]
    assert len(event.episodes) == 4
    assert {one.at for one in event.episodes} == {past[12].at}  # the first that only judges
    shown = [inputs for name, inputs in asked.requests if name == "lab_user_turn"]
    for inputs in shown:
        assert isinstance(inputs, UserTurnInputs)
        assert inputs.intent == intent_of(past[0].query) and inputs.kind == "item"
        assert CLAIM in inputs.user
        assert set(inputs.examples) <= {one.query.text for one in past[:12]}
    answered = [inputs for name, inputs in asked.requests if name == "respond"]
    for inputs in answered:
        if MADE_UP in inputs.query.text:  # type: ignore[attr-defined]
            later = {one.id for one in past[12:]}
            assert not later & {case.episode_id for case in inputs.recalled}  # type: ignore[attr-defined]


async def test_they_decide_where_the_real_batch_cannot() -> None:
    """Wrong on one real query in eight, and against a claim on every invented one."""

    def wrong_when_invented(inputs: Any) -> dict[str, object]:
        edited, invented = "EDITED" in inputs.persona, MADE_UP in inputs.query.text
        if invented:
            return {"answer": "You have no dog." if edited else "Take it along."}
        number = inputs.query.text.rstrip("?").split()[-1]
        return {"answer": f"Yes, take the dog on {number}." if edited else f"No {number}"}

    past = history(20)
    alone, *_ = await searched(past, model(respond=wrong_when_invented), relevance_weight=0)
    assert [edit.text for edit in alone.accepted] == ["EDITED"]
    joined, *_ = await searched(
        past,
        model(respond=wrong_when_invented),
        relevance_weight=0,
        simulated=12,
        contradiction_weight=5,
    )
    assert not joined.accepted
    gate = next(gate for gate in joined.gates if gate.gate.startswith("minibatch"))
    terms = {one.term: one for one in gate.terms}
    assert (terms["contradiction"].candidate or 0) > 0.3 and terms["contradiction"].incumbent == 0
    assert terms["task"].candidate == 0.0  # of the real ones alone


async def test_of_choices_the_reason_is_read_and_no_loss_is_made_up() -> None:
    past = history(8, options=("stay", "go"))
    store, embedder = store_of(past)
    made = simulated_episode("ann", "Shall I go?", past[6].at, like=past[0].query, name="s")
    assert made.query.options == ("stay", "go")
    trials = await Simulator(store, embedder)(persona(), [past[7], made], model())
    real, imagined = trials
    assert real.loss == 1 and real.terms.contradiction is None and not real.imagined
    assert imagined.imagined and (imagined.loss, imagined.confidence) == (0.0, None)
    assert (imagined.terms.contradiction or 0) > 0.3 and imagined.terms.of_reason
    cost = objective(imagined, OptimizerConfig())
    assert cost >= 0.5 * (imagined.terms.contradiction or 0)
    failing = model(decide=ModelAnswerError("prose"))
    (failed,) = await Simulator(store, embedder)(persona(), [made], failing)
    assert failed.imagined and failed.error and objective(failed, OptimizerConfig()) == 0


async def test_a_query_with_suggestions_of_its_own_is_no_intent() -> None:
    described = history(4, options=("a long walk home in the rain", "a short ride home by tram"))
    mind = Imagination(described, START, model())
    assert await mind.queries(persona(), 3, 0) == []
    both = Imagination([*described, *history(2)], START, model())
    assert len(await both.queries(persona(), 9, 0)) == 2


async def test_a_model_that_cannot_write_as_a_user_is_asked_once_and_the_search_goes_on() -> None:
    asked = model(lab_user_turn=ModelCannotError("the offline model cannot write as a user would"))
    run, told, _, _ = await searched(history(20), asked, simulated=3, epochs=3, patience=3)
    (event,) = [one for one in told if isinstance(one, Imagined)]
    assert "cannot write as a user" in event.cannot and not event.episodes
    assert [name for name, _ in asked.requests].count("lab_user_turn") == 1
    assert [edit.text for edit in run.accepted] == ["EDITED"]


async def test_the_offline_model_says_that_it_cannot() -> None:
    told: list[Event] = []
    with watched(told.append):
        mind = Imagination(history(5), START, OfflineModel(HashEmbedder()))
        assert await mind.queries(persona(), 3, 0) == await mind.queries(persona(), 3, 1) == []
    (event,) = told
    assert isinstance(event, Imagined) and "PERSONA_AGENT_MODEL" in event.cannot


async def test_what_fails_or_says_nothing_is_left_out() -> None:
    said = iter([{"message": " "}, ModelAnswerError("prose"), {"message": "Is it far?"}])
    mind = Imagination(history(5), START, model(lab_user_turn=lambda inputs: next(said)))
    (made,) = await mind.queries(persona(), 3, 0)
    assert made.query.text == "Is it far?" and made.metadata == {SIMULATED: True}


async def test_by_default_nothing_is_invented() -> None:
    asked = model()
    _, told, _, _ = await searched(history(20), asked)
    assert "lab_user_turn" not in [name for name, _ in asked.requests]
    assert not [one for one in told if isinstance(one, Imagined)]


async def test_a_marked_episode_in_a_history_is_not_learned_from() -> None:
    past = history(20)
    marked = [one.model_copy(update={"metadata": {SIMULATED: True}}) for one in past[5:9]]
    run, *_ = await searched([*past[:5], *marked, *past[9:]], model())
    assert {one.id for one in run._slices.history} == {one.id for one in (*past[:5], *past[9:])}


async def test_a_hosts_own_key_of_that_name_marks_nothing() -> None:
    past = [one.model_copy(update={"metadata": {"simulated": True}}) for one in history(20)]
    run, *_ = await searched(past, model())
    assert list(run._slices.history) == past


def test_no_store_takes_what_was_invented() -> None:
    (real,) = history(1)
    made = simulated_episode("ann", "Is it far?", START, like=real.query, name="made")
    with pytest.raises(InputError, match=r"'made': metadata .* use another key"):
        InMemoryEpisodeStore().add([made], HashEmbedder().embed([made.query.text]))


# --- a run that was cut off -----------------------------------------------------------------------

EVERYTHING = OptimizerConfig(
    simulated=3, listener_weight=0.5, invention_weight=0.5, ask_invention=True, epochs=2, patience=2
)


class Paid(ScriptedModel):
    """A model that costs something, answers by chance, and may die."""

    deterministic = False
    dies_after: int | None = None

    async def ask(self, prompt, inputs):  # type: ignore[no-untyped-def]
        if self.dies_after is not None and len(self.requests) >= self.dies_after:
            raise BudgetExceededError("killed")
        return await super().ask(prompt, inputs)


def paid() -> Paid:
    def relate(inputs: Any) -> dict[str, object]:
        every = range(1, len(inputs.statements) + 1)
        return {"relations": [{"statement": n, "relation": "neutral"} for n in every]}

    def admit(inputs: Any) -> dict[str, object]:
        every = range(1, len(inputs.statements) + 1)
        return {"verdicts": [{"statement": f"S{n}", "does": "describes"} for n in every]}

    asked = model(lab_relate=relate, reply_listen={"reason": "", "speaker": 1}, admit=admit)
    return Paid(asked._answers)


def optimizer(
    folder: Path, asked: Paid, past: Sequence[Episode], critic: Paid | None = None
) -> PersonaOptimizer:
    store, embedder = store_of(past)
    personas = SQLPersonaStore(folder / "personas.db")
    near = Claim(section=Section.CONTEXT, text="I bring my dog on any journey", origin="user")
    used = persona()
    personas.put(used.model_copy(update={"claims": (*used.claims, near)}), expected=None)
    return PersonaOptimizer(
        simulator=lambda: Simulator(store, embedder, asked=Asked.of(EVERYTHING, embedder)),
        model=asked,
        personas=personas,
        journal_dir=folder / "journal",
        config=EVERYTHING,
        critic=critic,
    )


def compared(revision: Any) -> list[object]:
    return [gate.model_dump() for gate in revision.gates]


async def test_a_run_with_every_term_resumes_and_ends_alike(tmp_path: Path) -> None:
    past = history(10)
    whole = paid()
    expected = await optimizer(tmp_path / "whole", whole, past).optimize("ann", past)
    kinds = {name for name, _ in whole.requests}
    assert {"reply_listen", "lab_relate", "lab_user_turn", "respond"} <= kinds
    assert set(expected.prompts) >= {"reply_listen", "lab_relate", "lab_user_turn"}
    assert expected.critic == "scripted"
    again = await optimizer(tmp_path / "again", paid(), past).optimize("ann", past)
    assert compared(again) == compared(expected) and again.noise == expected.noise

    first = paid()
    first.dies_after = len(whole.requests) // 2
    with pytest.raises(BudgetExceededError):
        await optimizer(tmp_path / "cut", first, past).optimize("ann", past)
    second = paid()
    (tmp_path / "cut" / "personas.db").unlink()
    resumed = await optimizer(tmp_path / "cut", second, past).optimize("ann", past)
    assert compared(resumed) == compared(expected)
    assert [one.text for one in resumed.edits] == [one.text for one in expected.edits]
    assert len(second.requests) < len(whole.requests) - len(first.requests) // 2


async def test_the_critic_that_is_set_judges_and_is_named(tmp_path: Path) -> None:
    past, answering, critic = history(10), paid(), paid()
    critic._name = "other"
    revision = await optimizer(tmp_path, answering, past, critic).optimize("ann", past)
    assert {name for name, _ in critic.requests} == {"reply_listen", "lab_relate"}
    assert not {"reply_listen", "lab_relate"} & {name for name, _ in answering.requests}
    assert (revision.model, revision.critic) == ("scripted", "other")
