"""The map as a picture, by matplotlib."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from persona_agent.errors import InputError
from persona_agent.evals.atlas.figure import links, rows_at
from persona_agent.evals.atlas.look import CLUSTER, caption, colouring, short, sizes
from persona_agent.evals.atlas.records import Atlas
from persona_agent.evals.extras import matplotlib

NAMED = 15
MARKS = {
    "circle": "o",
    "square": "s",
    "diamond": "D",
    "triangle-up": "^",
    "cross": "P",
    "x": "X",
    "star": "*",
    "hexagon": "h",
    "circle-open": "o",
}
THEMES = {
    False: {"ink": "#1c2024", "soft": "#5b6570", "ground": "#ffffff", "line": "#c3cad1"},
    True: {"ink": "#e4e8ec", "soft": "#9aa5b1", "ground": "#15181c", "line": "#4a535d"},
}


def save_picture(atlas: Atlas, path: Path, *, headline: str, dark: bool) -> None:
    """Write the map by clusters as PNG (or what the name ends in), with trails of earlier versions.

    Raises:
        MissingExtraError: matplotlib is not installed.
        InputError: the file cannot be written, or its name ends in no format of pictures.
    """
    theme = THEMES[dark]
    drawn = matplotlib("figure").Figure(figsize=(10, 7.4), dpi=160, facecolor=theme["ground"])
    # No window, whatever the host has set.
    matplotlib("backends.backend_agg").FigureCanvasAgg(drawn)
    area = drawn.add_axes((0.03, 0.17, 0.94, 0.7))
    area.set_axis_off()
    area.set_aspect("equal", adjustable="datalim")
    shown = rows_at(atlas)
    _lines(area, atlas, shown, theme)
    _dots(drawn, area, atlas, shown, theme)
    _names(area, atlas, shown, theme)
    title = "\n".join(textwrap.wrap(short(headline or "Atlas of personas", 200), 92))
    ink, soft = theme["ink"], theme["soft"]
    drawn.text(0.03, 0.975, _plain(title), color=ink, fontsize=12, weight="bold", va="top")
    drawn.text(0.03, 0.915, _plain(caption(atlas)), color=soft, fontsize=9.5, va="top")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn.savefig(path, facecolor=theme["ground"])
    except (OSError, ValueError) as error:  # matplotlib knows a format by the name's end
        raise InputError(f"{path}: cannot be written: {error}") from None


def _lines(area: Any, atlas: Atlas, shown: Sequence[int], theme: dict[str, str]) -> None:
    lines = matplotlib("collections").LineCollection
    ends = [_places(atlas, pair) for pair in links(atlas, shown)]
    pairs = [np.column_stack(pair) for pair in ends]
    area.add_collection(lines(pairs, colors=theme["line"], linewidths=0.7, zorder=1))
    trails = [np.array(trail) for trail in _trails(atlas)] if len(shown) <= NAMED else []
    area.add_collection(
        lines(trails, colors=theme["soft"], linewidths=0.8, linestyles=":", alpha=0.5, zorder=1)
    )


def _trails(atlas: Atlas) -> list[list[tuple[float, float]]]:
    trails: dict[str, list[tuple[float, float]]] = {}
    for point in atlas.points:
        if point.x is not None and point.y is not None:
            trails.setdefault(point.user_id, []).append((point.x, point.y))
    return [trail for trail in trails.values() if len(trail) > 1]


def _dots(drawn: Any, area: Any, atlas: Atlas, shown: Sequence[int], theme: dict[str, str]) -> None:
    by = colouring(atlas, CLUSTER)
    every = [(size * 0.75) ** 2 for size in sizes(atlas)]
    edge = {"linewidths": 0.5, "edgecolors": theme["ground"], "zorder": 2}
    for number, category in enumerate(by.categories):
        rows = [row for row in shown if by.values[row] == number]
        if not rows:
            continue
        x, y = _places(atlas, rows)
        label = f"{_plain(short(category.label, 46))} ({len(rows)})"
        area.scatter(x, y, s=[every[row] for row in rows], c=category.color, alpha=0.9,
                     marker=MARKS[category.mark], label=label, **edge)  # fmt: skip
    legend = drawn.legend(
        loc="lower center", ncols=2 if len(by.categories) > 3 else 3, frameon=False, fontsize=9,
        labelcolor=theme["ink"], bbox_to_anchor=(0.5, 0.01),
    )  # fmt: skip
    for handle in legend.legend_handles:
        handle.set_sizes([60])


def _names(area: Any, atlas: Atlas, shown: Sequence[int], theme: dict[str, str]) -> None:
    """Name the people where they are few."""
    if len(shown) > NAMED:
        return
    for row in shown:
        point = atlas.points[row]
        area.annotate(
            _plain(short(point.name, 24)),
            (point.x, point.y),
            xytext=(0, 10),
            textcoords="offset points",
            ha="center",
            fontsize=8.5,
            color=theme["ink"],
            zorder=3,
        )


def _places(atlas: Atlas, rows: Sequence[int]) -> tuple[list[float], list[float]]:
    points = [atlas.points[row] for row in rows]
    return [point.x or 0.0 for point in points], [point.y or 0.0 for point in points]


def _plain(text: str) -> str:
    """Return a text that matplotlib does not read as mathematics."""
    return text.replace("$", r"\$")
