"""What went wrong in a call: the error to raise, whether to try again, and when.

LiteLLM's classes are recognized by name and status, so that this module needs no LiteLLM. Its
classes alone do not tell enough: a missing key and a refused connection both come as its
InternalServerError.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import Field

from persona_agent.errors import (
    ModelCallError,
    ModelCallsBlockedError,
    ModelError,
    ModelRefusalError,
)
from persona_agent.llm.answers import excerpt
from persona_agent.schema.base import Record
from persona_agent.settings import Settings

_PREFIX = re.compile(r"^(?:litellm\.)?(?:\w+(?:Error|Exception|Timeout)\b(?::| -)\s*)+")
_FORMAT = re.compile(r"response_?format|json|schema", re.IGNORECASE)
_NO_KEY = re.compile(
    r"missing credentials|missing \w+ api key|no key is set|api_key.{0,40}must be set"
    r"|api key.{0,20}(?:not set|missing|required)",
    re.IGNORECASE,
)
_QUOTA = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)
_KEY_SHAPE = re.compile(
    r"(?i:bearer\s+\S+)|(?<![A-Za-z0-9])(?:sk|pk|rk|gsk|hf|xai|AIza)[-_]?[A-Za-z0-9*_-]{8,}"
)
_SECRET_NAME = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD)$")
_KEY_HINT = "set PERSONA_AGENT_API_KEY or the provider's own variable"


@dataclass(frozen=True)
class Failure:
    """A failed call.

    Attributes:
        error: what to raise.
        retry_after: seconds that the provider asks to wait, if it does.
        rejects_format: whether the provider turned down the requested answer format.
        prompt_read: whether the provider may have charged for the prompt.
    """

    error: ModelError
    retry_after: float | None = None
    rejects_format: bool = False
    prompt_read: bool = False

    @property
    def transient(self) -> bool:
        """Whether the same call may succeed later."""
        return isinstance(self.error, ModelCallError) and self.error.transient


class Backoff(Record):
    """When to try again after a transient failure: exponential, with jitter, bounded."""

    retries: int = Field(default=2, ge=0)
    first: float = Field(default=0.5, ge=0)
    most: float = Field(default=20.0, ge=0)
    longest: float = Field(default=60.0, ge=0)
    """A provider that asks to wait longer than this is not waited for."""

    def delay(self, attempt: int, failure: Failure) -> float | None:
        """Return the seconds to wait after the attempt (from 0), or None to give up."""
        if not failure.transient or attempt >= self.retries:
            return None
        asked = failure.retry_after or 0.0
        if asked > self.longest:
            return None
        jittered = min(self.first * 2.0**attempt, self.most) * random.uniform(0.5, 1.0)
        return max(jittered, asked)


def refuse_if_blocked(settings: Settings) -> None:
    """Raise ModelCallsBlockedError where the settings allow no calls to a real model."""
    if not settings.allow_model_calls:
        raise ModelCallsBlockedError(
            f"calls to {settings.model} are blocked: PERSONA_AGENT_ALLOW_MODEL_CALLS is false"
        )


def explain(error: Exception, *, model: str, timeout: float, secrets: Iterable[str]) -> Failure:
    """Return the failure that an exception of a call stands for; its text holds no secret."""
    if isinstance(error, TimeoutError):
        text = f"{model}: no answer within {timeout:g} s (PERSONA_AGENT_TIMEOUT)"
        return Failure(ModelCallError(text, transient=True), prompt_read=True)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(error, "status_code", None)
    said = redact(_PREFIX.sub("", str(error)) or type(error).__name__, secrets)
    text = f"{model}: {{}} ({type(error).__name__}, status {status}): {excerpt(said, 300)}"
    if "ContentPolicyViolationError" in kinds:
        return Failure(ModelRefusalError(text.format("the provider's filter declined")))
    problem, transient = _judge(kinds, status, said)
    return Failure(
        ModelCallError(text.format(problem), transient=transient),
        retry_after=retry_after(error),
        rejects_format=_rejects_format(kinds, status, said),
        prompt_read="APITimeoutError" in kinds,
    )


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return text without the given secrets, secrets of the environment, and what looks like one.

    Providers quote the key that they turn down, and host apps log our errors.
    """
    named = {value for name, value in os.environ.items() if _SECRET_NAME.search(name.upper())}
    for secret in sorted({*secrets, *named}, key=len, reverse=True):
        if len(secret) >= 6:
            text = text.replace(secret, "[key]")
    return _KEY_SHAPE.sub("[key]", text)


def retry_after(error: Exception) -> float | None:
    """Return how many seconds the provider asks to wait, if it says."""
    for holder in (getattr(error, "response", None), error):
        for attribute in ("headers", "litellm_response_headers"):
            headers = getattr(holder, attribute, None)
            if isinstance(headers, Mapping):
                seconds = _seconds({str(k).lower(): str(v) for k, v in headers.items()})
                if seconds is not None:
                    return seconds
    return None


def _judge(kinds: set[str], status: int | None, said: str) -> tuple[str, bool]:
    """Return what happened in words, and whether it may pass."""
    if _NO_KEY.search(said):
        return f"there is no API key; {_KEY_HINT}", False
    if status in (401, 403):
        return f"the provider turned the key down; {_KEY_HINT}", False
    if status == 429 and _QUOTA.search(said):
        return "the account's quota is used up", False
    if "LLM Provider NOT provided" in said:
        return "LiteLLM knows no such provider; mend PERSONA_AGENT_MODEL (provider/model)", False
    if "No module named" in said:  # LiteLLM wraps its own missing imports as connection errors
        return "LiteLLM lacks a package", False
    if status == 429:
        return "the rate limit is reached", True
    if status in (408, 425) or "APITimeoutError" in kinds:
        return "the call timed out", True
    if status is not None and status >= 500:
        return "the provider or the connection failed", True
    if status is None and kinds & {"APIConnectionError", "ConnectionError", "TransportError"}:
        return "the connection failed", True
    return "the call failed", False


def _rejects_format(kinds: set[str], status: int | None, said: str) -> bool:
    if kinds & {"ContextWindowExceededError", "AuthenticationError"}:
        return False
    return status in (400, 422) and bool(_FORMAT.search(said))


def _seconds(headers: Mapping[str, str]) -> float | None:
    milliseconds, value = headers.get("retry-after-ms"), headers.get("retry-after")
    try:
        if milliseconds is not None:
            return max(0.0, float(milliseconds) / 1000)
        return max(0.0, float(value)) if value is not None else None
    except ValueError:
        pass
    try:
        moment = parsedate_to_datetime(value or "")
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
