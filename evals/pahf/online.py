"""Arms that learn while they are used: fitted anew as the memory grows."""

from __future__ import annotations

from persona_agent.agent import Answer
from persona_agent.evals.arms.arm import Answerer, Arm, Bench
from persona_agent.evals.data.eval_data import EvalQuery, EvalUser
from persona_agent.evals.pahf.timeline import fitted_with, phase_of


def online(arm: Arm) -> Arm:
    """Return the arm that is fitted at every point of :func:`fitted_with`, in the order of time.

    Each time it is fitted on what is known then, and answers until the next time. What it recalls
    is of the moment of each query.
    """

    async def fit(bench: Bench, user: EvalUser) -> Answerer:
        end = len(user.history)
        switch = sum(phase_of(episode.id) == "phase-1" for episode in user.history)
        stretches: dict[int, list[EvalQuery]] = {}
        for query in user.queries:
            known = len(user.history_before(query.at))
            stretches.setdefault(fitted_with(known, switch, end), []).append(query)
        answerers: dict[str, Answerer] = {}
        for known in sorted(stretches):
            served = tuple(stretches[known])
            answerer = await arm(bench, user.model_copy(update={"queries": served}))
            answerers |= {query.query_id: answerer for query in served}

        async def reply(query: EvalQuery) -> Answer:
            return await answerers[query.query_id](query)

        return reply

    return fit
