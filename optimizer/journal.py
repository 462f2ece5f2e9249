"""A journal of paid answers: a run that was killed goes on without asking again.

The search is deterministic given its answers, so replaying the answers replays the run. The
journal wraps the model; an answer is on disk before the search sees it, and what it cost with it:
of a run that was killed, nothing else tells.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from persona_agent.llm.accounting import limit
from persona_agent.llm.passing import PassingModel
from persona_agent.llm.response_cache import current_draw
from persona_agent.protocols import InputT, LanguageModel, OutputT, Prompt
from persona_agent.schema import Usage

BOOKED = "booked"


def journal_path(folder: Path, user_id: str) -> Path:
    """Return the place of a user's journal; the name does not show the user id."""
    return folder / f"{hashlib.sha256(user_id.encode()).hexdigest()[:32]}.jsonl"


class JournaledModel(PassingModel):
    """A model whose typed answers are journaled. Equal requests of one draw are answered once.

    Only typed answers are; the rest goes through. What is cached of a user is forgotten inside:
    the journal itself belongs to the optimizer.
    """

    def __init__(self, inner: LanguageModel, path: Path) -> None:
        super().__init__(inner)
        self._path = path
        self._answers = {row["key"]: row["answer"] for row in _rows(path) if "answer" in row}

    @property
    def deterministic(self) -> bool:
        """True: a request that was answered gets the same answer again."""
        return True

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        """Return the journaled answer, or ask and journal. Raises ModelError."""
        draw = current_draw()
        drawn = [str(draw)] if draw else []
        content = [*drawn, prompt.digest, *(message.content for message in prompt.render(inputs))]
        key = hashlib.sha256("\0".join([self.name, *content]).encode()).hexdigest()
        if key in self._answers:
            return prompt.output.model_validate_json(self._answers[key])
        row: dict[str, Any] = {"key": key}
        with limit() as paid:
            try:
                output = await self._inner.ask(prompt, inputs)
                row["answer"] = self._answers[key] = output.model_dump_json()
            finally:  # an answer that cannot be used is paid for, too
                if paid.used.calls or "answer" in row:
                    row |= {"used": paid.used.model_dump(), "at": datetime.now(UTC).isoformat()}
                    _append(self._path, row)
        return output


def unbooked(path: Path) -> tuple[Usage, datetime | None]:
    """Return what a journal's answers cost since the last was booked, and when the last came."""
    used, last = Usage(), None
    for row in _rows(path):
        if BOOKED in row:
            used, last = Usage(), None
        elif "used" in row:
            used += Usage.model_validate(row["used"])
            last = datetime.fromisoformat(row["at"])
    return used, last


def mark_booked(path: Path) -> None:
    """Note that all answers so far are booked elsewhere; nothing where there is no journal."""
    if path.exists():
        _append(path, {BOOKED: True})


def _append(path: Path, row: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as out:
        # A line break in front too: a line that was cut off would take this one along.
        out.write(f"\n{json.dumps(row)}\n")
        out.flush()
        os.fsync(out.fileno())


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read a journal; a last line cut off by a crash was never acted on and is dropped."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue
