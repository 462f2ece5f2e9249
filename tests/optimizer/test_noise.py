"""What scores vary by between personas, episodes and runs, and the bar that runs put to a gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from persona_agent.llm.answers import Reply
from persona_agent.llm.drawing import DrawnModel, draws
from persona_agent.llm.litellm_model import LiteLLMModel
from persona_agent.memory.personas import SQLPersonaStore
from persona_agent.optimizer import OptimizerConfig, PersonaOptimizer
from persona_agent.optimizer.gates import compare
from persona_agent.optimizer.journal import JournaledModel
from persona_agent.optimizer.judging import Judge, Slices
from persona_agent.optimizer.trials import Trials, split
from persona_agent.optimizer.watch import Event, watched
from persona_agent.prompts import RESPOND, RespondInputs
from persona_agent.protocols import ChatMessage, LanguageModel, Prompt
from persona_agent.schema import (
    Claim,
    ContextPolicy,
    Episode,
    Noise,
    Persona,
    Query,
    Section,
    Trial,
)
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel

START = datetime(2026, 1, 1, tzinfo=UTC)
GENERIC = Persona.generic("ann")
KNOWING = Persona(
    user_id="ann", claims=(Claim(section=Section.STYLE, text="is brief", evidence=("e0", "e1")),)
)


def history(count: int) -> list[Episode]:
    return [
        Episode(
            id=f"e{n}",
            user_id="ann",
            query=Query(text=f"case {n}", options=("a", "b")),
            outcome="a",
            at=START + timedelta(days=n),
        )
        for n in range(count)
    ]


def scored(losses: Mapping[tuple[str, int], Sequence[float]]):  # type: ignore[no-untyped-def]
    """Return what simulates with these losses, by persona and draw, and the models of the draws."""
    models = [ScriptedModel(name=f"draw {n}") for n in range(2)]

    async def evaluate(
        persona: Persona, episodes: Sequence[Episode], model: LanguageModel
    ) -> list[Trial]:
        kind = "generic" if persona.policy == ContextPolicy.generic() else "knowing"
        found = losses[kind, models.index(model)]  # type: ignore[arg-type]
        return [
            Trial(episode_id=one.id, answer=None if loss < 0 else "a", loss=abs(loss),
                  error="time-out" if loss < 0 else None)
            for one in episodes
            for loss in [found[int(one.id.removeprefix("e"))]]
        ]  # fmt: skip

    return evaluate, models


async def test_the_noise_of_known_runs_is_found_apart_from_the_personas() -> None:
    # Runs of one persona differ by 0.2 everywhere: variance 0.2^2 / 2. Personas are 0.5 apart.
    evaluate, models = scored(
        {
            ("generic", 0): [0.7, 0.8, 0.7],
            ("generic", 1): [0.9, 0.6, 0.9],
            ("knowing", 0): [0.2, 0.3, 0.2],
            ("knowing", 1): [0.4, 0.1, 0.4],
        }
    )
    trials = Trials(evaluate, models[0], again=models[1:])
    found = await trials.noise((GENERIC, KNOWING), history(3), lambda one: one.loss)
    assert found is not None
    assert found.run == pytest.approx(0.02)
    # Means of cells: .8, .7, .8 and .3, .2, .3: no interaction but what the runs leave, -.02 / 2.
    assert found.interaction == pytest.approx(-0.01)
    # MS_P = 3 * 2 * 2 * .25^2 / 1 = .75, MS_PQ = 0, over 2 * 3.
    assert found.persona == pytest.approx(0.75 / 6)
    assert (found.personas, found.items, found.runs) == (2, 3, 2)
    between = 3 * (0.5**2 / 2 - 0.02 / 2)
    assert found.icc == pytest.approx(between / (between + 3 * 0.02))
    assert not found.run_dominates


def test_components_of_drawn_scores_have_no_bias() -> None:
    generator = np.random.default_rng(3)
    runs, personas = [], []
    for _ in range(400):
        scores = (
            generator.normal(0, 0.3, (2, 1, 1))
            + generator.normal(0, 0.2, (1, 8, 1))
            + generator.normal(0, 0.1, (2, 8, 2))
        )
        found = split(scores)
        runs.append(found.run)
        personas.append(found.persona)
    assert np.mean(runs) == pytest.approx(0.01, rel=0.05)
    error = np.std(personas) / 20
    assert abs(np.mean(personas) - 0.09) < 4 * error
    alone = split(generator.normal(0, 1, (2, 40, 2)))  # nothing but runs
    assert alone.run_dominates and alone.run == pytest.approx(1, rel=0.3)


async def test_what_nobody_answered_tells_nothing_of_the_noise() -> None:
    same = [0.5, 0.5, 0.5]
    losses = {(kind, run): same for kind in ("generic", "knowing") for run in (0, 1)}
    losses["knowing", 1] = [-1.0, 0.5, 0.5]
    evaluate, models = scored(losses)
    trials = Trials(evaluate, models[0], again=models[1:])
    found = await trials.noise((GENERIC, KNOWING), history(3), lambda one: one.loss)
    assert found is not None and (found.items, found.run, found.icc) == (2, 0.0, None)
    few = await trials.noise((GENERIC, KNOWING), history(2), lambda one: one.loss)
    assert few is None
    steady = Trials(evaluate, models[0])
    assert await steady.noise((GENERIC, KNOWING), history(3), lambda one: one.loss) is None


async def test_a_gain_within_the_noise_of_runs_passes_no_gate() -> None:
    def gate(noise: float, errors: float) -> bool:
        better, worse = ([trial(n, loss) for n in range(17)] for loss in (0.2, 0.3))
        return compare(
            "g", better, worse, confidence_weight=0, margin_errors=errors, noise=noise
        ).passed

    # 17 and three of no difference: a gain of .085; two standard errors are 2 sqrt(2 noise / 20).
    assert gate(0.017, 0.0) and not gate(0.019, 0.0)
    assert gate(1.0, -1.0)  # what need not gain, need not gain more than noise


def trial(number: int, loss: float) -> Trial:
    return Trial(episode_id=f"e{number}", answer="a", loss=loss)


async def test_a_search_measures_the_noise_of_generic_and_the_persona_in_use() -> None:
    episodes = history(10)
    quiet = {("generic", 0): [0.8] * 10, ("generic", 1): [0.8] * 10}
    losses = quiet | {("knowing", 0): [0.2] * 10, ("knowing", 1): [0.4] * 10}
    evaluate, models = scored(losses)
    config = OptimizerConfig(batch_size=4)
    judge = Judge("ann", Slices.of(episodes, config), Trials(evaluate, models[0], again=models[1:]),
                  config)  # fmt: skip
    told: list[Event] = []
    with watched(told.append):
        await judge.measure_noise(KNOWING)
    assert judge.noise is not None and told == [judge.noise]
    assert (judge.noise.items, judge.noise.personas) == (4, 2)
    assert judge.noise.run == pytest.approx(0.5 * 0.02)  # half of the cells vary
    # Where generic is in use, it is compared with what it would be by default.
    await judge.measure_noise(KNOWING.model_copy(update={"policy": ContextPolicy.generic()}))
    assert judge.noise.persona > 0.1


class Paid(ScriptedModel):
    """A model that cannot be trusted to answer twice alike."""

    deterministic = False


async def test_the_revision_tells_what_scores_vary_by(tmp_path: Path) -> None:
    asked: list[int] = []

    async def evaluate(
        persona: Persona, episodes: Sequence[Episode], model: LanguageModel
    ) -> list[Trial]:
        draw = model._draw if isinstance(model, DrawnModel) else 0
        asked.append(draw)
        loss = 0.6 if persona.policy == ContextPolicy.generic() else 0.3
        return [
            trial(int(one.id.removeprefix("e")), loss + 0.1 * (draw + n % 2))
            for n, one in enumerate(episodes)
        ]

    optimizer = PersonaOptimizer(
        simulator=lambda: evaluate,
        model=Paid({"draft_persona": {"claims": []}, "critique": {"critique": "wrong"},
                    "propose_edits": {"edits": []}}),
        personas=SQLPersonaStore(tmp_path / "personas.db"),
        journal_dir=tmp_path / "journal",
        config=OptimizerConfig(),
    )  # fmt: skip
    revision = await optimizer.optimize("ann", history(20))
    assert isinstance(revision.noise, Noise) and set(asked) == {0, 1}
    assert revision.noise.run == pytest.approx(0.1**2 / 2)
    assert optimizer._personas.revisions("ann") == [revision]


class Dice(LiteLLMModel):
    """A provider's model with its cache, whose every call gives another answer."""

    calls = 0

    async def _complete(self, messages: Sequence[ChatMessage], prompt: Prompt[Any, Any]) -> Reply:
        self.calls += 1
        return Reply(text=f'{{"answer": "{self.calls}"}}')


async def test_what_is_drawn_again_does_not_come_from_the_cache(tmp_path: Path) -> None:
    settings = Settings(model="openai/dice", cache_dir=tmp_path / "cache")
    inputs = RespondInputs(query=Query(text="Which one?"), persona="")

    async def answers() -> list[str]:
        model = JournaledModel(dice, tmp_path / "journal.jsonl")
        drawn = (model, *draws(model, 2, recorded=True))
        return [(await one.ask(RESPOND, inputs)).answer for one in drawn]

    dice = Dice(settings)
    first = await answers()
    assert len(set(first)) == 3
    (tmp_path / "journal.jsonl").unlink()
    assert await answers() == first and dice.calls == 3  # each draw is cached by itself
    await dice.aclose()
