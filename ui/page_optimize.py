"""One user's optimization: started, watched, stopped; and those before."""

from __future__ import annotations

from functools import partial

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.persona.plural import counted
from persona_agent.schema import Revision
from persona_agent.ui import learning_view
from persona_agent.ui.agents import open_agent
from persona_agent.ui.state import current_user, follow, job, nobody_picked
from persona_agent.ui.texts import moment

LEAST = 6


def show() -> None:
    """Draw the page."""
    st.title("Optimize")
    if nobody_picked():
        return
    agent, user = open_agent(), current_user()
    running = job(f"optimize {user}")
    known = len(agent.memory.episodes.timeline(user, with_outcome=True))
    if running is None or not running.running:
        _offer(agent, user, known)
    learning = learning_view.latest(user)
    running = job(f"optimize {user}")
    if running is not None and learning is not None:
        follow(running, partial(learning_view.show, agent, learning, running))
    _earlier(agent, user, open_latest=running is None)


def _offer(agent: PersonaAgent, user: str, known: int) -> None:
    if not known:
        st.info(
            "Nothing to learn from yet. Import what this user really chose under **Memory**, or "
            "chat and correct the answers; or try it on the built-in people."
        )
        return
    why = agent.due_sync(user)
    st.write(
        f"{counted(known, 'known outcome')}. Past interactions are answered again as if their "
        "outcomes were unknown; errors are critiqued, small edits proposed, and only what helps on "
        "later interactions is kept."
    )
    if known < LEAST:
        st.caption(f"With fewer than {LEAST} outcomes nothing is changed.")
    st.caption(f"Worth it now: {why}." if why else "Little is new since the last run.")
    if st.button("Optimize", type="primary", icon=":material/auto_fix_high:"):
        learning_view.start_learning(agent, user)
        st.rerun()


def _earlier(agent: PersonaAgent, user: str, *, open_latest: bool) -> None:
    revisions = agent.revisions_sync(user)
    if not revisions:
        return
    st.divider()
    st.subheader(f"Earlier runs: {len(revisions)}")
    number = st.selectbox(
        "Which",
        range(len(revisions) - 1, -1, -1),
        index=0 if open_latest else None,
        placeholder="Pick a run to see its tests and edits",
        format_func=lambda place: _name(revisions[place], place + 1),
        key=f"run of {user} {len(revisions)}",
    )
    if number is not None:
        learning_view.show_revision(agent, revisions[number])


def _name(revision: Revision, number: int) -> str:
    end = "a new version" if revision.accepted else "nothing changed"
    return f"Run {number}, {moment(revision.at)}: {end}"


if __name__ == "__main__":
    show()
