"""The arms of a comparison. All share the model, the memory, the retrieval and the budgets.

An arm is fitted to one user (which may cost calls) and then answers that user's queries. Arms that
ask the model differ only in the context that they show it.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from persona_agent.agent import Context, ContextBuilder, Simulator, answer
from persona_agent.errors import InputError
from persona_agent.evals.datasets import EvalDataset, EvalQuery, EvalUser
from persona_agent.optimizer import OptimizerConfig, Search
from persona_agent.optimizer.draft import draft_persona
from persona_agent.optimizer.policies import RAG, RAG_STATISTICS, UNALIGNED
from persona_agent.prompts import PROFILE, Case, ProfileInputs
from persona_agent.protocols import Embedder, EpisodeStore, LanguageModel
from persona_agent.schema import ContextPolicy, Episode, Persona, RecallBlend

Answerer = Callable[[EvalQuery], Awaitable[str]]
"""Answers a query of the fitted user with the full text of one option. Raises ModelError."""

NEIGHBOURS = 4
LATEST = 8
PROFILE_CASES = 80


@dataclass(frozen=True)
class Bench:
    """What all arms share. ``episodes`` holds the histories of all users."""

    dataset: EvalDataset
    model: LanguageModel
    embedder: Embedder
    episodes: EpisodeStore
    config: OptimizerConfig
    persona_tokens: int

    @property
    def contexts(self) -> ContextBuilder:
        """Builds contexts from the shared memory."""
        return ContextBuilder(self.episodes, self.embedder, persona_tokens=self.persona_tokens)

    @property
    def simulate(self) -> Simulator:
        """Simulates past episodes with the shared memory."""
        return Simulator(self.episodes, self.embedder, persona_tokens=self.persona_tokens)


Arm = Callable[[Bench, EvalUser], Awaitable[Answerer]]
"""Fits an arm to a user."""


# --- without a model ----------------------------------------------------------------------------


def _fixed(pick: Callable[[Bench, EvalUser, EvalQuery], str]) -> Arm:
    async def fit(bench: Bench, user: EvalUser) -> Answerer:
        async def reply(query: EvalQuery) -> str:
            return await asyncio.to_thread(pick, bench, user, query)

        return reply

    return fit


def _central(outcomes: Sequence[str], options: Sequence[str]) -> str:
    """Return the median of ratings, else the most frequent outcome; the first option if none fits.

    Of an even number of ratings the upper median is taken; of equally frequent outcomes the
    latest.
    """
    known = [outcome for outcome in outcomes if outcome in options]
    if not known:
        return options[0]
    try:
        return sorted(known, key=float)[len(known) // 2]
    except ValueError:
        counts = Counter(known)
        return max(reversed(known), key=lambda outcome: counts[outcome])


def _outcomes(history: Sequence[Episode]) -> list[str]:
    return [episode.outcome for episode in history if episode.outcome is not None]


def _majority_global(bench: Bench, user: EvalUser, query: EvalQuery) -> str:
    before = (one.history_before(query.at) for one in bench.dataset.users)
    return _central([o for history in before for o in _outcomes(history)], query.query.options)


def _majority_user(bench: Bench, user: EvalUser, query: EvalQuery) -> str:
    return _central(_outcomes(user.history_before(query.at)), query.query.options)


def _last(bench: Bench, user: EvalUser, query: EvalQuery) -> str:
    return _central(_outcomes(user.history_before(query.at))[-1:], query.query.options)


def _knn(bench: Bench, user: EvalUser, query: EvalQuery) -> str:
    """Vote of the 4 most similar episodes; for options of their own, the option nearest to the
    user's past outcomes (mean of the 4 best cosines)."""
    options = query.query.options
    vector = bench.embedder.embed([query.query.text])[0]
    found = bench.episodes.recall(
        user.user_id, vector, limit=NEIGHBOURS, before=query.at, with_outcome=True
    )
    outcomes = [one.episode.outcome or "" for one in found]
    if any(outcome in options for outcome in outcomes) or not outcomes:
        return _central(list(reversed(outcomes)), options)
    past = bench.embedder.embed(_outcomes(user.history_before(query.at)))
    near = bench.embedder.embed(list(options)) @ past.T
    near.sort(axis=1)
    return options[int(near[:, -NEIGHBOURS:].mean(axis=1).argmax())]


