"""Do personas belong to their users? Statistics on personas learned twice from separate halves.

``first[d, u]`` and ``second[d, u]`` are the personas of user u in draw d, learned from two halves
of the history that share no episode. Only distances between a first and a second half are used:
halves of different draws share episodes, and would look alike for that reason alone.
"""

from __future__ import annotations

import numpy as np

from persona_agent.evals.atlas.records import Vectors
from persona_agent.evals.scores.statistics import (
    Floats,
    draw_users,
    interval,
    rounded,
    rounded_interval,
)
from persona_agent.schema.base import Record

PERMUTATIONS = 9_999
DECIMALS = 5
"""Distances nearer than this are ties: equal personas differ by rounding only."""


class Separation(Record):
    """How much nearer a user's two personas are to each other than to those of others.

    ``auc`` is the chance that a distance between users exceeds one within a user, over all pairs
    (0.5: no difference). ``own_auc`` is the same among the pairs that share a persona, averaged
    over users, so that neither users whose persona is near to everybody's nor long histories
    count for more. ``retrieval`` is the share of personas whose nearest one among the other
    halves is the same user's (ties count in part), ``chance`` what guessing gives. Intervals are
    95 % from a bootstrap over users; ``p`` is from exchanging the second halves between users.
    """

    users: int
    draws: int
    auc: float
    own_auc: float
    own_auc_ci95: tuple[float, float] | None
    retrieval: float
    retrieval_ci95: tuple[float, float] | None
    chance: float
    p: float


def separation(
    first: Vectors, second: Vectors, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> tuple[Separation, Floats]:
    """Return the statistics of two halves, and each user's own AUC, to compare kinds of personas.

    Args:
        first: unit rows, or zeros for a persona of which nothing is known, which is then equally
            far from all others; shape (draws, users, dimension).
        second: likewise; row u is the same user as row u of ``first``.
        permutations: of users, for p = (1 + #{permuted >= observed}) / (1 + permutations).
        seed: of permutations and bootstrap.
    """
    draws, users = first.shape[:2]
    if users < 2:
        nothing = Separation(
            users=users, draws=draws, auc=0.5, own_auc=0.5, own_auc_ci95=None,
            retrieval=float(users), retrieval_ci95=None, chance=float(users), p=1.0,
        )  # fmt: skip
        return nothing, np.full(users, 0.5)
    distances = [np.round(1.0 - a @ b.T, DECIMALS) for a, b in zip(first, second, strict=True)]
    farther = np.mean([(_farther(d) + _farther(d.T).T) / 2 for d in distances], axis=0)
    hits = np.mean([(_nearest(d) + _nearest(d.T).T) / 2 for d in distances], axis=0)
    own, found = np.diagonal(farther), np.diagonal(hits)
    resamples = draw_users(users, seed=seed)
    return (
        Separation(
            users=users,
            draws=draws,
            auc=rounded(_pooled_auc(distances)),
            own_auc=rounded(float(own.mean())),
            own_auc_ci95=rounded_interval(interval(resamples @ own / users)),
            retrieval=rounded(float(found.mean())),
            retrieval_ci95=rounded_interval(interval(resamples @ found / users)),
            chance=rounded(1 / users),
            p=rounded(_p_value(farther, permutations, seed)),
        ),
        own,
    )


def paired_gain(ours: Floats, theirs: Floats, *, seed: int) -> tuple[float, float, float]:
    """Return how much larger our users' own AUC is, with its 95 % interval; paired by place."""
    gains = ours - theirs
    if len(gains) < 2:
        return 0.0, 0.0, 0.0
    low, high = interval(draw_users(len(gains), seed=seed) @ gains / len(gains))
    return rounded(float(gains.mean())), rounded(low), rounded(high)


def _farther(distances: Floats) -> Floats:
    """Return for each (u, v) the share of the other w with d(u, w) > d(u, v), ties as halves."""
    rows = []
    for row in distances:
        ranked = np.sort(row)
        below = np.searchsorted(ranked, row, "left")
        not_above = np.searchsorted(ranked, row, "right")
        above, ties = len(row) - not_above, not_above - below - 1
        rows.append((above + ties / 2) / (len(row) - 1))
    return np.array(rows)


def _nearest(distances: Floats) -> Floats:
    """Return for each (u, v) whether v is the nearest to u, divided among ties."""
    best = distances == distances.min(axis=1, keepdims=True)
    return np.asarray(best / best.sum(axis=1, keepdims=True))


def _pooled_auc(distances: list[Floats]) -> float:
    """Return P(d_between > d_within) + P(equal) / 2 (Mann & Whitney 1947)."""
    off = ~np.eye(len(distances[0]), dtype=bool)
    between = np.sort(np.concatenate([d[off] for d in distances]))
    within = np.concatenate([np.diagonal(d) for d in distances])
    below = np.searchsorted(between, within, "left") + np.searchsorted(between, within, "right")
    return float(1 - (below / 2).mean() / len(between))


def _p_value(farther: Floats, permutations: int, seed: int) -> float:
    generator = np.random.default_rng([seed, 1])
    users = np.arange(len(farther))
    observed = float(np.diagonal(farther).mean()) - 1e-9
    reached = sum(
        float(farther[users, generator.permutation(users)].mean()) >= observed
        for _ in range(permutations)
    )
    return (1 + reached) / (1 + permutations)
