"""What experiments share: who plays, who judges, whose personas, and how long."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from persona_agent.errors import InputError
from persona_agent.evals.lab.judges import Panel
from persona_agent.evals.lab.results import Findings
from persona_agent.evals.runner import Progress, silent
from persona_agent.protocols import Embedder, LanguageModel
from persona_agent.schema import Episode, UserId
from persona_agent.schema.base import Record

Need = Literal["sampling", "chat", "data", "episodes"]
"""A model whose equal requests may get different answers; one that converses; public data;
interactions of users."""


class Card(Record):
    """A persona as the lab sees it: what is true of it, and its interactions where known.

    ``in_loss`` names the models whose verdicts it was optimized against.
    """

    user_id: UserId
    statements: tuple[str, ...]
    episodes: tuple[Episode, ...] = ()
    in_loss: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The statements as one text."""
        return " ".join(self.statements)


@dataclass(frozen=True)
class LabBench:
    """The set-up of a run.

    ``critic`` is the model inside repairs and losses, the judges are those that report: other
    models, unless there is a single one for everything. Then ``independent`` is False, and the
    report says so. ``population`` is everybody, the examined ones among them: whom a card is told
    from, :meth:`distractors` says.
    """

    actor: LanguageModel
    critic: LanguageModel
    judges: Panel
    embedder: Embedder
    cards: tuple[Card, ...]
    population: tuple[Card, ...]
    turns: int = 10
    runs: int = 3
    items: int = 6
    seed: int = 0
    data: Path | None = None
    progress: Progress = silent

    @property
    def independent(self) -> bool:
        """Whether the judges are other models than those who play and repair."""
        return not {self.actor.name, self.critic.name} & {judge.name for judge in self.models}

    @property
    def models(self) -> tuple[LanguageModel, ...]:
        """The judge models."""
        return self.judges.models

    def distractors(self, card: Card) -> list[Card]:
        """Return the other personas, in a fixed order. Raises InputError when there is none.

        Neither the card itself is among them nor its statements, all or some of them, under
        another name.
        """
        own = set(card.statements)
        found = [
            other
            for other in self.population
            if other.user_id != card.user_id
            and not (own <= set(other.statements) or own >= set(other.statements))
        ]
        if not found:
            raise InputError("a second persona is needed to tell this one from")
        return found

    def path(self, name: str) -> Path:
        """Return a folder or file of the public data. Raises InputError when it is not there."""
        path = (self.data or Path("data")) / name
        if not path.exists():
            raise InputError(f"{path} is not there: name the folder of the public data with --data")
        return path


@dataclass(frozen=True)
class Experiment:
    """One experiment: its name on the command line, a title, what it needs, and how it runs.

    ``measure`` raises ModelCannotError when the models at hand cannot do it.
    """

    name: str
    title: str
    measure: Callable[[LabBench], Awaitable[Findings]]
    needs: frozenset[Need] = frozenset()
