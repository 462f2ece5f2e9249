"""The demo: the whole loop on the built-in users, from their histories to later, unseen queries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from persona_agent.agent import PersonaAgent
from persona_agent.evals.arms.arm import Answerer, Bench, persona_answerer
from persona_agent.evals.arms.catalog import drafted
from persona_agent.evals.data.demo_data import DemoUser, load_demo_users
from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser
from persona_agent.evals.runner import Progress, silent
from persona_agent.evals.scores.statistics import Floats, bootstrap, draw_users
from persona_agent.optimizer import OptimizerConfig
from persona_agent.optimizer.loss import episode_loss
from persona_agent.schema import Episode, Persona, Revision, Usage
from persona_agent.schema.base import Record

ARMS = ("generic", "persona", "persona+alignment")
HISTORY_SHARE = 0.6


class Interval(Record):
    """A mean with its 95 % bootstrap interval; the ends are None where they are not defined."""

    value: float
    low: float | None
    high: float | None


class PersonResult(Record):
    """How well each arm answered one person's later queries, 0 to 1."""

    user_id: str
    name: str
    history: int
    queries: int
    scores: dict[str, Interval]


class DemoResult(Record):
    """What the demo found. A score is 1 - loss: share right, or 1 - error / width for ratings."""

    model: str
    people: tuple[PersonResult, ...]
    overall: dict[str, Interval]
    by_task: dict[str, dict[str, float]]
    harmed: tuple[str, ...]
    revisions: tuple[Revision, ...]
    usage: dict[str, Usage]


@dataclass(frozen=True)
class Split:
    """A demo user whose history is known, and whose later interactions are asked."""

    person: DemoUser
    history: tuple[Episode, ...]
    later: tuple[Episode, ...]

    @property
    def user(self) -> EvalUser:
        """The split as arms take it."""
        queries = tuple(
            EvalQuery(
                user_id=episode.user_id,
                query_id=episode.id,
                query=episode.query,
                gold=episode.outcome or "",
                outcome=episode.outcome or "",
                at=episode.at,
            )
            for episode in self.later
        )
        return EvalUser(user_id=self.person.user_id, history=self.history, queries=queries)


def split_demo_users() -> list[Split]:
    """Split every demo user's interactions in time: 60 % history, the rest later queries."""
    splits = []
    for person in load_demo_users():
        cut = round(len(person.interactions) * HISTORY_SHARE)
        known, later = person.interactions[:cut], person.interactions[cut:]
        splits.append(Split(person, known, later))
    return splits


async def run_demo(
    agent: PersonaAgent, *, seed: int = 0, progress: Progress = silent
) -> DemoResult:
    """Replay the histories through the agent, optimize, and answer what came later.

    The demo users are removed from the agent's data first, so that each run starts alike; other
    users are not touched.

    Args:
        agent: whose data directory the demo users are put into.
        seed: of the bootstrap.
        progress: told how far it is.
    """
    splits = split_demo_users()
    bench = _bench(agent, splits)
    losses: dict[str, dict[str, list[float]]] = {}
    revisions: list[Revision] = []
    for number, split in enumerate(splits):
        progress("people", number, len(splits))
        losses[split.person.user_id], revision = await _person(agent, bench, split)
        revisions.append(revision)
    progress("people", len(splits), len(splits))
    return _result(agent, splits, losses, revisions, seed)


def _bench(agent: PersonaAgent, splits: Sequence[Split]) -> Bench:
    dataset = EvalDataset(
        name="demo",
        task="demo",
        kind="choice",
        labels=(),
        users=tuple(split.user for split in splits),
    )
    return Bench(
        dataset=dataset,
        model=agent.model,
        embedder=agent.memory.embedder,
        episodes=agent.memory.episodes,
        config=OptimizerConfig(),
        persona_tokens=agent.settings.persona_tokens,
    )


async def _person(
    agent: PersonaAgent, bench: Bench, split: Split
) -> tuple[dict[str, list[float]], Revision]:
    user_id = split.person.user_id
    await agent.forget(user_id)
    for episode in split.history:
        await agent.record_episodes([episode])
    revision = await agent.optimize(user_id)

    found: dict[str, list[float]] = {}
    for arm in ARMS:
        with agent.model.account(user_id=user_id, purpose=f"demo {arm}"):
            reply = persona_answerer(bench, await _persona(agent, bench, split, arm))
            found[arm] = await _losses(bench, split, reply)
    return found, revision


async def _persona(agent: PersonaAgent, bench: Bench, split: Split, arm: str) -> Persona:
    if arm == "generic":
        return Persona.generic(split.person.user_id)
    if arm == "persona":
        return await drafted(bench, split.user)
    return await agent.persona(split.person.user_id)


async def _losses(bench: Bench, split: Split, reply: Answerer) -> list[float]:
    answers = await asyncio.gather(*(reply(query) for query in split.user.queries))
    pairs = zip(split.later, answers, strict=True)
    return [episode_loss(episode, one.text, bench.embedder) for episode, one in pairs]


def _result(
    agent: PersonaAgent,
    splits: Sequence[Split],
    losses: Mapping[str, Mapping[str, Sequence[float]]],
    revisions: Sequence[Revision],
    seed: int,
) -> DemoResult:
    people = []
    for split in splits:
        mine = losses[split.person.user_id]
        scores = {arm: _interval([[1 - x] for x in mine[arm]], seed) for arm in ARMS}
        people.append(
            PersonResult(
                user_id=split.person.user_id,
                name=split.person.name,
                history=len(split.history),
                queries=len(split.later),
                scores=scores,
            )
        )
    overall = {
        arm: _interval([[1 - x for x in mine[arm]] for mine in losses.values()], seed)
        for arm in ARMS
    }
    harmed = tuple(
        person.name
        for person in people
        if person.scores["persona+alignment"].value < person.scores["generic"].value - 1e-9
    )
    purposes = ("distil", "optimize", *(f"demo {arm}" for arm in ARMS))
    return DemoResult(
        model=agent.model.name,
        people=tuple(people),
        overall=overall,
        by_task=_by_task(splits, losses),
        harmed=harmed,
        revisions=tuple(revisions),
        usage={purpose: agent.model.usage(purpose=purpose) for purpose in purposes},
    )


def _by_task(
    splits: Sequence[Split], losses: Mapping[str, Mapping[str, Sequence[float]]]
) -> dict[str, dict[str, float]]:
    grouped: dict[str, dict[str, list[float]]] = {}
    for split in splits:
        for arm in ARMS:
            for episode, loss in zip(split.later, losses[split.person.user_id][arm], strict=True):
                kind = "label" if episode.query.task_name.endswith("-label") else episode.query.kind
                grouped.setdefault(kind, {}).setdefault(arm, []).append(1 - loss)
    return {
        kind: {arm: round(float(np.mean(values)), 4) for arm, values in arms.items()}
        for kind, arms in sorted(grouped.items())
    }


def _interval(groups: Sequence[Sequence[float]], seed: int) -> Interval:
    """Return the mean over all values, with an interval from resampling the groups."""
    sums = np.array([[sum(group), len(group)] for group in groups], dtype=np.float64)

    def mean(totals: Floats) -> dict[str, Floats]:
        return {"mean": totals[..., 0] / totals[..., 1]}

    ends = bootstrap(sums, mean, draw_users(len(sums), seed=seed))["mean"]
    return Interval(
        value=round(float(sums[:, 0].sum() / sums[:, 1].sum()), 4),
        low=round(ends[0], 4) if ends else None,
        high=round(ends[1], 4) if ends else None,
    )
