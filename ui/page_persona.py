"""What the agent takes its user to be, why, and how it came to that."""

from __future__ import annotations

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.agent.show import episode_line, evidence_ids
from persona_agent.persona.diff import ClaimChange, PersonaDiff
from persona_agent.schema import Claim, ContextPolicy, Episode, Persona, Section, TaskStatistics
from persona_agent.ui.progress import optimize, show_revision
from persona_agent.ui.state import current_user, nobody_picked, notice, open_agent
from persona_agent.ui.texts import literal, moment

MOST_EVIDENCE = 20
MOST_COUNTS = 6

_COLORS = {"added": "green", "changed": "orange", "removed": "red"}
_NOTHING = -1


def show() -> None:
    """Draw the page."""
    st.title("Persona")
    if nobody_picked():
        return
    agent, user = open_agent(), current_user()
    versions = agent.history_sync(user)
    if not versions:
        _no_persona(agent, user)
        return
    now, how = st.tabs(["In use now", f"Versions ({len(versions)})"])
    with now:
        _now(agent, versions[-1])
    with how:
        _timeline(versions)
        _compare(agent, versions)
        if len(versions) > 1:
            _roll_back(agent, versions)


def _no_persona(agent: PersonaAgent, user: str) -> None:
    known = len(agent.memory.episodes.timeline(user, with_outcome=True))
    if not known:
        st.info(
            "Nothing is known of this user yet. Record what they really chose (from Python, or "
            "`persona-agent import FILE`), or chat and correct the answers; then optimize."
        )
        return
    st.info(
        f"There is no persona yet, but {known} interaction(s) with a known outcome. Optimize to "
        "draft one; with fewer than 6 nothing is changed."
    )
    _optimize(agent, user)


def _optimize(agent: PersonaAgent, user: str) -> None:
    if st.button("Optimize now", icon=":material/auto_fix_high:"):
        revision = optimize(agent, user)
        if revision is not None:
            show_revision(agent, revision)
            st.button("Show the persona")  # a click runs the page anew


def _now(agent: PersonaAgent, persona: Persona) -> None:
    found = agent.memory.episodes.get(persona.user_id, evidence_ids(persona))
    episodes = {episode.id: episode for episode in found}
    if not persona.claims:
        st.info("This version makes no claims. What it knows is in the outcome counts below.")
    elif not persona.policy.show_claims:
        st.caption("These claims are kept, but not shown to the model: answers were better so.")
    for section in Section:
        claims = [claim for claim in persona.claims if claim.section is section]
        if claims:
            st.subheader(section.value.capitalize())
        for claim in claims:
            _claim(claim, episodes)
    st.subheader("Outcome counts")
    _statistics(persona.statistics)
    st.subheader("What answers get to see")
    st.text("\n".join(f"{name}: {value}" for name, value in _policy(persona.policy).items()))
    with st.expander("The persona as the model sees it"):
        literal(agent.persona_text_sync(persona.user_id) or "(empty)")
    _optimize(agent, persona.user_id)


def _claim(claim: Claim, episodes: dict[str, Episode]) -> None:
    with st.container(border=True):
        literal(claim.statement)
        if claim.protected:
            st.badge("pinned" if claim.pinned else "your own words", color="blue")
        if not claim.evidence:
            return
        with st.expander(f"Rests on {len(claim.evidence)} interaction(s)"):
            _evidence(claim.evidence, episodes)


def _evidence(ids: tuple[str, ...], episodes: dict[str, Episode]) -> None:
    known = sorted((episodes[name] for name in ids if name in episodes), key=lambda one: one.at)
    for episode in reversed(known[-MOST_EVIDENCE:]):
        literal(episode_line(episode))
    more, gone = len(known[:-MOST_EVIDENCE]), len(ids) - len(known)
    if more:
        st.caption(f"and {more} earlier ones")
    if gone:
        st.caption(f"{gone} no longer stored")


