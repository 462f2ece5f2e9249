"""Personas and their changes for a human reader, as Rich renderables.

Texts of users, memory and models are untrusted: they are stripped of everything that drives a
terminal, and put into :class:`rich.text.Text`, where markup has no meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from persona_agent.persona.diff import ClaimChange, PersonaDiff
from persona_agent.schema import (
    Claim,
    ContextPolicy,
    Edit,
    Episode,
    Noise,
    Persona,
    Section,
    TermMeans,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

MOST_EVIDENCE = 3

# Whole escape sequences first, so that no remnant such as "[31m" is left; then what is left of
# C0 and C1 controls, and the marks that turn the direction of text around.
_SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x80-\x9f]*(?:\x07|\x1b\\|\x9c)"
)
_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)

_MARKS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}
_SWITCHES = {
    "show_claims": "claims",
    "show_statistics": "outcome counts",
    "show_demonstrations": "examples",
}


def printable(text: str) -> str:
    """Return text without escape sequences, control characters and direction marks."""
    return _CONTROL.sub("", _SEQUENCE.sub("", text))


def one_line(text: str, limit: int = 100) -> str:
    """Return text on one printable line, cut at ``limit`` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def evidence_ids(change: PersonaDiff | Persona | Sequence[Edit]) -> list[str]:
    """Return the ids of all episodes that are shown with it, each once, to be looked up at once."""
    rests_on: Iterable[tuple[str, ...]]
    if isinstance(change, Persona):
        rests_on = (claim.evidence + claim.contrary for claim in change.claims)
    elif isinstance(change, PersonaDiff):
        rests_on = (claim.evidence for claim in change.claims)
    else:
        rests_on = (edit.evidence for edit in change)
    return list(dict.fromkeys(name for names in rests_on for name in names))


def render_diff(diff: PersonaDiff, episodes: Mapping[str, Episode]) -> RenderableType:
    """Return what changed between two versions, each claim with the episodes behind it.

    Args:
        diff: the changes.
        episodes: by id, as far as they are still stored; see :func:`evidence_ids`.
    """
    from rich.console import Group

    lines = [line for change in diff.claims for line in _change(change, episodes)]
    lines.extend(_policy(diff.policy_before, diff.policy_after))
    if diff.demonstrations[0] != diff.demonstrations[1]:
        lines.append(
            _text(f"~ examples: {diff.demonstrations[0]} -> {diff.demonstrations[1]}", "yellow")
        )
    if diff.alternatives[0] != diff.alternatives[1]:
        others = ", ".join(diff.alternatives[1])
        suited = f"where they did better: {others}" if others else "no more"
        lines.append(_text(f"~ earlier versions answer {suited}", "yellow"))
    lines = lines or [_text("no change", "dim")]
    if diff.terms:
        lines.append(_text(f"judged against generic: {terms_line(diff.terms)}", "dim"))
    return Group(*lines)


def terms_line(terms: Sequence[TermMeans]) -> str:
    """Return the parts of an objective on one line: ``task 0.40 -> 0.20, copying - -> 0.05``.

    From what was compared with to what was tried; ``-`` where a term did not apply.
    """
    return ", ".join(f"{one.term} {mean_change(one)}" for one in terms if one.applies)


def mean_change(term: TermMeans) -> str:
    """Return the means of one term, from what was compared with to what was tried."""
    return f"{_mean(term.incumbent)} -> {_mean(term.candidate)}"


def noise_line(noise: Noise) -> str:
    """Return what scores vary by on one line, and what that says."""
    if noise.icc is None:
        return "Asked twice, every persona scores the same everywhere: there is no run noise."
    says = "runs vary as much as personas do" if noise.run_dominates else "personas vary more"
    return (
        f"Asked {noise.runs} times: variance of scores between personas {noise.persona:.4f}, "
        f"interactions {noise.item:.4f}, personas x interactions {noise.interaction:.4f}, runs "
        f"{noise.run:.4f}; ICC {noise.icc:.2f}, {says}. A gain within twice the standard error of "
        "runs passes no gate."
    )


def _mean(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def render_persona(persona: Persona, episodes: Mapping[str, Episode]) -> RenderableType:
    """Return a persona's claims by section, each with the episodes that bear it out or do not."""
    from rich.console import Group

    lines: list[Text] = []
    for section in Section:
        claims = [claim for claim in persona.claims if claim.section is section]
        if claims:
            lines.append(_text(section.value.capitalize(), "bold"))
        for claim in claims:
            lines.append(_text(f"- {_statement(claim)}"))
            lines.extend(evidence_lines(claim.evidence, episodes))
            lines.extend(evidence_lines(claim.contrary, episodes, mark="otherwise: "))
    return Group(*(lines or [_text("no claims", "dim")]))


def evidence_lines(
    ids: Sequence[str], episodes: Mapping[str, Episode], *, mark: str = ""
) -> Iterator[Text]:
    """Yield the latest of the episodes, a line each behind a mark, and how many more there are."""
    known = sorted((episodes[name] for name in ids if name in episodes), key=lambda one: one.at)
    for episode in reversed(known[-MOST_EVIDENCE:]):
        yield _text(f"      {mark}{episode_line(episode)}", "dim")
    more, gone = len(known[:-MOST_EVIDENCE]), len(ids) - len(known)
    rest = [f"{more} more" if more else "", f"{gone} no longer stored" if gone else ""]
    if more or gone:
        yield _text(f"      {mark}… {', '.join(part for part in rest if part)}", "dim")


def episode_line(episode: Episode) -> str:
    """Return an episode on one line: ``2026-03-01  what was asked -> what the user chose``."""
    outcome = one_line(episode.outcome, 50) if episode.outcome is not None else "(not known)"
    return f"{episode.at.date().isoformat()}  {one_line(episode.query.text, 70)} -> {outcome}"


def _change(change: ClaimChange, episodes: Mapping[str, Episode]) -> Iterator[Text]:
    mark, color = _MARKS[change.change]
    claim = change.after or change.before
    if claim is None:
        return
    if change.before is not None and change.after is not None:
        yield _text(f"{mark} {claim.section.value}", color)
        yield _text(f"    before: {_statement(change.before)}", color)
        yield _text(f"    now:    {_statement(change.after)}", color)
    else:
        yield _text(f"{mark} {claim.section.value}: {_statement(claim)}", color)
    yield from evidence_lines(change.evidence, episodes)


def _statement(claim: Claim) -> str:
    marks = [
        mark for mark, on in (("pinned", claim.pinned), ("yours", claim.origin == "user")) if on
    ]
    return one_line(claim.statement, 400) + (f" ({', '.join(marks)})" if marks else "")


def _policy(before: ContextPolicy | None, after: ContextPolicy | None) -> Iterator[Text]:
    if before is None or after is None or before == after:
        return
    if before.recalled != after.recalled:
        yield _text(f"~ episodes recalled: {before.recalled} -> {after.recalled}", "yellow")
    if before.listed != after.listed:
        yield _text(f"~ more told by outcome: {before.listed} -> {after.listed}", "yellow")
    if before.blend != after.blend:
        yield _text("~ the weights of recall", "yellow")
    if before.since != after.since:
        since = "all time" if after.since is None else f"{after.since:%Y-%m-%d} on"
        yield _text(f"~ recalled and counted: cases of {since}", "yellow")
    for name, what in _SWITCHES.items():
        if getattr(before, name) != getattr(after, name):
            shown = "shown" if getattr(after, name) else "not shown any more"
            yield _text(f"~ {what}: {shown}", "yellow")


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(printable(text), style=style)
