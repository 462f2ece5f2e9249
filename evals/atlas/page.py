"""The atlas as one HTML page that needs nothing else, and cannot be written into by its texts.

Data stand in one JSON block in which ``<``, ``>`` and ``&`` are escaped, so that nothing closes
it. The page's script sets texts as text. The page's policy lets nothing be loaded or sent.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence

from persona_agent.evals.atlas.findings import Finding, Verdict
from persona_agent.evals.atlas.look import (
    CROWD,
    caption,
    cluster_name,
    colourings,
    short,
    sizes,
)
from persona_agent.evals.atlas.page_map import MAP
from persona_agent.evals.atlas.page_parts import SCRIPT, STYLE
from persona_agent.evals.atlas.records import Atlas
from persona_agent.evals.document import document

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; base-uri 'none'; form-action 'none'"
)
TITLE = "Atlas of personas"
UNPLACED_SHOWN = 20
ROOM = 1.12
FIGURES = (
    "personas",
    "compared by",
    "AUC",
    "own AUC [95 %]",
    "p",
    "retrieval@1 (chance)",
    "gain over shuffled [95 %]",
    "silhouette",
    "bootstrap ARI",
    "ARI across halves (p)",
)


def render_page(atlas: Atlas, verdict: Verdict | None) -> str:
    """Return the page, whole in itself: it loads nothing."""
    body = (
        f'<header><h1>{TITLE}</h1><button id="theme" type="button">Dark</button></header>\n'
        f'<p class="soft">{html.escape(caption(atlas))}</p>\n{_verdict(verdict)}\n'
        f"{_stage()}\n{_unplaced(atlas)}\n{_clusters(atlas)}\n{_figures(verdict)}\n"
        f"{_reading(atlas)}\n"
        f'<script type="application/json" id="atlas">{_data(atlas)}</script>\n'
        f"<script>{MAP}{SCRIPT}</script>"
    )
    return document(TITLE, policy=POLICY, style=STYLE, body=body)


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        words: Sequence[str] = (
            "No verdict was asked for: a map alone cannot tell whether personas or clusters mean "
            "anything.",
        )
    else:
        words = verdict.words
    first, *rest = (f"<p>{html.escape(line)}</p>" for line in words)
    reasons = f"<details><summary>Why</summary>{''.join(rest)}</details>" if rest else ""
    return f'<section class="verdict" aria-label="verdict">{first}{reasons}</section>'


def _stage() -> str:
    return (
        '<div class="controls"><label>Colour by <select id="colour"></select></label>'
        '<label id="steps">Version <input id="step" type="range" min="0" step="1">'
        '<output id="step-text"></output></label>'
        '<label><input id="links" type="checkbox" checked> links to nearest</label>'
        '<label>Find <input id="find" list="names" placeholder="a name" size="14"></label>'
        '<datalist id="names"></datalist></div>\n<div id="legend"></div>\n'
        '<div class="stage"><div id="map" role="group" aria-label="map of personas">'
        '<div class="zoom"><button id="zoom-in" type="button" title="Zoom in">+</button>'
        '<button id="zoom-out" type="button" title="Zoom out">&minus;</button>'
        '<button id="zoom-all" type="button" title="Show all">⤢</button></div>'
        '<div id="tip" hidden></div></div>'
        '<aside id="panel" aria-live="polite"></aside></div>'
    )


def _unplaced(atlas: Atlas) -> str:
    names = [point.name for point in atlas.points if point.latest and point.x is None]
    if not names:
        return ""
    shown = ", ".join(short(name, 40) for name in names[:UNPLACED_SHOWN])
    more = f" and {len(names) - UNPLACED_SHOWN} more" if len(names) > UNPLACED_SHOWN else ""
    return (
        f'<p class="soft">Not on the map, because nothing sets them apart yet: '
        f"{html.escape(shown)}{more}.</p>"
    )


def _clusters(atlas: Atlas) -> str:
    rows = [
        (cluster.name, str(cluster.size), ", ".join(cluster.terms), cluster.typical)
        for cluster in atlas.clusters
    ]
    head = ("cluster", "personas", "what sets it apart", "a typical claim")
    stability = ", ".join(f"{one.clusters}: {one.agreement:.2f}" for one in atlas.stability)
    held = "" if atlas.silhouette is None else f" Silhouette {atlas.silhouette:+.2f}."
    note = (
        f"Agreement under the bootstrap by number of clusters (1 is equal, 0 chance): {stability}."
        f"{held}"
        if stability
        else "There are too few different personas to cluster."
    )
    return (
        f"<h2>Clusters</h2>\n{_table(head, rows, text={0, 2, 3})}\n"
        f'<p class="soft">{html.escape(note)}</p>'
    )


def _figures(verdict: Verdict | None) -> str:
    if verdict is None:
        return ""
    rows = [_figure_row(one) for one in verdict.findings]
    note = (
        f"{verdict.users} users ({verdict.left_out} left out for too short a history), "
        f"{verdict.draws} draws of two halves of {verdict.half} episodes, no episode in both; "
        f"{verdict.probes} probes, taken out of the histories; model {verdict.model}, embedder "
        f"{verdict.embedder}, seed {verdict.seed}. AUC: chance that a distance between users "
        "exceeds one within a user; own AUC: the same for pairs that share a persona, averaged "
        "over users; p by exchanging users."
    )
    return (
        f"<h2>What the verdict rests on</h2>\n{_table(FIGURES, rows, text={0, 1})}\n"
        f'<p class="soft">{html.escape(note)}</p>'
    )


def _figure_row(one: Finding) -> tuple[str, ...]:
    found, groups = one.separation, one.replication
    low, high = found.own_auc_ci95 or (float("nan"), float("nan"))
    return (
        one.kind,
        one.space,
        f"{found.auc:.2f}",
        f"{found.own_auc:.2f} [{low:.2f}, {high:.2f}]",
        f"{found.p:.4f}",
        f"{found.retrieval:.2f} ({found.chance:.2f})",
        "" if one.kind == "histories shuffled" else
        f"{one.gain[0]:+.2f} [{one.gain[1]:+.2f}, {one.gain[2]:+.2f}]",
        _number(groups.silhouette),
        _number(groups.bootstrap),
        "" if groups.across_halves is None else f"{groups.across_halves:+.2f} ({groups.p:.3f})",
    )  # fmt: skip


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


def _reading(atlas: Atlas) -> str:
    fitted = ""
    if atlas.fitted < len(atlas.points):
        how = "projected" if atlas.map == "pca" else "placed beside the personas they resemble most"
        fitted = f" The map was fitted on {atlas.fitted:,} latest versions; all others are {how}."
    by = (
        "the mean of its claims' embeddings, weighted by the episodes behind them"
        if atlas.space == "claims"
        else "what it answers to a fixed set of questions, without memory"
    )
    return (
        "<h2>How to read it</h2>\n"
        f"<p>A point is a persona: {by}. Size: episodes behind its claims. Lines: the nearest "
        "other persona, in all dimensions. Dots: where earlier versions were. Distances on a map "
        "are distorted; whether there is structure is said above, not by the picture."
        f"{fitted}</p>"
    )


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], *, text: set[int]) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        return "".join(
            f"<{tag}{' class=text' if number in text else ''}>{html.escape(cell)}</{tag}>"
            for number, cell in enumerate(row)
        )

    body = "\n".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{cells(head, "th")}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _data(atlas: Atlas) -> str:
    points = atlas.points
    rows: dict[str, list[int]] = {}
    for row, point in enumerate(points):
        rows.setdefault(point.user_id, []).append(row)
    number = {user: place for place, user in enumerate(rows)}
    groups = [cluster_name(atlas, point) for point in points]
    users = [
        {
            "name": short(points[mine[-1]].name, 80),
            "label": short(points[mine[-1]].name, 28),
            "rows": mine,
            "near": [number[points[one].user_id] for one in points[mine[-1]].neighbours],
        }
        for mine in rows.values()
    ]
    width = ROOM * max((abs(v) for p in points for v in (p.x, p.y) if v is not None), default=1.0)
    data = {
        "steps": atlas.steps,
        "crowd": atlas.users > CROWD,
        "users": users,
        "x_range": _range([p.x for p in points if p.x is not None], width),
        "y_range": _range([p.y for p in points if p.y is not None], width),
        "colourings": [one.model_dump() for one in colourings(atlas)],
        "points": {
            "x": [point.x for point in points],
            "y": [point.y for point in points],
            "step": [point.step for point in points],
            "size": sizes(atlas),
            "evidence": [point.evidence for point in points],
            "claims": [point.claims for point in points],
            "more": [point.more_claims for point in points],
            "group": groups,
        },
    }
    return in_script(json.dumps(data, separators=(",", ":")))


def in_script(text: str) -> str:
    """Return JSON that may stand in a script element: it is ASCII, and no tag is in it."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _range(values: Sequence[float], width: float) -> list[float]:
    if not values:
        return [-width, width]
    margin = 0.08 * width
    return [min(values) - margin, max(values) + margin]
