"""Textual loss and gradient: critiques of wrong answers, and the edits they lead to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from persona_agent.errors import ModelAnswerError
from persona_agent.optimizer.alike import telling_cases
from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.optimizer.draft import LEAST_EVIDENCE
from persona_agent.persona import outcome_statistics, render_statistics
from persona_agent.persona.admission import why_not_admitted
from persona_agent.persona.left_out import NO_RULE, NOT_USABLE, TOO_FEW_CASES, leave_out
from persona_agent.persona.render import beside_claims, claims_shown, render
from persona_agent.prompts import (
    CRITIQUE,
    PROPOSE_EDITS,
    Case,
    CritiqueInputs,
    Failure,
    ProposedEdit,
    ProposeInputs,
)
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Edit, EditOperation, Episode, Persona, Trial
from persona_agent.schema.base import Record

SIMILAR_CASES = 6
"""Earlier cases that a critique is shown, those that the answer was shown among them."""
LEAST_SIMILAR = 2
"""Of these, such as the answer was not shown: what it would have needed may be among them."""


class Critique(Record):
    """A critique and the ids of the claims that it holds responsible.

    ``misleading`` are wrong in this case. ``stretched`` were followed outside of their scope: what
    they say may be true, so they are not blamed.
    """

    failure: Failure
    misleading: tuple[str, ...] = ()
    stretched: tuple[str, ...] = ()


async def critique_errors(
    persona: Persona,
    trials: Sequence[Trial],
    episodes: Sequence[Episode],
    history: Sequence[Episode],
    model: LanguageModel,
) -> list[Critique]:
    """Critique every wrong answer; right ones teach nothing and are left alone.

    Answers that failed for a technical reason are no evidence of the user and are left out, and
    so is a failure whose critique cannot be used.
    """
    wrong = [
        (trial, episode)
        for trial, episode in zip(trials, episodes, strict=True)
        if trial.loss > 0 and trial.error is None
    ]
    found = await asyncio.gather(
        *(_critique(persona, trial, episode, history, model) for trial, episode in wrong)
    )
    return [one for one in found if one is not None]


async def _critique(
    persona: Persona,
    trial: Trial,
    episode: Episode,
    history: Sequence[Episode],
    model: LanguageModel,
) -> Critique | None:
    failure = Failure(case=Case.of(episode), answer=trial.answer or "", reason=trial.reason)
    text = render(persona) if trial.persona_text is None else trial.persona_text
    shown = {claim.id for claim in claims_shown(persona.claims, text)}
    inputs = CritiqueInputs(
        failure=failure,
        claims=persona.claims,
        # What the answer was not shown can have neither misled it nor been left unheeded.
        unused=tuple(claim.id for claim in persona.claims if claim.id not in shown),
        besides=beside_claims(text),
        recalled=tuple(Case.of(one) for one in trial.recalled),
        similar=tuple(Case.of(one) for one in _similar(trial, episode, history)),
    )
    try:
        said = await model.ask(CRITIQUE, inputs)
    except ModelAnswerError:
        return None
    told = {"critique": said.critique, "preference": said.preference}
    stretched = _claim_ids(inputs, said.stretched)
    return Critique(
        failure=failure.model_copy(update=told),
        misleading=tuple(
            name for name in _claim_ids(inputs, said.misleading) if name not in stretched
        ),
        stretched=stretched,
    )


def _claim_ids(inputs: CritiqueInputs, references: Sequence[str]) -> tuple[str, ...]:
    named = (inputs.claim_id(reference) for reference in references)
    return tuple(dict.fromkeys(name for name in named if name is not None))


def _similar(trial: Trial, episode: Episode, history: Sequence[Episode]) -> list[Episode]:
    """Return a few earlier cases like an episode that its answer was not shown."""
    known = {one.id for one in trial.recalled}
    others = [
        one
        for one in history
        if one.at < episode.at
        and one.query.task_name == episode.query.task_name
        and one.id not in known
    ]
    about = " ".join([episode.query.text, *episode.query.options])
    most = max(LEAST_SIMILAR, SIMILAR_CASES - len(known))
    return telling_cases([about], others, most, latest_share=0)


def missed_by(critiques: Sequence[Critique]) -> dict[str, tuple[str, ...]]:
    """Return for claims, by id, the cases that they misled in or were stretched to."""
    found: dict[str, tuple[str, ...]] = {}
    for one in critiques:
        for name in (*one.misleading, *one.stretched):
            found[name] = (*found.get(name, ()), one.failure.case.episode_id)
    return found


def blame(persona: Persona, critiques: Sequence[Critique]) -> Persona:
    """Return the persona with the harmful counts of misleading claims raised."""
    blamed = [name for one in critiques for name in one.misleading]
    claims = tuple(
        claim.model_copy(update={"harmful": claim.harmful + blamed.count(claim.id)})
        if claim.id in blamed
        else claim
        for claim in persona.claims
    )
    return persona.model_copy(update={"claims": claims})


def credit(
    persona: Persona, parent: Persona, after: Sequence[Trial], before: Sequence[Trial]
) -> Persona:
    """Return the persona with what its new claims did on judged episodes added to their counts."""
    pairs = list(zip(after, before, strict=True))
    helped = sum(one.loss < other.loss for one, other in pairs)
    harmed = sum(one.loss > other.loss for one, other in pairs)
    known = {(claim.id, claim.statement) for claim in parent.claims}
    claims = tuple(
        claim
        if (claim.id, claim.statement) in known
        else claim.model_copy(
            update={"helpful": claim.helpful + helped, "harmful": claim.harmful + harmed}
        )
        for claim in persona.claims
    )
    return persona.model_copy(update={"claims": claims})


async def propose_edits(
    persona: Persona,
    critiques: Sequence[Critique],
    correct: Sequence[Episode],
    history: Sequence[Episode],
    rejected: Sequence[str],
    model: LanguageModel,
    config: OptimizerConfig,
) -> list[Edit]:
    """Turn critiques into edits whose references are resolved; unusable ones are dropped."""
    shown = {one.failure.case.episode_id for one in critiques} | {e.id for e in correct}
    rest = [episode for episode in history if episode.id not in shown][-config.draft_cases :]
    inputs = ProposeInputs(
        claims=persona.claims,
        failures=tuple(one.failure for one in critiques),
        correct=tuple(Case.of(episode) for episode in correct),
        history=tuple(Case.of(episode) for episode in rest),
        statistics=render_statistics(outcome_statistics(history)),
        rejected=tuple(rejected),
        max_edits=config.max_edits,
    )
    written = await model.ask(PROPOSE_EDITS, inputs)
    edits = (_resolved(one, inputs) for one in written.edits[: config.max_edits])
    return [edit for edit in edits if edit is not None]


def _resolved(one: ProposedEdit, inputs: ProposeInputs) -> Edit | None:
    targets = [inputs.claim_id(reference) for reference in one.claims]
    evidence = [inputs.episode_id(reference) for reference in one.evidence]
    named = tuple(dict.fromkeys(name for name in evidence if name))
    against = dict.fromkeys(inputs.episode_id(reference) for reference in one.contrary)
    contrary = tuple(name for name in against if name and name not in named)
    why = why_not_admitted(one.scope, one.text)
    if one.operation is EditOperation.ADD and len(named) < LEAST_EVIDENCE:
        why = why or TOO_FEW_CASES
    if one.operation is EditOperation.ADD and len(named) <= len(contrary):
        why = why or NO_RULE
    edit = None
    if not why and None not in targets:
        with suppress(ValueError):
            edit = Edit(
                operation=one.operation,
                claim_ids=tuple(target for target in targets if target),
                section=one.section,
                text=one.text,
                scope=one.scope,
                reason=one.reason,
                evidence=named,
                contrary=contrary,
            )
    if edit is None:
        leave_out(f"{one.operation} {one.claims}: {one.scope}: {one.text}", why or NOT_USABLE)
    return edit


def words_of(edit: Edit) -> str:
    """Return an edit as one line, as it is remembered when it did not help."""
    return f"{edit.operation.value}: {edit.statement}"
