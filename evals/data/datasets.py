"""Data sets for evaluation: load one by path, take a part of it."""

from __future__ import annotations

from pathlib import Path

from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser, select
from persona_agent.evals.data.lamp import load_lamp
from persona_agent.evals.data.tasks import AUTO, TASKS

TASK_NAMES = tuple(task.name for task in TASKS)
"""The names that ``task`` may have, beside ``auto`` and LaMP's own (``LaMP-1`` ...)."""

__all__ = ["AUTO", "TASK_NAMES", "EvalDataset", "EvalQuery", "EvalUser", "load_dataset", "select"]


def load_dataset(path: Path | str, task: str = AUTO) -> EvalDataset:
    """Load a data set.

    Args:
        path: a user-grouped file (JSON or JSON Lines), LaMP's ``X_questions.json`` with its
            ``X_outputs.json`` beside it, a folder that holds one such pair, or a file of full
            histories.
        task: one of :data:`TASK_NAMES` or an alias; ``auto`` tells it from the content.

    Raises:
        InputError: the data are not valid; the message names the file, the record with its user,
            the field and the problem.
    """
    return load_lamp(Path(path), task)
