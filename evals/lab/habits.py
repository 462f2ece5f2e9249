"""Habits of a user: whether knowing how the user puts wishes helps to understand later ones."""

from __future__ import annotations

from typing import NamedTuple

from persona_agent.agent.chat.mediate import is_wish, learn_habits, mediated
from persona_agent.evals.lab.bench import Card, LabBench
from persona_agent.evals.lab.intervals import mean_interval, paired_interval
from persona_agent.evals.lab.results import Figure, Verdict, figure
from persona_agent.persona.contradiction import sentences
from persona_agent.prompts import DECIDE, DecideInputs
from persona_agent.prompts.lab import Line
from persona_agent.schema import Episode, Query


class Understood(NamedTuple):
    """Of one user: its habits, and whether its later wishes led to its choices without and with."""

    user_id: str
    habits: tuple[str, ...]
    without: tuple[float, ...]
    known: tuple[float, ...]

    @property
    def verdicts(self) -> tuple[Verdict, ...]:
        """The habits, to be read."""
        return tuple(Verdict(item=f"{self.user_id}: {one}", verdict="habit") for one in self.habits)


def split(card: Card, count: int) -> tuple[tuple[Episode, ...], list[Episode]]:
    """Return the earlier half of the interactions, and of the later at most ``count`` wishes.

    The wishes are those in several sentences whose options are suggestions.
    """
    half = len(card.episodes) // 2
    later = [
        one
        for one in card.episodes[half:]
        if one.outcome
        and one.query.options
        and is_wish(one.query)
        and len(sentences(one.query.text)) > 1
    ]
    return card.episodes[:half], later[:count]


async def understand(bench: LabBench, card: Card) -> Understood:
    """Learn a user's habits once, and read its later wishes without and with them.

    A wish is told sentence by sentence, as in a chat, and rewritten into one request, from which
    the user's choice is guessed by somebody who knows nothing else. Raises ModelError.
    """
    earlier, later = split(card, max(1, bench.items // 2))
    habits = tuple(await learn_habits(bench.critic, earlier))
    without, known = [], []
    for one in later:
        without.append(await _right(bench, one.query, (), one.outcome))
        # Without a habit the request is the same.
        known.append(await _right(bench, one.query, habits, one.outcome) if habits else without[-1])
    return Understood(card.user_id, habits, tuple(without), tuple(known))


async def _right(
    bench: LabBench, query: Query, habits: tuple[str, ...], outcome: str | None
) -> float:
    lines = [Line(speaker="user", text=one) for one in sentences(query.text)]
    request = (await mediated(bench.critic, lines, habits)).request or query.text
    asked = query.model_copy(update={"text": request})
    choice = (await bench.actor.ask(DECIDE, DecideInputs(query=asked))).choice
    return float(query.options[choice - 1] == outcome)


def habit_figures(found: list[Understood], seed: int) -> list[Figure]:
    """Return how many habits were learned, and what they change in the reading of wishes."""
    users = [one.user_id for one in found for _ in one.without]
    without: list[float | None] = [score for one in found for score in one.without]
    known: list[float | None] = [score for one in found for score in one.known]
    counts: list[float | None] = [float(len(one.habits)) for one in found]
    return [
        figure("habits learned", mean_interval(counts, seed=seed),
               "how many habits of putting wishes a user's earlier interactions show"),
        figure("wishes understood", mean_interval(without, users, seed=seed),
               "share of later wishes whose request alone leads to the user's choice",
               better="higher"),
        figure("habits, gain", paired_interval(known, without, users, seed=seed),
               "what the habits change in that: below 0 they mislead, at 0 they are not needed",
               better="higher"),
    ]  # fmt: skip
