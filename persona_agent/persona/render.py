"""A persona as text: what every model, the offline one too, gets to see of it.

The text is deterministic. It holds up to four blocks, each behind a heading of its own: claims
by section, outcome counts by task, past cases in key words, and examples. One item is one line,
whatever it contains.
"""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.persona.statistics import recurs
from persona_agent.schema import Claim, ContextPolicy, Persona, Section, TaskStatistics

CHARACTERS_PER_TOKEN = 4
LEAST_TOKENS = 20
"""A task with fewer tokens for its counts is left out."""
COUNTS_HEADING = "Outcomes so far"
SKETCHES_HEADING = "Latest cases in key words"
SKETCH_TOKENS = 90
EXAMPLES_HEADING = "Telling examples"


def estimate_tokens(text: str) -> int:
    """Return a rough token count (4 characters a token), for budgets and offline accounting."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def one_line(text: str) -> str:
    """Return text on a single line, so that it cannot imitate a heading or another item."""
    return " ".join(text.split())


def render(persona: Persona, *, max_tokens: int = 600) -> str:
    """Return what the persona's policy shows of it, within a budget of tokens.

    Statistics come first into the budget (and may take half of it), then claims, most useful
    first, then demonstrations. The claims that the user fixed are always shown, but for a policy
    that shows nothing of the user. An empty persona renders to "".
    """
    policy = persona.policy
    left = max_tokens
    blocks: list[str] = []
    counts = (
        render_statistics(persona.statistics, max_tokens // 2) if policy.show_statistics else ""
    )
    left -= estimate_tokens(counts)
    if policy != ContextPolicy.generic():
        shown = [claim for claim in persona.claims if policy.show_claims or claim.protected]
        chosen = _within(shown, left)
        left -= sum(estimate_tokens(claim_line(claim)) for claim in chosen)
        blocks.extend(_section(section, chosen) for section in Section)
    blocks.append(counts)
    if policy.show_sketches:
        blocks.append(_sketches(persona.statistics, min(left, SKETCH_TOKENS)))
        left -= estimate_tokens(blocks[-1])
    if policy.show_demonstrations:
        blocks.append(_examples(persona, left))
    return "\n\n".join(block for block in blocks if block)


def usefulness(claim: Claim) -> tuple[int, int, int]:
    """Sort key: the user's own first, then by net help, then by evidence."""
    return (int(claim.protected), claim.helpful - claim.harmful, len(claim.evidence))


def claim_line(claim: Claim) -> str:
    """Return one claim as it is shown."""
    seen = f" (seen {len(claim.evidence)}x)" if claim.origin == "learned" else " (user's own words)"
    return f"- {one_line(claim.statement)}{seen}"


def _within(claims: Sequence[Claim], budget: int) -> list[Claim]:
    chosen: list[Claim] = []
    for claim in sorted(claims, key=usefulness, reverse=True):
        cost = estimate_tokens(claim_line(claim) + "\n")
        if all(claim.section is not other.section for other in chosen):
            cost += estimate_tokens(f"{claim.section.value}\n\n")
        if cost <= budget or claim.protected:
            chosen.append(claim)
            budget -= cost
    return chosen


def _section(section: Section, claims: Sequence[Claim]) -> str:
    lines = [claim_line(claim) for claim in claims if claim.section is section]
    return "\n".join([section.value.capitalize(), *lines]) if lines else ""


def render_statistics(statistics: Sequence[TaskStatistics], max_tokens: int = 300) -> str:
    """Return one line a task: ``- task (31): "comedy" 12, "action" 8; latest first: "action"``.

    Where the budget is too small, rare outcomes are left out; ``(31)`` still counts them.
    """
    shown = [one for one in statistics if one.total and recurs(one)][
        : max(1, max_tokens // LEAST_TOKENS)
    ]
    lines = [_statistics_line(one, max_tokens // len(shown)) for one in shown]
    return "\n".join([COUNTS_HEADING, *lines]) if lines else ""


def quoted(label: str) -> str:
    """Return a label on one line in double quotes, with none inside."""
    return '"' + one_line(label).replace('"', "'") + '"'


def _statistics_line(one: TaskStatistics, budget: int) -> str:
    numbers = ""
    if one.mean is not None and one.median is not None and one.spread is not None:
        numbers = f"; mean {one.mean:g}, median {one.median:g}, spread {one.spread:g}"
    counts = _fitting([f"{quoted(label)} {count}" for label, count in one.counts], budget * 2 // 3)
    latest = _fitting([quoted(label) for label in one.recent], budget // 3)
    return f"- {one_line(one.task)} ({one.total}): {counts}{numbers}; latest first: {latest}"


def _fitting(items: Sequence[str], budget: int) -> str:
    """Join as many items as fit, the first one always."""
    kept: list[str] = []
    for item in items:
        budget -= estimate_tokens(item + ", ")
        if budget < 0 and kept:
            break
        kept.append(item)
    return ", ".join(kept)


def _sketches(statistics: Sequence[TaskStatistics], budget: int) -> str:
    """Return a line for each outcome, latest first: ``- "comedy": wedding vegas; road trip``."""
    by_outcome: dict[str, list[str]] = {}
    for words, outcome in (pair for one in statistics for pair in one.sketches):
        label = "" if outcome in by_outcome else f"- {quoted(outcome)}:\n"
        budget -= estimate_tokens(f"{label}{words}; ")
        if budget < 0:
            break
        by_outcome.setdefault(outcome, []).append(words)
    lines = [f"- {quoted(outcome)}: {'; '.join(told)}" for outcome, told in by_outcome.items()]
    return "\n".join([SKETCHES_HEADING, *lines]) if lines else ""


def _examples(persona: Persona, budget: int) -> str:
    lines: list[str] = []
    for shown in persona.demonstrations:
        query = one_line(shown.query)
        query = query if len(query) <= 240 else query[:239] + "…"
        line = f"- {query} -> {quoted(shown.outcome)}"
        budget -= estimate_tokens(line)
        if budget < 0:
            break
        lines.append(line)
    return "\n".join([EXAMPLES_HEADING, *lines]) if lines else ""
