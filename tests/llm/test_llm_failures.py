"""Failures are told apart by what they are, and their text holds no key."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from persona_agent.errors import ModelCallError, ModelRefusalError
from persona_agent.llm.failures import Backoff, Failure, explain, redact, retry_after


class APIStatusError(Exception):
    """Shaped like LiteLLM's errors."""

    def __init__(self, text: str, status: int | None, headers: dict[str, str] | None = None):
        super().__init__(text)
        self.status_code = status
        self.litellm_response_headers = headers


class ContentPolicyViolationError(APIStatusError):
    pass


class ContextWindowExceededError(APIStatusError):
    pass


def explained(error: Exception) -> Failure:
    return explain(error, model="openai/m", timeout=3.0, secrets=["s3cr3t-value"])


@pytest.mark.parametrize(
    ("status", "text", "transient"),
    [
        (429, "slow down", True),
        (429, "You exceeded your current quota, check your billing", False),
        (500, "boom", True),
        (503, "overloaded", True),
        (529, "overloaded", True),
        (408, "late", True),
        (500, "litellm.InternalServerError: Missing credentials. Please pass an `api_key`", False),
        (500, "litellm.APIConnectionError: No module named 'x'", False),
        (400, "bad", False),
        (401, "bad key", False),
        (403, "forbidden", False),
        (404, "no such model", False),
        (413, "too large", False),
        (None, "surprise", False),
    ],
)
def test_only_what_may_pass_is_transient(status: int | None, text: str, transient: bool) -> None:
    failure = explained(APIStatusError(text, status))
    assert isinstance(failure.error, ModelCallError)
    assert failure.transient is failure.error.transient is transient
    assert "openai/m" in str(failure.error)


def test_a_timeout_is_transient_and_may_have_been_charged() -> None:
    failure = explained(TimeoutError())
    assert failure.transient and failure.prompt_read
    assert "3 s" in str(failure.error) and "PERSONA_AGENT_TIMEOUT" in str(failure.error)


def test_a_filter_is_a_refusal() -> None:
    failure = explained(ContentPolicyViolationError("no", 400))
    assert isinstance(failure.error, ModelRefusalError) and not failure.transient


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("text", ["'response_format' is not supported", "bad JSON schema"])
def test_a_rejected_format_is_recognized(status: int, text: str) -> None:
    assert explained(APIStatusError(text, status)).rejects_format


def test_other_errors_are_no_rejected_format() -> None:
    assert not explained(APIStatusError("no such model", 400)).rejects_format
    assert not explained(APIStatusError("json", 500)).rejects_format
    assert not explained(ContextWindowExceededError("json too long", 400)).rejects_format


def test_a_missing_key_says_how_to_mend_it() -> None:
    for text in (
        "Missing Anthropic API Key - no key is set",
        "The api_key client option must be set",
    ):
        assert "PERSONA_AGENT_API_KEY" in str(explained(APIStatusError(text, 401)).error)


def test_keys_are_redacted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_PROVIDER_API_KEY", "abcdef-123456")
    text = "s3cr3t-value abcdef-123456 Bearer xyz.123 sk-proj-AAAABBBBCCCC gsk_0123456789ab"
    assert redact(text, ["s3cr3t-value"]) == "[key] [key] [key] [key] [key]"
    assert "s3cr3t-value" not in str(explained(APIStatusError("key s3cr3t-value", 401)).error)
    assert redact("risk-averse task-oriented plain words", []) == (
        "risk-averse task-oriented plain words"
    )


def test_retry_after_is_read_in_all_its_forms() -> None:
    def asked(headers: dict[str, str]) -> float | None:
        return retry_after(APIStatusError("x", 429, headers))

    assert asked({"Retry-After": "7"}) == 7.0
    assert asked({"retry-after-ms": "250", "retry-after": "7"}) == 0.25
    assert asked({"retry-after": "-3"}) == 0.0
    assert asked({"retry-after": "soon"}) is None
    assert asked({}) is None
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=30))
    assert 25 < (asked({"retry-after": later}) or 0) <= 30
    assert retry_after(ValueError()) is None


def test_backoff_grows_honours_the_provider_and_gives_up() -> None:
    backoff = Backoff(retries=3, first=1.0, most=3.0, longest=10.0)
    passing = Failure(ModelCallError("x", transient=True))
    lasting = Failure(ModelCallError("x", transient=False))
    for attempt, bound in enumerate((1.0, 2.0, 3.0)):
        delay = backoff.delay(attempt, passing)
        assert delay is not None and bound / 2 <= delay <= bound
    assert backoff.delay(3, passing) is None
    assert backoff.delay(0, lasting) is None
    assert backoff.delay(0, Failure(passing.error, retry_after=9.0)) == 9.0
    assert backoff.delay(0, Failure(passing.error, retry_after=11.0)) is None


def test_redaction_of_a_long_text_is_quick() -> None:
    begin = time.perf_counter()
    redact("sk" * 50_000 + " bearer " * 10_000, [])
    assert time.perf_counter() - begin < 1.0
