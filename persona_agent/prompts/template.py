"""Rendering of typed prompts: strict, in one pass, with untrusted text kept inside its section.

A prompt file holds two parts, each behind a line ``--- system`` or ``--- user``. A placeholder
``{{name}}`` stands for a section of the inputs. Text from users, memory and models is untrusted: it
is substituted once (what looks like a placeholder in it stays as it is) and cannot open or close
any of the template's ``<tags>``.
"""

from __future__ import annotations

import hashlib
import json
import re
from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from importlib.resources import files
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from persona_agent.protocols import ChatMessage
from persona_agent.schema.base import Record

_PLACEHOLDER = re.compile(r"\{\{(\w+)\}\}")
_PART = re.compile(r"^--- (system|user)\n", re.MULTILINE)
_TAG = re.compile(r"</?([a-z_]+)>")


class PromptInputs(Record):
    """Base of all input models."""

    @abstractmethod
    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder of the prompt's file."""


InputT = TypeVar("InputT", bound=PromptInputs)
OutputT = TypeVar("OutputT", bound=BaseModel)


def neutralize(text: str, tags: frozenset[str]) -> str:
    """Make it impossible for text to open or close one of the tags: its ``<`` becomes U+2039."""
    if not tags or "<" not in text:
        return text
    names = "|".join(sorted(re.escape(tag) for tag in tags))
    return re.sub(rf"<(?=\s*/?\s*(?:{names})\b)", "\u2039", text, flags=re.IGNORECASE)


class TypedPrompt(Generic[InputT, OutputT]):
    """A prompt file with the models of what goes in and what comes out."""

    def __init__(
        self,
        name: str,
        inputs: type[InputT],
        output: type[OutputT],
        *,
        check: Callable[[InputT, OutputT], None] | None = None,
    ) -> None:
        self.name = name
        self.inputs = inputs
        self.output = output
        self._check = check

    @cached_property
    def text(self) -> str:
        """The prompt file as it is."""
        source = files("persona_agent.prompts").joinpath(f"{self.name}.md")
        return source.read_text(encoding="utf-8").replace("\r\n", "\n")

    @cached_property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the file and the output schema."""
        schema: dict[str, Any] = self.output.model_json_schema()
        content = self.text + json.dumps(schema, sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    @cached_property
    def _parts(self) -> tuple[str, str]:
        pieces = _PART.split(self.text)
        if pieces[0].strip() or pieces[1::2] != ["system", "user"]:
            raise ValueError(f"{self.name}.md must hold '--- system' and then '--- user'")
        return pieces[2].strip(), pieces[4].strip()

    @cached_property
    def _tags(self) -> frozenset[str]:
        return frozenset(_TAG.findall(self.text))

    def render(self, inputs: InputT) -> list[ChatMessage]:
        """Return the system and the user message."""
        sections = inputs.sections()
        system, user = (_substitute(part, sections, self._tags) for part in self._parts)
        return [
            ChatMessage(role="system", content=system),
            ChatMessage(role="user", content=user),
        ]

    def check(self, inputs: InputT, output: OutputT) -> None:
        """Raise ValueError when a well-formed answer does not fit these inputs."""
        if self._check is not None:
            self._check(inputs, output)


def _substitute(part: str, sections: dict[str, str], tags: frozenset[str]) -> str:
    def fill(match: re.Match[str]) -> str:
        return neutralize(sections[match.group(1)], tags)

    return _PLACEHOLDER.sub(fill, part)
