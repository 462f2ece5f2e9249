"""Logs as one JSON object a line."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    """Formats a record with its ``fields``.

    Of an error only the kind and the place are told unless text is asked for: what an exception
    says may quote a user.
    """

    def __init__(self, *, text: bool) -> None:
        super().__init__()
        self._text = text

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line |= getattr(record, "fields", {})
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            places = traceback.extract_tb(error.__traceback__)[-3:]
            line["error"] = type(error).__name__
            line["place"] = [f"{place.filename}:{place.lineno}" for place in places]
            if self._text:
                line["said"] = str(error)
        return json.dumps(line)


def log_to_stderr(*, text: bool) -> None:
    """Send the server's log, and the warnings of everything else, to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(text=text))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("persona_agent.server").setLevel(logging.INFO)