def _statistics(statistics: tuple[TaskStatistics, ...]) -> None:
    if not statistics:
        st.caption("No task with short, countable outcomes yet.")
        return
    rows = [
        {
            "task": one.task,
            "known": one.total,
            "most frequent": ", ".join(f"{name} ({n})" for name, n in one.counts[:MOST_COUNTS]),
            "mean": "" if one.mean is None else f"{one.mean:g}",
        }
        for one in statistics
    ]
    st.caption("As they stood when this version was made.")
    st.dataframe(rows, hide_index=True)


def _policy(policy: ContextPolicy) -> dict[str, str]:
    """Return what a policy says, by name, in words."""
    blend = policy.blend
    weights = f"similarity {blend.similarity:g}"
    if blend.value:
        weights += f", known outcome {blend.value:g}"
    if blend.recency:
        weights += f", recency {blend.recency:g} (half after {blend.half_life_days:g} days)"
    return {
        "Past interactions recalled": str(policy.recalled),
        "Weights of recall": weights,
        "Claims": "shown" if policy.show_claims else "not shown",
        "Outcome counts": "shown" if policy.show_statistics else "not shown",
        "Examples": "shown" if policy.show_demonstrations else "not shown",
    }


# --- versions -------------------------------------------------------------------------------------


def _timeline(versions: list[Persona]) -> None:
    rows = [
        {
            "version": number,
            "made (UTC)": moment(version.created_at),
            "claims": len(version.claims),
            "because of": version.cause,
            "in use": version is versions[-1],
        }
        for number, version in reversed(list(enumerate(versions, 1)))
    ]
    st.dataframe(rows, hide_index=True)


def _compare(agent: PersonaAgent, versions: list[Persona]) -> None:
    st.subheader("What changed")
    last, user = len(versions) - 1, versions[-1].user_id
    key = f"{user} {last}"
    left, right = st.columns(2)
    before = left.selectbox(
        "From", [_NOTHING, *range(len(versions))], index=last, format_func=_name, key=f"from {key}"
    )
    after = right.selectbox(
        "To", range(len(versions)), index=last, format_func=_name, key=f"to {key}"
    )
    earlier = None if before == _NOTHING else versions[before].version
    change = agent.diff_sync(user, earlier, versions[after].version)
    found = agent.memory.episodes.get(user, evidence_ids(change))
    _diff(change, {episode.id: episode for episode in found})


def _name(number: int) -> str:
    return "nothing" if number == _NOTHING else f"version {number + 1}"


def _diff(change: PersonaDiff, episodes: dict[str, Episode]) -> None:
    if change.empty:
        st.caption("Nothing that acts is different.")
    for one in change.claims:
        _claim_change(one, episodes)
    if change.policy_before is not None and change.policy_after is not None:
        before, after = _policy(change.policy_before), _policy(change.policy_after)
        for name in before:
            if before[name] != after[name]:
                st.badge("changed", color="orange")
                st.text(f"{name}: {before[name]}  →  {after[name]}")
    if change.demonstrations[0] != change.demonstrations[1]:
        st.badge("changed", color="orange")
        st.text(f"Number of examples: {change.demonstrations[0]}  →  {change.demonstrations[1]}")


def _claim_change(one: ClaimChange, episodes: dict[str, Episode]) -> None:
    with st.container(border=True):
        st.badge(one.change, color=_COLORS[one.change])
        if one.before is not None and one.after is not None:
            literal(f"before: {one.before.statement}")
            literal(f"now: {one.after.statement}")
        elif (claim := one.after or one.before) is not None:
            literal(f"{claim.section.value}: {claim.statement}")
        if one.evidence:
            with st.expander(f"Rests on {len(one.evidence)} interaction(s)"):
                _evidence(one.evidence, episodes)


def _roll_back(agent: PersonaAgent, versions: list[Persona]) -> None:
    st.subheader("Roll back")
    st.caption("The version becomes a new one in use. Nothing is lost; you can go back again.")
    number = st.selectbox(
        "To which version", range(len(versions) - 1), index=len(versions) - 2, format_func=_name
    )
    if st.button(f"Roll back to version {number + 1}", icon=":material/undo:"):
        agent.rollback_sync(versions[-1].user_id, versions[number].version)
        notice(f"Version {number + 1} is in use again, as version {len(versions) + 1}.")
        st.rerun()


if __name__ == "__main__":
    show()
