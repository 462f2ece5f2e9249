"""What a batch is about to write to embedded Chroma, so that half of one can be taken back."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

Rows = Mapping[str, Collection[str]]
"""Ids of rows by collection."""

_NAME = "persona-agent.pending.json"


class Pending:
    """A note beside the data, which a crash leaves behind. On a server there is none."""

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / _NAME

    def left(self) -> Rows:
        """Return what was being written when the process ended, nothing as a rule."""
        if self._path is None or not self._path.exists():
            return {}
        try:
            found: dict[str, list[str]] = json.loads(self._path.read_text(encoding="utf-8"))
        except ValueError:
            return {}  # the note itself was half-written, so that nothing was begun
        return found

    @contextlib.contextmanager
    def noted(self, rows: Rows) -> Iterator[None]:
        """Keep the note while a batch is written; leave it when taking the batch back failed."""
        if self._path is None:
            yield
            return
        with self._path.open("w", encoding="utf-8") as file:
            json.dump({name: list(keys) for name, keys in rows.items()}, file)
            file.flush()
            os.fsync(file.fileno())
        yield
        self.settled()

    def settled(self) -> None:
        """Remove the note."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
