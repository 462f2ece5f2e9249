"""How a persona came about: versions with their scores, what changed, and the way back."""

from __future__ import annotations

import re
from collections.abc import Sequence

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.agent.show import evidence_ids
from persona_agent.persona.diff import ClaimChange, PersonaDiff
from persona_agent.persona.plural import counted
from persona_agent.schema import ContextPolicy, Episode, Persona, Revision
from persona_agent.ui import evidence, plots
from persona_agent.ui.learning_view import score_words
from persona_agent.ui.state import errors_shown, notice
from persona_agent.ui.texts import literal, moment, reworded

_COLORS = {"added": "green", "changed": "orange", "removed": "red"}
_NOTHING = -1
_CAUSES = {
    "optimize": "an optimization",
    "draft": "a first draft, not yet tested",
    "rollback": "a roll back",
    "stated": "you stated a claim",
    "corrected": "you corrected a claim",
    "pinned": "you pinned a claim",
    "released": "you released a claim",
    "deleted": "you deleted a claim",
}


def show(agent: PersonaAgent, history: Sequence[Persona]) -> None:
    """Draw the timeline, a comparison of two versions, and the roll back."""
    revisions = {one.to_version: one for one in agent.revisions_sync(history[-1].user_id)}
    _timeline(history, revisions)
    _compare(agent, history)
    if len(history) > 1:
        _roll_back(agent, history)


def _timeline(history: Sequence[Persona], revisions: dict[str, Revision]) -> None:
    scored = [
        (number, revisions[version.version])
        for number, version in enumerate(history, 1)
        if version.version in revisions and revisions[version.version].final
    ]
    if scored:
        st.plotly_chart(plots.version_scores(scored), config=plots.CONFIG)
        final = scored[-1][1].final
        if final is not None:
            st.markdown(f"Version {scored[-1][0]}: {score_words(final)}")
    rows = [
        {
            "version": number,
            "made (UTC)": moment(version.created_at),
            "because of": _cause(version.cause),
            "claims": len(version.claims),
            "score": _score(revisions.get(version.version)),
            "in use": "✓" if version is history[-1] else "",
        }
        for number, version in reversed(list(enumerate(history, 1)))
    ]
    st.dataframe(rows, hide_index=True)


def _cause(cause: str) -> str:
    """Return a stored cause in words; one that is not known as it is."""
    first = re.split(r"\W", cause, maxsplit=1)[0]
    return _CAUSES.get(first, cause)


def _score(revision: Revision | None) -> str:
    final = revision.final if revision is not None else None
    if final is None:
        return "not tested"
    return f"{1 - final.candidate_loss:.2f} (generic {1 - final.incumbent_loss:.2f})"


# --- what changed ---------------------------------------------------------------------------------


def _compare(agent: PersonaAgent, history: Sequence[Persona]) -> None:
    st.subheader("What changed")
    last, user = len(history) - 1, history[-1].user_id
    key = f"of {user} {last}"
    left, right = st.columns(2)
    before = left.selectbox(
        "From", [_NOTHING, *range(len(history))], index=last, format_func=_name, key=f"from {key}"
    )
    after = right.selectbox(
        "To", range(len(history)), index=last, format_func=_name, key=f"to {key}"
    )
    earlier = None if before == _NOTHING else history[before].version
    change = agent.diff_sync(user, earlier, history[after].version)
    _diff(change, evidence.stored(agent, user, evidence_ids(change)))


def _name(number: int) -> str:
    return "nothing" if number == _NOTHING else f"version {number + 1}"


def _diff(change: PersonaDiff, episodes: dict[str, Episode]) -> None:
    if change.empty:
        st.caption("Nothing that acts is different.")
    for one in change.claims:
        _claim_change(one, episodes)
    if change.policy_before is not None and change.policy_after is not None:
        before, after = policy_words(change.policy_before), policy_words(change.policy_after)
        for name in before:
            if before[name] != after[name]:
                with st.container(border=True):
                    st.badge("changed", color="orange")
                    st.text(f"{name}: {before[name]}  →  {after[name]}")
    if change.demonstrations[0] != change.demonstrations[1]:
        with st.container(border=True):
            st.badge("changed", color="orange")
            st.text(
                f"Number of examples: {change.demonstrations[0]}  →  {change.demonstrations[1]}"
            )


def _claim_change(one: ClaimChange, episodes: dict[str, Episode]) -> None:
    claim = one.after or one.before
    if claim is None:
        return
    with st.container(border=True):
        with st.container(horizontal=True):
            st.badge(one.change, color=_COLORS[one.change])
            st.caption(claim.section.value)
        if one.before is not None and one.after is not None:
            st.markdown(reworded(one.before.statement, one.after.statement))
            for name, was, now in (
                ("pinned", one.before.pinned, one.after.pinned),
                ("your own words", one.before.origin == "user", one.after.origin == "user"),
            ):
                if was != now:
                    st.caption(f"now {name}" if now else f"no longer {name}")
        else:
            literal(claim.statement)
        evidence.show(one.evidence, episodes)


def policy_words(policy: ContextPolicy) -> dict[str, str]:
    """Return what a policy says, by name, in words."""
    blend = policy.blend
    weights = f"similarity {blend.similarity:g}"
    if blend.value:
        weights += f", known outcome {blend.value:g}"
    if blend.recency:
        weights += f", recency {blend.recency:g} (half after {blend.half_life_days:g} days)"
    claims = "shown" if policy.show_claims else "not shown"
    if policy.show_claims and policy.most_claims is not None:
        claims = f"{policy.most_claims} at most: the best proven, and the nearest to a query"
    words = {
        "Past interactions recalled": str(policy.recalled),
        "Weights of recall": weights,
        "Claims": claims,
        "Outcome counts": "shown" if policy.show_statistics else "not shown",
        "Examples": "shown" if policy.show_demonstrations else "not shown",
    }
    if policy.listed:
        words["More of them told by outcome alone"] = str(policy.listed)
    if policy.since is not None:
        words["Only what is since"] = f"{policy.since:%Y-%m-%d}"
    return words


# --- back -----------------------------------------------------------------------------------------


def _roll_back(agent: PersonaAgent, history: Sequence[Persona]) -> None:
    st.subheader("Roll back")
    st.caption("The version becomes a new one in use. Nothing is lost; you can go back again.")
    number = st.selectbox(
        "To which version", range(len(history) - 1), index=len(history) - 2, format_func=_name
    )
    claims = counted(len(history[number].claims), "claim")
    if st.button(f"Roll back to version {number + 1} ({claims})", icon=":material/undo:"):
        with errors_shown():
            agent.rollback_sync(history[-1].user_id, history[number].version)
            notice(f"Version {number + 1} is in use again, as version {len(history) + 1}.")
            st.rerun()
