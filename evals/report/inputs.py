"""Files of results, whatever kind of evaluation made them: telling, reading, scoring again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from persona_agent.errors import InputError
from persona_agent.evals.data.source import describe, read_text
from persona_agent.evals.pahf.results import PahfResult, rescored
from persona_agent.evals.scores.rescore import rescore
from persona_agent.evals.scores.results import EvalResult
from persona_agent.evals.sweeps import SweepResult

Input = EvalResult | SweepResult | PahfResult
"""What a file may hold."""


def load_inputs(paths: Sequence[Path]) -> dict[str, Input]:
    """Read files of evaluations and of sweeps, by their names.

    Raises:
        InputError: a file is neither, or two files have one name.
    """
    found: dict[str, Input] = {}
    for path in paths:
        if path.name in found:
            raise InputError(f"two files are named {path.name}: give them names of their own")
        found[path.name] = load_input(path)
    return found


def load_input(path: Path) -> Input:
    """Read a file of results. Raises InputError for one that holds none; names the field."""
    return parse_input(read_text(path), str(path))


def parse_input(text: str, name: str) -> Input:
    """Return the results in the text of a file of this name. Raises InputError."""
    try:
        return _kind(text).model_validate_json(text)
    except ValidationError as error:
        raise InputError(f"{name}: not a result of an evaluation: {describe(error)}") from None


def _kind(text: str) -> type[Input]:
    """Tell what a file holds from the first name in it."""
    first = re.match(r'\s*\{\s*"(\w+)"\s*:', text)
    kinds: dict[str, type[Input]] = {"sweep": SweepResult, "domains": PahfResult}
    return kinds.get(first[1] if first else "", EvalResult)


def rescored_input(result: Input) -> Input:
    """Return a result with everything computed anew from its records; see ``rescore``.

    Raises:
        InputError: a query occurs twice, or a gold is none of the labels.
    """
    if isinstance(result, PahfResult):
        return rescored(result)
    if isinstance(result, SweepResult):
        points = (one.model_copy(update={"result": rescore(one.result)}) for one in result.points)
        return result.model_copy(update={"points": tuple(points)})
    return rescore(result)


def evaluations(result: Input) -> list[EvalResult]:
    """Return the evaluations in a result: one, one a value and seed, or one a domain."""
    if isinstance(result, PahfResult):
        return [one.tests for one in result.domains.values()]
    if isinstance(result, SweepResult):
        return [one.result for one in result.points]
    return [result]
