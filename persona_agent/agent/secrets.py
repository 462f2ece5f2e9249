"""Keeping secrets out of memory: what looks like one is replaced before anything is stored.

Recognized are payment card numbers (13 to 19 digits that pass the Luhn check), private keys, the
tokens of well-known services, and what follows words such as "password:". It is a net for
accidents, not a proof that nothing slips through.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from persona_agent.schema import Episode

_DIGITS = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.]\d)")
_TOKENS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (
        "private key",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*-----|\Z)", re.S),
    ),
    ("key", re.compile(r"\b(?:sk|pk|rk)[-_](?:[A-Za-z0-9]+[-_])*[A-Za-z0-9]{16,}\b")),
    ("key", re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{35}")),
    ("token", re.compile(r"\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{20,}")),
    ("token", re.compile(r"\bxox[abposr]-[\w-]{10,}|\bhf_[A-Za-z0-9]{20,}")),
    ("token", re.compile(r"\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")),
)
_AFTER_WORD = re.compile(
    r"(?i)\b(pass(?:word|phrase|code)|pwd|secret|api[ _-]?key|access[ _-]?token)"
    r"(\s*(?:is|=|:)\s*)[\"']?(?=\S*[\d\W_])([^\s\"',;]{6,})"
)


def without_secrets(text: str) -> str:
    """Return a text with what looks like a secret replaced, as in ``[removed: card number]``."""
    for name, pattern in _TOKENS:
        text = pattern.sub(f"[removed: {name}]", text)
    text = _AFTER_WORD.sub(r"\1\2[removed: secret]", text)
    return _DIGITS.sub(_card, text)


def clean(episode: Episode) -> Episode:
    """Return an episode without secrets; one that has none is returned as it is."""
    texts = (episode.query.text, *episode.query.options, episode.outcome, episode.response)
    said = episode.feedback.comment if episode.feedback else ""
    values = [value for value in episode.metadata.values() if isinstance(value, str)]
    if all(text is None or without_secrets(text) == text for text in (*texts, said, *values)):
        return episode
    replace = _distinct(episode.query.options)
    query = episode.query.model_copy(
        update={
            "text": without_secrets(episode.query.text),
            "options": tuple(replace(option) for option in episode.query.options),
        }
    )
    feedback = episode.feedback
    if feedback:
        feedback = feedback.model_copy(update={"comment": without_secrets(said)})
    return episode.model_copy(
        update={
            "query": query,
            "outcome": None if episode.outcome is None else replace(episode.outcome),
            "response": None if episode.response is None else replace(episode.response),
            "feedback": feedback,
            "metadata": {
                name: without_secrets(value) if isinstance(value, str) else value
                for name, value in episode.metadata.items()
            },
        }
    )


def _card(match: re.Match[str]) -> str:
    digits = [int(character) for character in match.group() if character.isdigit()]
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]
    passes = (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0 and len(set(digits)) > 1
    return "[removed: card number]" if passes else match.group()


def _distinct(options: tuple[str, ...]) -> Callable[[str], str]:
    """Return a replacement that keeps options apart, and an outcome equal to its option."""
    known: dict[str, str] = {}
    for option in options:
        new = without_secrets(option)
        known[option] = f"{new} ({len(known) + 1})" if new in known.values() else new
    return lambda text: known.get(text, without_secrets(text))
