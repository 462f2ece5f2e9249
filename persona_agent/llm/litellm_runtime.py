"""Loading LiteLLM late and quietly, and closing what it keeps open.

Everything that is global about LiteLLM is dealt with here: its import takes seconds, fetches a
price list, reads ``.env`` files, and its HTTP clients belong to the process rather than to us.
"""

from __future__ import annotations

import importlib
import logging
import os
import threading
import warnings
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from persona_agent.errors import MissingExtraError

# Read while LiteLLM is imported: no downloads, and no .env file slipped under the host app.
_ENVIRONMENT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
}
_LOGGERS = ("LiteLLM", "LiteLLM Router", "LiteLLM Proxy")
_LATE_TYPES = (
    "Message",
    "Delta",
    "Choices",
    "StreamingChoices",
    "ModelResponse",
    "ModelResponseStream",
)
_LATE_MODULES = (
    "litellm.llms.ollama.completion.transformation",
    "litellm.llms.cohere.chat.transformation",
)
"""Imported in the middle of a provider's first call otherwise, with warnings; milliseconds."""

_LOCK = threading.Lock()
_USERS: WeakSet[object] = WeakSet()


def load(user: object) -> Any:
    """Import LiteLLM for a model that is going to use it, and return it. Takes seconds at first.

    Raises:
        MissingExtraError: it is not installed.
    """
    with _LOCK:
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        litellm = _import()
        litellm.suppress_debug_info = True
        litellm.telemetry = False
        for name in _LOGGERS:
            # It has its own handler, which would write whole prompts to stderr wherever the host
            # app logs at DEBUG; a level that the host set on purpose stays.
            logger = logging.getLogger(name)
            if logger.level == logging.NOTSET:
                logger.setLevel(logging.WARNING)
        _USERS.add(user)
        return litellm


def _import() -> Any:
    # Its warnings are not the host's business, and would break calls where warnings are errors.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            litellm: Any = importlib.import_module("litellm")
            types = importlib.import_module("litellm.types.utils")
        except ModuleNotFoundError as error:
            if error.name != "litellm":
                raise
            raise MissingExtraError("litellm", "agent") from None
        for name in _LATE_TYPES:
            # Otherwise built, with warnings, in the middle of the first call or stream.
            if (late := getattr(types, name, None)) is not None:
                late.model_rebuild(raise_errors=False)
        for name in _LATE_MODULES:
            with suppress(ImportError):  # another version may keep it elsewhere
                importlib.import_module(name)
        return litellm


async def release(user: object, litellm: Any) -> None:
    """Close LiteLLM's HTTP clients when the last model that used them lets go.

    They are shared by the process: closing them under another model would break its calls.
    """
    with _LOCK:
        _USERS.discard(user)
        if _USERS:
            return
    await litellm.close_litellm_async_clients()
    # Closed clients would be handed out again from its cache, and fail as connection errors.
    litellm.in_memory_llm_clients_cache.flush_cache()
