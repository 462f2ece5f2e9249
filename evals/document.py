"""The frame of an HTML page that needs nothing else."""

from __future__ import annotations

import html


def document(title: str, *, policy: str, style: str, body: str) -> str:
    """Return a whole page.

    Args:
        title: is escaped.
        policy: the page's Content-Security-Policy: what it may load and run.
        style: its style sheet.
        body: HTML, with every text from outside escaped in it.
    """
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"{body}\n</body>\n</html>\n"
    )
