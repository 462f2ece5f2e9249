"""Texts of users and models are shown as they are, everywhere: no Markdown, no HTML, no script."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.agent import PersonaAgent
from persona_agent.schema import (
    FINAL,
    Claim,
    Edit,
    EditOperation,
    Fact,
    GateResult,
    Persona,
    Revision,
    Section,
)
from persona_agent.ui import plots
from persona_agent.ui.texts import escaped, reworded
from tests.ui.conftest import PAGES, markdown, start, texts, whole

HOSTILE = "<script>alert(1)</script> [click](http://evil.example) ![x](http://evil.example/x)"
RAW = ("<script>", "](http")
LITERAL = ("page_chat.py", "page_persona.py", "page_memory.py")


@pytest.mark.slow
def test_hostile_texts_are_shown_literally(data_dir: Path) -> None:
    store(data_dir)
    for page in PAGES:
        app = start(page, user=HOSTILE)
        if page == "page_memory.py":
            whole(app.text_input[0].set_value(HOSTILE).run())
        if page == "page_chat.py":
            whole(app.toggle[0].set_value(True).run())
        if page == "page_optimize.py":
            runs = next(one for one in app.selectbox if one.label == "Which")
            whole(runs.set_value(0).run())
        if page in LITERAL:
            assert HOSTILE in texts(app), page
        for raw in RAW:
            assert raw not in markdown(app), page


def store(data_dir: Path) -> None:
    """Store every kind of text there is, of a user of that name."""
    user = HOSTILE
    with PersonaAgent.open(data_dir, embedder="hash") as agent:
        done = [agent.record_sync(user, HOSTILE, HOSTILE, task=HOSTILE) for _ in range(2)]
        agent.memory.facts.add([Fact(user_id=user, text=HOSTILE, sources=(done[0],))])
        claim = Claim(section=Section.STYLE, text=HOSTILE, scope=HOSTILE, evidence=(done[0],))
        first = Persona(user_id=user, claims=(claim,), cause=HOSTILE)
        agent.memory.personas.put(first, expected=None)
        changed = claim.model_copy(update={"text": f"{HOSTILE} now"})
        second = Persona(user_id=user, claims=(changed,), parent=first.version, cause=HOSTILE)
        agent.memory.personas.put(second, expected=first.version, revision=revision(second, done))
        agent.record_sync(
            user, HOSTILE, task="chat", response=HOSTILE, metadata={"thread": HOSTILE}
        )


def revision(version: Persona, evidence: list[str]) -> Revision:
    edit = Edit(operation=EditOperation.ADD, text=HOSTILE, reason=HOSTILE, evidence=tuple(evidence))
    gate = GateResult(
        gate=f"validation: {HOSTILE}",
        episodes=2,
        candidate_loss=0.1,
        incumbent_loss=0.2,
        difference=-0.1,
        standard_error=0.05,
        passed=True,
    )
    return Revision(
        user_id=HOSTILE,
        from_version=version.parent,
        to_version=version.version,
        accepted=True,
        edits=(edit,),
        rejected=(edit,),
        gates=(gate, gate.model_copy(update={"gate": FINAL})),
        reason=HOSTILE,
    )


@pytest.mark.parametrize("text", ["http://evil.example", ":red[x]", ":smile:", "$x$", "# a\n- b"])
def test_escaped_text_holds_no_markup(text: str) -> None:
    shown = escaped(text)
    assert "\n" not in shown
    assert "://" not in shown.replace("\\", "")
    assert not shown.startswith("#")


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_rewording_adds_no_markup_but_its_own(before: str, after: str) -> None:
    shown = reworded(before, after)
    for mark in (":red[~~", "~~]", ":green[**", "**]"):
        shown = shown.replace(mark, "")
    for place, letter in enumerate(shown):
        if letter in "<>[]`*_~$#!|":
            assert place > 0 and shown[place - 1] == "\\"


def test_plots_escape_the_names_in_them() -> None:
    gate = revision(Persona(user_id=HOSTILE, cause=""), []).gates[0]
    assert "<script>" not in plots.score_curve([gate]).to_json()
