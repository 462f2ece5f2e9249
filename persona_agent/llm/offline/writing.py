"""The prompts that write: draft, critique, propose, distil, profile, respond. By counting alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set

from persona_agent.llm.offline.decide import normalized
from persona_agent.llm.offline.evidence import CLAIM_APPLIES_AT
from persona_agent.llm.offline.patterns import Pattern, find_patterns
from persona_agent.llm.offline.reading import (
    BY_HABIT,
    BY_SUBJECT,
    HABITS,
    LATEST_FIRST,
    STEADY,
    TONE_COUNTS,
    TONE_IS_MOOT,
    read_claim,
)
from persona_agent.llm.offline.statements import statements_in
from persona_agent.llm.offline.terms import words
from persona_agent.persona.render import claim_line, quoted
from persona_agent.prompts import (
    ConfirmedFact,
    CritiqueInputs,
    CritiqueOutput,
    DistilInputs,
    DistilledFact,
    DistilOutput,
    DraftedClaim,
    DraftInputs,
    DraftOutput,
    ProfileInputs,
    ProfileOutput,
    ProposedEdit,
    ProposeInputs,
    ProposeOutput,
    RespondInputs,
    RespondOutput,
)
from persona_agent.protocols import Embedder
from persona_agent.schema import SAID, EditOperation, Section

FACT_AFTER = 3


def draft(inputs: DraftInputs) -> DraftOutput:
    """Write the strongest patterns of the interactions as claims."""
    claims = [
        DraftedClaim(
            section=pattern.section,
            scope=pattern.scope,
            text=pattern.text,
            evidence=pattern.support,
            contrary=pattern.contrary,
        )
        for pattern in find_patterns(inputs.cases)
        if len(pattern.support) > pattern.against
    ]
    return DraftOutput(claims=tuple(claims[: inputs.max_claims]))


def critique(inputs: CritiqueInputs, embedder: Embedder) -> CritiqueOutput:
    """Say what the outcome was, which claims named the wrong answer, and what similar cases say."""
    failure = inputs.failure
    before = [*inputs.recalled, *inputs.similar]
    agreeing = [case for case in before if _same(case.outcome, failure.case.outcome)]
    misleading = _misleading(inputs, embedder)
    text = (
        f"The user's answer was {quoted(failure.case.outcome)}, not {quoted(failure.answer)}. "
        f"{len(agreeing)} of {len(before)} similar cases had the same outcome."
    )
    if misleading:
        text += f" {len(misleading)} claim(s) pointed to the wrong answer."
    preference = ""
    if agreeing:
        shared = words(failure.case.query) & set().union(*(words(c.query) for c in agreeing))
        if shared:
            about = ", ".join(sorted(shared)[:4])
            preference = f"When it is about {about}: chooses {quoted(failure.case.outcome)}"
    return CritiqueOutput(critique=text, preference=preference, misleading=tuple(misleading))


def _same(first: str, second: str) -> bool:
    return normalized(first) == normalized(second)


def _misleading(inputs: CritiqueInputs, embedder: Embedder) -> list[str]:
    """Return references of the claims that apply to the case and name the wrong answer only."""
    case, answer = inputs.failure.case, inputs.failure.answer
    found = []
    for number, claim in enumerate(inputs.claims, 1):
        if claim.id in inputs.unused:
            continue
        read = read_claim(claim_line(claim)[2:])
        names = [normalized(label) for label in read.likes]
        if normalized(answer) not in names or normalized(case.outcome) in names:
            continue
        about, query = embedder.embed([read.about, case.query])
        if not read.scope or float(about @ query) >= CLAIM_APPLIES_AT:
            found.append(f"C{number}")
    return found


def propose(inputs: ProposeInputs) -> ProposeOutput:
    """Propose the edits that failures and history support, without those tried before."""
    edits = [*_deletions(inputs), *_habits(inputs), *_additions(inputs)]
    fresh = [edit for edit in edits if _words_of(edit) not in inputs.rejected]
    return ProposeOutput(edits=tuple(fresh[: inputs.max_edits]))


def _words_of(edit: ProposedEdit) -> str:
    statement = f"{edit.scope}: {edit.text}" if edit.scope else edit.text
    return f"{edit.operation.value}: {statement}"


def _deletions(inputs: ProposeInputs) -> list[ProposedEdit]:
    return [
        ProposedEdit(
            operation=EditOperation.DELETE,
            claims=(f"C{number}",),
            text=claim.statement,
            reason=f"It misled {claim.harmful} times and helped {claim.helpful} times.",
        )
        for number, claim in enumerate(inputs.claims, 1)
        if claim.harmful > claim.helpful and not claim.protected
    ]


def _habits(inputs: ProposeInputs) -> list[ProposedEdit]:
    """Claims on how the user decides; those come first that more of the failures speak for."""
    failures, past = inputs.failures, [*inputs.history, *inputs.correct]
    known = {words for words in HABITS if any(words in claim.text for claim in inputs.claims)}
    evidence = tuple(f"E{n}" for n in range(1, len(failures) + 1))
    votes: Counter[str] = Counter()
    usual = Counter(normalized(case.outcome) for case in past).most_common(1)
    latest = {normalized(case.outcome) for case in sorted(past, key=lambda c: c.date)[-3:]}
    for failure in failures:
        outcome = normalized(failure.case.outcome)
        votes[BY_HABIT if usual and outcome == usual[0][0] else BY_SUBJECT] += 1
        votes[LATEST_FIRST if outcome in latest else STEADY] += 1
        if failure.case.outcome.replace(".", "", 1).isdigit():
            votes[TONE_COUNTS] += 1
            votes[TONE_IS_MOOT] += 1
    ranked = sorted(votes.items(), key=lambda item: (-item[1], item[0]))
    return [
        ProposedEdit(
            operation=EditOperation.ADD,
            section=Section.DECISION_HABITS,
            text=habit,
            reason=f"{count} of {len(failures)} failures fit this way of deciding.",
            evidence=evidence,
        )
        for habit, count in ranked
        if habit not in known
    ]


def _additions(inputs: ProposeInputs) -> list[ProposedEdit]:
    """New claims from all cases, those first that would have helped with a failure."""
    cases = [*(failure.case for failure in inputs.failures), *inputs.correct, *inputs.history]
    known = {claim.statement.casefold() for claim in inputs.claims}
    missed = {failure.case.episode_id for failure in inputs.failures}
    patterns = [
        pattern
        for pattern in find_patterns(cases)
        if f"{pattern.scope}: {pattern.text}".casefold() not in known
        and pattern.text.casefold() not in known
    ]
    patterns.sort(key=lambda pattern: not missed.intersection(pattern.support))
    return [_addition(pattern) for pattern in patterns]


def _addition(pattern: Pattern) -> ProposedEdit:
    return ProposedEdit(
        operation=EditOperation.ADD,
        section=pattern.section,
        scope=pattern.scope,
        text=pattern.text,
        reason=f"{len(pattern.support)} cases show it, {pattern.against} do not.",
        evidence=pattern.support,
        contrary=pattern.contrary,
    )


def distil(inputs: DistilInputs, embedder: Embedder) -> DistilOutput:
    """Extract what the user says of themselves, and outcomes that recur among the episodes."""
    facts: list[DistilledFact] = []
    for number, episode in enumerate(inputs.episodes, 1):
        said = [episode.query.text] if not episode.query.options else []
        # A reply to a question is kept with what it is about, and says little without it.
        asked = bool(episode.metadata.get("question"))
        if episode.feedback and episode.feedback.comment and not asked:
            said.append(episode.feedback.comment)
        for text in said:
            for sentence in statements_in(text):
                facts.append(_statement(sentence, number, inputs, embedder))
    known = {fact.text: number for number, fact in enumerate(inputs.facts, 1)}
    recurring = _recurring(inputs, set(known))
    return DistilOutput(
        facts=(*facts, *(fact for fact in recurring if fact.text not in known)),
        confirmed=tuple(
            ConfirmedFact(fact=f"F{known[fact.text]}", sources=fact.sources)
            for fact in recurring
            if fact.text in known
        ),
    )


def _statement(
    sentence: str, number: int, inputs: DistilInputs, embedder: Embedder
) -> DistilledFact:
    """A statement of the user; it supersedes an earlier one on the same matter."""
    text = f"{SAID}{sentence[:400]}"
    supersedes: tuple[str, ...] = ()
    spoken = [(n, fact) for n, fact in enumerate(inputs.facts, 1) if fact.stated]
    if spoken:
        vectors = embedder.embed([sentence, *(fact.stated for _, fact in spoken)])
        near = vectors[1:] @ vectors[0]
        supersedes = tuple(
            f"F{n}"
            for (n, fact), s in zip(spoken, near, strict=True)
            if s >= 0.8 and fact.text != text
        )
    return DistilledFact(text=text, sources=(f"E{number}",), supersedes=supersedes)


def _recurring(inputs: DistilInputs, known: Set[str]) -> list[DistilledFact]:
    """Return which outcomes recur, among new episodes and earlier ones, or were known to."""
    groups: dict[tuple[str, str], list[str]] = {}
    for letter, episodes in (("E", inputs.episodes), ("P", inputs.earlier)):
        for number, episode in enumerate(episodes, 1):
            group = (episode.query.task_name, episode.outcome or "")
            if 0 < len(group[1]) <= 60 and (letter == "E" or group in groups):
                groups.setdefault(group, []).append(f"{letter}{number}")
    found = [
        DistilledFact(text=f"Often answers {quoted(outcome)} in {task}.", sources=tuple(shown))
        for (task, outcome), shown in groups.items()
    ]
    return [fact for fact in found if len(fact.sources) >= FACT_AFTER or fact.text in known]


def profile(inputs: ProfileInputs) -> ProfileOutput:
    """Name the usual outcomes and the usual subjects."""
    total = len(inputs.cases)
    counts = Counter(case.outcome for case in inputs.cases if len(case.outcome) <= 120)
    usual = [
        f"Often chooses {quoted(label)} ({count} of {total})."
        for label, count in counts.most_common(3)
    ]
    subjects = Counter(word for case in inputs.cases for word in sorted(words(case.query)))
    frequent = ", ".join(word for word, _ in subjects.most_common(8))
    return ProfileOutput(profile=" ".join([*usual, f"Usual subjects: {frequent or 'none'}."]))


def respond(inputs: RespondInputs, embedder: Embedder) -> RespondOutput:
    """Return the kept answer of the nearest case, or say plainly that none is known."""
    if not inputs.recalled:
        return RespondOutput(
            answer="Nothing similar is known yet, and the offline model does not write freely."
        )
    vectors = embedder.embed([inputs.query.text, *(case.query for case in inputs.recalled)])
    return RespondOutput(answer=inputs.recalled[int((vectors[1:] @ vectors[0]).argmax())].outcome)
