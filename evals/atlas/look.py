"""How points look, on every kind of picture: colours, marks, sizes and what hovering shows.

Plotly reads some HTML in texts, so every text from outside is escaped here.
"""

from __future__ import annotations

import html
import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from persona_agent.errors import InputError
from persona_agent.evals.atlas.records import NONE, Atlas, Point
from persona_agent.schema.base import Record

# Okabe & Ito's palette without black and yellow, and two of Tol's: told apart with any colour
# vision and on light and dark ground; marks differ as well.
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#AA4499",
    "#999933",
)
MARKS = ("circle", "square", "diamond", "triangle-up", "cross", "x", "star", "hexagon")
GREY = "#8A9199"
OTHERS = "circle-open"
COLOURED = 2 * len(PALETTE)
"""How many categories get a look; the second eight have the colours with other marks."""
CLUSTER = "cluster"
DENSE = "dense group (HDBSCAN)"
SMALLEST, LARGEST = 7.0, 20.0
CROWD = 1_500
WIDTH = 62
LONGEST_CLAIM = 180


class Category(Record):
    """One colour of a colouring."""

    label: str
    color: str
    mark: str
    count: int


class Colouring(Record):
    """What points are coloured by.

    For ``category`` a point's value is the index of its category, else a number, None where it
    has none.
    """

    title: str
    kind: Literal["category", "number"]
    categories: tuple[Category, ...] = ()
    values: tuple[float | None, ...]


def colourings(atlas: Atlas) -> tuple[Colouring, ...]:
    """Return by cluster, by dense group, and by every metadata that points differ in."""
    points = atlas.points
    names = [cluster.name for cluster in atlas.clusters]
    placed = [point.x is not None for point in points]
    found = [_by_label(CLUSTER, [_named(names, p.cluster) for p in points], placed, names)]
    if atlas.dense_groups:
        groups = [f"dense group {number + 1}" for number in range(atlas.dense_groups)]
        found.append(_by_label(DENSE, [_named(groups, p.dense) for p in points], placed, groups))
    keys = dict.fromkeys(key for point in points for key in point.metadata)
    for key in keys:
        values = [point.metadata.get(key) for point in points]
        if len({value for value in values if value is not None}) < 2:
            continue
        if all(value is None or _is_number(value) for value in values):
            numbers = tuple(None if value is None else float(value) for value in values)
            found.append(Colouring(title=key, kind="number", values=numbers))
        else:
            labels = ["unknown" if value is None else str(value) for value in values]
            found.append(_by_label(key, labels, placed))
    return tuple(found)


def colouring(atlas: Atlas, title: str) -> Colouring:
    """Return the colouring with this title. Raises InputError when there is none."""
    known = {one.title: one for one in colourings(atlas)}
    if title not in known:
        raise InputError(f"there is no colouring {title!r}; there are: {', '.join(known)}")
    return known[title]


def sizes(atlas: Atlas) -> list[float]:
    """Return the diameter of each point in pixels; its area grows with the evidence."""
    most = max((point.evidence for point in atlas.points), default=0) or 1
    shrink = 0.5 if len(atlas.points) > CROWD else 1.0
    return [
        round(shrink * math.sqrt(SMALLEST**2 + (LARGEST**2 - SMALLEST**2) * p.evidence / most), 1)
        for p in atlas.points
    ]


def hover_text(point: Point, cluster: str) -> str:
    """Return what hovering over a point shows, in plotly's markup."""
    version = f"version {point.step + 1}"
    parts = [f"<b>{_wrapped(point.name, 60)}</b>  {version}", f"<i>{_wrapped(cluster, 80)}</i>"]
    parts += [f"• {_wrapped(claim, LONGEST_CLAIM)}" for claim in point.claims]
    if point.more_claims:
        parts.append(f"and {point.more_claims} more")
    if not point.claims:
        parts.append("no claims yet")
    parts.append(f"{point.evidence} episodes behind it")
    return "<br>".join(parts)


def cluster_name(atlas: Atlas, point: Point) -> str:
    """Return the name of a point's cluster."""
    return _named([cluster.name for cluster in atlas.clusters], point.cluster)


def safe(text: str) -> str:
    """Return a text that plotly shows as it is: it reads tags, and does not know ``&quot;``."""
    return html.escape(text, quote=False)


def short(text: str, most: int) -> str:
    """Return a text on one line, cut where it is too long."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def caption(atlas: Atlas) -> str:
    """Return in a sentence what the map is."""
    maps = {"pca": "PCA", "tsne": "t-SNE", "umap": "UMAP"}
    by = "their claims" if atlas.space == "claims" else "their answers to the same questions"
    found = len(atlas.clusters)
    groups = ("cluster" if atlas.stable else "region") + ("" if found == 1 else "s")
    doubt = "" if atlas.stable else " (no number of clusters is stable)"
    silent = sum(point.latest and point.x is None for point in atlas.points)
    without = f"; {silent} with nothing that sets them apart are not shown" if silent else ""
    return (
        f"{atlas.users:,} personas by {by}, {maps[atlas.map]}; colours: {found} {groups}{doubt}"
        f"{without}"
    )


def _named(names: Sequence[str], number: int) -> str:
    return "in no group" if number == NONE else names[number]


def _by_label(
    title: str, labels: Sequence[str], placed: Sequence[bool], order: Sequence[str] | None = None
) -> Colouring:
    """Give the most frequent labels of placed points (or ``order``) a colour, the rest grey."""
    counts = Counter(label for label, there in zip(labels, placed, strict=True) if there)
    ranked = [name for name, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))]
    wanted = [name for name in (order or ranked) if name in counts]
    shown = list(dict.fromkeys(wanted))[:COLOURED]
    number = {name: place for place, name in enumerate(shown)}
    categories = [_category(name, place, counts[name]) for name, place in number.items()]
    rest = sum(count for name, count in counts.items() if name not in number)
    if rest:
        other = "in no group" if order is not None else "others"
        categories.append(Category(label=other, color=GREY, mark=OTHERS, count=rest))
    return Colouring(
        title=title,
        kind="category",
        categories=tuple(categories),
        values=tuple(float(number.get(label, len(shown))) for label in labels),
    )


def _category(label: str, place: int, count: int) -> Category:
    turn, colour = divmod(place, len(PALETTE))
    mark = MARKS[(colour + 3 * turn) % len(MARKS)]
    return Category(label=label, color=PALETTE[colour], mark=mark, count=count)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _wrapped(text: str, most: int) -> str:
    lines = textwrap.wrap(short(text, most), WIDTH) or [""]
    return "<br>   ".join(safe(line) for line in lines)
