"""How an optimization is started, and shown: while it runs, and afterwards."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.agent.show import mean_change, noise_line
from persona_agent.optimizer.watch import Imagined, Simulated
from persona_agent.persona.left_out import left_out_line
from persona_agent.persona.plural import counted
from persona_agent.schema import Edit, EditOperation, Episode, GateResult, Noise, Revision, Usage
from persona_agent.settings import OFFLINE
from persona_agent.ui import evidence, plots
from persona_agent.ui.job import Job
from persona_agent.ui.learning import Learning, cost, learn, spent
from persona_agent.ui.state import show_progress, start
from persona_agent.ui.texts import literal

MOST_CRITIQUES = 12
LONG = 260
TERMS = {
    "contradiction": "goes against the claims, or what the agent said before",
    "irrelevance": "is less to the point than what the user kept",
    "copying": "recites the claims",
    "invention": "says of the user what nothing known entails",
    "listener": "is not heard as this user's",
}
_COLORS = {
    EditOperation.ADD: "green",
    EditOperation.UPDATE: "orange",
    EditOperation.MERGE: "orange",
    EditOperation.DELETE: "red",
}


def start_learning(agent: PersonaAgent, user: str, first: Sequence[Episode] = ()) -> None:
    """Start an optimization of this session for pages to follow; ``first`` is recorded before."""
    learning = Learning(user, spent(agent, user))
    st.session_state[f"learning of {user}"] = learning

    async def work(running: Job[Revision]) -> Revision:
        return await learn(agent, learning, running, first)

    start(f"optimize {user}", work)


def latest(user: str) -> Learning | None:
    """Return the last optimization of a user that this session started, or None."""
    found: Learning | None = st.session_state.get(f"learning of {user}")
    return found


def show(agent: PersonaAgent, learning: Learning, job: Job[Revision]) -> None:
    """Draw everything that is seen of an optimization so far."""
    show_progress(job)
    if job.state == "stopped":
        offline = agent.settings.model == OFFLINE
        st.caption(
            "The persona is as it was. "
            + ("" if offline else "What was paid for is kept; the next run goes on from there.")
        )
    if job.result is not None:
        show_outcome(job.result)
    show_cost(cost(agent, learning), job.seconds)
    if not learning.events:
        return
    left, right = st.columns(2, gap="medium")
    with left:
        _curve(learning.gates)
    with right:
        _gates(learning.gates)
        _noise(learning.noise)
    _answers(learning)
    left, right = st.columns(2, gap="medium")
    with left:
        _critiques(learning)
    with right:
        _edits(agent, learning)


def show_small(agent: PersonaAgent, learning: Learning, job: Job[Revision]) -> None:
    """Draw the same in a narrow column, the answers first."""
    show_progress(job)
    if job.result is not None:
        show_outcome(job.result)
    show_cost(cost(agent, learning), job.seconds)
    if learning.events and job.running:
        _answers(learning)
        _curve(learning.gates)
    elif learning.events:
        with st.expander("What was tried"):
            _curve(learning.gates)
            _gates(learning.gates)
            _answers(learning)
            _critiques(learning)


def show_cost(used: Usage, seconds: float) -> None:
    """Draw what was used, as numbers."""
    shown = {
        "Calls": f"{used.calls:,}",
        "Tokens": f"{used.prompt_tokens + used.completion_tokens:,}",
        "Cost": f"${used.cost_usd:.4f}" if used.cost_usd else "$0",
        "Time": f"{seconds:.0f} s",
    }
    with st.container(horizontal=True):
        for label, value in shown.items():
            st.metric(label, value, border=True, width=150)


def show_outcome(revision: Revision) -> None:
    """Say what came of an optimization, with the score and its interval."""
    if revision.accepted:
        st.success(
            f"A new version is in use. Edits kept: {len(revision.edits)}; turned down, since they "
            f"did not help: {len(revision.rejected)}.",
            icon=":material/check:",
        )
    else:
        st.info("The persona stays as it was.")
        if revision.reason:
            literal(revision.reason)
    if left_out := left_out_line(revision.left_out):
        st.caption(left_out)
    final = revision.final
    if final is not None:
        st.markdown(score_words(final))


def score_words(final: GateResult) -> str:
    """Return what the last comparison with generic says, as Markdown."""
    gain = -final.difference
    reach = plots.SURE * (final.standard_error or 0.0)
    served = "" if final.passed else " The generic prompt did better, so it is served."
    return (
        f"On {counted(final.episodes, 'replayed interaction')} the score is "
        f"**{1 - final.candidate_loss:.2f}** with the persona and "
        f"**{1 - final.incumbent_loss:.2f}** generic: {gain:+.2f} "
        f"(95 % {gain - reach:+.2f} to {gain + reach:+.2f}).{served}"
    )


def show_revision(agent: PersonaAgent, revision: Revision) -> None:
    """Draw an optimization of the past: its outcome, its edits, its comparisons."""
    show_outcome(revision)
    show_cost(revision.usage, revision.usage.seconds)
    left, right = st.columns(2, gap="medium")
    with left:
        _curve(revision.gates)
    with right:
        _list(agent, revision.user_id, "Edits kept", revision.edits)
        _list(agent, revision.user_id, "Edits turned down", revision.rejected)
    _gates(revision.gates)
    _noise(revision.noise)


# --- parts ----------------------------------------------------------------------------------------


def _curve(gates: Sequence[GateResult]) -> None:
    st.subheader("Score")
    if not gates:
        st.caption("Nothing was tested yet.")
        return
    st.plotly_chart(plots.score_curve(gates), config=plots.CONFIG)
    st.caption(
        "1 is best: what the user did, said with confidence. Bars: 95 % of the difference to what "
        "was in use. Claims are judged on the later part of the history only."
    )


def _gates(gates: Sequence[GateResult]) -> None:
    if not gates:
        return
    passed = sum(gate.passed for gate in gates)
    st.subheader(f"Gates: {passed} of {len(gates)} passed")
    rows = gate_rows(gates)
    columns = {
        "": st.column_config.TextColumn(width=30),
        "what was tried": st.column_config.TextColumn(width=200),
        "gain [95 %]": st.column_config.TextColumn(width=130),
        "on": st.column_config.NumberColumn(width=30, help="interactions that judged"),
        **{
            name: st.column_config.TextColumn(
                width=90, help=f"{what}: what was in use → what was tried, 0 is best"
            )
            for name, what in TERMS.items()
        },
    }
    st.dataframe(rows, hide_index=True, height=min(320, 38 + 35 * len(rows)), column_config=columns)


def gate_rows(gates: Sequence[GateResult]) -> list[dict[str, str | int]]:
    """Return gates as rows of a table, the latest first, with the terms of the objective.

    A term that applied to no gate has no column.
    """
    shown = [
        name
        for name in TERMS
        if any(one.term == name and one.applies for gate in gates for one in gate.terms)
    ]
    rows = []
    for gate in reversed(gates):
        means = {one.term: one for one in gate.terms}
        row: dict[str, str | int] = {
            "": "✓" if gate.passed else "✗",
            "what was tried": plots.gate_words(gate.gate),
            "gain [95 %]": _difference(gate),
            "on": gate.episodes,
        }
        row |= {name: mean_change(means[name]) if name in means else "-" for name in shown}
        rows.append(row | {"why not": "" if gate.passed else gate.reason})
    return rows


def _noise(noise: Noise | None) -> None:
    if noise is not None:
        st.caption(noise_line(noise))


def _difference(gate: GateResult) -> str:
    gain = -gate.difference
    reach = plots.SURE * (gate.standard_error or 0.0)
    return f"{gain:+.2f} [{gain - reach:+.2f}, {gain + reach:+.2f}]"


def _answers(learning: Learning) -> None:
    st.subheader("Simulated answers beside true ones")
    simulated = learning.of(Simulated)
    if not simulated:
        st.caption("Past interactions will be answered here as if their outcomes were unknown.")
        return
    for one in learning.of(Imagined):
        literal(one.cannot or f"{counted(len(one.episodes), 'query', 'queries')} invented.")
    last = simulated[-1]
    right = sum(trial.loss == 0 for trial in last.trials)
    st.caption(f"The latest round: {right} of {len(last.trials)} just as the user did.")
    rows = [
        {
            "": "✓" if trial.loss == 0 else "✗",
            "asked": _cut(episode.query.text),
            "simulated": _cut(trial.error or trial.answer or ""),
            "really": _cut(episode.outcome or ""),
        }
        for episode, trial in zip(last.episodes, last.trials, strict=True)
    ]
    wide, narrow = st.column_config.TextColumn(width=260), st.column_config.TextColumn(width=36)
    st.dataframe(
        rows,
        hide_index=True,
        height=min(320, 38 + 35 * len(rows)),
        column_config={"": narrow, "asked": wide, "simulated": wide, "really": wide},
    )


def _critiques(learning: Learning) -> None:
    found = learning.critiques
    st.subheader(f"Critiques: {len(found)}")
    if not found:
        st.caption("Wrong answers are looked into here.")
    with st.container(height=220 if found else "content", border=bool(found)):
        for one in found[:MOST_CRITIQUES]:
            literal(_cut(f"{one.failure.critique} {one.failure.preference}".strip()))
            st.caption("about")
            literal(_cut(one.failure.case.query))
            st.divider()


def _edits(agent: PersonaAgent, learning: Learning) -> None:
    proposed = learning.proposed
    st.subheader(f"Proposed edits: {len(proposed)}")
    if not proposed:
        st.caption("Changes of single claims come here, each with what it rests on.")
    for edit in proposed:
        show_edit(agent, learning.user, edit)


def _list(agent: PersonaAgent, user: str, title: str, edits: Sequence[Edit]) -> None:
    st.subheader(f"{title}: {len(edits)}")
    if not edits:
        st.caption("None.")
    for edit in edits:
        show_edit(agent, user, edit)


def show_edit(agent: PersonaAgent, user: str, edit: Edit) -> None:
    """Draw one edit with its reason and its evidence."""
    with st.container(border=True, gap="xsmall"):
        st.badge(edit.operation.value, color=_COLORS[edit.operation])
        literal(f"{edit.scope}: {edit.text}" if edit.scope else edit.text or "(a claim)")
        if edit.reason:
            literal(_cut(edit.reason))
        evidence.show(edit.evidence, evidence.stored(agent, user, edit.evidence))


def _cut(text: str) -> str:
    return text if len(text) <= LONG else f"{text[: LONG - 1]}…"
