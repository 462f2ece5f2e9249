"""The figures of a report, by plotly. Names of arms and sets are escaped: plotly reads markup."""

from __future__ import annotations

import html
from collections.abc import Sequence
from statistics import fmean
from typing import Any

from persona_agent.evals.extras import plotly
from persona_agent.evals.report.gains import by_value
from persona_agent.evals.report.tables import arms_of, main_metric, online_tokens
from persona_agent.evals.scores.pooling import Gain, losses, user_gains
from persona_agent.evals.scores.results import EvalResult
from persona_agent.evals.scores.scoring import CANDIDATE
from persona_agent.evals.sweeps import SweepResult

# Okabe & Ito's palette: told apart with any color vision, and on light and dark ground.
ORANGE, SKY, GREEN = "#E69F00", "#56B4E9", "#009E73"
BLUE, VERMILION, PURPLE, GREY = "#0072B2", "#D55E00", "#CC79A7", "#888888"
STYLES = {
    CANDIDATE: (VERMILION, "diamond"),
    "persona": (ORANGE, "square"),
    "personaagent-paper": (GREEN, "triangle-up"),
    "rag+stats": (BLUE, "circle"),
    "rag": (SKY, "cross"),
    "generic": (PURPLE, "x"),
    "pag": (GREY, "square-open"),
    "memory-bank": (GREY, "star-open"),
    "react": (GREY, "triangle-down-open"),
    "icl": (GREY, "cross-open"),
    "knn": (GREY, "hexagon-open"),
    "last": (GREY, "asterisk-open"),
    "majority-user": (GREY, "diamond-tall-open"),
    "majority-global": (GREY, "diamond-wide-open"),
}
PLAIN = (GREY, "circle-open")
SHOWN_BESIDE = ("generic", "rag+stats", "personaagent-paper")
HEIGHT = 360
ABOVE = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"}
BESIDE = {"orientation": "v", "x": 1.02, "y": 1, "yanchor": "top"}
ROW = 26


def cost_and_quality(result: EvalResult) -> Any:
    """Return prompt tokens of an answer against quality, a point for each arm."""
    graph = plotly()
    figure = _figure(graph, x="prompt tokens an answer", y="quality", height=430)
    spots = {arm: (online_tokens(result, arm), _quality(result, arm)) for arm in arms_of([result])}
    for arm, (tokens, (value, below, above)) in spots.items():
        figure.add_scatter(
            x=[tokens],
            y=[value],
            error_y={"array": [above], "arrayminus": [below], "width": 3, "thickness": 1},
            mode="markers",
            name=_text(arm),
            marker=_marker(arm, 10),
        )
    figure.update_layout(showlegend=True, legend=BESIDE)
    return figure


def _marker(arm: str, size: int) -> dict[str, object]:
    """Return a marker; ours is larger and hollow, so that it hides no other."""
    color, symbol = STYLES.get(arm, PLAIN)
    line = {"width": 1.5 if symbol.endswith("-open") else 0, "color": color}
    if arm == CANDIDATE:
        symbol, size, line = f"{symbol}-open", size + 6, {"width": 3, "color": color}
    return {"color": color, "symbol": symbol, "size": size, "line": line}


def _quality(result: EvalResult, arm: str) -> tuple[float, float, float]:
    """Return 1 - mean loss, and how far the interval reaches below and above it."""
    value = 1.0 - float(losses(result, arm).mean())
    metric = result.arms[arm].metrics[main_metric(result)]
    if metric.ci95 is None:
        return value, 0.0, 0.0
    low, high = metric.value - metric.ci95[0], metric.ci95[1] - metric.value
    if result.kind != "rating":
        return value, low, high
    scale = [float(label) for label in result.labels]
    width = max(scale) - min(scale)
    return value, high / width, low / width  # a larger error is a lower quality


def gains(found: Sequence[Gain]) -> Any:
    """Return pooled gains with their intervals, a row for each comparison but with generic.

    The gain over generic is so much larger that it would hide the others.
    """
    graph = plotly()
    rows = [one for one in reversed(found) if one.versus != "generic"]
    figure = _rows(graph, rows)
    sure = [one.ci95 is not None and not one.ci95[0] <= 0 <= one.ci95[1] for one in rows]
    figure.add_scatter(
        x=[100 * one.gain for one in rows],
        y=[_text(one.versus) for one in rows],
        mode="markers",
        marker={
            "color": [VERMILION if one else GREY for one in sure],
            "symbol": ["diamond" if one else "circle-open" for one in sure],
            "size": 11,
        },
        error_x=_reach(rows),
    )
    return figure


