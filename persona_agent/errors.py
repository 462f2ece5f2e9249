"""Every error this library raises on purpose.

::

    PersonaAgentError
    ├── UsageError                   the caller can mend it
    │   ├── InputError               a record, file or argument is not valid (also a ValueError)
    │   ├── SettingsError            a setting is wrong; the message names it and its fix
    │   ├── NotFoundError            no such user, episode, claim or version (also a KeyError)
    │   └── MissingExtraError        an optional dependency is absent (also an ImportError)
    ├── StoreError                   the data directory or its content
    │   ├── StoreUnavailableError    cannot be opened, read or written
    │   ├── EmbedderMismatchError    stored vectors come from another embedder
    │   ├── ConflictError            somebody wrote in between (compare-and-swap failed)
    │   └── StoreDamagedError        the file is damaged; the message says what is intact
    └── ModelError                   the language model gave no usable answer
        ├── ModelCallError           the call failed: time-out, rate limit, server or network error
        ├── ModelAnswerError         an answer came that cannot be used: prose, broken JSON, empty
        │   ├── ModelRefusalError    the model declined
        │   └── ModelCannotError     beyond the offline model; the message says what to set
        ├── BudgetExceededError      a limit of calls, tokens or money is reached; nothing was sent
        ├── ModelCallsBlockedError   the kill switch is on
        └── UnseenRequestError       a replay met a request that it has no answer for
"""

from __future__ import annotations


class PersonaAgentError(Exception):
    """Base of all errors of this library."""


class UsageError(PersonaAgentError):
    """The caller can mend it; the message says how."""


class InputError(UsageError, ValueError):
    """A record, a file or an argument is not valid."""


class SettingsError(UsageError, ValueError):
    """A setting is wrong."""


class NotFoundError(UsageError, KeyError):
    """There is no such user, episode, claim or version."""

    def __str__(self) -> str:  # KeyError would show the repr of the message
        return str(self.args[0]) if self.args else ""


class MissingExtraError(UsageError, ImportError):
    """An optional dependency is absent."""

    def __init__(self, package: str, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(
            f"this needs {package}, which is not installed. "
            f'Install it with: pip install "personaagent-ttp[{extra}]"'
        )


class StoreError(PersonaAgentError):
    """Something is wrong with stored data or its place."""


class StoreUnavailableError(StoreError):
    """The data directory cannot be opened, read or written."""


class EmbedderMismatchError(StoreError):
    """The stored vectors come from another embedder than the one in use."""


class ConflictError(StoreError):
    """Somebody else wrote in between; nothing of this write was kept."""


class StoreDamagedError(StoreError):
    """A stored file is damaged."""


class ModelError(PersonaAgentError):
    """The language model gave no usable answer. It is never counted as an answer."""


class ModelCallError(ModelError):
    """The call failed.

    Attributes:
        transient: whether the same call may succeed later (time-out, 429, 5xx, network).
    """

    def __init__(self, message: str, *, transient: bool = False) -> None:
        self.transient = transient
        super().__init__(message)


class ModelAnswerError(ModelError):
    """An answer came that cannot be used, even after one repair."""


class ModelRefusalError(ModelAnswerError):
    """The model declined to answer."""


class ModelCannotError(ModelAnswerError):
    """This kind of question is beyond the model, which says so instead of guessing."""


class BudgetExceededError(ModelError):
    """A limit of calls, tokens or money is reached; the call was not sent."""


class ModelCallsBlockedError(ModelError):
    """The kill switch for model calls is on."""


class UnseenRequestError(ModelError):
    """A replay met a request that it has no recorded answer for."""
