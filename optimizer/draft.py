"""The first persona of a user: claims drafted from history, statistics, demonstrations.

What the user said becomes a claim word for word, and no model has a hand in it: it needs no second
source, and nobody else's words may pass for the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from persona_agent.optimizer.alike import stems
from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.persona import outcome_statistics, render_statistics
from persona_agent.persona.admission import admitted, why_not_admitted
from persona_agent.persona.left_out import NO_RULE, REFUSED, TOO_FEW_CASES, leave_out
from persona_agent.persona.overtaking import seeing_turns
from persona_agent.prompts import DRAFT_PERSONA, Case, DraftedClaim, DraftInputs
from persona_agent.prompts.parts import shorten
from persona_agent.protocols import LanguageModel
from persona_agent.schema import (
    Claim,
    ContextPolicy,
    Demonstration,
    Episode,
    Fact,
    Persona,
    Section,
)

LONGEST_SCOPE = 500
LEAST_EVIDENCE = 2
"""Cases that a claim of a model must rest on: one case is an anecdote."""
MOST_FACTS = 40
"""Facts that are shown, and statements that become claims: the latest ones."""
LONGEST_TEXT = 1_000


async def draft_persona(
    user_id: str,
    history: Sequence[Episode],
    model: LanguageModel,
    config: OptimizerConfig,
    *,
    facts: Sequence[Fact] = (),
    refused: Sequence[str] = (),
) -> Persona:
    """Let the model write claims from the history; those that rest on no two episodes are dropped.

    What the user stated in a fact is a claim already, see :func:`stated_claims`.

    Args:
        user_id: whose persona it is.
        history: episodes with outcomes, in time order.
        model: writes the claims.
        config: how many claims and demonstrations, from how many cases.
        facts: current facts of semantic memory. A claim may rest on them: on their sources.
        refused: statements that were tried and did not help; no claim repeats one.
    """
    current = [fact for fact in facts if fact.current]
    statistics = outcome_statistics(history)
    inputs = DraftInputs(
        cases=tuple(Case.of(episode) for episode in history[-config.draft_cases :]),
        facts=tuple(current[-MOST_FACTS:]),
        statistics=render_statistics(statistics),
        rejected=tuple(refused),
        max_claims=config.max_claims,
    )
    written = await model.ask(DRAFT_PERSONA, inputs)
    claims = [_claim(one, inputs, history) for one in written.claims[: config.max_claims]]
    learned = [one for one in claims if one is not None and not _repeats(one, refused)]
    return Persona(
        user_id=user_id,
        claims=(*stated_claims(current), *learned),
        demonstrations=demonstrations(history, config.demonstrations),
        statistics=statistics,
        policy=ContextPolicy(),
        cause="draft",
    )


async def draft_upon(
    persona: Persona,
    history: Sequence[Episode],
    facts: Sequence[Fact],
    model: LanguageModel,
    config: OptimizerConfig,
    *,
    refused: Sequence[str] = (),
    judged: bool = True,
) -> Persona:
    """Return a draft on top of what the user fixed, without what the user deleted.

    It knows the facts as they stood at the end of this history, and of their sources those in it:
    what came later judges. Where nothing does (``judged``), they are those that hold by now.
    """
    known = _known(facts, history, history[-1].at if judged else None)
    written = await draft_persona(
        persona.user_id, history, model, config, facts=known, refused=refused
    )
    said = with_stated(persona, known)
    fixed = tuple(claim for claim in said.claims if claim.protected)
    taken = {claim.statement.casefold() for claim in fixed}
    taken |= {one.casefold() for one in persona.unwanted}
    new = [claim for claim in written.claims if claim.statement.casefold() not in taken]
    whole = written.model_copy(update={"claims": (*fixed, *new), "unwanted": persona.unwanted})
    return seeing_turns(whole, history)


def _known(facts: Sequence[Fact], history: Sequence[Episode], end: datetime | None) -> list[Fact]:
    """Return the facts as they stood at ``end`` (None: by now), without what confirmed them later.

    One that was replaced since stood then. What a user stated needs no source in the history: it
    may be a turn without an outcome.
    """
    own = {episode.id for episode in history}
    found = []
    for fact in facts:
        seen = fact.sources if fact.stated else tuple(own.intersection(fact.sources))
        if seen and _held(fact, end):
            order = tuple(source for source in fact.sources if source in seen)
            then = {"sources": order, "superseded_by": None, "superseded_at": None}
            found.append(fact.model_copy(update=then))
    return found


def _held(fact: Fact, end: datetime | None) -> bool:
    """Tell whether a fact was known and not replaced yet at a moment; None is now."""
    if end is None:
        return fact.current
    replaced_later = fact.superseded_at is not None and fact.superseded_at > end
    return fact.valid_from <= end and (fact.current or replaced_later)


def _claim(one: DraftedClaim, inputs: DraftInputs, history: Sequence[Episode]) -> Claim | None:
    evidence = inputs.episode_ids(one.evidence)
    contrary = tuple(name for name in inputs.episode_ids(one.contrary) if name not in evidence)
    why = why_not_admitted(one.scope, one.text)
    if len(evidence) < LEAST_EVIDENCE:
        why = why or TOO_FEW_CASES
    if len(evidence) <= len(contrary):
        why = why or NO_RULE
    if why:
        leave_out(f"{one.scope}: {one.text}", why)
        return None
    moments = [episode.at for episode in history if episode.id in evidence]
    moments += [fact.valid_from for fact in inputs.facts if set(fact.sources).issubset(evidence)]
    return Claim(
        section=one.section,
        text=one.text,
        scope=shorten(one.scope, LONGEST_SCOPE),
        evidence=evidence,
        contrary=contrary,
        since=max(moments),
    )


def _repeats(claim: Claim, refused: Sequence[str]) -> bool:
    """Tell a claim that says what was refused, but for the form of its words."""
    again = stems(claim.statement) in [stems(one) for one in refused]
    if again:
        leave_out(claim.statement, REFUSED)
    return again


def stated_claims(facts: Sequence[Fact]) -> tuple[Claim, ...]:
    """Return what the user said, as it was said, as claims of the user's own: latest ones last."""
    told = [fact for fact in facts if fact.current and fact.stated]
    said = [fact for fact in told if admitted(fact.stated)][-MOST_FACTS:]
    return tuple(
        Claim(
            id=fact.id,
            section=Section.VALUES,
            text=shorten(fact.stated, LONGEST_TEXT),
            evidence=fact.sources,
            origin="user",
            since=fact.valid_from,
        )
        for fact in said
    )


