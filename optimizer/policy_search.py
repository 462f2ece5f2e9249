"""The search over what is shown of a user: one policy for all queries."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from persona_agent.optimizer.judging import Judge
from persona_agent.optimizer.policies import CANDIDATES
from persona_agent.optimizer.pool import Candidate
from persona_agent.persona.alternatives import without_alternatives
from persona_agent.schema import FINAL, ContextPolicy, Persona


async def choose_policy(best: Candidate, judge: Judge) -> Candidate:
    """Leave the policy in use only for one that is clearly better in replay.

    What is recalled and counted for an episode is strictly before it, so nearly the whole
    history can judge a policy; claims drafted from its earlier part are shown by most. Whoever was
    seen to change is not shown cases that a later one has overtaken.
    """
    suited = current_only if judge.slices.changed else _as_it_is
    if suited(best.persona.policy) != best.persona.policy:
        best = showing(best, suited(best.persona.policy))
    trials = await judge.simulated("replay", best.persona, judge.slices.replay)
    for name, candidate in CANDIDATES.items():
        policy = suited(candidate)
        if policy == best.persona.policy or policy.is_generic:
            continue
        rival = showing(best, policy)
        tried = await judge.trials.of(rival.persona, judge.slices.replay)
        if judge.gate(f"policy {name}", tried, trials, judge.config.switch_errors):
            best, trials = rival, tried
    return best


async def do_no_harm(best: Candidate, judge: Judge) -> Candidate:
    """Serve the generic prompt where it is better than everything that was learned."""
    trials = await judge.trials.of(best.persona, judge.slices.replay)
    generic = await judge.trials.of(judge.generic, judge.slices.replay)
    if judge.gate(FINAL, trials, generic, -judge.config.harm_errors):
        return best
    return showing(best, ContextPolicy.generic())


def showing(candidate: Candidate, policy: ContextPolicy) -> Candidate:
    """Return the candidate with another policy, by itself."""
    alone = without_alternatives(candidate.persona)
    return replace(candidate, persona=alone.model_copy(update={"policy": policy}))


def current_only(policy: ContextPolicy) -> ContextPolicy:
    """Return the policy that shows no overtaken case, where it shows any."""
    return policy.model_copy(update={"drop_superseded": policy.recalled > 0})


def seeing_since(persona: Persona, since: datetime | None) -> Persona:
    """Return the persona under a policy that recalls and counts from a moment on, if any.

    Its alternatives as well: the moment is the user's, and not that of a version.
    """
    others = tuple(
        one.model_copy(update={"policy": _since(one.policy, since)}) for one in persona.alternatives
    )
    return persona.model_copy(
        update={"policy": _since(persona.policy, since), "alternatives": others}
    )


def _since(policy: ContextPolicy, since: datetime | None) -> ContextPolicy:
    shows_cases = policy.recalled > 0 or policy.show_statistics
    return policy.model_copy(update={"since": since if shows_cases else None})


def _as_it_is(policy: ContextPolicy) -> ContextPolicy:
    return policy
