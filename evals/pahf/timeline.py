"""PAHF as a data set in time: what is learned when, what is asked when, and when arms are fitted.

A learning interaction is asked first and remembered afterwards; one a day. Tests are asked when a
learning phase is over and are never remembered. Besides, the questions of phase 4 are asked in the
course of phase 3, as a probe of how far an arm has recovered; nothing is learned from that either.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser
from persona_agent.evals.pahf.dataset import LEARNING, Domain, Interaction
from persona_agent.schema import Episode

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TOLD_AFTER = timedelta(minutes=1)
TESTED_AFTER = timedelta(hours=12)
REFIT = 10
"""Learning interactions after which arms are fitted anew: often enough to see a switch within a
phase of 30 or 45, and seldom enough that optimization does not dwarf the answers it is for."""


def phase_of(query_id: str) -> str:
    """Return what a query belongs to: ``phase-1`` to ``phase-4``, or ``after-20`` for a probe."""
    return query_id.partition("/")[0]


def online_dataset(domain: Domain, *, seed: int) -> EvalDataset:
    """Return a domain as a data set; its histories are what learning phases leave in memory.

    The files group a phase by product or occasion. Learning interactions come in an order that is
    drawn with the seed, so that any stretch of them is a fair sample of the phase.
    """
    return EvalDataset(
        name=f"pahf-{domain.name}",
        task=domain.name,
        kind="choice",
        labels=(),
        users=tuple(_user(domain, user, seed) for user in domain.phases[1]),
    )


def _user(domain: Domain, user: str, seed: int) -> EvalUser:
    history: list[Episode] = []
    queries: list[EvalQuery] = []
    for phase in LEARNING:
        learned = list(domain.phases[phase][user])
        random.Random(f"{seed}/{user}/{phase}").shuffle(learned)
        tests = domain.phases[phase + 1][user]
        for number, one in enumerate(learned):
            if phase > 1 and number % REFIT == 0:
                queries += _tests(user, f"after-{number}", tests, len(history))
            name, at = f"phase-{phase}/{number:03d}", START + DAY * len(history)
            if one.decided:
                queries.append(_query(user, name, one, at))
            history.append(_episode(user, name, one, at + TOLD_AFTER))
        queries += _tests(user, f"phase-{phase + 1}", tests, len(history))
    return EvalUser(user_id=user, history=tuple(history), queries=tuple(queries))


def _tests(user: str, name: str, tests: Sequence[Interaction], known: int) -> list[EvalQuery]:
    """Ask some questions half a day after the latest interaction, a second apart."""
    begin = START + DAY * known - TESTED_AFTER
    begin += timedelta(seconds=len(tests)) if name.startswith("phase") else timedelta()
    return [
        _query(user, f"{name}/{number:03d}", one, begin + timedelta(seconds=number))
        for number, one in enumerate(tests)
        if one.decided
    ]


def _query(user: str, query_id: str, one: Interaction, at: datetime) -> EvalQuery:
    return EvalQuery(
        user_id=user,
        query_id=query_id,
        query=one.query,
        gold=one.outcome,
        outcome=one.outcome,
        at=at,
    )


def _episode(user: str, name: str, one: Interaction, at: datetime) -> Episode:
    return Episode(id=name, user_id=user, query=one.query, outcome=one.outcome, at=at)


def fitted_with(known: int, switch: int, end: int) -> int:
    """Return with how many episodes the arm was last fitted that answers when ``known`` are known.

    Args:
        known: episodes in memory.
        switch: how many there are when preferences change.
        end: how many there are in the end.
    """
    if known in (switch, end):
        return known
    start = switch if known > switch else 0
    return start + (known - start) // REFIT * REFIT
