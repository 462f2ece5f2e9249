"""Arms without a model: what counting alone reaches. They stand in every table."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

from persona_agent.agent import Answer
from persona_agent.evals.arms.arm import Answerer, Arm, Bench
from persona_agent.evals.data.eval_data import EvalQuery, EvalUser
from persona_agent.schema import Episode

NEIGHBOURS = 4


def _fixed(pick: Callable[[Bench, EvalUser, EvalQuery], str]) -> Arm:
    async def fit(bench: Bench, user: EvalUser) -> Answerer:
        async def reply(query: EvalQuery) -> Answer:
            return Answer(text=await asyncio.to_thread(pick, bench, user, query))

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


MAJORITY_GLOBAL = _fixed(_majority_global)
MAJORITY_USER = _fixed(_majority_user)
LAST = _fixed(_last)
KNN = _fixed(_knn)
