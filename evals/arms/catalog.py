"""The arms of a comparison. All share the model, the memory, the retrieval and the budgets."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.errors import InputError
from persona_agent.evals.arms.ablations import ABLATIONS, ablated
from persona_agent.evals.arms.arm import (
    Answerer,
    Arm,
    Bench,
    known_at_first,
    persona_answerer,
    with_persona,
)
from persona_agent.evals.arms.paper import memory_bank, personaagent_paper, summarized
from persona_agent.evals.arms.react import react
from persona_agent.evals.arms.sparse import SPARSE, sparse
from persona_agent.evals.arms.trivial import KNN, LAST, MAJORITY_GLOBAL, MAJORITY_USER
from persona_agent.evals.arms.undated import UndatedModel
from persona_agent.evals.data.eval_data import EvalUser
from persona_agent.llm.drawing import draws
from persona_agent.optimizer import Search
from persona_agent.optimizer.draft import draft_persona
from persona_agent.optimizer.policies import RAG, RAG_STATISTICS, UNALIGNED
from persona_agent.schema import ContextPolicy, Persona, RecallBlend

__all__ = [
    "ARMS",
    "Answerer",
    "Arm",
    "Bench",
    "aligned",
    "choose_arms",
    "drafted",
    "known_at_first",
    "persona_answerer",
]

LATEST = 8


def _policy(policy: ContextPolicy) -> Arm:
    async def make(bench: Bench, user: EvalUser) -> Persona:
        return Persona(user_id=user.user_id, policy=policy)

    return with_persona(make)


async def _profile_and_retrieval(bench: Bench, user: EvalUser) -> Answerer:
    """PAG: retrieval plus a summary of the history that the model wrote (one call a user)."""
    plain = Persona(user_id=user.user_id, policy=RAG)
    summary = await summarized(bench, known_at_first(user))
    return persona_answerer(bench, plain, extra_text=summary)


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
    model = bench.model if bench.heeds_change else UndatedModel(bench.model)
    search = Search(
        user.user_id,
        known_at_first(user),
        evaluate=bench.simulate,
        model=model,
        again=draws(model, bench.config.further_draws),
        config=bench.config,
        vectors=bench.episodes.vectors if bench.heeds_change else None,
    )
    return await search.run()


ARMS: dict[str, Arm] = {
    "generic": _policy(ContextPolicy.generic()),
    "majority-global": MAJORITY_GLOBAL,
    "majority-user": MAJORITY_USER,
    "last": LAST,
    "knn": KNN,
    "icl": _policy(
        RAG.model_copy(
            update={"recalled": LATEST, "blend": RecallBlend(similarity=0.0, recency=1.0)}
        )
    ),
    "rag": _policy(RAG),
    "rag+stats": _policy(RAG_STATISTICS),
    "pag": _profile_and_retrieval,
    "memory-bank": memory_bank,
    "react": react,
    "personaagent-paper": personaagent_paper,
    "persona": with_persona(drafted),
    "persona+alignment": with_persona(aligned),
    SPARSE: sparse(with_persona(aligned)),
}


def choose_arms(names: Sequence[str] | None, *, ablations: bool = False) -> dict[str, Arm]:
    """Return the named arms in the order of :data:`ARMS`, then the ablations.

    Args:
        names: of arms or ablations; none for all arms.
        ablations: whether all ablations come with them.

    Raises:
        InputError: an arm is not known.
    """
    cut = {name: ablated(with_persona(aligned), one) for name, one in ABLATIONS.items()}
    known = ARMS | cut
    unknown = sorted(set(names or ()) - set(known))
    if unknown:
        raise InputError(f"unknown arm(s): {', '.join(unknown)}; known: {', '.join(known)}")
    wanted = set(names or ARMS) | (set(cut) if ablations else set())
    return {name: arm for name, arm in known.items() if name in wanted}
