"""Contradictions read by a cross-encoder for natural language inference.

An encoder that was trained on other inference data may not transfer to statements about persons:
one trained on SNLI reaches 46 % on Dialogue-NLI (Welleck et al. 2019). Measure before you trust it.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from persona_agent.errors import InputError, MissingExtraError, StoreUnavailableError
from persona_agent.persona.contradiction import Relation, Verdict

_VERDICTS: tuple[Verdict, ...] = ("contradiction", "entailment", "neutral")


class CrossEncoderReader:
    """A sentence-transformers cross-encoder with the three labels of inference.

    Nothing heavy is loaded before the first pair. Safe to call from several threads.
    """

    def __init__(self, name: str) -> None:
        """Choose a model: the path of a folder, or a name whose weights are on this machine."""
        self.name = name
        self._model: Any = None
        self._columns: dict[Verdict, int] = {}
        self._lock = threading.Lock()

    def relate(self, utterance: str, statements: Sequence[str]) -> list[Relation]:
        """Return the relation of an utterance to each statement, the likeliest of the three.

        Raises:
            MissingExtraError: sentence-transformers is not installed.
            StoreUnavailableError: the model is not on this machine.
            InputError: it has other labels than those of inference.
        """
        if not statements:
            return []
        with self._lock:
            self._load()
            pairs = [(utterance, statement) for statement in statements]
            chances = self._model.predict(pairs, apply_softmax=True, show_progress_bar=False)
        found = []
        for row in chances:
            of = {verdict: float(row[column]) for verdict, column in self._columns.items()}
            best = max(_VERDICTS, key=lambda verdict: of[verdict])
            found.append(
                Relation(
                    best,
                    of["contradiction"] if best == "contradiction" else 0.0,
                    f"{best} at {of[best]:.2f}" if best != "neutral" else "",
                )
            )
        return found

    def _load(self) -> None:
        if self._model is not None:
            return
        try:
            from sentence_transformers import CrossEncoder
        except ImportError as error:
            raise MissingExtraError("sentence-transformers", "local") from error
        name = str(Path(self.name)) if Path(self.name).is_dir() else self.name
        try:
            model = CrossEncoder(name, local_files_only=True)
        except OSError as error:
            raise StoreUnavailableError(
                f"the inference model {self.name!r} is not on this machine: give the path of a "
                "folder with its files"
            ) from error
        self._columns = _columns(cast("dict[int, str]", model.config.id2label), self.name)
        self._model = model


def _columns(labels: dict[int, str], name: str) -> dict[Verdict, int]:
    """Return the column of each verdict. Raises InputError unless each has exactly one."""
    columns: dict[Verdict, int] = {}
    for verdict in _VERDICTS:
        found = [place for place, label in labels.items() if verdict[:7] in label.casefold()]
        if len(found) != 1:
            raise InputError(
                f"{name!r} has the labels {', '.join(labels.values())}; needed are entailment, "
                "neutral and contradiction"
            )
        columns[verdict] = found[0]
    return columns
