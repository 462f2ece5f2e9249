"""The page and its figures, with texts that try to get out."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from persona_agent.errors import InputError
from persona_agent.evals.atlas import Atlas, Entry, build_atlas
from persona_agent.evals.atlas.figure import figure, links, rows_at
from persona_agent.evals.atlas.look import MARKS, PALETTE, colourings, hover_text, sizes
from persona_agent.evals.atlas.page import render_page
from persona_agent.evals.atlas.picture import save_picture
from persona_agent.testing import HashEmbedder
from tests.evals.atlas.conftest import MakeEntry

HOSTILE = (
    "</script><script>window.hacked=1</script>",
    "<img src=x onerror=window.hacked=1>",
    '"><svg onload=window.hacked=1>',
    "<a href='javascript:window.hacked=1'>click</a>",
    "<!-- <script> --> & &lt;b&gt; \u2028 ]]>",
    "%{customdata} ${alert(1)} $\\frac{1}{2}$ {{x}}",
)


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture
def hostile(entry: MakeEntry, embedder: HashEmbedder) -> Atlas:
    entries = []
    for number in range(12):
        text = HOSTILE[number % len(HOSTILE)]
        for version in ("a", "b"):
            one = entry(f"{text} {number}", f"{text} {version}", "plain", version=version)
            more = {HOSTILE[0]: text, HOSTILE[1]: number}
            entries.append(one.model_copy(update={"name": text, "metadata": more}))
    return build_atlas(entries, embedder)


@pytest.fixture
def plain(entry: MakeEntry, embedder: HashEmbedder) -> Atlas:
    entries = [
        Entry(
            persona=entry(f"user {n}", (f"likes {'tea' if n % 2 else 'rum'} {n}", n + 1)).persona,
            metadata={"age": 20 + n, "town": "Oslo" if n < 6 else "Rome"},
        )
        for n in range(12)
    ]
    return build_atlas(entries, embedder)


def test_texts_cannot_leave_the_page_data(hostile: Atlas) -> None:
    page = render_page(hostile, None)
    tags = Tags(page).found
    assert [tag for tag, _ in tags if tag in {"img", "svg", "a", "iframe", "object"}] == []
    assert sum(tag == "script" for tag, _ in tags) == 2
    assert not [name for _, attrs in tags for name in attrs if name.startswith("on")]
    data = re.search(r'<script type="application/json" id="atlas">(.*?)</script>', page, re.S)
    assert data is not None
    inside = data.group(1)
    assert inside.isascii() and not set("<>&") & set(inside)
    read = json.loads(inside)
    assert read["points"]["claims"][0] == list(hostile.points[0].claims)
    assert read["users"][1]["name"] == HOSTILE[1]


def test_what_plotly_reads_as_markup_is_escaped(hostile: Atlas) -> None:
    for point in hostile.points:
        shown = hover_text(point, HOSTILE[0])
        assert set(re.findall(r"<(?!/?(?:b|i|br)>)", shown)) == set()
        assert "onerror" not in shown or "&lt;img" in shown
    for colouring in colourings(hostile):
        drawn = figure(hostile, colour=colouring.title)
        for trace in drawn.data:
            assert "<" not in (trace.name or "")
    title = next(one.title for one in colourings(hostile) if "</script>" in one.title)
    assert "</script><script>" not in render_page(hostile, None).split("</style>")[1]
    assert title in HOSTILE


def test_the_page_loads_nothing_and_may_not_make_code_of_texts(plain: Atlas) -> None:
    page = render_page(plain, None)
    for tag, attrs in Tags(page).found:
        assert "src" not in attrs and tag != "link"
    assert "default-src 'none'" in page
    assert "unsafe-eval" not in page and len(page) < 100_000


def test_points_are_larger_with_more_evidence_and_are_linked(plain: Atlas) -> None:
    drawn = sizes(plain)
    assert drawn == sorted(drawn)
    assert drawn[0] < drawn[-1] / 1.5
    rows = rows_at(plain)
    assert len(links(plain, rows)) == 12
    assert len(links(plain, rows, "user 3")) == 5


def test_colours_come_from_clusters_and_any_metadata(plain: Atlas) -> None:
    found = {one.title: one for one in colourings(plain)}
    assert {"cluster", "age", "town"} <= set(found)
    assert "claims" not in found  # all have one
    assert found["age"].kind == "number"
    assert [one.label for one in found["town"].categories] == ["Oslo", "Rome"]
    looks = [(one.color, one.mark) for one in found["cluster"].categories]
    assert looks == list(zip(PALETTE, MARKS, strict=True))[: len(looks)]
    with pytest.raises(InputError, match="no colouring 'mood'"):
        figure(plain, colour="mood")


def test_many_values_share_grey(entry: MakeEntry, embedder: HashEmbedder) -> None:
    entries = [
        Entry(persona=entry(f"u{n}", f"likes {n}").persona, metadata={"town": f"town {n:02}"})
        for n in range(20)
    ]
    town = {one.title: one for one in colourings(build_atlas(entries, embedder))}["town"]
    assert len({(one.color, one.mark) for one in town.categories}) == 2 * len(PALETTE) + 1
    assert (town.categories[-1].label, town.categories[-1].count) == ("others", 4)


def test_a_step_shows_the_version_of_that_time(hostile: Atlas) -> None:
    early = rows_at(hostile, 0)
    assert [hostile.points[row].step for row in early] == [0] * 12
    drawn = figure(hostile, step=0, selected=hostile.points[0].user_id, dark=True)
    assert sum(len(trace.customdata) for trace in drawn.data if trace.customdata) == 12


def test_a_picture_is_drawn_whatever_the_texts(hostile: Atlas, tmp_path: Path) -> None:
    for dark in (False, True):
        path = tmp_path / f"{dark}.png"
        save_picture(hostile, path, headline=HOSTILE[-1], dark=dark)
        assert path.read_bytes().startswith(b"\x89PNG") and path.stat().st_size > 10_000
    with pytest.raises(InputError, match="'foo' is not supported"):
        save_picture(hostile, tmp_path / "map.foo", headline="", dark=False)
