"""A journal of paid answers: a run that was killed goes on without asking again.

The search is deterministic given its answers, so replaying the answers replays the run. The
journal wraps the model; an answer is on disk before the search sees it.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

from persona_agent.llm.passing import PassingModel
from persona_agent.llm.response_cache import current_draw
from persona_agent.protocols import InputT, LanguageModel, OutputT, Prompt


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
        self._answers: dict[str, str] = dict(_entries(path))

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
        output = await self._inner.ask(prompt, inputs)
        self._answers[key] = output.model_dump_json()
        self._append(key)
        return output

    def _append(self, key: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as out:
            # A line break in front too: a line that was cut off would take this one along.
            row = json.dumps({"key": key, "answer": self._answers[key]})
            out.write(f"\n{row}\n")
            out.flush()
            os.fsync(out.fileno())


def _entries(path: Path) -> list[tuple[str, str]]:
    """Read a journal; a last line cut off by a crash was never acted on and is dropped."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        entries.append((str(row["key"]), str(row["answer"])))
    return entries
