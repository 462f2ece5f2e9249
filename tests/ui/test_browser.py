"""The app in a real browser, from the first start to a persona that changed.

Screenshots go to the folder in ``UI_SCREENSHOTS``, where that is set.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or ""
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDE, NARROW = (1280, 1150), (390, 844)
LONG = 120_000
"""Milliseconds for work that loads the embedder on a busy machine."""
SHOTS = "UI_SCREENSHOTS"
HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
TAGGING = (
    "Which tag does this movie relate to among the following tags? Just answer with the tag name "
    "without further explanation."
)
NOISE = re.compile(r"Traceback|ERROR|Exception|Uncaught")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHROMIUM, reason="there is no Chromium: apt-get install chromium"),
]


@dataclass
class App:
    """A server with a fresh data directory."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    data_dir: Path


@dataclass
class Visit:
    """A page, with what went wrong in it and what it asked of whom."""

    page: Page
    wrong: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)

    def settled(self) -> None:
        """Wait until the script has run."""
        self.page.wait_for_timeout(600)
        running = '[data-testid="stApp"][data-test-script-state="running"]'
        self.page.wait_for_function(f"() => !document.querySelector('{running}')", timeout=LONG)
        self.page.wait_for_timeout(300)

    def go(self, name: str) -> None:
        """Open a page by its link and see its heading."""
        link = self.page.get_by_test_id("stSidebarNavLink").filter(has_text=name)
        folded = self.page.get_by_test_id("stExpandSidebarButton")
        narrow = folded.is_visible()
        if narrow:
            folded.click()
            self.page.wait_for_timeout(600)
        link.click()
        if narrow:
            self.page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").click()
        expect(self.page.get_by_role("heading", name=name, exact=True)).to_be_visible(timeout=LONG)
        self.settled()

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name).first.click()
        self.settled()

    def reads(self, text: str) -> None:
        """Wait until somebody could read this."""
        shown = self.page.get_by_text(text).filter(visible=True)
        expect(shown.first).to_be_visible(timeout=LONG)

    def shot(self, name: str) -> None:
        folder = os.environ.get(SHOTS)
        if folder:
            self.page.mouse.move(0, 0)
            self.page.wait_for_timeout(800)  # what opens or fades does so first
            self.page.screenshot(path=Path(folder, f"{name}.png"))


@pytest.fixture
def app(tmp_path: Path) -> Iterator[App]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    log, data_dir = tmp_path / "log", tmp_path / "data"
    command = [sys.executable, "-m", "persona_agent", "ui", "--headless", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*command, "--data-dir", data_dir.name], stdout=out, stderr=out, cwd=tmp_path
        )
    found = App(process, f"http://127.0.0.1:{port}/", log, data_dir)
    try:
        wait_for(found)
        yield found
    finally:
        process.kill()
        process.wait(30)


def wait_for(app: App) -> None:
    end = time.monotonic() + 120
    while True:
        assert app.process.poll() is None, app.log.read_text()
        try:
            urllib.request.urlopen(f"{app.url}_stcore/health", timeout=5).close()
            return
        except OSError:
            assert time.monotonic() < end, app.log.read_text()
            time.sleep(0.2)


@pytest.fixture
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


def visit(browser: Browser, app: App, size: tuple[int, int], *, dark: bool = False) -> Visit:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        device_scale_factor=1,
    )
    page = context.new_page()
    page.set_default_timeout(LONG)
    seen = Visit(page)
    page.on("console", lambda one: seen.wrong.append(one.text) if one.type == "error" else None)
    page.on("pageerror", lambda one: seen.wrong.append(str(one)))
    page.on("request", lambda one: seen.hosts.add(urlsplit(one.url).netloc))
    page.goto(app.url)
    expect(page.get_by_role("heading", name="Try it", exact=True)).to_be_visible(timeout=LONG)
    seen.settled()
    return seen


def test_from_the_first_start_to_a_persona_that_changed(app: App, browser: Browser) -> None:
    here = visit(browser, app, WIDE)
    form_a_persona(here)
    chat(here)
    change_the_persona(here)
    look_around(here)
    narrow(browser, app)
    assert here.page.title() != "hacked"
    assert here.wrong == []
    assert {host for host in here.hosts if host} == {urlsplit(app.url).netloc}
    assert not NOISE.search(app.log.read_text())
    ends_on_sigterm(app)


