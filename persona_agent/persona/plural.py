"""How a number of things is written."""

from __future__ import annotations


def counted(number: int, what: str, many: str = "") -> str:
    """Return ``1 claim`` or ``2,000 claims``; ``many`` is a plural that takes more than an s."""
    return f"{number:,} {what if number == 1 else many or what + 's'}"
