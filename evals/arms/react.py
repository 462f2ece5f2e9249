"""ReAct (arXiv 2210.03629): the model thinks, searches the user's memory, looks, and answers.

It has the tools of the others and no persona: what is known of the user is what it searches for.
"""

from __future__ import annotations

import asyncio

from persona_agent.agent import Answer
from persona_agent.evals.arms.arm import Answerer, Bench
from persona_agent.evals.data.eval_data import EvalQuery, EvalUser
from persona_agent.optimizer.policies import RAG
from persona_agent.prompts import Case
from persona_agent.prompts.baselines import REACT_STEP, Observation, ReactInputs
from persona_agent.schema import Persona

FOUND = 4
MOST_SEARCHES = 3


async def react(bench: Bench, user: EvalUser) -> Answerer:
    """Return the loop for a user; nothing is fitted."""

    async def reply(query: EvalQuery) -> Answer:
        seen: list[Observation] = []
        while True:
            left = MOST_SEARCHES - len(seen)
            step = await bench.model.ask(
                REACT_STEP,
                ReactInputs(query=query.query, observations=tuple(seen), searches_left=left),
            )
            if step.choice is not None:
                text = query.query.options[step.choice - 1]
                return Answer(text=text, confidence=step.confidence, reason=step.thought)
            cases = await asyncio.to_thread(_search, bench, query, step.search)
            seen.append(Observation(search=step.search, cases=cases))

    return reply


def _search(bench: Bench, query: EvalQuery, wanted: str) -> tuple[Case, ...]:
    """Return the episodes most similar to a text, strictly before the query."""
    allowed = bench.view(Persona(user_id=query.user_id, policy=RAG)).policy.recalled
    if not allowed:
        return ()
    found = bench.episodes.recall(
        query.user_id,
        bench.embedder.embed([wanted])[0],
        limit=min(FOUND, allowed),
        before=query.at,
        task=query.query.task_name,
        with_outcome=True,
    )
    return tuple(Case.of(one.episode) for one in found)