# --- with a model: one context each -------------------------------------------------------------


def _with_persona(make: Callable[[Bench, EvalUser], Awaitable[Persona]]) -> Arm:
    async def fit(bench: Bench, user: EvalUser) -> Answerer:
        return persona_answerer(bench, await make(bench, user))

    return fit


def persona_answerer(bench: Bench, persona: Persona, extra_text: str = "") -> Answerer:
    """Return the answerer of a persona; ``extra_text`` is shown with it."""

    async def reply(query: EvalQuery) -> str:
        context: Context = await asyncio.to_thread(
            bench.contexts.build, persona, query.query, before=query.at
        )
        if extra_text:
            text = "\n\n".join(part for part in (extra_text, context.persona_text) if part)
            context = context.model_copy(update={"persona_text": text})
        return (await answer(bench.model, query.query, context)).text

    return reply


def _policy(policy: ContextPolicy) -> Arm:
    async def make(bench: Bench, user: EvalUser) -> Persona:
        return Persona(user_id=user.user_id, policy=policy)

    return _with_persona(make)


async def _profile_and_retrieval(bench: Bench, user: EvalUser) -> Answerer:
    """PAG: retrieval plus a summary of the history that the model wrote (one call a user)."""
    plain = Persona(user_id=user.user_id, policy=RAG)
    history = known_at_first(user)
    if not history:
        return persona_answerer(bench, plain)
    cases = tuple(Case.of(episode) for episode in history[-PROFILE_CASES:])
    written = await bench.model.ask(PROFILE, ProfileInputs(cases=cases))
    return persona_answerer(bench, plain, extra_text=written.profile)


def known_at_first(user: EvalUser) -> tuple[Episode, ...]:
    """Return the history before the user's first query: all that an arm may be fitted on."""
    moments = [query.at for query in user.queries if query.at is not None]
    return user.history_before(min(moments)) if moments else user.history


async def drafted(bench: Bench, user: EvalUser) -> Persona:
    """Return the persona before alignment, as in the paper: written claims in front of retrieval.

    It is drafted from the whole history and checked by nothing. Statistics, demonstrations and
    the choice of what is shown belong to alignment.
    """
    history = known_at_first(user)
    if not history:
        return Persona(user_id=user.user_id, policy=UNALIGNED)
    written = await draft_persona(user.user_id, history, bench.model, bench.config)
    return written.model_copy(update={"policy": UNALIGNED})


async def aligned(bench: Bench, user: EvalUser) -> Persona:
    """Return the persona after alignment on the user's history."""
    search = Search(
        user.user_id,
        known_at_first(user),
        evaluate=bench.simulate,
        model=bench.model,
        config=bench.config,
    )
    return await search.run()


ARMS: dict[str, Arm] = {
    "generic": _policy(ContextPolicy.generic()),
    "majority-global": _fixed(_majority_global),
    "majority-user": _fixed(_majority_user),
    "last": _fixed(_last),
    "knn": _fixed(_knn),
    "icl": _policy(
        RAG.model_copy(
            update={"recalled": LATEST, "blend": RecallBlend(similarity=0.0, recency=1.0)}
        )
    ),
    "rag": _policy(RAG),
    "rag+stats": _policy(RAG_STATISTICS),
    "pag": _profile_and_retrieval,
    "persona": _with_persona(drafted),
    "persona+alignment": _with_persona(aligned),
}


def choose_arms(names: Sequence[str] | None) -> dict[str, Arm]:
    """Return the named arms in the order of :data:`ARMS`; all when no name is given.

    Raises:
        InputError: an arm is not known.
    """
    unknown = sorted(set(names or ()) - set(ARMS))
    if unknown:
        raise InputError(f"unknown arm(s): {', '.join(unknown)}; known: {', '.join(ARMS)}")
    wanted = set(names) if names else set(ARMS)
    return {name: arm for name, arm in ARMS.items() if name in wanted}
