"""A conversation with the user's agent: answers as they come, thumbs and corrections."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

import streamlit as st

from persona_agent.agent import ChatTurn, PersonaAgent
from persona_agent.agent.show import printable
from persona_agent.errors import PersonaAgentError
from persona_agent.persona.statistics import CHAT_TASK
from persona_agent.schema import Episode
from persona_agent.settings import OFFLINE
from persona_agent.ui.state import current_user, errors_shown, nobody_picked, notice, open_agent
from persona_agent.ui.texts import escaped, literal

EARLIER = 200
SHOWN = 30
DEFAULT = "default"


def show() -> None:
    """Draw the page."""
    st.title("Chat")
    if nobody_picked():
        return
    agent, user = open_agent(), current_user()
    if agent.settings.model == OFFLINE:
        st.caption("The offline model does not converse: it says what it remembers, and no more.")
    turns = agent.memory.episodes.timeline(user, task=CHAT_TASK, limit=EARLIER)
    thread = _thread(turns, user)
    said = [one for one in turns if one.metadata.get("thread") == thread][-SHOWN:]
    if not said:
        st.info("Nothing was said yet. Write a message below; each answer can be corrected.")
    for episode in said:
        _turn(agent, episode)
    if text := st.chat_input("Message", max_chars=20_000):
        _send(agent, user, thread, text)


def _thread(turns: list[Episode], user: str) -> str:
    names = {str(one.metadata.get("thread", "")): None for one in reversed(turns)}
    names.setdefault(DEFAULT)
    key = f"thread of {user}"
    picked = st.session_state.get(key)
    if picked:
        names.setdefault(picked)
    picked = st.selectbox(
        "Conversation",
        [name for name in names if name],
        key=key,
        accept_new_options=True,
        help="Type a new name to start another conversation.",
    )
    return str(picked or DEFAULT)


def _turn(agent: PersonaAgent, episode: Episode) -> None:
    with st.chat_message("user"):
        literal(episode.query.text)
    with st.chat_message("assistant"):
        literal(episode.response or "")
        if episode.outcome is not None:
            st.badge("your correction", color="blue")
            literal(episode.outcome)
        thumbs, correct = st.columns([1, 4])
        with thumbs:
            _thumbs(agent, episode)
        with correct.popover("Correct"):
            _correct(agent, episode)


def _thumbs(agent: PersonaAgent, episode: Episode) -> None:
    given = episode.feedback.thumb if episode.feedback else None
    before = None if given is None else int(given > 0)
    thumb = st.feedback("thumbs", key=f"thumb {episode.user_id} {episode.id}", default=before)
    if thumb is not None and thumb != before:
        comment = episode.feedback.comment if episode.feedback else ""
        with errors_shown():
            agent.feedback_sync(
                episode.id, user=episode.user_id, thumb=1 if thumb else -1, comment=comment
            )


def _correct(agent: PersonaAgent, episode: Episode) -> None:
    with st.form(f"correct {episode.user_id} {episode.id}", border=False):
        text = st.text_area("What the answer should have been", value=episode.outcome or "")
        if st.form_submit_button("Save"):
            with errors_shown():
                agent.feedback_sync(episode.id, user=episode.user_id, outcome=text)
                notice("Noted. The next optimization learns from it.")
                st.rerun()


def _pieces(
    agent: PersonaAgent, user: str, thread: str, text: str
) -> Generator[str | ChatTurn, None, None]:
    yield from agent.stream_sync(user, text, thread=thread)


def _send(agent: PersonaAgent, user: str, thread: str, text: str) -> None:
    with st.chat_message("user"):
        literal(text)
    with st.chat_message("assistant"):
        place = st.empty()
        place.caption("…")
        so_far = ""
        try:
            with closing(_pieces(agent, user, thread, text)) as pieces:
                for piece in pieces:
                    if isinstance(piece, ChatTurn):
                        break
                    so_far += piece
                    place.text(printable(so_far))
        except PersonaAgentError as error:
            place.empty()
            st.error(escaped(str(error)), icon=":material/error:")
            return
    st.rerun()


if __name__ == "__main__":
    show()
