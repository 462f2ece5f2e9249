"""Accuracy, macro-F1, MAE and RMSE, from sums that a bootstrap can add up again in any mixture.

A scorer turns each answer into a row of columns (for macro-F1: confusion counts for each label).
The columns of any multiset of queries add up, and every metric is a function of the sums alone,
so that thousands of resamples are one matrix product.

An answer that is missing, or outside the labels, is wrong. For a rating it counts as the extreme
of the scale that is farther from the gold (LaMP, arXiv 2304.11406).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from persona_agent.errors import InputError
from persona_agent.schema import TaskKind

Floats = npt.NDArray[np.float64]

HIGHER_IS_BETTER = {"accuracy": True, "macro_f1": True, "mae": False, "rmse": False}


class Scorer(Protocol):
    """What scores the answers of one task."""

    def parsed(self, answer: str | None) -> bool:
        """Whether this is an answer at all."""
        ...

    def columns(self, golds: Sequence[str], answers: Sequence[str | None]) -> Floats:
        """Return what adds up, one row a query; shape (queries, columns)."""
        ...

    def metrics(self, sums: Floats) -> dict[str, Floats]:
        """Return each metric of summed columns; (..., columns) to (...). Main metric first."""
        ...

    def scores(self, golds: Sequence[str], answers: Sequence[str | None]) -> Floats:
        """Return one score a query, higher is better; shape (queries,)."""
        ...


def scorer_for(kind: TaskKind, labels: Sequence[str]) -> Scorer:
    """Return the scorer of a kind of task.

    Args:
        kind: of the task.
        labels: full set of golds (classes), or the scale (ratings).

    Raises:
        InputError: a scale that is not at least two numbers.
    """
    if kind == "rating":
        return RatingScorer(labels)
    return ClassScorer(labels)


class ClassScorer:
    """Accuracy and macro-F1 of classes.

    accuracy = correct / all. F1 of a label = 2 tp / (predicted + gold), and 0 where the label is
    neither predicted nor gold; macro-F1 is its plain mean over *all* labels, as scikit-learn has
    it with ``labels=`` given and ``zero_division=0``. Without labels (free text) there is accuracy
    alone, of exact matches.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._index = {label: number for number, label in enumerate(labels)}

    def parsed(self, answer: str | None) -> bool:
        """Whether the answer is one of the labels."""
        return answer is not None and (not self._index or answer in self._index)

    def columns(self, golds: Sequence[str], answers: Sequence[str | None]) -> Floats:
        """Return count, correct, then tp, predicted and gold of every label."""
        size = len(self._index)
        table = np.zeros((len(golds), 2 + 3 * size))
        table[:, 0] = 1
        table[:, 1] = self.scores(golds, answers)
        for row, (gold, answer) in enumerate(zip(golds, answers, strict=True)):
            truth, said = self._index.get(gold), self._index.get(answer or "")
            if truth is not None:
                table[row, 2 + 2 * size + truth] = 1
            if said is not None:
                table[row, 2 + size + said] = 1
                table[row, 2 + said] = said == truth
        return table

    def metrics(self, sums: Floats) -> dict[str, Floats]:
        """Return accuracy and macro-F1, each 0 to 1."""
        accuracy = sums[..., 1] / sums[..., 0]
        if not self._index:
            return {"accuracy": accuracy}
        tp, predicted, gold = np.split(sums[..., 2:], 3, axis=-1)
        f1 = 2 * tp / np.maximum(predicted + gold, 1)
        return {"accuracy": accuracy, "macro_f1": f1.mean(axis=-1)}

    def scores(self, golds: Sequence[str], answers: Sequence[str | None]) -> Floats:
        """Return 1 for right and 0 for wrong."""
        pairs = zip(golds, answers, strict=True)
        return np.array([float(gold == answer) for gold, answer in pairs])


class RatingScorer:
    """Mean absolute error and root mean squared error of ratings, in steps of the scale."""

    def __init__(self, labels: Sequence[str]) -> None:
        scale = [_number(label) for label in labels]
        if len(scale) < 2 or None in scale:
            raise InputError(f"a rating needs a scale of numbers, not {list(labels)[:8]}")
        numbers = [number for number in scale if number is not None]
        self._low, self._high = min(numbers), max(numbers)

    def parsed(self, answer: str | None) -> bool:
        """Whether the answer is a number on the scale."""
        number = _number(answer)
        return number is not None and self._low <= number <= self._high

    def columns(self, golds: Sequence[str], answers: Sequence[str | None]) -> Floats:
        """Return count, absolute error and squared error."""
        errors = -self.scores(golds, answers)
        return np.column_stack([np.ones_like(errors), errors, errors**2])

    def metrics(self, sums: Floats) -> dict[str, Floats]:
        """Return MAE and RMSE."""
        mean = sums[..., 1] / sums[..., 0]
        return {"mae": mean, "rmse": np.sqrt(sums[..., 2] / sums[..., 0])}

    def scores(self, golds: Sequence[str], answers: Sequence[str | None]) -> Floats:
        """Return minus the absolute error."""
        pairs = zip(golds, answers, strict=True)
        return np.array([-self._error(gold, answer) for gold, answer in pairs])

    def _error(self, gold: str, answer: str | None) -> float:
        truth, said = _number(gold), _number(answer)
        if truth is None:
            raise InputError(f"gold {gold[:40]!r} is not a number")
        if said is None or not self._low <= said <= self._high:
            return max(truth - self._low, self._high - truth)
        return abs(truth - said)


def _number(text: str | None) -> float | None:
    try:
        number = float(text) if text is not None else math.nan
    except ValueError:
        return None
    return number if math.isfinite(number) else None
