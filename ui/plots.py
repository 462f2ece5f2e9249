"""The app's own plots, by plotly: one palette for light and dark ground, marks beside colours.

Texts from outside are escaped: plotly reads some markup.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from persona_agent.agent.show import one_line
from persona_agent.evals.demo import Interval
from persona_agent.evals.extras import plotly
from persona_agent.evals.report.figures import BLUE, GREY, PURPLE, STYLES, VERMILION
from persona_agent.schema import FINAL, GateResult, Revision

HEIGHT = 300
SURE = 1.96
"""Standard errors of a 95 % interval."""
CONFIG = {"displayModeBar": False}
_GATES = {
    FINAL: "all of it against the generic prompt",
    "policy no statistics": "show no outcome counts",
    "policy deep": "recall more interactions",
    "policy sparse": "recall fewer interactions",
    "policy rag+stats": "recall and counts only, no claims",
    "policy rag": "recall only, no claims",
    "version by similar cases": "choose among versions by similar cases",
}
_GATE_STARTS = {
    "minibatch: ": "on its own batch: ",
    "validation: ": "on later interactions: ",
    "against generic: validation: ": "against generic: ",
}
ARMS = {"generic": STYLES["generic"], "with the persona": STYLES["persona+alignment"]}


def is_replay(gate: GateResult) -> bool:
    """Tell whether a gate chose what is shown: those judge on the same replayed interactions."""
    return gate.gate.startswith("policy ") or gate.gate == FINAL


def score_curve(gates: Sequence[GateResult]) -> Any:
    """Return how the score went: what was in use after each test, and what was tried.

    A score is 1 - loss, 1 is best. Only what was judged on the same interactions is joined.
    """
    figure = _figure("test", "score")
    kinds = (
        ("what is shown", BLUE, "circle", [g for g in gates if is_replay(g)]),
        ("claims", VERMILION, "diamond", [g for g in gates if g.gate.startswith("validation")]),
    )
    number = {id(gate): place for place, gate in enumerate(gates, 1)}
    for name, color, mark, chosen in kinds:
        if not chosen:
            continue
        at = [number[id(gate)] for gate in chosen]
        kept = [1 - (g.candidate_loss if g.passed else g.incumbent_loss) for g in chosen]
        tried = [1 - g.candidate_loss for g in chosen]
        reach = [SURE * (g.standard_error or 0.0) for g in chosen]
        figure.add_scatter(
            x=at,
            y=tried,
            mode="markers",
            name=f"tried: {name}",
            marker={"color": GREY, "symbol": f"{mark}-open", "size": 8},
            error_y={"array": reach, "color": "rgba(136,136,136,0.45)", "thickness": 1},
            hovertext=[_label(gate) for gate in chosen],
            hoverinfo="text+y",
        )
        figure.add_scatter(
            x=at,
            y=kept,
            mode="lines+markers",
            name=f"in use: {name}",
            line={"color": color, "shape": "hv", "width": 2.5},
            marker={"color": color, "symbol": mark, "size": 8},
            hoverinfo="y",
        )
    figure.update_layout(showlegend=True)
    figure.update_xaxes(tickformat="d")
    return figure


def version_scores(found: Sequence[tuple[int, Revision]]) -> Any:
    """Return the score of each version (number, its revision) against generic, with intervals."""
    figure = _figure("version", "score on replayed interactions")
    rows = [(number, gate) for number, one in found if (gate := one.final) is not None]
    numbers = [number for number, _ in rows]
    figure.add_scatter(
        x=numbers,
        y=[1 - gate.incumbent_loss for _, gate in rows],
        mode="markers",
        name="generic",
        marker={"color": PURPLE, "symbol": "x", "size": 10},
        hoverinfo="y",
    )
    figure.add_scatter(
        x=numbers,
        y=[1 - gate.candidate_loss for _, gate in rows],
        mode="lines+markers",
        name="with the persona",
        line={"color": VERMILION, "dash": "dot", "width": 1.5},
        marker={"color": VERMILION, "symbol": "diamond", "size": 11},
        error_y={"array": [SURE * (gate.standard_error or 0.0) for _, gate in rows]},
        hoverinfo="y",
    )
    figure.update_layout(showlegend=True)
    figure.update_xaxes(tickmode="array", tickvals=numbers, range=_room(numbers))
    return figure


def hits(found: dict[str, tuple[int, int]]) -> Any:
    """Return the share of right answers of each arm (right, asked), with Wilson's intervals."""
    figure = _figure("answered as they did, share", "", height=190)
    for name, (right, asked) in found.items():
        share = right / asked if asked else 0.0
        _add_row(figure, name, ARMS, share, wilson(right, asked))
    figure.update_xaxes(range=[0, 1], tickformat=".0%")
    return figure


def arms(found: Mapping[str, Interval]) -> Any:
    """Return the score of each arm with its 95 % interval, the first one on top."""
    figure = _figure("score", "", height=230)
    for name, one in reversed(list(found.items())):
        low = one.value if one.low is None else one.low
        high = one.value if one.high is None else one.high
        _add_row(figure, name, STYLES, one.value, (low, high))
    return figure


def _add_row(
    figure: Any,
    name: str,
    styles: Mapping[str, tuple[str, str]],
    value: float,
    ends: tuple[float, float],
) -> None:
    """Add a value with its interval, named at the left."""
    color, mark = styles.get(name, (GREY, "circle"))
    figure.add_scatter(
        x=[value],
        y=[html.escape(name)],
        mode="markers",
        marker={"color": color, "symbol": mark, "size": 14},
        error_x={
            "array": [ends[1] - value],
            "arrayminus": [value - ends[0]],
            "color": color,
            "thickness": 2,
        },
        hoverinfo="x",
    )
    figure.update_yaxes(title=None)


def wilson(right: int, asked: int) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson, 1927); 0 to 1 where nothing was asked."""
    if not asked:
        return 0.0, 1.0
    z, share = SURE, right / asked
    spread = z * math.sqrt(share * (1 - share) / asked + z * z / (4 * asked * asked))
    middle, whole = share + z * z / (2 * asked), 1 + z * z / asked
    return max(0.0, (middle - spread) / whole), min(1.0, (middle + spread) / whole)


def gate_words(name: str) -> str:
    """Return what a gate tried in words; one that is not known as it is."""
    for start, words in _GATE_STARTS.items():
        if name.startswith(start):
            return f"{words}{name.removeprefix(start)}"
    return _GATES.get(name, name)


def _label(gate: GateResult) -> str:
    return html.escape(one_line(gate_words(gate.gate), 80))


def _room(numbers: Sequence[int]) -> list[float] | None:
    return [min(numbers) - 0.5, max(numbers) + 0.5] if numbers else None


def _figure(x: str, y: str, *, height: int = HEIGHT) -> Any:
    figure = plotly(extra="ui").Figure()
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 36, "b": 8},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        showlegend=False,
        legend={"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
    )
    figure.update_xaxes(title=html.escape(x), automargin=True, zeroline=False)
    figure.update_yaxes(title=html.escape(y), automargin=True, zeroline=False)
    return figure
