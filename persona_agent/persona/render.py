"""A persona as text: what every model, the offline one too, gets to see of it.

The text is deterministic. It holds up to three blocks, each behind a heading of its own: claims by
section, outcome counts by task, and examples. One item is one line, whatever it contains. Claims
of one scope stand together, below a line that names it once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from persona_agent.schema import Claim, Persona, Section, TaskStatistics

CHARACTERS_PER_TOKEN = 4
LEAST_TOKENS = 20
"""A task with fewer tokens for its counts is left out."""
COUNTS_HEADING = "Outcomes so far"
ALIKE = "; in other cases like this one, closest first: "
"""Before the outcomes of cases that are told by their outcome alone."""
EXAMPLES_HEADING = "Telling examples"
ITEM = "- "
BELOW_SCOPE = "  - "
"""Before a claim whose scope stands on a line above."""
_ARTICLES = frozenset({"a", "an", "the"})


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
    if not policy.is_generic:
        shown = [claim for claim in persona.claims if policy.show_claims or claim.protected]
        chosen = _within(shown, left)
        blocks.extend(_section(section, chosen) for section in Section)
        left -= sum(map(estimate_tokens, blocks))
    blocks.append(counts)
    if policy.show_demonstrations:
        blocks.append(_examples(persona, left))
    return "\n\n".join(block for block in blocks if block)


def usefulness(claim: Claim) -> tuple[int, int, int]:
    """Sort key: the user's own first, then by net help, then by net evidence."""
    net = len(claim.evidence) - len(claim.contrary)
    return (int(claim.protected), claim.helpful - claim.harmful, net)


def claim_line(claim: Claim) -> str:
    """Return one claim as it is shown by itself."""
    return f"{ITEM}{one_line(claim.statement)}{_seen(claim)}"


def claims_shown(claims: Iterable[Claim], text: str) -> list[Claim]:
    """Return those of the claims that a text shows, each by itself or below its scope."""
    alone: set[str] = set()
    below: set[tuple[str, str]] = set()
    scope = ""
    for line in text.splitlines():
        if line.startswith(BELOW_SCOPE):
            below.add((scope, line))
        else:
            alone.add(line)
            scope = _same_scope(line.removeprefix(ITEM))
    return [
        claim
        for claim in claims
        if claim_line(claim) in alone or (_same_scope(claim.scope), _line_below(claim)) in below
    ]


def beside_claims(text: str) -> str:
    """Return the blocks of a persona's text that hold no claims: counts and examples."""
    sections = {_heading(section) for section in Section}
    blocks = [block for block in text.split("\n\n") if block.partition("\n")[0] not in sections]
    return "\n\n".join(blocks)


def _heading(section: Section) -> str:
    return section.value.capitalize()


def _line_below(claim: Claim) -> str:
    return f"{BELOW_SCOPE}{one_line(claim.text)}{_seen(claim)}"


def _seen(claim: Claim) -> str:
    if claim.origin == "user":
        day = f", {claim.said_at.date().isoformat()}" if claim.said_at else ""
        return f" (user's own words{day})"
    otherwise = f", otherwise {len(claim.contrary)}x" if claim.contrary else ""
    otherwise += ", all later" if claim.contrary and claim.turned else ""
    return f" (seen {len(claim.evidence)}x{otherwise})"


def _same_scope(scope: str) -> str:
    """Return what scopes that say the same have in common: all but case, articles, a last stop."""
    words = scope.casefold().rstrip(" .,;:").split()
    return " ".join(word for word in words if word not in _ARTICLES)


def _within(claims: Sequence[Claim], budget: int) -> list[Claim]:
    chosen: list[Claim] = []
    scopes: set[tuple[Section, str]] = set()
    for claim in sorted(claims, key=usefulness, reverse=True):
        scope = (claim.section, _same_scope(claim.scope))
        # The first claim of a scope moves below it with the second one.
        line = f"{_line_below(claim)}{BELOW_SCOPE}" if scope in scopes else claim_line(claim)
        cost = estimate_tokens(line + "\n")
        if all(claim.section is not other.section for other in chosen):
            cost += estimate_tokens(f"{claim.section.value}\n\n")
        if cost <= budget or claim.protected:
            chosen.append(claim)
            budget -= cost
            if scope[1]:
                scopes.add(scope)
    return chosen


def _section(section: Section, claims: Sequence[Claim]) -> str:
    scopes: dict[str, list[Claim]] = {}
    for claim in claims:
        if claim.section is section:
            scopes.setdefault(_same_scope(claim.scope) or claim.id, []).append(claim)
    lines = [line for group in scopes.values() for line in _group(group)]
    return "\n".join([_heading(section), *lines]) if lines else ""


def _group(claims: Sequence[Claim]) -> list[str]:
    """Return the lines of claims of one scope."""
    if len(claims) == 1:
        return [claim_line(claims[0])]
    return [f"{ITEM}{one_line(claims[0].scope)}:", *map(_line_below, claims)]


def render_statistics(statistics: Sequence[TaskStatistics], max_tokens: int = 300) -> str:
    """Return one line a task.

    ``- task (31): "comedy" 12, "action" 8; latest first, from 2026-03-01 back: "action", "comedy"
    x3``: x3 is three in a row. What does not recur, and rare outcomes where the budget is too
    small, are left out; ``(31)`` still counts them. Outcomes of cases like the query follow in the
    same way, where there are any.
    """
    counted = [one for one in statistics if one.counts]
    shown = counted[: max(1, max_tokens // LEAST_TOKENS)]
    lines = [_statistics_line(one, max_tokens // len(shown)) for one in shown]
    return "\n".join([COUNTS_HEADING, *lines]) if lines else ""


def quoted(label: str) -> str:
    """Return a label on one line in double quotes, with none inside."""
    return '"' + one_line(label).replace('"', "'") + '"'


def _statistics_line(one: TaskStatistics, budget: int) -> str:
    numbers = ""
    if one.mean is not None and one.median is not None and one.spread is not None:
        numbers = f"; mean {one.mean:g}, median {one.median:g}, spread {one.spread:g}"
    alike = ", ".join(_runs(_fitting([quoted(label) for label in one.alike], budget // 2)))
    budget -= estimate_tokens(alike)
    counted = _fitting([f"{quoted(label)} {count}" for label, count in one.counts], budget * 2 // 3)
    counts = ", ".join(counted)
    latest = ", ".join(_runs(_fitting([quoted(label) for label in one.recent], budget // 3)))
    day = f", from {one.latest_at.date().isoformat()} back" if one.latest_at else ""
    told = f"{counts}{numbers}; latest first{day}: {latest}"
    return f"- {one_line(one.task)} ({one.total}): {told}{ALIKE if alike else ''}{alike}"


def _fitting(items: Sequence[str], budget: int) -> list[str]:
    """Return as many items as fit, the first one always."""
    kept: list[str] = []
    for item in items:
        budget -= estimate_tokens(item + ", ")
        if budget < 0 and kept:
            break
        kept.append(item)
    return kept


def _runs(items: Sequence[str]) -> list[str]:
    """Write items that follow upon their like as one: ``"tea" x3``."""
    runs = ((item, len(list(same))) for item, same in groupby(items))
    return [item if length == 1 else f"{item} x{length}" for item, length in runs]


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
