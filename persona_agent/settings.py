"""Every setting, in one place, read from ``PERSONA_AGENT_*`` variables or passed in code."""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from persona_agent.errors import SettingsError

OFFLINE = "offline"
PREFIX = "PERSONA_AGENT_"
MISSPELT = 0.75
"""Likeness (of ``difflib``) from which a name that is no setting's is taken for one misspelt."""


class Settings(BaseSettings):
    """Settings of one agent. Each field is read from ``PERSONA_AGENT_<FIELD>``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
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

    contradiction_weight: float = Field(default=0.5, ge=0, le=10)
    """Objective: weight of contradicting the claims or what the agent said before."""

    relevance_weight: float = Field(default=0.5, ge=0, le=10)
    """Objective: weight of being less to the point than what the user kept."""

    copying_weight: float = Field(default=0.5, ge=0, le=10)
    """Objective: weight of repeating claims word for word."""

    invention_weight: float = Field(default=0.0, ge=0, le=10)
    """Objective: weight of asserting of the user what nothing known entails."""

    ask_invention: bool = False
    """Objective: whether the critic is asked what a text makes up, in place of rules."""

    listener_weight: float = Field(default=0.0, ge=0, le=10)
    """Objective: weight of texts by which a listener does not recognize the user; 0: not asked."""

    reason_weight: float = Field(default=0.0, ge=0, le=1)
    """Objective: what these count for the reason of a choice; 0: reasons are not read."""

    contradiction_draws: int = Field(default=3, ge=1, le=10)
    """Objective: answers drawn where one contradicts, which counts by the share that do."""

    simulated: int = Field(default=0, ge=0, le=50)
    """Invented queries that join each round of an optimization, judged without a true outcome."""

    ask_when_unsure: bool = False
    """Whether a decision comes with a question where what is known of the user is divided."""

    keep_secrets: bool = False
    """Whether what looks like a card number, key or password may enter memory."""

    allow_model_calls: bool = True
    """Kill switch: ``false`` refuses every call to a real model."""

    cache_dir: Path | None = None
    """Where answers of a real model and vectors are cached by content hash; unset: no cache."""

    recall_cache_mib: int = Field(default=32, ge=1)
    """Memory that recall keeps of users, in MiB over all of them; a large user may take more."""

    embedder: str = Field(default="sentence-transformers/all-MiniLM-L6-v2", min_length=1)
    """Sentence-transformers model, or ``hash`` for a dependency-free embedder of low quality."""

    store: Literal["sqlite", "chroma"] = "sqlite"
    """Episodic store: ``sqlite`` or ``chroma``."""

    chroma_url: str | None = None
    """``http://host:port`` of a Chroma server; unset: Chroma embedded in the data directory."""

    persona_tokens: int = Field(default=600, ge=50, le=20_000)
    """Budget of the rendered persona, in tokens."""

    wikipedia: bool = False
    """Whether the agent may look things up in Wikipedia (needs a network)."""

    candidates: int = Field(default=1, ge=1, le=8)
    """Most drafts of a chat answer: the first is checked, and drawn anew where it contradicts."""

    listener_votes: int = Field(default=0, ge=0, le=9)
    """Votes of an imaginary listener on each of several clean drafts; 0: no listener."""

    mediator: bool = False
    """Whether a wish spread over a thread is rewritten into one request before it is answered."""

    commitment: bool = True
    """Whether what the agent said of itself in a thread is kept and shown to its later turns."""

    critic: str | None = None
    """Model that checks drafts, rewrites requests, and judges in objectives; unset: ``model``."""

    nli: str | None = None
    """Cross-encoder (name or folder) that finds contradictions in place of the critic."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_listener(self.listener_weight, self.copying_weight, self.relevance_weight)
        if self.listener_votes and self.candidates == 1:
            raise ValueError(
                "a listener chooses among candidates: with listener_votes set candidates to 2 or "
                "more (mend PERSONA_AGENT_CANDIDATES)"
            )
        if self.listener_votes and self.temperature == 0:
            raise ValueError(
                "at temperature 0 all candidates are equal and a listener has nothing to choose: "
                "set listener_votes to 0, or another temperature (mend PERSONA_AGENT_TEMPERATURE)"
            )
        return self

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
            SettingsError: names each wrong setting, its value's problem and the variable to mend;
                also where a variable's name is nearly a setting's, since a budget that is
                misspelt would be no budget.
        """
        _refuse_misspelt(os.environ)
        given = {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsError(_explain(error)) from None


def check_listener(listener: float, copying: float, relevance: float) -> None:
    """Raise ValueError where a weight of the listener could reward reciting the persona.

    What recites a claim is heard best. It must not gain more by that than copying costs it.
    """
    if listener and (listener > copying or not relevance):
        raise ValueError(
            "a listener hears best what recites the persona: set listener_weight to no more than "
            "copying_weight, and relevance_weight above 0 (mend PERSONA_AGENT_LISTENER_WEIGHT)"
        )


def _refuse_misspelt(environment: Iterable[str]) -> None:
    """Raise SettingsError for variables whose names are nearly those of settings.

    Others are let be: for a service of this name Kubernetes sets ``PERSONA_AGENT_PORT``.
    """
    ours = [name.upper() for name in environment if name.upper().startswith(PREFIX)]
    problems = [
        f"there is no setting {name}: did you mean {PREFIX}{nearest[0].upper()}?"
        for name in ours
        if (nearest := _nearest(name.removeprefix(PREFIX).lower()))
    ]
    if problems:
        raise SettingsError("; ".join(problems))


def _nearest(name: str) -> list[str]:
    """Return the setting that is meant by a name that is none, if one is near."""
    if name in Settings.model_fields:
        return []
    return get_close_matches(name, Settings.model_fields, n=1, cutoff=MISSPELT)


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors(include_input=False, include_url=False):
        if not problem["loc"]:
            lines.append(problem["msg"].removeprefix("Value error, "))
            continue
        name = str(problem["loc"][0])
        known = name in Settings.model_fields
        hint = f"mend {PREFIX}{name.upper()}" if known else "there is no such setting"
        hint += "".join(f"; did you mean {one!r}?" for one in _nearest(name))
        lines.append(f"setting {name!r}: {problem['msg']} ({hint})")
    return "; ".join(lines)
