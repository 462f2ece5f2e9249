"""Files that people upload: interactions in any form that can be imported, or an export."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from persona_agent.errors import InputError
from persona_agent.evals.atlas.sources import file_histories
from persona_agent.evals.data.import_file import read_interactions
from persona_agent.schema import Episode

KINDS = ("jsonl", "json", "csv", "tsv")
MOST_BYTES = 20_000_000
LEAST_PEOPLE = 3


def read_upload(name: str, data: bytes, user: str | None) -> list[Episode]:
    """Return the interactions in an uploaded file.

    Args:
        name: of the file; only its ending is used.
        data: what is in it.
        user: whose interactions these are, where a record does not say.

    Raises:
        InputError: names the line or record, the field and the problem.
    """
    ending = Path(name).suffix.lower()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "upload").with_suffix(ending if ending[1:] in KINDS else ".json")
        path.write_bytes(_checked(data))
        try:
            return read_interactions(path, user)
        except InputError as error:
            raise InputError(str(error).replace(str(path), "the file")) from None


def read_histories(name: str, data: bytes) -> dict[str, Sequence[Episode]]:
    """Return the histories of several people in a file: one for evaluation, or interactions.

    Args:
        name: of the file; only its ending is used.
        data: what is in it.

    Raises:
        InputError: what is wrong with it, or that there are too few people in it.
    """
    if _for_evaluation(_checked(data)):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "upload.json")
            path.write_bytes(data)
            try:
                found = file_histories(path)
            except InputError as error:
                raise InputError(str(error).replace(str(path), "the file")) from None
    else:
        known: dict[str, list[Episode]] = {}
        for episode in sorted(read_upload(name, data, None), key=lambda one: one.at):
            if episode.outcome is not None:
                known.setdefault(episode.user_id, []).append(episode)
        found = dict(known)
    if len(found) < LEAST_PEOPLE:
        raise InputError(
            f"the file has known outcomes of {len(found)}; a map needs at least {LEAST_PEOPLE} "
            "people"
        )
    return found


def _for_evaluation(data: bytes) -> bool:
    try:
        rows = json.loads(data)
    except ValueError:
        return False
    first = rows[0] if isinstance(rows, list) and rows else None
    return isinstance(first, dict) and "profile" in first


def export_lines(data: bytes) -> list[str] | None:
    """Return the lines of an export; None where the file is something else.

    Raises:
        InputError: it is too large, or no text.
    """
    try:
        lines = _checked(data).decode().split("\n")  # a text may hold other ends of lines
    except UnicodeDecodeError:
        raise InputError("the file is not text in UTF-8") from None
    first = next((line for line in lines if line.strip()), "")
    try:
        begun = json.loads(first)
    except ValueError:
        return None
    return lines if isinstance(begun, dict) and "kind" in begun else None


def main_user(episodes: Sequence[Episode]) -> str:
    """Return the user with most of the interactions."""
    ((user, _),) = Counter(episode.user_id for episode in episodes).most_common(1)
    return user


def _checked(data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        raise InputError(
            f"the file has {len(data):,} bytes; more than {MOST_BYTES:,} are imported from a "
            "terminal: persona-agent import FILE"
        )
    return data
