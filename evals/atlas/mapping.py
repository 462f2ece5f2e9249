"""Maps: many dimensions down to two. A map illustrates; what holds is said by the verdict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from persona_agent.evals.atlas.grouping import reduced
from persona_agent.evals.atlas.neighbours import nearest
from persona_agent.evals.atlas.records import MapName, Vectors
from persona_agent.evals.extras import sklearn, umap

Places = npt.NDArray[np.float64]
"""Shape (n, 2)."""

FEW = 40
"""Up to so many points PCA is drawn unless asked otherwise: t-SNE of few points shows noise."""
MOST_FITTED = 3_000
PERPLEXITY = 30
ITERATIONS = 500
ANCHORS = 8
SHARPNESS = 12.0


def draw_map(
    rows: Vectors, latest: npt.NDArray[np.bool_], *, name: MapName | None = None, seed: int = 0
) -> tuple[MapName, Places, int]:
    """Place rows on a map that is fitted on the latest versions, at most 3,000 of them.

    Whatever it was not fitted on is placed by PCA's projection, or for the other maps at the mean
    place of its nearest fitted rows, weighted by resemblance.

    Args:
        rows: shape (n, dimension).
        latest: which rows the map may be fitted on, shape (n,).
        name: of the map; None: PCA for few points, else t-SNE.
        seed: of the map and of the draw.

    Returns:
        The map's name, places scaled to [-1, 1], and how many rows it was fitted on.
    """
    among = np.flatnonzero(latest)
    chosen: MapName = name or ("pca" if len(among) <= FEW else "tsne")
    if len(rows) < 3 or len(among) < 3:
        return chosen, np.zeros((len(rows), 2)), len(among)
    if chosen != "pca" and len(among) > MOST_FITTED:
        generator = np.random.default_rng(seed)
        among = np.sort(generator.choice(among, MOST_FITTED, replace=False))
    if chosen == "pca":
        return chosen, _scaled(_pca(rows, rows[among])), len(among)
    fit: Callable[[Vectors, int], Places] = _tsne if chosen == "tsne" else _umap
    fitted = _scaled(fit(rows[among], seed))
    places = np.zeros((len(rows), 2))
    rest = np.setdiff1d(np.arange(len(rows)), among)
    places[among] = fitted
    places[rest] = _by_resemblance(rows[rest], rows[among], fitted)
    return chosen, places, len(among)


def _pca(rows: Vectors, among: Vectors) -> Places:
    middle = among.mean(axis=0)
    axes = np.linalg.svd(np.asarray(among - middle, dtype=np.float64), full_matrices=False)[2][:2]
    turned = np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])
    return np.asarray((rows - middle) @ (axes * turned[:, None]).T, dtype=np.float64)


def _tsne(rows: Vectors, seed: int) -> Places:
    """t-SNE (van der Maaten & Hinton 2008), started from PCA so that runs look alike."""
    perplexity = min(PERPLEXITY, max(2.0, (len(rows) - 1) / 3))
    model = sklearn("manifold").TSNE(
        perplexity=perplexity, init="pca", max_iter=ITERATIONS, random_state=seed, n_jobs=2
    )
    return np.asarray(model.fit_transform(reduced(rows)), dtype=np.float64)


def _umap(rows: Vectors, seed: int) -> Places:
    """UMAP (McInnes et al. 2018). Loaded only here: its import is slow."""
    neighbours = min(15, len(rows) - 1)
    model = umap().UMAP(n_neighbors=neighbours, metric="cosine", random_state=seed, n_jobs=1)
    return np.asarray(model.fit_transform(rows), dtype=np.float64)


def _by_resemblance(rows: Vectors, among: Vectors, places: Places) -> Places:
    indices, cosines = nearest(rows, among, ANCHORS)
    if not indices.size:
        return np.zeros((len(rows), 2))
    weights = np.exp(SHARPNESS * (cosines - cosines[:, :1]))
    weights /= weights.sum(axis=1, keepdims=True)
    return np.asarray(np.einsum("nk,nkd->nd", weights, places[indices]), dtype=np.float64)


def _scaled(places: Places) -> Places:
    middle = (places.max(axis=0) + places.min(axis=0)) / 2
    half = (places.max(axis=0) - places.min(axis=0)).max() / 2
    return np.asarray((places - middle) / (half if half > 0 else 1.0), dtype=np.float64)
