"""The app's look that Streamlit's settings do not reach: its mark, and how tight pages are set."""

from __future__ import annotations

import streamlit as st

# Drawn here, since Streamlit fetches the picture of a named icon from elsewhere.
_HEAD = (
    '<circle cx="16" cy="11" r="7" fill="#D55E00"/><path d="M3 31a13 12 0 0 1 26 0z" '
    'fill="#2A86C7"/>'
)
_OPEN = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 32">{drawn}</svg>'
ICON = _OPEN.format(width=32, drawn=_HEAD)
# One picture for light and dark ground: the name in the blue that is legible on both.
LOGO = _OPEN.format(
    width=172,
    drawn=f'{_HEAD}<text x="40" y="22" textLength="128" lengthAdjust="spacingAndGlyphs" '
    'font-family="system-ui, sans-serif" font-size="18" font-weight="600" fill="#2A86C7">'
    "persona_agent</text>",
)
STYLE = """<style>
.stMainBlockContainer { padding-top: 3.75rem; }
[data-testid="stSidebar"] hr { margin: .25rem 0; }
</style>"""


def show() -> None:
    """Draw the mark and set the spacing."""
    st.logo(LOGO, size="large", icon_image=ICON)
    st.html(STYLE)
