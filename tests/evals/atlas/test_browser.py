"""The page in a real browser: hostile texts stay texts, and it does what it says."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from persona_agent.evals.atlas import Atlas
from persona_agent.evals.atlas.page import render_page
from tests.evals.atlas.test_page import HOSTILE, hostile

if TYPE_CHECKING:
    from playwright.sync_api import Page

__all__ = ["hostile"]  # the fixture

CHROMIUM = shutil.which("chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


COLOURS = """() => { const canvas = document.querySelector('#map canvas');
  const data = new Uint32Array(canvas.getContext('2d')
    .getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  return new Set(data).size; }"""


def spot(page: Page, user: int) -> tuple[float, float]:
    """Return where a user's point is in the window, brought into view."""
    page.locator("#map").scroll_into_view_if_needed()
    page.wait_for_timeout(800)  # what moves has arrived
    x, y = page.evaluate("user => map.where(map.points().find((one) => one.user === user))", user)
    box = page.locator("#map").bounding_box()
    assert box is not None
    border = 1
    return box["x"] + border + x, box["y"] + border + y


@pytest.mark.parametrize("width", [1280, 390])
def test_hostile_texts_stay_texts_and_the_page_works(
    hostile: Atlas,
    tmp_path: Path,
    width: int,
) -> None:
    from playwright.sync_api import sync_playwright

    file = tmp_path / "atlas.html"
    file.write_text(render_page(hostile, None), encoding="utf-8")
    problems: list[str] = []
    with sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": width, "height": 800})
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "console",
            lambda message: problems.append(message.text) if message.type == "error" else None,
        )
        page.goto(file.as_uri())
        page.wait_for_selector("#map canvas")
        assert page.evaluate("map.points().length") == 12
        assert page.evaluate(COLOURS) >= 20, "nothing is drawn"
        page.mouse.move(*spot(page, 1))
        assert page.locator("#tip b").text_content() == HOSTILE[1]
        assert page.locator("#tip li").first.text_content() == f"{HOSTILE[1]} b"
        for colouring in page.locator("#colour option").all():
            page.select_option("#colour", label=colouring.text_content())
        page.select_option("#colour", index=0)
        before = page.evaluate("map.where(map.points()[1])")
        page.locator("#zoom-in").click()
        assert page.evaluate("map.where(map.points()[1])") != before
        page.locator("#zoom-all").click()
        page.mouse.click(*spot(page, 1))
        assert page.locator("#panel h2").first.text_content() == HOSTILE[1]
        assert page.locator("#panel li").first.text_content() == f"{HOSTILE[1]} b"
        page.locator("#step").fill("0")
        page.wait_for_timeout(800)
        assert page.locator("#panel li").first.text_content() == f"{HOSTILE[1]} a"
        page.locator("#panel .near button").first.click()
        assert page.locator("#panel h2").first.text_content() != ""
        page.locator("#theme").click()
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert page.evaluate("window.hacked === undefined")
        assert page.locator("img, iframe, a[href^='javascript']").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        browser.close()
    assert problems == []