def with_stated(persona: Persona, facts: Sequence[Fact]) -> Persona:
    """Return the persona with what the user said by now, less what is no longer so.

    A statement that was deleted stays away; one that was corrected or pinned is the user's and
    stays as it is.
    """
    kept = [claim for claim in persona.claims if not _was_heard(claim)]
    known = {claim.id for claim in kept} | {claim.statement.casefold() for claim in kept}
    known |= {one.casefold() for one in persona.unwanted}
    heard = [
        claim
        for claim in stated_claims(facts)
        if claim.id not in known and claim.statement.casefold() not in known
    ]
    return persona.model_copy(update={"claims": (*heard, *kept)})


def _was_heard(claim: Claim) -> bool:
    """Tell a claim that came from a fact: what is typed in or corrected bears no ``since``."""
    return claim.origin == "user" and not claim.pinned and claim.since is not None


def demonstrations(history: Sequence[Episode], most: int) -> tuple[Demonstration, ...]:
    """Return the latest case of each outcome, newest first, at most ``most``."""
    chosen: dict[str, Episode] = {}
    for episode in reversed(history):
        if len(chosen) == most:
            break
        chosen.setdefault(episode.outcome or "", episode)
    return tuple(
        Demonstration(episode_id=e.id, query=e.query.text, outcome=e.outcome or "")
        for e in chosen.values()
    )
