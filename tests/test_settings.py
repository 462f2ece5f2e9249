"""Settings: where they come from, and what a wrong one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona_agent.errors import SettingsError
from persona_agent.settings import OFFLINE, Settings


def test_without_anything_set_it_works_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PERSONA_AGENT_ALLOW_MODEL_CALLS", raising=False)
    found = Settings.load()
    assert found.model == OFFLINE
    assert found.store == "sqlite"
    assert found.data_dir == Path("persona-data")
    assert found.cache_dir is None
    assert found.allow_model_calls


def test_the_environment_is_read_and_arguments_go_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PERSONA_AGENT_MODEL", "ollama/llama3")
    monkeypatch.setenv("PERSONA_AGENT_TIMEOUT", "7.5")
    monkeypatch.setenv("PERSONA_AGENT_ALLOW_MODEL_CALLS", "no")
    monkeypatch.setenv("PERSONA_AGENT_STORE", "")
    found = Settings.load(model=None, timeout=3)
    assert (found.model, found.timeout, found.store) == ("ollama/llama3", 3, "sqlite")
    assert not found.allow_model_calls


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", "0"),
        ("timeout", "soon"),
        ("retries", "-1"),
        ("retries", "11"),
        ("concurrency", "0"),
        ("temperature", "3"),
        ("max_calls", "-1"),
        ("max_tokens", "many"),
        ("max_cost_usd", "-0.1"),
        ("allow_model_calls", "maybe"),
        ("store", "mongo"),
        ("persona_tokens", "10"),
        ("wikipedia", "2"),
    ],
)
def test_a_wrong_setting_is_named_with_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = f"PERSONA_AGENT_{name.upper()}"
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert f"setting {name!r}: " in str(caught.value)
    assert f"mend {variable}" in str(caught.value)


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.load(timeout=-1, store="mongo", colour="red")
    for part in ("'timeout'", "'store'", "'colour'", "there is no such setting"):
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("MODLE", "MODEL"), ("MAX_COST", "MAX_COST_USD"), ("USER_DAILY_TOKEN", "USER_DAILY_TOKENS")],
)
def test_a_misspelt_variable_is_refused(
    name: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PERSONA_AGENT_{name}", "1")
    with pytest.raises(SettingsError) as caught:
        Settings.load()
    assert f"no setting PERSONA_AGENT_{name}: did you mean PERSONA_AGENT_{meant}?" in str(
        caught.value
    )


def test_variables_that_others_set_are_let_be(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PORT", "SERVICE_HOST", "PORT_8321_TCP_ADDR"):  # as Kubernetes does
        monkeypatch.setenv(f"PERSONA_AGENT_{name}", "10.0.0.1")
    assert Settings.load().model == OFFLINE


def test_a_misspelt_argument_is_told_what_is_near() -> None:
    with pytest.raises(SettingsError, match="did you mean 'model'"):
        Settings.load(modle="offline")


def test_a_key_never_shows() -> None:
    found = Settings.load(api_key="sk-very-secret")
    assert "very-secret" not in repr(found) + str(found) + found.model_dump_json()
    assert found.api_key is not None
    assert found.api_key.get_secret_value() == "sk-very-secret"
    with pytest.raises(SettingsError) as caught:
        Settings.load(api_key={"key": "sk-very-secret"}, timeout="sk-very-secret")
    assert "very-secret" not in str(caught.value)


def test_the_default_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert Settings().with_default_cache().cache_dir == tmp_path / "persona-agent"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert Settings().with_default_cache().cache_dir == Path.home() / ".cache" / "persona-agent"
    own = Settings(cache_dir=tmp_path / "own")
    assert own.with_default_cache() is own


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings().model = "other"  # type: ignore[misc]
