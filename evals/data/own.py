"""A data set from interactions as users import them: each user's latest are held back as queries.

So what is told of public data can be told of one's own, arm by arm, and who would be worse off.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from persona_agent.errors import InputError
from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser, in_notation
from persona_agent.evals.data.import_file import TABLES, read_interactions
from persona_agent.evals.data.source import Place, read_rows
from persona_agent.evals.data.tasks import AUTO
from persona_agent.evals.data.timeline import total_order
from persona_agent.schema import Episode

RECURRING = 2
"""Times that an option is offered on average, from which its name says something by itself."""


def known_interactions(path: Path) -> dict[str, list[Episode]] | None:
    """Return each user's interactions of any task whose outcome is known; None for other files.

    Raises:
        InputError: the file cannot be read, or an interaction is not valid.
    """
    if path.is_dir():
        return None
    if path.suffix.lower() not in TABLES and not are_interactions(_first(read_rows(path))):
        return None
    return _by_user([one for one in read_interactions(path) if one.outcome is not None])


def are_interactions(first: object) -> bool:
    """Tell whether the first record of a file is an interaction, or holds those of a user."""
    if not isinstance(first, Mapping) or "profile" in first:
        return False
    return "interactions" in first or isinstance(first.get("query"), str | Mapping)


def load_interactions(path: Path, task: str = AUTO) -> EvalDataset:
    """Read a file that ``persona-agent import`` reads; the last fifth of each user are queries.

    What counts is one task: choices or ratings whose outcome is known.

    Args:
        path: see :func:`persona_agent.evals.data.import_file.read_interactions`.
        task: the records' own ``task``; ``auto`` takes the only one that there is.

    Raises:
        InputError: the file is not valid, holds nothing of the task, or more than one task and
            none is named.
    """
    known = [
        one for one in read_interactions(path) if one.outcome is not None and one.query.options
    ]
    name = _task(path, known, task)
    chosen = [one for one in known if one.query.task == name]
    kinds = {one.query.kind for one in chosen}
    if len(kinds) > 1:
        raise InputError(f"{path}: task {name!r} has choices and ratings: give each its own 'task'")
    options = [option for one in chosen for option in one.query.options]
    rating = kinds == {"rating"}
    labels = tuple(sorted(set(options), key=float) if rating else dict.fromkeys(options))
    notation: Literal["text", "index"] = "text"
    if not rating and len(options) < RECURRING * len(labels):
        most = max(len(one.query.options) for one in chosen)
        notation, labels = "index", tuple(f"[{number}]" for number in range(1, most + 1))
    return EvalDataset(
        name=path.stem,
        task=name or "interactions",
        kind="rating" if rating else "choice",
        labels=labels,
        users=tuple(_user(user, episodes, notation) for user, episodes in _by_user(chosen).items()),
        notation=notation,
    )


def _first(records: Sequence[tuple[Place, object]]) -> object:
    return records[0][1] if records else None


def _by_user(episodes: Sequence[Episode]) -> dict[str, list[Episode]]:
    """Return the episodes by user, in time order."""
    found: defaultdict[str, list[Episode]] = defaultdict(list)
    for one in sorted(episodes, key=lambda one: one.at):
        found[one.user_id].append(one)
    return dict(sorted(found.items()))


def _task(path: Path, known: Sequence[Episode], task: str) -> str:
    """Return the records' name of the task that is meant."""
    counts = Counter(one.query.task for one in known)
    if not counts:
        raise InputError(
            f"{path}: no interaction has options and an outcome, so no answer can be right or wrong"
        )
    there = ", ".join(f"{name!r} ({number})" for name, number in counts.most_common(12))
    there += f" and {len(counts) - 12} more" if len(counts) > 12 else ""
    if task != AUTO and task not in counts:
        raise InputError(f"{path}: no task {task!r} with options and outcomes; there are: {there}")
    if task == AUTO and len(counts) > 1:
        raise InputError(f"{path}: several tasks; name one with --task: {there}")
    return next(iter(counts)) if task == AUTO else task


def _user(user_id: str, episodes: list[Episode], notation: Literal["text", "index"]) -> EvalUser:
    times, _ = total_order([one.at for one in episodes], [])
    placed = [one.model_copy(update={"at": at}) for one, at in zip(episodes, times, strict=True)]
    cut = len(placed) * 4 // 5
    return EvalUser(
        user_id=user_id,
        history=tuple(placed[:cut]),
        queries=tuple(_query(one, notation) for one in placed[cut:]),
    )


def _query(episode: Episode, notation: Literal["text", "index"]) -> EvalQuery:
    outcome = episode.outcome or ""
    return EvalQuery(
        user_id=episode.user_id,
        query_id=episode.id,
        query=episode.query,
        gold=in_notation(episode.query, outcome, notation),
        outcome=outcome,
        at=episode.at,
    )
