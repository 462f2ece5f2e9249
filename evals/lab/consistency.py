"""Is a conversation consistent with the persona, with itself, and does the persona survive it?

Prompt-to-line and line-to-line follow Abdulhai et al. 2025, with a judge that takes plausible new
details as neutral, and with empty lines invalid instead of consistent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from persona_agent.evals.lab.judges import Opinion, invalid
from persona_agent.evals.lab.results import Verdict
from persona_agent.evals.lab.speakers import PERSONA, as_shown
from persona_agent.prompts.lab import Line


@dataclass(frozen=True)
class LineCheck:
    """What the judges made of one line of the persona; ``holds`` is None where nothing is known.

    ``conflicts`` are the numbers (from 0, among the persona's lines) of the lines it conflicts
    with, None where a comparison is missing.
    """

    text: str
    holds: bool | None
    conflicts: tuple[int, ...] | None
    evidence: str = ""
    problem: str = ""
    opinions: tuple[Opinion, ...] = ()


def contradicted(opinions: Sequence[Opinion]) -> bool | None:
    """Return whether any statement is contradicted; None when that is not known."""
    if any(one.answer == "contradiction" for one in opinions):
        return True
    return None if any(one.answer is None for one in opinions) else False


RelateLine = Callable[[str, Sequence[str], Sequence[Line]], Awaitable[list[Opinion]]]
"""Tells how a line relates to statements, given the conversation before it."""


async def check_lines(
    relate: RelateLine, statements: Sequence[str], lines: Sequence[Line]
) -> list[LineCheck]:
    """Judge every line of the persona against its statements and its own earlier lines."""
    own: list[str] = []
    checks: list[LineCheck] = []
    for place, line in enumerate(lines):
        if line.speaker != PERSONA:
            continue
        problem = invalid(line.text)
        if problem:
            checks.append(LineCheck(line.text, None, None, problem=problem))
        else:
            checks.append(
                await _check(
                    relate, statements, own, line.text, as_shown(lines[:place], "overheard")
                )
            )
        own.append(line.text)
    return checks


async def _check(
    relate: RelateLine,
    statements: Sequence[str],
    own: Sequence[str],
    text: str,
    before: Sequence[Line],
) -> LineCheck:
    # Invalid lines say nothing that a later one could conflict with.
    earlier = [number for number, one in enumerate(own) if not invalid(one)]
    opinions = await relate(text, [*statements, *(own[number] for number in earlier)], before)
    about, itself = opinions[: len(statements)], opinions[len(statements) :]
    wrong = contradicted(about)
    conflicts = (
        None
        if any(one.answer is None for one in itself)
        else tuple(
            number
            for number, one in zip(earlier, itself, strict=True)
            if one.answer == "contradiction"
        )
    )
    evidence = next((one.evidence for one in opinions if one.answer == "contradiction"), "")
    return LineCheck(
        text, None if wrong is None else not wrong, conflicts, evidence, opinions=tuple(opinions)
    )


def prompt_to_line(checks: Sequence[LineCheck]) -> list[float | None]:
    """Return for each line 1 where it agrees with the persona, 0 where not, None if unknown."""
    return [None if one.holds is None else float(one.holds) for one in checks]


def pairs_in_conflict(checks: Sequence[LineCheck]) -> float | None:
    """Return ``1 - conflicts / pairs`` over all pairs of lines: the published normalization."""
    known = [
        (place, one.conflicts) for place, one in enumerate(checks) if one.conflicts is not None
    ]
    pairs = sum(place for place, _ in known)
    return 1 - sum(len(found) for _, found in known) / pairs if pairs else None


def line_to_line(checks: Sequence[LineCheck]) -> list[float | None]:
    """Return for each line but the first 1 where it conflicts with no earlier one, else 0.

    A single conflict among many pairs hardly moves the pair-normalized score; it does move this.
    """
    return [None if one.conflicts is None else float(not one.conflicts) for one in checks[1:]]


def verdicts(name: str, checks: Sequence[LineCheck]) -> list[Verdict]:
    """Return the verdicts on lines as a report shows them."""
    found = []
    for turn, one in enumerate(checks, 1):
        if one.problem:
            verdict = "invalid"
        elif one.holds is None:
            verdict = ""
        else:
            verdict = "holds" if one.holds and not one.conflicts else "contradicts"
        votes = tuple(vote for opinion in one.opinions for vote in opinion.votes)
        found.append(
            Verdict(
                item=f"{name} turn {turn}: {one.text[:120]}",
                verdict=verdict,
                score=None if one.holds is None else float(one.holds),
                evidence=one.problem or one.evidence,
                votes=votes if len(set(votes)) > 1 else (),
            )
        )
    return found
