"""Files that people upload: interactions in any form that can be imported, or an export."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

from persona_agent.errors import InputError
from persona_agent.evals.data.import_file import read_interactions
from persona_agent.schema import Episode

KINDS = ("jsonl", "json", "csv", "tsv")
MOST_BYTES = 20_000_000


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


def export_lines(data: bytes) -> list[str] | None:
    """Return the lines of an export; None where the file is something else.

    Raises:
        InputError: it is too large, or no text.
    """
    try:
        lines = _checked(data).decode().splitlines()
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
    counts: dict[str, int] = {}
    for episode in episodes:
        counts[episode.user_id] = counts.get(episode.user_id, 0) + 1
    return max(counts, key=lambda user: counts[user])


def _checked(data: bytes) -> bytes:
    if len(data) > MOST_BYTES:
        raise InputError(
            f"the file has {len(data):,} bytes; more than {MOST_BYTES:,} are imported from a "
            "terminal: persona-agent import FILE"
        )
    return data
