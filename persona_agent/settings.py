"""Every setting, in one place, read from ``PERSONA_AGENT_*`` variables or passed in code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from persona_agent.errors import SettingsError

OFFLINE = "offline"


class Settings(BaseSettings):
    """Settings of one agent. Each field is read from ``PERSONA_AGENT_<FIELD>``."""

    model_config = SettingsConfigDict(
        env_prefix="PERSONA_AGENT_", frozen=True, extra="forbid", env_ignore_empty=True
    )

    data_dir: Path = Path("persona-data")
    """Where episodes, facts and personas are kept."""

    model: str = Field(default=OFFLINE, min_length=1)
    """``offline``, or any LiteLLM model: ``openai/...``, ``anthropic/...``, ``ollama/...``."""

    api_base: str | None = None
    """Base URL of the model's API, for gateways and local servers."""

    api_key: SecretStr | None = None
    """Key for the model's API; where unset, LiteLLM reads the provider's own variable."""

    temperature: float | None = Field(default=None, ge=0, le=2)
    """Sampling temperature; unset leaves it to the provider."""

    timeout: float = Field(default=60.0, gt=0)
    """Seconds to wait for one model call."""

    retries: int = Field(default=2, ge=0, le=10)
    """How often a call is tried again after a transient failure."""

    concurrency: int = Field(default=8, ge=1, le=256)
    """Model calls under way at once."""

    max_calls: int | None = Field(default=None, ge=0)
    """Budget: model calls of this process."""

    max_tokens: int | None = Field(default=None, ge=0)
    """Budget: prompt and completion tokens of this process."""

    max_cost_usd: float | None = Field(default=None, ge=0)
    """Budget: money spent by this process."""

    user_daily_calls: int | None = Field(default=None, ge=1)
    """Budget of one user's optimizations in 24 hours: calls."""

    user_daily_tokens: int | None = Field(default=None, ge=1)
    """Budget of one user's optimizations in 24 hours: prompt and completion tokens."""

    user_daily_cost_usd: float | None = Field(default=None, ge=0)
    """Budget of one user's optimizations in 24 hours: money."""

    optimize_after: int | None = Field(default=None, ge=1)
    """New outcomes after which a user's persona is optimized by itself, off the response path."""

    keep_secrets: bool = False
    """Whether what looks like a card number, key or password may enter memory."""

    allow_model_calls: bool = True
    """Kill switch: ``false`` refuses every call to a real model."""

    cache_dir: Path | None = None
    """Where answers of a real model and vectors are cached by content hash; unset: no cache."""

    embedder: str = Field(default="sentence-transformers/all-MiniLM-L6-v2", min_length=1)
    """Sentence-transformers model, or ``hash`` for a dependency-free embedder of low quality."""

    store: str = Field(default="sqlite", pattern=r"^(sqlite|chroma)$")
    """Episodic store: ``sqlite`` or ``chroma``."""

    chroma_url: str | None = None
    """``http://host:port`` of a Chroma server; unset: Chroma embedded in the data directory."""

    persona_tokens: int = Field(default=600, ge=50, le=20_000)
    """Budget of the rendered persona, in tokens."""

    wikipedia: bool = False
    """Whether the agent may look things up in Wikipedia (needs a network)."""

    def with_default_cache(self) -> Settings:
        """Return the settings with the user's cache directory where none is set."""
        if self.cache_dir is not None:
            return self
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
        return self.model_copy(update={"cache_dir": Path(base) / "persona-agent"})

    @classmethod
    def load(cls, **overrides: Any) -> Settings:
        """Read the environment, with ``overrides`` on top (those that are None do not count).

        Raises:
            SettingsError: names each wrong setting, its value's problem and the variable to mend.
        """
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else "?"
        known = name in Settings.model_fields
        hint = f"mend PERSONA_AGENT_{name.upper()}" if known else "there is no such setting"
        lines.append(f"setting {name!r}: {problem['msg']} ({hint})")
    return "; ".join(lines)
