"""A conversation with the user's agent: answers as they come, what they rest on, and feedback."""

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
from persona_agent.ui import steering
from persona_agent.ui.agents import open_agent
from persona_agent.ui.state import current_user, errors_shown, nobody_picked, notice
from persona_agent.ui.texts import escaped, literal

BEGINNINGS = ("What do you know about me?", "What do I usually choose?")
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
    begun = "" if said else _begin()
    for episode in said:
        _turn(agent, episode)
    if text := st.chat_input("Message", max_chars=20_000) or begun:
        _send(agent, user, thread, text)


def _begin() -> str:
    """Say what can be done where nothing was said; return the beginning that was picked."""
    st.info(
        "Nothing was said yet. Write a message below. Each answer shows what it rests on, and can "
        "be corrected."
    )
    with st.container(horizontal=True):
        for text in BEGINNINGS:
            if st.button(text, icon=":material/chat_bubble:"):
                return text
    return ""


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
    with st.chat_message("user", avatar=":material/person:"):
        literal(episode.query.text)
    with st.chat_message("assistant", avatar=":material/auto_awesome:"):
        literal(episode.response or "")
        if episode.outcome is not None:
            st.badge("your words instead", color="blue")
            literal(episode.outcome)
        elif episode.feedback is not None and episode.feedback.comment:
            st.badge("your comment", color="blue")
            literal(episode.feedback.comment)
        with st.container(horizontal=True, vertical_alignment="center"):
            _thumbs(agent, episode)
            with st.popover("Correct", type="tertiary", icon=":material/comment:"):
                _correct(agent, episode)
            with st.popover("Edit", type="tertiary", icon=":material/edit:"):
                _edit(agent, episode)
            why = st.toggle("Why this answer", key=f"why of {episode.user_id} {episode.id}")
        if why:
            turn: ChatTurn | None = _turns(episode.user_id).get(episode.id)
            steering.show(agent, episode, turn)


def _turns(user: str) -> dict[str, ChatTurn]:
    """Return the turns of this session by episode: they know what was recalled."""
    found: dict[str, ChatTurn] = st.session_state.setdefault(f"turns of {user}", {})
    return found


def _thumbs(agent: PersonaAgent, episode: Episode) -> None:
    given = episode.feedback.thumb if episode.feedback else None
    before = None if given is None else int(given > 0)
    thumb = st.feedback("thumbs", key=f"thumb of {episode.user_id} {episode.id}", default=before)
    if thumb is not None and thumb != before:
        comment = episode.feedback.comment if episode.feedback else ""
        with errors_shown():
            agent.feedback_sync(
                episode.id, user=episode.user_id, thumb=1 if thumb else -1, comment=comment
            )


def _correct(agent: PersonaAgent, episode: Episode) -> None:
    """Take in words what was wrong, beside the thumb that was given."""
    said = episode.feedback
    with st.form(f"correct of {episode.user_id} {episode.id}", border=False):
        text = st.text_area("What was wrong with it", value=said.comment if said else "")
        if st.form_submit_button("Save the correction") and text.strip():
            with errors_shown():
                thumb = said.thumb if said and said.thumb is not None else -1
                agent.feedback_sync(episode.id, user=episode.user_id, thumb=thumb, comment=text)
                notice("Noted, as a thumb down with your words.")
                st.rerun()


def _edit(agent: PersonaAgent, episode: Episode) -> None:
    """Take the answer as it should have been, from the one that was given."""
    with st.form(f"edit of {episode.user_id} {episode.id}", border=False):
        text = st.text_area(
            "The answer as it should have been",
            value=episode.outcome or episode.response or "",
            height=180,
        )
        if st.form_submit_button("Save the answer"):
            with errors_shown():
                agent.feedback_sync(episode.id, user=episode.user_id, outcome=text)
                notice("Noted. It is recalled from now on, and the next optimization learns of it.")
                st.rerun()


def _pieces(
    agent: PersonaAgent, user: str, thread: str, text: str
) -> Generator[str | ChatTurn, None, None]:
    yield from agent.stream_sync(user, text, thread=thread)


def _send(agent: PersonaAgent, user: str, thread: str, text: str) -> None:
    with st.chat_message("user", avatar=":material/person:"):
        literal(text)
    with st.chat_message("assistant", avatar=":material/auto_awesome:"):
        place = st.empty()
        place.caption("…")
        so_far = ""
        try:
            with closing(_pieces(agent, user, thread, text)) as pieces:
                for piece in pieces:
                    if isinstance(piece, ChatTurn):
                        _turns(user)[piece.episode_id] = piece
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
