"""A search in Wikipedia, for the chat's tool. Off unless the settings allow it."""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from persona_agent import __version__

API = "https://en.wikipedia.org/w/api.php"
ARTICLES = 3
LONGEST_RESPONSE = 1_000_000

_HEADERS = {"User-Agent": f"personaagent-ttp/{__version__}"}


def search_wikipedia(query: str, *, timeout: float) -> str:
    """Return the beginnings of the best articles, or a sentence that says why there are none.

    Blocking; call it off the event loop.
    """
    parameters = {
        "action": "query",
        "format": "json",
        "generator": "search",
        "gsrsearch": query[:300],
        "gsrlimit": str(ARTICLES),
        "prop": "extracts",
        "exintro": "1",
        "explaintext": "1",
        "exchars": "800",
        "exlimit": str(ARTICLES),
    }
    try:
        request = Request(f"{API}?{urlencode(parameters)}", headers=_HEADERS)
        with urlopen(request, timeout=timeout) as response:
            found = json.loads(response.read(LONGEST_RESPONSE))
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        return f"Wikipedia could not be reached ({reason}); answer without it"
    except ValueError:
        return "Wikipedia gave no usable answer; answer without it"
    return _articles(found) or f"Wikipedia has nothing on {query!r}"


def _articles(found: Any) -> str:
    """Return the articles of a response, best first; "" where it holds none."""
    query = found.get("query") if isinstance(found, dict) else None
    pages = query.get("pages") if isinstance(query, dict) else None
    if not isinstance(pages, dict):
        return ""
    ranked = sorted(pages.values(), key=lambda page: int(page.get("index", 0)))
    return "\n\n".join(
        f"{page.get('title', '')}\n{' '.join(str(page.get('extract', '')).split())}"
        for page in ranked
    )
