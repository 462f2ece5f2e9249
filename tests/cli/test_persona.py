import json
from collections.abc import Callable
from datetime import UTC, datetime
from subprocess import CompletedProcess

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.persona import PersonaDiff
from persona_agent.schema import (
    FINAL,
    Claim,
    Fact,
    GateResult,
    Persona,
    Revision,
    Section,
    TermMeans,
)

Cli = Callable[..., CompletedProcess[str]]


def test_show_has_each_claim_with_its_evidence(cli: Cli, ana: PersonaAgent) -> None:
    result = cli("persona", "show", "--user", "ana")
    assert result.returncode == 0
    assert "version bb22" in result.stdout
    assert (
        "Preferences\n- goes by train\n      2026-03-04  How to get to town 3? -> train"
        in result.stdout
    )
    assert "… 1 more" in result.stdout
    assert "- no flights (pinned, yours)" in result.stdout


def test_show_tells_what_spoke_against_a_claim(cli: Cli, ana: PersonaAgent) -> None:
    day = datetime(2026, 3, 9, tzinfo=UTC)
    drive = ana.record_sync("ana", "How to get to town 9?", "car", options=["car", "train"], at=day)
    known = ana.persona_sync("ana")
    claim = known.claims[0].model_copy(update={"contrary": (drive,)})
    later = known.model_copy(update={"version": "cc33", "parent": "bb22", "claims": (claim,)})
    ana.memory.personas.put(later, expected="bb22")
    shown = cli("persona", "show", "--user", "ana").stdout
    assert "otherwise: 2026-03-09  How to get to town 9? -> car" in shown


def test_show_takes_a_version(cli: Cli, ana: PersonaAgent) -> None:
    for named in ("aa11", "aa", "1"):
        assert "goes by car" in cli("persona", "show", "--user", "ana", "--version", named).stdout
    result = cli("persona", "show", "--user", "ana", "--version", "9")
    assert result.returncode == 2
    assert "there is no version '9'" in result.stderr


def test_show_json_is_the_persona(cli: Cli, ana: PersonaAgent) -> None:
    result = cli("persona", "show", "--user", "ana", "--json")
    assert Persona.model_validate_json(result.stdout) == ana.persona_sync("ana")


def test_history_lists_the_versions(cli: Cli, ana: PersonaAgent) -> None:
    lines = cli("persona", "history", "--user", "ana").stdout.splitlines()
    assert lines[0].split() == ["no.", "version", "made", "claims", "loss", "terms", "cause"]
    assert lines[1].split()[:2] == ["1", "aa11"]
    assert lines[2].split()[-1] == "optimization"
    found = json.loads(cli("persona", "history", "--user", "ana", "--json").stdout)
    assert [version["version"] for version in found["versions"]] == ["aa11", "bb22"]


def test_diff_shows_what_changed_and_why(cli: Cli, ana: PersonaAgent) -> None:
    result = cli("persona", "diff", "--user", "ana")
    assert "aa11 -> bb22" in result.stdout
    assert "~ preferences\n    before: goes by car\n    now:    goes by train\n" in result.stdout
    assert "      2026-03-04  How to get to town 3? -> train" in result.stdout
    assert "+ values and constraints: no flights" in result.stdout
    assert "- style: is in a hurry\n      2026-03-02" in result.stdout
    both = cli("persona", "diff", "--user", "ana", "--from", "2", "--to", "2")
    assert "no change" in both.stdout
    found = cli("persona", "diff", "--user", "ana", "--json").stdout
    assert PersonaDiff.model_validate_json(found) == ana.diff_sync("ana", "aa11", "bb22")


def test_rollback_makes_the_old_version_a_new_one(cli: Cli, ana: PersonaAgent) -> None:
    result = cli("persona", "rollback", "--user", "ana", "--to", "1")
    assert result.returncode == 0
    latest = ana.persona_sync("ana")
    assert latest.parent == "bb22"
    assert latest.claims[0].text == "goes by car"
    assert latest.version in result.stdout


