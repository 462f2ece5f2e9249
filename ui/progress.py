"""Optimizing a user with something to look at meanwhile."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.agent.show import episode_line, evidence_ids
from persona_agent.schema import Edit, Revision
from persona_agent.ui.state import errors_shown
from persona_agent.ui.texts import literal

_PAUSE = 0.2
_PURPOSES = ("distil", "optimize")


def optimize(agent: PersonaAgent, user: str) -> Revision | None:
    """Optimize a user and show how far it is; return None after an error, which is shown."""
    known = len(agent.memory.episodes.timeline(user, with_outcome=True))
    before = _calls(agent, user)
    started = time.monotonic()
    with st.status("Optimizing …", expanded=True) as status:
        st.write(f"Known outcomes: {known}. Later ones judge what was learned from earlier ones.")
        line = st.empty()
        # The worker never touches Streamlit: it has no session there. Nobody waits for it when the
        # page is left; what it finds is stored all the same.
        pool = ThreadPoolExecutor(1, thread_name_prefix="optimize")
        work = pool.submit(agent.optimize_sync, user)
        pool.shutdown(wait=False)
        while not work.done():
            line.text(_so_far(_calls(agent, user) - before, time.monotonic() - started))
            time.sleep(_PAUSE)
        line.text(_so_far(_calls(agent, user) - before, time.monotonic() - started))
        with errors_shown():
            revision = work.result()
            status.update(label="Optimized", state="complete", expanded=True)
            return revision
        status.update(label="Not done", state="error")
    return None


def show_revision(agent: PersonaAgent, revision: Revision) -> None:
    """Show what an optimization tried, what it kept, and why."""
    if revision.accepted:
        st.success("A new version is in use.", icon=":material/check:")
    else:
        st.info("The persona stays as it was.")
    if revision.reason:
        literal(revision.reason)
    _edits(agent, revision, "Edits kept", revision.edits)
    _edits(agent, revision, "Edits turned down", revision.rejected)
    if not revision.gates:
        return
    with st.expander(f"Every comparison: {len(revision.gates)}"):
        st.caption("Mean loss on the same interactions: 0 is what the user did, 1 is all wrong.")
        rows = [
            {
                "what": gate.gate,
                "interactions": gate.episodes,
                "loss before": round(gate.incumbent_loss, 3),
                "loss with it": round(gate.candidate_loss, 3),
                "passed": gate.passed,
            }
            for gate in revision.gates
        ]
        st.dataframe(rows, hide_index=True)


def _edits(agent: PersonaAgent, revision: Revision, title: str, edits: tuple[Edit, ...]) -> None:
    if not edits:
        return
    found = agent.memory.episodes.get(revision.user_id, evidence_ids(edits))
    episodes = {episode.id: episode for episode in found}
    with st.expander(f"{title}: {len(edits)}"):
        for edit in edits:
            scope = f"{edit.scope}: " if edit.scope else ""
            literal(f"{edit.operation.value}  {scope}{edit.text or edit.reason}")
            for name in edit.evidence[:3]:
                if name in episodes:
                    literal(f"      {episode_line(episodes[name])}")


def _calls(agent: PersonaAgent, user: str) -> int:
    return sum(agent.model.usage(user_id=user, purpose=purpose).calls for purpose in _PURPOSES)


def _so_far(calls: int, seconds: float) -> str:
    return f"{calls:,} calls of the model, {seconds:.0f} s"
