"""The whole loop on built-in people: load, optimize, then answer what came later."""

from __future__ import annotations

import streamlit as st

from persona_agent.agent import Decision, PersonaAgent
from persona_agent.evals.demo import Split, split_demo_users
from persona_agent.schema import Episode, new_id
from persona_agent.ui.progress import optimize, show_revision
from persona_agent.ui.state import current_user, open_agent, view_next
from persona_agent.ui.texts import literal

# Who is picked after loading. (Streamlit would show a docstring here on the page.)
FIRST = "maya-okafor"


def show() -> None:
    """Draw the page."""
    st.title("Try it")
    st.write(
        "Ten invented people come with the package. The first 60 % of what each of them did is "
        "given to the agent; the rest is kept back, to ask for later."
    )
    agent = open_agent()
    splits = {split.person.user_id: split for split in split_demo_users()}
    known = set(agent.memory.episodes.users())
    st.subheader("1. Load the people")
    if not known.issuperset(splits):
        if st.button("Load the built-in people", type="primary"):
            _load(agent, list(splits.values()))
            if current_user() not in splits:
                view_next(FIRST)
            st.rerun()
        return
    st.caption(f"{len(splits)} people are loaded. Pick one under **User** in the sidebar.")
    user = current_user()
    if user not in splits:
        st.info("Pick one of the built-in people under **User** in the sidebar.")
        literal("\n".join(splits))
        return
    split = splits[user]
    st.subheader("2. Optimize")
    literal(split.person.about)
    _optimize(agent, split)
    st.subheader("3. Ask what came later")
    _ask(agent, split)


def _load(agent: PersonaAgent, splits: list[Split]) -> None:
    bar = st.progress(0.0, text="Loading the embedder; the first time takes some seconds …")
    for number, split in enumerate(splits):
        if number:
            bar.progress(number / len(splits), text=f"{number} of {len(splits)} people loaded …")
        agent.record_episodes_sync(split.history)


def _optimize(agent: PersonaAgent, split: Split) -> None:
    user = split.person.user_id
    versions = agent.memory.personas.history(user)
    if versions:
        st.caption(f"This person has a persona already ({len(versions)} version(s)).")
    else:
        st.caption("This person has no persona yet.")
    kind = "secondary" if versions else "primary"
    if st.button("Optimize this person", type=kind, icon=":material/auto_fix_high:"):
        revision = optimize(agent, split.person.user_id)
        if revision is not None:
            show_revision(agent, revision)
            st.page_link("page_persona.py", label="See the persona", icon=":material/person:")


def _ask(agent: PersonaAgent, split: Split) -> None:
    user = split.person.user_id
    if agent.memory.personas.latest(user) is None:
        st.caption("Optimize first; then see how the answers differ.")
        return
    queries = [episode for episode in split.later if len(episode.query.options) > 1]
    number = st.selectbox(
        "A later query",
        range(len(queries)),
        format_func=lambda place: f"{place + 1}. {queries[place].query.text}",
        key=f"query of {user}",
    )
    asked = queries[number]
    if asked.query.kind == "choice":
        options = "\n".join(f"- {option}" for option in asked.query.options)
    else:
        options = " · ".join(asked.query.options)
    literal(f"{asked.query.task_name}:\n{options}")
    left, right = st.columns(2)
    if left.button("Decide", type="primary", width="stretch"):
        _one(agent, user, asked)
    if right.button(f"Decide all {len(queries)} of them", width="stretch"):
        _every(agent, user, queries)


def _decide(agent: PersonaAgent, user: str, asked: Episode) -> Decision:
    query = asked.query
    return agent.decide_sync(user, query.text, query.options, task=query.task, remember=False)


def _both(agent: PersonaAgent, user: str, asked: Episode) -> tuple[Decision, Decision]:
    """Return the generic answer (that of somebody nobody knows) and the persona's."""
    return _decide(agent, f"nobody {new_id()}", asked), _decide(agent, user, asked)


def _one(agent: PersonaAgent, user: str, asked: Episode) -> None:
    with st.spinner("Deciding …"):
        generic, own = _both(agent, user, asked)
    columns = st.columns(3)
    for column, title, given in zip(
        columns, ("Generic", "With the persona"), (generic, own), strict=False
    ):
        with column.container(border=True):
            st.markdown(f"**{title}**")
            literal(given.answer)
            right = given.answer == asked.outcome
            st.badge("as they did" if right else "differs", color="green" if right else "red")
            if given.confidence is not None:
                st.caption(f"confidence {given.confidence:.0%}")
    with columns[2].container(border=True):
        st.markdown("**What they really did**")
        literal(asked.outcome or "")
    if own.reason:
        literal(own.reason)
    with st.expander(f"Past interactions recalled for it: {len(own.recalled)}"):
        for one in own.recalled:
            literal(f"{one.episode.query.text} → {one.episode.outcome}")


def _every(agent: PersonaAgent, user: str, queries: list[Episode]) -> None:
    bar = st.progress(0.0, text="Deciding …")
    rows = []
    for number, asked in enumerate(queries, 1):
        generic, own = _both(agent, user, asked)
        rows.append(
            {
                "asked": asked.query.text,
                "generic": generic.answer,
                "with the persona": own.answer,
                "really": asked.outcome,
            }
        )
        bar.progress(number / len(queries), text=f"Decided {number} of {len(queries)}")
    bar.empty()
    left, right = st.columns(2)
    for column, arm in ((left, "generic"), (right, "with the persona")):
        hits = sum(row[arm] == row["really"] for row in rows)
        column.metric(f"As they did, {arm}", f"{hits} of {len(rows)}", border=True)
    st.caption("Exactly the same answer counts; a rating that is off by one does not.")
    medium = st.column_config.TextColumn(width=200)
    st.dataframe(rows, hide_index=True, column_config=dict.fromkeys(rows[0], medium))


if __name__ == "__main__":
    show()