@pytest.mark.parametrize("action", ["show", "history", "diff", "rollback"])
def test_an_unknown_user_is_an_error_that_names_the_known(
    cli: Cli, ana: PersonaAgent, action: str
) -> None:
    extra = ["--to", "1"] if action == "rollback" else []
    result = cli("persona", action, "--user", "bob", *extra)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "there is no user 'bob': the users are ana" in result.stderr


def test_a_user_without_a_persona_is_told_what_to_do(cli: Cli, agent: PersonaAgent) -> None:
    agent.record_sync("ana", "tea?", "yes")
    result = cli("persona", "show", "--user", "ana")
    assert result.returncode == 2
    assert "run optimize first" in result.stderr


def test_hostile_text_neither_drives_the_terminal_nor_is_markup(
    cli: Cli, agent: PersonaAgent
) -> None:
    evil = "[bold]x[/] \x9b31m\x9d0;title\x9c \u202e [link=http://a]"
    episode = agent.record_sync("ana", evil, "\x90q\x9c ok \x84")
    claim = Claim(section=Section.STYLE, text=f"likes {evil}", evidence=(episode, "gone"))
    persona = Persona(user_id="ana", version="v1", claims=(claim,), cause="\x1b]0;t\x07\x1b[2J")
    agent.memory.personas.put(persona, expected=None)
    for arguments in (["show"], ["diff"], ["history"]):
        result = cli("persona", *arguments, "--user", "ana")
        assert result.returncode == 0
        assert not any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 for c in result.stdout)
        assert "\u202e" not in result.stdout
        assert "title" not in result.stdout
    assert "likes [bold]x[/] [link=http://a]" in cli("persona", "show", "--user", "ana").stdout
    assert "… 1 no longer stored" in cli("persona", "show", "--user", "ana").stdout


def test_history_and_diff_tell_the_terms_that_a_version_was_judged_by(
    cli: Cli, ana: PersonaAgent
) -> None:
    terms = (
        TermMeans(term="task", weight=1, candidate=0.25, incumbent=0.5),
        TermMeans(term="copying", weight=0.5, candidate=0.125, incumbent=None),
    )
    final = GateResult(
        gate=FINAL,
        episodes=4,
        candidate_loss=0.3,
        incumbent_loss=0.5,
        difference=-0.2,
        passed=True,
        terms=terms,
    )
    other = final.model_copy(update={"gate": "version by similar cases", "difference": 9.0})
    made = Revision(
        user_id="ana",
        from_version="aa11",
        to_version="bb22",
        accepted=True,
        gates=(final, other),
    )
    ana.memory.personas.add_revision(made)
    row = cli("persona", "history", "--user", "ana").stdout.splitlines()[2]
    assert "-0.200" in row and "task 0.50 -> 0.25, copying - -> 0.12" in row
    assert "task 0.50 -> 0.25, copying - -> 0.12" in cli("persona", "diff", "--user", "ana").stdout
    found = cli("persona", "diff", "--user", "ana", "--json").stdout
    assert PersonaDiff.model_validate_json(found).terms == terms
    same = cli("persona", "diff", "--user", "ana", "--from", "1", "--to", "1").stdout
    assert "judged" not in same


def test_statements_are_shown_before_there_is_a_version(cli: Cli, agent: PersonaAgent) -> None:
    agent.record_sync("dan", "tea?", "yes")
    said = Fact(user_id="dan", text="The user said: I never eat pork.", sources=("turn",))
    agent.memory.facts.add([said])
    shown = cli("persona", "show", "--user", "dan").stdout
    assert "dan, as stated" in shown and "I never eat pork." in shown
    compared = cli("persona", "diff", "--user", "dan")
    assert compared.returncode == 2 and "no version yet" in compared.stderr
