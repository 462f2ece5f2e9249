"""Methods of others, with our model, memory and retrieval.

``personaagent-paper`` is PersonaAgent's own alignment (arXiv 2506.06254, section 3): the persona is
one text, filled from a summary of the history; in each iteration the latest interactions are
answered with it, every answer is criticized, right ones too, and the whole text is rewritten from
the criticism. Nothing checks the new text. ``memory-bank`` is MemoryBank (arXiv 2305.10250): what
was long ago is recalled less readily, and the model keeps summaries of each stretch of the history
and of the whole.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from persona_agent.agent import Context, answer
from persona_agent.errors import BudgetExceededError, ModelCallsBlockedError, ModelError
from persona_agent.evals.arms.arm import Answerer, Bench, known_at_first, persona_answerer
from persona_agent.evals.data.eval_data import EvalUser
from persona_agent.optimizer.policies import RAG
from persona_agent.prompts import PROFILE, Case, ProfileInputs
from persona_agent.prompts.baselines import (
    REWRITE_PERSONA,
    TEXT_FEEDBACK,
    CriticizedAnswer,
    FeedbackInputs,
    RewriteInputs,
)
from persona_agent.schema import Episode, Persona, RecallBlend

PROFILE_CASES = 80
STRETCH = 20
STRETCHES = 4
FORGETTING = RecallBlend(similarity=1.0, recency=0.3, half_life_days=30.0)


async def summarized(bench: Bench, history: Sequence[Episode]) -> str:
    """Return a summary of the latest of a history that the model wrote; "" of nothing."""
    if not history:
        return ""
    cases = tuple(Case.of(episode) for episode in history[-PROFILE_CASES:])
    return (await bench.model.ask(PROFILE, ProfileInputs(cases=cases))).profile


# --- PersonaAgent as published ------------------------------------------------------------------


async def personaagent_paper(bench: Bench, user: EvalUser) -> Answerer:
    """Fit the paper's persona: a text that is rewritten whole, without any check."""
    plain = Persona(user_id=user.user_id, policy=RAG)
    return persona_answerer(bench, plain, extra_text=await paper_persona(bench, user))


async def paper_persona(bench: Bench, user: EvalUser) -> str:
    """Return the text of the paper's persona after all its iterations; "" without a history."""
    history = known_at_first(user)
    text = await summarized(bench, history)
    for _ in range(bench.paper.iterations if history else 0):
        batch = history[-bench.paper.batch :]
        criticized = await asyncio.gather(*(_criticized(bench, text, one) for one in batch))
        kept = tuple(one for one in criticized if one is not None)
        rewritten = await bench.model.ask(
            REWRITE_PERSONA, RewriteInputs(persona=text, feedback=kept)
        )
        text = rewritten.persona
    return text


async def _criticized(bench: Bench, text: str, episode: Episode) -> CriticizedAnswer | None:
    """Answer a past interaction and let the model criticize that; None where no answer came."""
    context = await asyncio.to_thread(_moment, bench, text, episode)
    try:
        given = await answer(bench.model, episode.query, context)
        case = Case.of(episode)
        said = await bench.model.ask(
            TEXT_FEEDBACK, FeedbackInputs(persona=text, case=case, answer=given.text)
        )
    except (BudgetExceededError, ModelCallsBlockedError):
        raise
    except ModelError:
        return None
    return CriticizedAnswer(case=case, answer=given.text, feedback=said.feedback)


def _moment(bench: Bench, text: str, episode: Episode) -> Context:
    plain = bench.view(Persona(user_id=episode.user_id, policy=RAG))
    context = bench.contexts.build(plain, episode.query, before=episode.at)
    return context.model_copy(update={"persona_text": text})


# --- MemoryBank ---------------------------------------------------------------------------------


async def memory_bank(bench: Bench, user: EvalUser) -> Answerer:
    """Fit MemoryBank: recall with a forgetting curve, summaries of stretches and of the whole.

    Unlike there, a memory is not strengthened each time that it is recalled: the order in which
    queries are answered must not matter here.
    """
    history = known_at_first(user)
    starts = range(0, len(history), STRETCH)[-STRETCHES:]
    stretches = [history[start : start + STRETCH] for start in starts]
    parts = await asyncio.gather(
        summarized(bench, history), *(summarized(bench, stretch) for stretch in stretches[1:])
    )
    remembering = RAG.model_copy(update={"blend": FORGETTING})
    plain = Persona(user_id=user.user_id, policy=remembering)
    return persona_answerer(bench, plain, extra_text="\n".join(part for part in parts if part))
