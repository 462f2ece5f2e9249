"""The map as a plotly figure, for a notebook or an app."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from persona_agent.evals.atlas.look import (
    CLUSTER,
    CROWD,
    Colouring,
    cluster_name,
    colouring,
    hover_text,
    safe,
    short,
    sizes,
)
from persona_agent.evals.atlas.records import Atlas
from persona_agent.evals.extras import plotly

MANY_LINES = 300
NAMED = 40
HEIGHT = 620
LINE = "rgba(138,145,153,0.45)"


def figure(
    atlas: Atlas,
    *,
    colour: str = CLUSTER,
    step: int | None = None,
    selected: str | None = None,
    dark: bool = False,
) -> Any:
    """Return the map as a plotly figure; a crowd is drawn by WebGL.

    Args:
        atlas: what is drawn.
        colour: title of one of ``look.colourings(atlas)``.
        step: version that is shown, from 0 (the last one of users who have fewer); None: latest.
        selected: user whose nearest neighbours are linked; None links all where they are few.
        dark: whether the ground is dark.

    Raises:
        InputError: there is no such colouring.
        MissingExtraError: plotly is not installed.
    """
    by = colouring(atlas, colour)
    shown = rows_at(atlas, step)
    drawn = plotly().Figure()
    _lines(drawn, atlas, shown, selected)
    if by.kind == "number":
        _numbers(drawn, atlas, shown, by)
    else:
        _categories(drawn, atlas, shown, by)
    _lay_out(drawn, dark)
    return drawn


def rows_at(atlas: Atlas, step: int | None = None) -> list[int]:
    """Return the index of each user's point at a step, those without a place left out."""
    chosen: dict[str, int] = {}
    for row, point in enumerate(atlas.points):
        if step is None or point.step <= step:
            chosen[point.user_id] = row
    return [row for row in chosen.values() if atlas.points[row].x is not None]


def links(atlas: Atlas, rows: Sequence[int], selected: str | None = None) -> list[tuple[int, int]]:
    """Return the pairs of rows that are linked: a point and its nearest neighbour, as shown.

    With a selected user these are all of that user's neighbours; without, one for each point, and
    none where there are too many.
    """
    at = {atlas.points[row].user_id: row for row in rows}
    found: list[tuple[int, int]] = []
    for point in atlas.points:
        here = at.get(point.user_id)
        if not point.latest or here is None:
            continue
        if selected is None:
            near = point.neighbours[:1] if len(rows) <= MANY_LINES else ()
        else:
            near = point.neighbours if point.user_id == selected else ()
        there = (at.get(atlas.points[one].user_id) for one in near)
        found += [(here, one) for one in there if one is not None]
    return found


def _lines(drawn: Any, atlas: Atlas, shown: Sequence[int], selected: str | None) -> None:
    pairs = links(atlas, shown, selected)
    points = atlas.points
    _trace(drawn, shown)(
        x=[value for a, b in pairs for value in (points[a].x, points[b].x, None)],
        y=[value for a, b in pairs for value in (points[a].y, points[b].y, None)],
        mode="lines",
        line={"width": 1, "color": LINE},
        hoverinfo="skip",
        showlegend=False,
    )


def _categories(drawn: Any, atlas: Atlas, shown: Sequence[int], by: Colouring) -> None:
    for number, category in enumerate(by.categories):
        rows = [row for row in shown if by.values[row] == number]
        label = safe(short(category.label, 48))
        _trace(drawn, shown)(
            **_marks(atlas, rows),
            name=f"{label} ({len(rows)})",
            marker={
                "color": category.color,
                "symbol": category.mark,
                "size": _sizes(atlas, rows),
                "opacity": 0.85,
                "line": {"width": 1, "color": "rgba(255,255,255,0.6)"},
            },
        )


def _numbers(drawn: Any, atlas: Atlas, shown: Sequence[int], by: Colouring) -> None:
    _trace(drawn, shown)(
        **_marks(atlas, shown),
        showlegend=False,
        marker={
            "color": [by.values[row] for row in shown],
            "colorscale": "Cividis",
            "size": _sizes(atlas, shown),
            "opacity": 0.9,
            "colorbar": {"title": {"text": safe(short(by.title, 40))}, "thickness": 12},
        },
    )


def _trace(drawn: Any, shown: Sequence[int]) -> Any:
    return drawn.add_scattergl if len(shown) > CROWD else drawn.add_scatter


def _marks(atlas: Atlas, rows: Sequence[int]) -> dict[str, Any]:
    points = [atlas.points[row] for row in rows]
    few = atlas.users <= NAMED
    return {
        "x": [point.x for point in points],
        "y": [point.y for point in points],
        "mode": "markers+text" if few else "markers",
        "text": [safe(short(point.name, 28)) for point in points] if few else None,
        "textposition": "top center",
        "cliponaxis": False,
        "hovertext": [hover_text(point, cluster_name(atlas, point)) for point in points],
        "hoverinfo": "text",
        "customdata": [point.user_id for point in points],
    }


def _sizes(atlas: Atlas, rows: Sequence[int]) -> list[float]:
    every = sizes(atlas)
    return [every[row] for row in rows]


def _lay_out(drawn: Any, dark: bool) -> None:
    ink, ground = ("#e4e8ec", "#1d2227") if dark else ("#1c2024", "#ffffff")
    drawn.update_layout(
        height=HEIGHT,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        font={"color": ink, "family": "system-ui, sans-serif"},
        hoverlabel={"align": "left", "bgcolor": ground, "font": {"color": ink, "size": 12}},
        legend={"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top"},
        dragmode="pan",
        hovermode="closest",
    )
    # Axes of a map mean nothing but nearness: equal scale, no ticks.
    drawn.update_xaxes(visible=False)
    drawn.update_yaxes(visible=False, scaleanchor="x")
