"""The candidates of one search, with what each of them scored on the same past episodes.

A candidate that is best on average may have lost what another one knows about a few cases. New
candidates are therefore made from the front of those that are best somewhere, as in GEPA
(arXiv 2507.19457), and two of them that are good at different cases can be merged.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from persona_agent.persona import apply_edits
from persona_agent.schema import Edit, Persona


@dataclass(frozen=True)
class Candidate:
    """A persona and the edits that led to it from where the search began."""

    persona: Persona
    edits: tuple[Edit, ...] = ()


class Pool:
    """Candidates and their scores by episode, lower is better, on the same episodes for all."""

    def __init__(self) -> None:
        self._entries: list[tuple[Candidate, Mapping[str, float]]] = []

    def add(self, candidate: Candidate, scores: Mapping[str, float]) -> None:
        """Take in a candidate with one score an episode."""
        self._entries.append((candidate, dict(scores)))

    def front(self) -> list[tuple[Candidate, frozenset[str]]]:
        """Return the candidates that are best somewhere, with the episodes where they are.

        A candidate whose episodes another one covers wholly, and more, is left out; of equals
        the first stays.
        """
        best: dict[str, float] = {}
        for _, scores in self._entries:
            for episode, score in scores.items():
                best[episode] = min(score, best.get(episode, score))
        wins = [
            (candidate, frozenset(e for e, score in scores.items() if score <= best[e]))
            for candidate, scores in self._entries
        ]
        return [
            (candidate, won)
            for place, (candidate, won) in enumerate(wins)
            if won
            and not any(
                won < other or (won == other and rival < place)
                for rival, (_, other) in enumerate(wins)
            )
        ]

    def parent(self, turn: int) -> Candidate:
        """Draw a parent from the front, more often the more episodes it is best on.

        The draw depends on ``turn`` alone; turn 0 takes the one with most.
        """
        front = self.front()
        if turn == 0:
            return max(front, key=lambda entry: len(entry[1]))[0]
        weights = [len(won) for _, won in front]
        return random.Random(turn).choices(front, weights)[0][0]

    def partner(self, of: Candidate) -> Candidate | None:
        """Return the candidate of the front that is best where ``of`` is not most often.

        Candidates are told apart by their edits.
        """
        front = self.front()
        own = next((won for one, won in front if one.edits == of.edits), frozenset[str]())
        rivals = [
            (len(won - own), candidate) for candidate, won in front if candidate.edits != of.edits
        ]
        gained, partner = max(rivals, key=lambda rival: rival[0], default=(0, None))
        return partner if gained else None


def merged(first: Candidate, second: Candidate, at: datetime) -> Candidate:
    """Return the first candidate with those edits of the second that it does not have."""
    missing = tuple(edit for edit in second.edits if edit not in first.edits)
    persona = apply_edits(first.persona, missing, cause="optimize", at=at)
    return Candidate(persona, (*first.edits, *missing))
