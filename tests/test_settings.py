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
