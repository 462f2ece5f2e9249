"""What looks like a secret never reaches a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.agent import PersonaAgent
from persona_agent.agent.secrets import without_secrets

SECRETS = {
    "4111 1111 1111 1111": "card number",
    "5500-0000-0000-0004": "card number",
    "378282246310005": "card number",
    "sk-proj-abcdefghijklmnop1234": "key",
    "AKIAIOSFODNN7EXAMPLE": "key",
    "ghp_" + "a1" * 18: "token",
    "xoxb-123456789012-abcdef": "token",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefgh12345678": "token",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIB\n-----END RSA PRIVATE KEY-----": "private key",
}
HARMLESS = (
    "call me on 0049 30 1234567 or 555-123-4567",
    "order 1234567890123456 of last week",
    "0000 0000 0000 0000",
    "the secret is patience",
    "my password: none of your business",
    "pi is 3.14159265358979323846",
    "ISBN 978-3-16-148410-0",
)


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_replaced_and_the_rest_stays(secret: str) -> None:
    kept = without_secrets(f"please use {secret} for it")
    assert kept == f"please use [removed: {SECRETS[secret]}] for it"


def test_what_follows_a_telling_word_is_replaced() -> None:
    assert without_secrets("password: hunter2x!") == "password: [removed: secret]"
    assert without_secrets("API key = abc123def") == "API key = [removed: secret]"


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert without_secrets(text) == text


@given(st.text())
def test_cleaning_twice_changes_nothing_more(text: str) -> None:
    once = without_secrets(text)
    assert without_secrets(once) == once


def _bytes(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kept", [False, True])
def test_no_file_holds_a_secret_unless_asked(tmp_path: Path, kept: bool) -> None:
    card, key = "4111 1111 1111 1111", "sk-proj-abcdefghijklmnop1234"
    with PersonaAgent.open(tmp_path, embedder="hash", keep_secrets=kept) as agent:
        first = agent.record_sync(
            "ana", f"pay with {card}?", f"yes, {card}", options=[f"yes, {card}", f"no {key}"]
        )
        agent.feedback_sync(first, user="ana", thumb=1, comment=f"it is {key}")
        agent.chat_sync("ana", f"remember {card}")
        agent.state_claim_sync("ana", f"pays with {card}")
        (told, *_) = agent.episodes_sync("ana")
        assert told.outcome in told.query.options
    stored = _bytes(tmp_path)
    assert (card.encode() in stored) is kept and (key.encode() in stored) is kept
