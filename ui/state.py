"""What the pages share of one session: the user in view, work under way, messages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.errors import PersonaAgentError
from persona_agent.ui.job import Job, Work
from persona_agent.ui.texts import escaped

T = TypeVar("T")
USER = "user"
TRY_PAGE = "page_try.py"
PAUSE = 0.5
_NEXT_USER = "next user"
_NOTICE = "notice"


# --- the user in view -----------------------------------------------------------------------------


def known_users(agent: PersonaAgent) -> list[str]:
    """Return the ids of all users with an episode or a persona, sorted."""
    return sorted({*agent.memory.episodes.users(), *agent.memory.personas.users()})


def current_user() -> str:
    """Return the user that was picked, or ""."""
    return str(st.session_state.get(USER) or "")


def view_next(user: str | None) -> None:
    """Pick another user at the next run; a widget's value cannot be set once it is drawn."""
    st.session_state[_NEXT_USER] = user


def apply_next_user() -> None:
    """Do what :func:`view_next` asked for. To be called before the picker is drawn."""
    if _NEXT_USER in st.session_state:
        st.session_state[USER] = st.session_state.pop(_NEXT_USER)


def forget_session(user: str) -> None:
    """Drop what this session keeps of a user."""
    for name in [name for name in st.session_state if f" of {user}" in str(name)]:
        del st.session_state[name]


# --- work under way -------------------------------------------------------------------------------


def _no_jobs() -> dict[str, Job[Any]]:
    return {}


def _stop_all(jobs: dict[str, Job[Any]]) -> None:
    for job in jobs.values():
        job.stop()


# Of one session, and stopped with it: nobody is left who would look at the end.
_jobs: Callable[[], dict[str, Job[Any]]] = st.cache_resource(
    scope="session", show_spinner=False, on_release=_stop_all
)(_no_jobs)


def start(name: str, work: Work[T]) -> Job[T]:
    """Start work of this session under a name, unless the last one of that name still runs."""
    last = _jobs().get(name)
    if last is not None and last.running:
        return last
    begun = Job(work, name=name)
    _jobs()[name] = begun
    return begun


def job(name: str) -> Job[Any] | None:
    """Return the last work of this session of a name, or None."""
    return _jobs().get(name)


def drop_job(name: str) -> None:
    """Stop work and forget it."""
    ended = _jobs().pop(name, None)
    if ended is not None:
        ended.stop()


def follow(job: Job[Any], draw: Callable[[], None]) -> None:
    """Draw now and, while the job is under way, twice a second; the page anew when it ends."""
    if not job.running:
        draw()
        return

    def part() -> None:
        ended = not job.running
        draw()
        if ended:
            st.rerun()

    st.fragment(part, run_every=PAUSE)()


def awaited(job: Job[T] | None) -> T | None:
    """Return what came of a job; where nothing did yet, show how far it is."""
    if job is not None and job.result is None:
        follow(job, lambda: show_progress(job))
    return job.result if job is not None else None


def show_progress(job: Job[Any]) -> None:
    """Show how far a job is, with a button that stops it; its problem where it failed."""
    if job.running:
        text = "Stopping …" if job.state == "stopping" else f"{job.note or 'Working'} …"
        st.progress(min(1.0, job.share), text=f"{text} {job.seconds:.0f} s")
        if st.button("Stop", icon=":material/stop_circle:", disabled=job.state == "stopping"):
            job.stop()
    elif job.state == "failed":
        st.error(escaped(job.problem), icon=":material/error:")
    elif job.state == "stopped":
        st.info("Stopped before the end.", icon=":material/stop_circle:")


# --- messages -------------------------------------------------------------------------------------


@contextlib.contextmanager
def errors_shown() -> Iterator[None]:
    """Show an error of the library as a message and go on behind the block."""
    try:
        yield
    except PersonaAgentError as error:
        st.error(escaped(str(error)), icon=":material/error:")


def notice(text: str) -> None:
    """Say something (Markdown) at the top of the next run."""
    st.session_state[_NOTICE] = text


def show_notice() -> None:
    """Show what :func:`notice` left, once."""
    if text := st.session_state.pop(_NOTICE, ""):
        st.success(text, icon=":material/check:")


def nobody_picked() -> bool:
    """Show what to do where no user is picked, and tell whether that is so."""
    if current_user():
        return False
    st.info(
        "Nobody is picked. See how it works on an invented person, or start with a name and an "
        "empty memory. Who is in view can be changed in the sidebar."
    )
    if st.button("Try it on an invented person", type="primary", icon=":material/play_arrow:"):
        st.switch_page(TRY_PAGE)
    with st.form("start with a name", border=False):
        name = st.text_input("Or start with a name", placeholder="ana", max_chars=200)
        if st.form_submit_button("Start") and name.strip():
            view_next(name.strip())
            st.rerun()
    return True