def form_a_persona(here: Visit) -> None:
    here.reads("The offline model")
    here.reads("It does not converse")
    here.shot("try-first")
    here.press("Watch the persona form")
    here.reads("A new version is in use")
    here.settled()
    here.reads("95 %")
    here.shot("try-formed")
    here.press("Decide all")
    here.reads("As they did, with the persona")
    here.settled()
    here.page.get_by_text("As they did, generic").scroll_into_view_if_needed()
    here.shot("try-asked")


def chat(here: Visit) -> None:
    here.go("Chat")
    here.reads("Nothing was said yet")
    say(here, "What do I bring when somebody's mum is ill?")
    here.reads("bears on this")  # what is known of it, or that nothing is
    here.page.get_by_text("Why this answer").click()
    here.reads("Recalled for it")
    here.settled()
    here.page.get_by_text("What do I bring when").first.scroll_into_view_if_needed()
    here.shot("chat")
    say(here, HOSTILE)
    here.reads("<script>document.title")


def say(here: Visit, text: str) -> None:
    box = here.page.get_by_test_id("stChatInputTextArea")
    box.fill(text)
    box.press("Enter")
    here.page.wait_for_timeout(1_000)
    here.settled()


def change_the_persona(here: Visit) -> None:
    here.go("Persona")
    here.page.get_by_text("Rests on").first.click()
    here.shot("persona")
    here.page.get_by_text("State something yourself").click()
    here.settled()  # a button that still moves can miss its click
    stated = here.page.get_by_label("What is true of you")
    stated.fill(f"never wants sport {HOSTILE}")
    stated.press("Tab")
    here.press("State it")
    here.reads("Stated. No optimization changes it.")
    here.reads("never wants sport")
    here.page.get_by_role("tab", name="Versions").click()
    here.reads("What changed")
    here.reads("never wants sport")
    here.settled()
    here.shot("versions")
    here.press("Roll back to version")
    here.reads("is in use again")


def look_around(here: Visit) -> None:
    here.go("Memory")
    box = here.page.get_by_label("Search as the agent recalls")
    box.fill("a film about a bakery")
    box.press("Enter")
    here.reads("similarity")
    here.settled()
    here.shot("memory")
    here.go("Optimize")
    here.press("Optimize")
    here.reads("Earlier runs: 2")
    here.reads("Simulated answers beside true ones")
    here.settled()
    here.shot("optimize")
    here.go("Atlas")
    here.page.get_by_text("A file of histories").click()
    here.settled()
    histories = here.page.locator("input[type=file]").first
    histories.set_input_files(
        {"name": "people.json", "mimeType": "application/json", "buffer": people()}
    )
    here.settled()
    here.press("Draw the map")
    expect(here.page.locator(".js-plotly-plot")).to_be_visible(timeout=LONG)
    here.reads("4 personas by their claims")
    here.settled()
    here.shot("atlas-of-a-file")
    here.go("Evidence")
    here.reads("Whether it helps")
    here.page.get_by_role("tab", name="Result files").click()
    here.reads("A result is a JSON file")
    here.shot("evidence")


def people() -> bytes:
    """Return histories of four people as a file for evaluation, one of them hostile."""
    users = []
    for number, name in enumerate(("ana", "bo", "cy", HOSTILE)):
        favourite = "comedy" if number % 2 else "noir"
        profile = [
            {"id": f"{number}-{n}", "description": f"film {n}, quiet", "tag": favourite}
            for n in range(8)
        ]
        asked = f"{TAGGING} tags: [comedy, noir] description: another film, quiet"
        query = [{"id": f"q{number}", "input": asked, "gold": favourite}]
        users.append({"user_id": name, "profile": profile, "query": query})
    return json.dumps(users).encode()


def narrow(browser: Browser, app: App) -> None:
    """See every page on a narrow, dark screen: nothing is wider than it."""
    here = visit(browser, app, NARROW, dark=True)
    here.shot("narrow-try")
    for name in ("Chat", "Persona", "Memory", "Optimize", "Atlas", "Evidence"):
        here.go(name)
        assert fits(here.page), name
        here.shot(f"narrow-{name.lower()}")
    assert here.wrong == []


def fits(page: Page) -> bool:
    main = page.locator(".stMain").first
    return bool(main.evaluate("one => one.scrollWidth <= one.clientWidth"))


def ends_on_sigterm(app: App) -> None:
    """The command is the server: the signal leaves nothing behind."""
    app.process.send_signal(signal.SIGTERM)
    assert app.process.wait(30) is not None
    with pytest.raises(OSError):
        urllib.request.urlopen(app.url, timeout=5)
