"""What steered an answer of the chat: claims, recalled memories, tools and cost."""

from __future__ import annotations

import numpy as np
import streamlit as st

from persona_agent.agent import ChatTurn, PersonaAgent
from persona_agent.agent.show import one_line
from persona_agent.persona import render
from persona_agent.persona.plural import counted
from persona_agent.persona.render import claims_shown
from persona_agent.schema import Claim, Episode, Persona
from persona_agent.ui import evidence
from persona_agent.ui.texts import escaped, literal

MOST = 8


def show(agent: PersonaAgent, episode: Episode, turn: ChatTurn | None) -> None:
    """Draw it below the answer; ``turn`` is known for answers of this session only."""
    with st.container(border=True):
        persona = _persona(agent, episode, turn)
        _claims(agent, episode, persona)
        with st.container(gap="xsmall"):
            _recalled(episode, turn)
        if turn is not None:
            _cost(turn)


def _persona(agent: PersonaAgent, episode: Episode, turn: ChatTurn | None) -> Persona | None:
    """Return the version that answered: as the turn says, else the last one made before."""
    versions = agent.history_sync(episode.user_id)
    if turn is not None:
        return next((one for one in versions if one.version == turn.persona_version), None)
    before = [one for one in versions if one.created_at <= episode.at]
    return before[-1] if before else None


def _claims(agent: PersonaAgent, episode: Episode, persona: Persona | None) -> None:
    if persona is None:
        st.markdown("**Claims:** none, there was no persona yet.")
        return
    text = render(persona, max_tokens=agent.settings.persona_tokens)
    shown = claims_shown(persona.claims, text)
    if not shown:
        st.markdown("**Claims:** none was shown; this persona answers better without.")
        return
    st.markdown(f"**Claims that the model was shown: {len(shown)}**")
    st.caption("The nearest in meaning to the message and the answer stand first.")
    ranked = _nearest(agent, shown, f"{episode.query.text}\n{episode.response or ''}")
    st.text("\n".join(f"{near:.2f}  {one_line(claim.statement)}" for claim, near in ranked[:MOST]))
    if len(ranked) > MOST:
        st.caption(f"and {len(ranked) - MOST} more")


def _nearest(agent: PersonaAgent, claims: list[Claim], text: str) -> list[tuple[Claim, float]]:
    """Return claims with their cosine similarity to a text, nearest first."""
    rows = agent.memory.embedder.embed([text, *(claim.statement for claim in claims)])
    near = np.asarray(rows[1:] @ rows[0], dtype=np.float64).tolist()
    return sorted(zip(claims, near, strict=True), key=lambda one: -one[1])


def _recalled(episode: Episode, turn: ChatTurn | None) -> None:
    if turn is None:
        st.markdown("**Recalled:** only kept for answers of this session.")
        return
    st.markdown(f"**Recalled for it: {counted(len(turn.recalled), 'interaction')}**")
    shown = turn.recalled[:MOST]
    for one in shown:
        literal(f"{one.similarity:.2f} · {evidence.in_words(one.episode)}")
    if len(turn.recalled) > MOST:
        st.caption(f"and {len(turn.recalled) - MOST} more")


def _cost(turn: ChatTurn) -> None:
    called = escaped(", ".join(turn.tool_calls))
    tools = f"Tools called: {called}. " if called else ""
    used = turn.usage
    st.caption(
        f"{tools}{counted(used.calls, 'call')}, {used.prompt_tokens + used.completion_tokens:,} "
        f"tokens, \\${used.cost_usd:.4f}, {used.seconds:.2f} s"
    )
