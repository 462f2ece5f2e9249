"""The response cache keeps what was asked apart, survives damage, and forgets a user."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from persona_agent.errors import SettingsError
from persona_agent.llm.response_cache import ResponseCache, request_key
from persona_agent.prompts import DECIDE, RESPOND
from persona_agent.protocols import ChatMessage

MESSAGES = [ChatMessage(role="user", content="x")]


def test_the_key_tells_requests_apart() -> None:
    keys = [
        request_key("m", MESSAGES, DECIDE, temperature=None),
        request_key("n", MESSAGES, DECIDE, temperature=None),
        request_key("m", [*MESSAGES, *MESSAGES], DECIDE, temperature=None),
        request_key("m", MESSAGES, RESPOND, temperature=None),
        request_key("m", MESSAGES, DECIDE, temperature=0.0),
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == request_key("m", list(MESSAGES), DECIDE, temperature=None)


def test_answers_survive_reopening_and_a_user_is_forgotten_from_the_files(tmp_path: Path) -> None:
    cache = ResponseCache(tmp_path / "new")
    cache.put("k1", "answer of u1 in plain sight", user_id="u1")
    cache.put("k2", "b", user_id="u2")
    cache.close()
    cache = ResponseCache(tmp_path / "new")
    assert cache.get("k1") == "answer of u1 in plain sight"
    assert cache.get("k3") is None
    assert cache.forget("u1") == 1
    assert (cache.get("k1"), cache.get("k2")) == (None, "b")
    for file in (tmp_path / "new").iterdir():
        assert b"plain sight" not in file.read_bytes()
    cache.close()
    cache.close()


def test_a_cache_that_cannot_be_opened_is_a_wrong_setting(tmp_path: Path) -> None:
    (tmp_path / "answers.sqlite").write_bytes(b"this is no database, and long enough to tell" * 9)
    with pytest.raises(SettingsError, match="PERSONA_AGENT_CACHE_DIR"):
        ResponseCache(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="PERSONA_AGENT_CACHE_DIR"):
        ResponseCache(tmp_path / "file")


def test_a_cache_that_fails_later_is_a_miss(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = ResponseCache(tmp_path)
    cache.put("k", "a", user_id="u")
    cache.close()
    with caplog.at_level(logging.WARNING):
        assert cache.get("k") is None
    assert "cache failed" in caplog.text
