"""What the lab finds: figures with intervals, verdicts with evidence, and their cost."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AwareDatetime, Field, ValidationError

from persona_agent.errors import InputError
from persona_agent.evals.data.source import describe, read_text
from persona_agent.evals.scores.results import write_text
from persona_agent.evals.scores.statistics import Interval, rounded, rounded_interval
from persona_agent.schema import Usage
from persona_agent.schema.base import Record

Better = Literal["higher", "lower", ""]


class Figure(Record):
    """One number: its 95 % interval where there is one, and the sentence that says what it means.

    ``value`` is None where nothing could be scored; ``missing`` counts what was left out.
    """

    name: str
    value: float | None
    ci95: Interval | None = None
    n: int = Field(ge=0)
    missing: int = Field(default=0, ge=0)
    better: Better = ""
    meaning: str


class Verdict(Record):
    """The judgement of one item, with the words that decided it; ``verdict`` "" is missing."""

    item: str
    verdict: str
    score: float | None = None
    evidence: str = ""
    votes: tuple[str, ...] = ()


class Findings(Record):
    """What one experiment measured; ``cannot`` says what of it was beyond the models at hand."""

    figures: tuple[Figure, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    cannot: str = ""


class LabResult(Record):
    """An experiment's findings and what they cost."""

    name: str
    title: str
    findings: Findings = Findings()
    usage: Usage = Usage()


class LabReport(Record):
    """A run of the lab: who played, who was inside repairs, who judged, and what was found.

    ``reader`` is the inference model that related statements, "" where the judges did. ``in_loss``
    names the models whose verdicts a persona was optimized against.
    """

    format: Literal["persona-agent lab 1"] = "persona-agent lab 1"
    at: AwareDatetime
    model: str
    critic: str
    judges: tuple[str, ...]
    reader: str = ""
    in_loss: tuple[str, ...] = ()
    embedder: str
    personas: tuple[str, ...]
    seed: int
    results: tuple[LabResult, ...]
    seconds: float = Field(ge=0)


def figure(
    name: str,
    found: tuple[float | None, Interval | None, int],
    meaning: str,
    *,
    better: Better = "",
    asked: int | None = None,
) -> Figure:
    """Return a figure from a mean with its interval and count, out of ``asked`` items."""
    value, bounds, count = found
    return Figure(
        name=name,
        value=None if value is None or value != value else rounded(value),
        ci95=rounded_interval(bounds),
        n=count,
        missing=max(0, (asked or count) - count),
        better=better,
        meaning=meaning,
    )


def save_report(report: LabReport, path: Path) -> None:
    """Write a report as JSON. Raises InputError where that cannot be done."""
    write_text(path, report.model_dump_json(indent=1) + "\n")


def load_report(path: Path) -> LabReport:
    """Read a report. Raises InputError when the file is none; names the field."""
    text = read_text(path)
    try:
        return LabReport.model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{path}: not a report of the lab: {describe(error)}") from None
