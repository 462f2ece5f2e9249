"""All personas on one map, and whether its groups mean anything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from persona_agent.agent import PersonaAgent
from persona_agent.evals.atlas import Atlas, Entry, Learner, Verdict, build_atlas, judge
from persona_agent.evals.atlas.figure import figure
from persona_agent.evals.atlas.look import CLUSTER, caption, colourings
from persona_agent.evals.atlas.page import render_page
from persona_agent.evals.atlas.sources import demo_histories, learned, stored
from persona_agent.persona.plural import counted
from persona_agent.protocols import Embedder
from persona_agent.schema import Episode
from persona_agent.settings import OFFLINE
from persona_agent.ui import plots
from persona_agent.ui.agents import open_agent
from persona_agent.ui.job import Job
from persona_agent.ui.state import awaited, drop_job, job, start
from persona_agent.ui.texts import escaped, literal
from persona_agent.ui.upload import KINDS, LEAST_PEOPLE, read_histories

DEMO, STORED, FILE = "The ten invented people", "The users of this memory", "A file of histories"
SOURCES = {
    DEMO: "Learns ten personas, three stages each; about a minute.",
    STORED: "Draws the personas that this memory holds, every version of them.",
    FILE: "Learns a persona for everybody in the file, three stages each. Nothing of it is stored.",
}
BATCH = 32


@dataclass(frozen=True)
class Mapped:
    """An atlas, and what its verdict can be drawn from."""

    source: str
    atlas: Atlas
    histories: dict[str, Sequence[Episode]]
    names: dict[str, str]


def show() -> None:
    """Draw the page."""
    st.title("Atlas")
    st.write(
        "Each point is a persona; near ones claim alike. A map shows groups in anything: the "
        "verdict below says whether these are more than chance."
    )
    agent = open_agent()
    _offer(agent)
    mapped: Mapped | None = awaited(job("atlas"))
    if mapped is not None:
        _map(mapped)
        _verdict(agent, mapped)


def _offer(agent: PersonaAgent) -> None:
    with_persona = len(agent.memory.personas.users())
    source = str(st.radio("Whose", [*SOURCES], captions=[*SOURCES.values()], key="atlas source"))
    if source == STORED and with_persona < LEAST_PEOPLE:
        st.info(
            f"{counted(with_persona, 'user')} of this memory with a persona: a map needs at least "
            f"{LEAST_PEOPLE}. Optimize more users, or look at the invented people."
        )
        return
    if source == DEMO and agent.settings.model != OFFLINE:
        st.caption("Their personas are learned with the chosen model: 30 optimizations to pay for.")
    given = _file(agent) if source == FILE else None
    if source == FILE and given is None:
        return
    building = job("atlas")
    if building is not None and building.running:
        return
    if st.button("Draw the map", type="primary", icon=":material/scatter_plot:"):
        drop_job("atlas")
        start("atlas", lambda running: _draw(agent, source, given, running))
        st.rerun()


def _file(agent: PersonaAgent) -> tuple[str, bytes] | None:
    """Take a file with the histories of several people; None until there is one."""
    given = st.file_uploader(
        "Histories of several people",
        type=[*KINDS],
        key="atlas file",
        max_upload_size=20,
        help="A file for evaluation (`user_id`, `profile`, `query`), or interactions as they are "
        "imported, each with its `user`.",
    )
    if given is None:
        return None
    if agent.settings.model != OFFLINE:
        st.caption("With the chosen model this is to be paid for: three optimizations a person.")
    return given.name, given.getvalue()


async def _draw(
    agent: PersonaAgent, source: str, given: tuple[str, bytes] | None, running: Job[Mapped]
) -> Mapped:
    embedder = agent.memory.embedder
    entries: list[Entry] = []
    histories: dict[str, Sequence[Episode]]
    names: dict[str, str] = {}
    if source != STORED:
        if given is None:
            histories, names = demo_histories()
        else:
            histories = await asyncio.to_thread(read_histories, *given)
            source = f"{source} {len(given[1])} {given[0]}"
        await _embed_ahead(embedder, histories, running)
        for done, (user, history) in enumerate(histories.items()):
            running.progress("Learning the people", done, len(histories))
            entries += await learned({user: history}, _learner(agent), names=names)
    else:
        entries, histories = await asyncio.to_thread(stored, agent.memory)
    atlas = await asyncio.to_thread(build_atlas, entries, embedder, progress=running.progress)
    return Mapped(source, atlas, histories, names)


async def _embed_ahead(
    embedder: Embedder, histories: dict[str, Sequence[Episode]], running: Job[Mapped]
) -> None:
    """Embed in batches what would else be embedded one by one; it can be stopped between them."""
    found: dict[str, None] = {}
    for history in histories.values():
        for episode in history:
            found |= dict.fromkeys((episode.query.text, *episode.query.options))
    texts = list(found)
    for begin in range(0, len(texts), BATCH):
        running.progress("Reading their interactions", begin, len(texts))
        await asyncio.to_thread(embedder.embed, texts[begin : begin + BATCH])


def _learner(agent: PersonaAgent) -> Learner:
    return Learner(agent.model, agent.memory.embedder, persona_tokens=agent.settings.persona_tokens)


# --- the map --------------------------------------------------------------------------------------


def _map(mapped: Mapped) -> None:
    atlas = mapped.atlas
    left, middle, right = st.columns(3)
    titles = [one.title for one in colourings(atlas)]
    colour = left.selectbox("Colour", titles, index=titles.index(CLUSTER))
    names = {point.user_id: point.name for point in atlas.points}
    selected = middle.selectbox(
        "Nearest neighbours of",
        [None, *names],
        format_func=lambda user: "all" if user is None else names[user],
    )
    step = atlas.steps
    if atlas.steps > 1:
        step = right.slider("After version", 1, atlas.steps, atlas.steps)
    drawn = figure(atlas, colour=colour, step=step - 1, selected=selected, dark=_dark())
    st.plotly_chart(drawn, config={**plots.CONFIG, "scrollZoom": True})
    st.caption(f"{caption(atlas)}. A larger point rests on more interactions. {_silhouette(atlas)}")
    rows = [
        {"cluster": one.name, "personas": one.size, "a typical claim": one.typical}
        for one in atlas.clusters
    ]
    if rows:
        st.dataframe(rows, hide_index=True)


def _silhouette(atlas: Atlas) -> str:
    if atlas.silhouette is None:
        return ""
    return f"Silhouette {atlas.silhouette:.2f}: 0 is no separation, 1 is full."


def _dark() -> bool:
    theme = st.context.theme
    return bool(theme) and theme.type == "dark"


# --- the verdict ----------------------------------------------------------------------------------


def _verdict(agent: PersonaAgent, mapped: Mapped) -> None:
    st.subheader("Verdict")
    judging: Job[Verdict] | None = job(f"verdict on {mapped.source}")
    if judging is None or judging.failed:
        st.write(
            "Every persona is learned again, three times from two separate halves of its history; "
            "and from histories shuffled between users, where nothing can be found."
        )
        if agent.settings.model != OFFLINE:
            st.caption("With the chosen model this is to be paid for: 18 optimizations a user.")
        st.caption("It takes a few minutes.")
        if st.button("Judge it", icon=":material/gavel:"):
            start(
                f"verdict on {mapped.source}",
                lambda running: judge(
                    mapped.histories,
                    _learner(agent),
                    names=mapped.names,
                    progress=running.progress,
                ),
            )
            st.rerun()
    verdict = awaited(judging)
    if verdict is not None:
        _words(verdict)
    _download(mapped, verdict)


def _words(verdict: Verdict) -> None:
    icon = ":material/check:" if verdict.structure else ":material/block:"
    first, *rest = verdict.words
    (st.success if verdict.structure else st.warning)(escaped(first), icon=icon)
    for line in rest:
        literal(line)
    rows = []
    for one in verdict.findings:
        found, groups = one.separation, one.replication
        low, high = found.own_auc_ci95 or (0.0, 1.0)
        rows.append(
            {
                "personas": one.kind,
                "by": one.space,
                "own AUC [95 %]": f"{found.own_auc:.2f} [{low:.2f}, {high:.2f}]",
                "p": f"{found.p:.4f}",
                "retrieval@1 (chance)": f"{found.retrieval:.2f} ({found.chance:.2f})",
                "silhouette": _number(groups.silhouette),
                "ARI bootstrap": _number(groups.bootstrap),
                "ARI halves": _number(groups.across_halves),
            }
        )
    st.dataframe(rows, hide_index=True)
    st.caption(
        f"{counted(verdict.users, 'user')}, {verdict.draws} x 2 halves of {verdict.half} "
        f"interactions; {verdict.left_out} left out. AUC: chance that a distance between users "
        "exceeds one within; 0.5 is chance. ARI: agreement of clusters, 0 is chance."
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _download(mapped: Mapped, verdict: Verdict | None) -> None:
    st.download_button(
        "The atlas as a page of its own",
        lambda: render_page(mapped.atlas, verdict),
        file_name="atlas.html",
        mime="text/html",
        icon=":material/download:",
        on_click="ignore",
    )


if __name__ == "__main__":
    show()
