"""No arm ever sees the future: a canary planted there must not show anywhere."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from persona_agent.evals.arms.catalog import ARMS, Bench, aligned, drafted
from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser
from persona_agent.evals.runner import make_bench, run_arms
from persona_agent.llm.offline import OfflineModel
from persona_agent.persona import render
from persona_agent.protocols import EpisodeStore, InputT, OutputT, Prompt
from persona_agent.schema import Episode, Query
from persona_agent.settings import Settings
from persona_agent.testing import HashEmbedder

CANARY = "zanzibarcanary"
LABELS = ("tea", "coffee", "juice", CANARY)
TURNED_DOWN = re.compile(r" \(not: [^()]*\)")
START = datetime(2026, 1, 1, tzinfo=UTC)
MODEL_ARMS = (
    "icl",
    "rag",
    "rag+stats",
    "pag",
    "memory-bank",
    "react",
    "personaagent-paper",
    "persona",
    "persona+alignment",
)


class Eavesdropper(OfflineModel):
    """The offline model, with every prompt that it was sent."""

    def __init__(self) -> None:
        super().__init__(HashEmbedder())
        self.heard: list[str] = []

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        sent = "\n".join(message.content for message in prompt.render(inputs))
        # It is an option of every query, and was left in all past ones.
        self.heard.append(TURNED_DOWN.sub("", sent.replace(f"4. {CANARY}", "")))
        return await super().ask(prompt, inputs)


def episode(day: int, text: str, outcome: str) -> Episode:
    return Episode(
        id=f"e{day:03d}",
        user_id="ann",
        query=Query(text=text, options=LABELS, task="drinks"),
        outcome=outcome,
        at=START + timedelta(days=day),
    )


def planted() -> EvalDataset:
    """Histories whose later half, after the query, has the canary as its outcome every time."""
    past = [
        episode(n, f"drink number {n} on a {'cold' if n % 2 else 'hot'} day", LABELS[n % 3])
        for n in range(16)
    ]
    future = [episode(30 + n, f"drink for case {n} on a rainy evening", CANARY) for n in range(16)]
    queries = tuple(
        EvalQuery(
            user_id="ann",
            query_id=f"q{n}",
            query=Query(
                text=f"drink for case {n} on a rainy evening", options=LABELS, task="drinks"
            ),
            gold="tea",
            outcome="tea",
            at=START + timedelta(days=20, hours=n),
        )
        for n in range(4)
    )
    user = EvalUser(user_id="ann", history=tuple(past + future), queries=queries)
    return EvalDataset(name="canary", task="drinks", kind="choice", labels=LABELS, users=(user,))


def bench(model: Eavesdropper) -> Bench:
    return make_bench(planted(), Settings(), model=model, embedder=HashEmbedder())


async def answers(prepared: Bench, names: Sequence[str]) -> list[str | None]:
    runs = await run_arms(prepared, {name: ARMS[name] for name in names})
    return [answer for run in runs.values() for answer in run.answers.values()]


async def test_no_arm_answers_with_the_future() -> None:
    assert CANARY not in await answers(bench(Eavesdropper()), list(ARMS))


async def test_no_prompt_holds_the_future() -> None:
    model = Eavesdropper()
    await answers(bench(model), MODEL_ARMS)
    assert model.heard
    assert not [prompt for prompt in model.heard if CANARY in prompt]


async def test_no_persona_holds_the_future() -> None:
    prepared = bench(Eavesdropper())
    user = prepared.dataset.users[0]
    for persona in (await drafted(prepared, user), await aligned(prepared, user)):
        assert CANARY not in render(persona)
        assert CANARY not in persona.model_dump_json()


async def test_without_the_time_filter_the_canary_shows() -> None:
    """The tests above can fail: with the filter taken out, the canary is everywhere."""
    model = Eavesdropper()
    prepared = bench(model)

    class Unfiltered:
        """The memory, deaf to ``before``."""

        def __getattr__(self, name: str) -> object:
            return getattr(prepared.episodes, name)

        def recall(self, *args: object, before: object = None, **rest: object) -> object:
            return prepared.episodes.recall(*args, **rest)  # type: ignore[arg-type]

        def timeline(self, *args: object, before: object = None, **rest: object) -> object:
            return prepared.episodes.timeline(*args, **rest)  # type: ignore[arg-type]

    leaky = dataclasses.replace(prepared, episodes=cast(EpisodeStore, Unfiltered()))
    assert CANARY in await answers(leaky, ("rag", "rag+stats"))
    assert [prompt for prompt in model.heard if CANARY in prompt]


@pytest.mark.parametrize("arm", ["majority-user", "last", "persona"])
async def test_fitted_arms_see_the_past_only(arm: str) -> None:
    """What is fitted on a history is fitted on its part before the first query."""
    whole = bench(Eavesdropper())
    user = whole.dataset.users[0]
    cut = user.model_copy(update={"history": user.history[:16]})
    alone = make_bench(
        whole.dataset.model_copy(update={"users": (cut,)}),
        Settings(),
        model=Eavesdropper(),
        embedder=HashEmbedder(),
    )
    assert await answers(whole, [arm]) == await answers(alone, [arm])