def bars(found: Sequence[Gain]) -> Any:
    """Return what each part adds, a bar for each part that was taken away."""
    graph = plotly()
    rows = list(reversed(found))
    figure = _rows(graph, rows)
    figure.add_bar(
        x=[100 * one.gain for one in rows],
        y=[_text(one.versus) for one in rows],
        orientation="h",
        marker={"color": [BLUE if one.gain >= 0 else ORANGE for one in rows]},
        error_x=_reach(rows),
    )
    return figure


def _rows(graph: Any, rows: Sequence[Gain]) -> Any:
    figure = _figure(graph, x="gain in points", y="", height=80 + ROW * len(rows))
    figure.add_vline(x=0, line_dash="dot", line_color=GREY)
    figure.update_yaxes(automargin=True, showgrid=False)
    return figure


def _reach(rows: Sequence[Gain]) -> dict[str, object]:
    """Return how far the intervals reach to both sides, in points."""
    ends = [one.ci95 or (one.gain, one.gain) for one in rows]
    return {
        "array": [100 * (high - one.gain) for one, (_, high) in zip(rows, ends, strict=True)],
        "arrayminus": [100 * (one.gain - low) for one, (low, _) in zip(rows, ends, strict=True)],
        "color": GREY,
        "thickness": 1.5,
    }


def users(result: EvalResult) -> Any:
    """Return each user's gain over a few arms, every arm's users sorted by it."""
    graph = plotly()
    figure = _figure(graph, x="users, sorted", y="gain in points")
    for versus in SHOWN_BESIDE:
        if versus not in result.arms:
            continue
        values = sorted(user_gains(result, CANDIDATE, versus).values())
        figure.add_scatter(
            x=list(range(1, len(values) + 1)),
            y=[100 * value for value in values],
            mode="markers",
            name=f"over {_text(versus)}",
            marker=_marker(versus, 7),
        )
    figure.add_hline(y=0, line_dash="dot", line_color=GREY)
    figure.update_layout(showlegend=True, margin_t=36)
    return figure


def reliability(result: EvalResult) -> Any:
    """Return stated confidence against accuracy by bin, for a few arms."""
    graph = plotly()
    figure = _figure(graph, x="stated confidence", y="accuracy")
    figure.add_scatter(
        x=[0, 1], y=[0, 1], mode="lines", name="ideal", line={"color": GREY, "dash": "dot"}
    )
    for arm in (*SHOWN_BESIDE, CANDIDATE):
        found = result.arms[arm].calibration if arm in result.arms else None
        if found is None:
            continue
        figure.add_scatter(
            x=[one.confidence for one in found.bins],
            y=[one.accuracy for one in found.bins],
            text=[f"{one.queries} answers" for one in found.bins],
            mode="lines+markers",
            name=_text(arm),
            line={"color": _color(arm), "width": 1},
            marker=_marker(arm, 8),
        )
    figure.update_layout(showlegend=True, margin_t=36)
    return figure


def learning_curve(sweep: SweepResult, what: str) -> Any:
    """Return the quality of every arm over the values of a sweep, mean over seeds."""
    graph = plotly()
    figure = _figure(graph, x=what, y="quality")
    grouped = by_value(sweep)
    names = [f"{value:g}" for value in grouped]
    arms = dict.fromkeys(name for found in grouped.values() for one in found for name in one.arms)
    for arm in arms:
        spots = [
            [_quality(result, arm) for result in found if arm in result.arms]
            for found in grouped.values()
        ]
        figure.add_scatter(
            x=names,
            y=[fmean(one[0] for one in spot) if spot else None for spot in spots],
            mode="lines+markers",
            name=_text(arm),
            line={"color": _color(arm)},
            marker=_marker(arm, 9),
        )
    figure.update_xaxes(type="category")
    figure.update_layout(showlegend=True, margin_t=36)
    return figure


def _color(arm: str) -> str:
    return STYLES.get(arm, PLAIN)[0]


def _text(name: str) -> str:
    return html.escape(name)


def _figure(graph: Any, *, x: str, y: str, height: int = HEIGHT) -> Any:
    """Return an empty figure with transparent ground; the page gives it the colors of its text."""
    figure = graph.Figure()
    axis = {"zeroline": False, "gridcolor": "rgba(128,128,128,0.25)", "linecolor": GREY}
    figure.update_layout(
        template=graph.layout.Template(),
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        height=height,
        margin={"l": 60, "r": 20, "t": 16, "b": 48},
        showlegend=False,
        legend=ABOVE,
        font={"family": "system-ui, sans-serif", "size": 13, "color": GREY},
        xaxis={"title": {"text": _text(x)}, **axis},
        yaxis={"title": {"text": _text(y)}, **axis},
    )
    return figure
