"""A user's data in and out of the memory by files, and out of it for good."""

from __future__ import annotations

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.persona.plural import counted
from persona_agent.ui.job import Job, Work
from persona_agent.ui.state import (
    drop_job,
    errors_shown,
    follow,
    forget_session,
    job,
    notice,
    show_progress,
    start,
    view_next,
)
from persona_agent.ui.texts import escaped, literal
from persona_agent.ui.upload import KINDS, export_lines, main_user, read_upload

IMPORT = "import"


def show(agent: PersonaAgent, user: str, count: int) -> None:
    """Draw import, export and forgetting."""
    st.subheader("Import")
    _import(agent, user)
    st.subheader("Export")
    _export(agent, user)
    st.subheader("Forget")
    _forget(agent, user, count)


def _import(agent: PersonaAgent, user: str) -> None:
    given = st.file_uploader(
        "A file of interactions (JSON Lines, JSON, CSV, TSV), or an export",
        type=[*KINDS],
        key=f"file for {user}",
        max_upload_size=20,
    )
    st.caption(
        "Needed: `query`; and `user` where it is not the one in view. `outcome` is what the user "
        "really chose or wrote. A file is imported whole or not at all; again, it adds nothing."
    )
    if given is not None and st.button("Import it", icon=":material/upload_file:"):
        start(IMPORT, importing(agent, given.name, given.getvalue(), user))
        st.rerun()
    running = job(IMPORT)
    if running is not None:
        follow(running, lambda: _imported(running))


def importing(agent: PersonaAgent, name: str, data: bytes, user: str) -> Work[str]:
    """Return the work that stores an uploaded file and tells what came of it."""

    async def work(running: Job[str]) -> str:
        running.note = "Reading the file"
        lines = export_lines(data)
        if lines is not None:
            new = await agent.import_lines(lines)
            refused = new.pop("refused", 0)
            found = ", ".join(counted(number, kind) for kind, number in new.items())
            return f"New: {found}.{_left_out(refused)}"
        episodes = read_upload(name, data, user)
        running.note = f"Storing {counted(len(episodes), 'interaction')}"
        done = await agent.import_episodes(episodes)
        whose = main_user(episodes)
        late = f" {counted(len(done.told), 'outcome')} of earlier ones." if done.told else ""
        said = "" if whose == user else f" Most are of {whose}."
        return f"{counted(len(done.new), 'new interaction')} of {len(episodes)}.{late}{said}"

    return work


def _left_out(refused: int) -> str:
    if not refused:
        return ""
    what = counted(refused, "fact or claim", "facts or claims")
    return f" Left out: {what} that would change rules, tools, keys or safety wording."


def _imported(running: Job[str]) -> None:
    show_progress(running)
    if running.result is not None:
        st.success(escaped(running.result), icon=":material/check:")


def _export(agent: PersonaAgent, user: str) -> None:
    def lines() -> str:
        return "".join(f"{line}\n" for line in agent.export_sync(user))

    st.download_button(
        "Download everything",
        lines,
        file_name="persona-export.jsonl",
        mime="application/x-ndjson",
        icon=":material/download:",
        on_click="ignore",
    )
    st.caption("Interactions, facts, all versions of the persona and what led to them, as JSON.")


def _forget(agent: PersonaAgent, user: str, count: int) -> None:
    versions = len(agent.history_sync(user))
    st.write(
        f"Removes {counted(count, 'interaction')}, all facts, "
        f"{counted(versions, 'version')} of the persona and all conversations. It cannot be undone."
    )
    literal(user)
    typed = st.text_input("Type the name above to confirm", key=f"forget {user}")
    sure = typed == user
    if st.button("Forget this user", type="primary", disabled=not sure, icon=":material/delete:"):
        running = job(f"optimize {user}")
        drop_job(f"optimize {user}")
        if running is not None:
            running.wait(5)
        with errors_shown():
            agent.forget_sync(user)
            forget_session(user)
            view_next(None)
            notice("Forgotten: nothing of this user is stored any more.")
            st.rerun()
