"""Clusters: k-means with the number that comes back under the bootstrap, and HDBSCAN."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from persona_agent.evals.atlas.records import NONE, Stability, Vectors
from persona_agent.evals.extras import sklearn

Labels = npt.NDArray[np.int64]

MOST_CLUSTERS = 8
MOST_OF_MANY = 16
MANY = 400
LEAST_MEMBERS = 3
BOOTSTRAPS = 10
DRAWN = 1_000
"""Rows of a bootstrap sample at most: enough to tell whether clusters come back."""
STABLE = 0.6
"""Agreement from which clusters are said to come back; chance is 0, equal clusterings are 1."""
STARTS = 4
MOST_STEPS = 100
DIMENSIONS = 20
SAMPLE = 2_000


@dataclass(frozen=True)
class Grouping:
    """Labels from 0, in falling order of size, their centres, and how stable each number was."""

    labels: Labels
    centres: Vectors
    stability: tuple[Stability, ...]

    @property
    def agreement(self) -> float:
        """Return the stability of the number that was chosen; 0 where there is one cluster."""
        chosen = len(self.centres)
        return next((one.agreement for one in self.stability if one.clusters == chosen), 0.0)


def group(rows: Vectors, *, seed: int = 0) -> Grouping:
    """Cluster rows by k-means, with the number of clusters chosen by stability.

    For each number, pairs of bootstrap samples are clustered and every row is given to the nearest
    centre of each; their adjusted Rand index says whether the same clusters come back (Ben-Hur,
    Elisseeff & Guyon 2002; Hennig 2007). The number with the highest mean is chosen, the larger
    one among those within a standard error of it. With too few distinct rows there is one cluster.

    Args:
        rows: shape (n, dimension).
        seed: of all draws.
    """
    distinct = len(np.unique(np.round(rows, 5), axis=0)) if len(rows) <= SAMPLE else len(rows)
    most = MOST_CLUSTERS if len(rows) < MANY else MOST_OF_MANY
    largest = min(most, len(rows) // LEAST_MEMBERS, distinct)
    if largest < 2:
        centre = rows.mean(axis=0, keepdims=True) if len(rows) else rows[:0]
        return Grouping(np.zeros(len(rows), dtype=np.int64), centre, ())
    found: list[Stability] = []
    spread: list[float] = []
    for clusters in range(2, largest + 1):
        values = _agreements(rows, clusters, seed)
        found.append(Stability(clusters=clusters, agreement=round(float(values.mean()), 4)))
        spread.append(float(values.std(ddof=1)) / np.sqrt(len(values)))
    best = max(range(len(found)), key=lambda one: found[one].agreement)
    bar = found[best].agreement - spread[best]
    chosen = max(one.clusters for one in found if one.agreement >= bar)
    labels, centres = _ordered(*k_means(rows, chosen, seed))
    return Grouping(labels, centres, tuple(found))


def assign(rows: Vectors, centres: Vectors) -> Labels:
    """Return the nearest centre of each row."""
    distance = (centres**2).sum(axis=1)[None, :] - 2 * rows @ centres.T
    return np.asarray(distance.argmin(axis=1), dtype=np.int64)


def k_means(
    rows: Vectors, clusters: int, seed: int, *, starts: int = STARTS
) -> tuple[Labels, Vectors]:
    """Return labels and centres of Lloyd's k-means, the best of several k-means++ starts.

    Written out, because thousands of small ones are needed, for which scikit-learn's checks take
    most of the time.
    """
    generator = np.random.default_rng(seed)
    found = [_lloyd(rows, _spread(rows, clusters, generator)) for _ in range(starts)]
    return min(found, key=lambda one: float(((rows - one[1][one[0]]) ** 2).sum()))


def _spread(rows: Vectors, clusters: int, generator: np.random.Generator) -> Vectors:
    """Draw first centres far from each other (k-means++, Arthur & Vassilvitskii 2007)."""
    chosen = [int(generator.integers(len(rows)))]
    away = ((rows - rows[chosen[0]]) ** 2).sum(axis=1)
    for _ in range(clusters - 1):
        upto = np.cumsum(away, dtype=np.float64)
        drawn = int(np.searchsorted(upto, generator.random() * upto[-1], side="right"))
        chosen.append(min(drawn, len(rows) - 1))
        away = np.minimum(away, ((rows - rows[chosen[-1]]) ** 2).sum(axis=1))
    return rows[chosen]


def _lloyd(rows: Vectors, centres: Vectors) -> tuple[Labels, Vectors]:
    labels = assign(rows, centres)
    for _ in range(MOST_STEPS):
        members = (labels[None, :] == np.arange(len(centres))[:, None]).astype(np.float32)
        counts = members.sum(axis=1, keepdims=True)
        centres = np.where(counts > 0, members @ rows / np.maximum(counts, 1), centres)
        moved = assign(rows, centres)
        if np.array_equal(moved, labels):
            break
        labels = moved
    return labels, np.asarray(centres, dtype=np.float32)


def adjusted_rand(first: Labels, second: Labels) -> float:
    """Return the adjusted Rand index (Hubert & Arabie 1985): 1 equal, 0 chance.

    Labels count from 0. Written out for the same reason as k-means.
    """
    width = int(second.max()) + 1
    table = np.bincount(first * width + second, minlength=width * (int(first.max()) + 1))
    cells = table.reshape(-1, width).astype(np.float64)
    rows, columns = _pairs(cells.sum(axis=1)), _pairs(cells.sum(axis=0))
    expected = rows * columns / _pairs(np.array([len(first)]))
    largest = (rows + columns) / 2
    return 1.0 if largest == expected else (_pairs(cells) - expected) / (largest - expected)


def _pairs(counts: npt.NDArray[np.float64] | Labels) -> float:
    return float((counts * (counts - 1) / 2).sum())


def silhouette(rows: Vectors, labels: Labels, *, seed: int = 0) -> float | None:
    """Return the mean silhouette (Rousseeuw 1987), -1 to 1, of at most 2,000 rows.

    None with fewer than two clusters, or with as many as there are rows.
    """
    if len(rows) > SAMPLE:
        kept = np.random.default_rng(seed).choice(len(rows), SAMPLE, replace=False)
        rows, labels = rows[kept], labels[kept]
    if not 2 <= len(np.unique(labels)) < len(rows):
        return None
    return float(sklearn("metrics").silhouette_score(rows, labels))


def dense_groups(rows: Vectors) -> Labels:
    """Return the groups of HDBSCAN (Campello et al. 2013), -1 for points of none.

    Works on the first principal components: density has no meaning in hundreds of dimensions.
    """
    smallest = max(LEAST_MEMBERS, round(len(rows) ** 0.5 / 2))
    if len(rows) < 2 * smallest:
        return np.full(len(rows), NONE, dtype=np.int64)
    found = sklearn("cluster").HDBSCAN(min_cluster_size=smallest, copy=True)
    return np.asarray(found.fit(reduced(rows)).labels_, dtype=np.int64)


def reduced(rows: Vectors, dimensions: int = DIMENSIONS) -> Vectors:
    """Return the first principal components, shape (n, at most ``dimensions``)."""
    kept = min(dimensions, *rows.shape)
    model = sklearn("decomposition").PCA(kept, svd_solver="randomized", random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # rows without any variance
        return np.asarray(np.nan_to_num(model.fit_transform(rows)), dtype=np.float32)


def _agreements(rows: Vectors, clusters: int, seed: int) -> npt.NDArray[np.float64]:
    generator = np.random.default_rng([seed, clusters])
    size = min(len(rows), DRAWN)
    values = []
    for number in range(BOOTSTRAPS):
        pair = []
        for _ in range(2):
            drawn = rows[generator.integers(0, len(rows), size)]
            pair.append(assign(rows, k_means(drawn, clusters, seed + number, starts=2)[1]))
        values.append(adjusted_rand(*pair))
    return np.array(values)


def _ordered(labels: Labels, centres: Vectors) -> tuple[Labels, Vectors]:
    order = np.argsort(-np.bincount(labels, minlength=len(centres)), kind="stable")
    return np.argsort(order)[labels].astype(np.int64), centres[order]
