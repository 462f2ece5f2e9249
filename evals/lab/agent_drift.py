"""Drift of the agent itself: does it keep to its user, and to its word, turn after turn?

The persona is that of the user here, and the agent its assistant: chat turns as any user has
them, over threads, recall and memory, with the repairs off and on.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

from persona_agent.agent.chat import Chat
from persona_agent.evals.lab.bench import Card, Experiment, LabBench
from persona_agent.evals.lab.cards import card_persona
from persona_agent.evals.lab.consistency import LineCheck, check_lines
from persona_agent.evals.lab.drift import Arm, compared, implied, planted
from persona_agent.evals.lab.judges import Opinion
from persona_agent.evals.lab.people import PLANTED, REQUESTS
from persona_agent.evals.lab.questions import Recalled, ask_back
from persona_agent.evals.lab.results import Findings
from persona_agent.evals.lab.speakers import PERSONA, USER, as_many, user_message
from persona_agent.memory import Memory
from persona_agent.memory.episodes import InMemoryEpisodeStore
from persona_agent.memory.facts import FactStore
from persona_agent.memory.personas import SQLPersonaStore
from persona_agent.prompts.lab import Line
from persona_agent.settings import Settings

PLAIN: dict[str, object] = {"commitment": False}
REPAIRED: dict[str, object] = {
    "commitment": True,
    "mediator": True,
    "candidates": 3,
}
THREAD = "lab"


@asynccontextmanager
async def agent_of(bench: LabBench, card: Card, **repairs: object) -> AsyncIterator[Chat]:
    """Open a chat whose user is a card's person, with a memory of its own that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        memory = Memory(
            episodes=InMemoryEpisodeStore(),
            facts=FactStore(path / "memory.db"),
            personas=SQLPersonaStore(path / "personas.db"),
            embedder=bench.embedder,
        )
        memory.personas.put(card_persona(card), expected=None)
        settings = Settings.model_validate({"data_dir": path, **repairs})
        chat = Chat(memory, bench.actor, settings, critic=bench.critic)
        try:
            yield chat
        finally:
            await chat.aclose()
            for store in (memory.episodes, memory.facts, memory.personas):
                store.close()  # the embedder is the bench's


class Talk(NamedTuple):
    """A conversation with the agent, what it still knew of it at the end, and its calls a reply."""

    lines: list[Line]
    recalled: list[Recalled]
    calls: list[float | None]
    simulated: bool


async def talk(bench: LabBench, card: Card, **repairs: object) -> Talk:
    """Return a conversation of the bench's length with the agent of a card's person."""
    lines: list[Line] = []
    calls: list[float | None] = []
    simulated = False
    intents = as_many(REQUESTS, bench.turns)
    async with agent_of(bench, card, **repairs) as chat:
        for intent in intents:
            message, simulated = await user_message(bench, card.statements, intent, lines)
            answered = await chat.turn(card.user_id, message, thread=THREAD)
            calls.append(float(answered.usage.calls))
            lines += [Line(speaker=USER, text=message), Line(speaker=PERSONA, text=answered.text)]

        async def say(_: Sequence[Line], message: str) -> str:  # the chat has the thread itself
            return (await chat.turn(card.user_id, message, thread=THREAD)).text

        recalled = await ask_back(lines, intents, say)
    return Talk(lines, recalled, calls, simulated)


async def check_replies(bench: LabBench, card: Card, lines: Sequence[Line]) -> list[LineCheck]:
    """Judge every reply against what is known of the user, and the agent's earlier replies."""
    known = len(card.statements)

    async def relate(text: str, statements: Sequence[str], before: Sequence[Line]) -> list[Opinion]:
        message = before[-1].text if before else ""
        return await bench.judges.check(text, message, statements[:known], statements[known:])

    return await check_lines(relate, card.statements, lines)


async def measure(bench: LabBench) -> Findings:
    """Let every person talk with its agent, without and with repairs, and judge every reply."""
    arms = (Arm("plain"), Arm("with repairs"))
    simulated = False
    for done, card in enumerate(bench.cards, 1):
        for arm, repairs in zip(arms, (PLAIN, REPAIRED), strict=True):
            lines, recalled, calls, simulated = await talk(bench, card, **repairs)
            arm.checks.append(await check_replies(bench, card, lines))
            arm.clusters.append(card.user_id)
            arm.calls += calls
            intents = as_many(REQUESTS, bench.turns)
            await arm.question(bench, card, lines, intents, of="user")
            await arm.remember(bench, card, recalled)
        bench.progress("agent-drift", done, len(bench.cards))

    async def quoted(said: str, statements: Sequence[str]) -> list[Opinion]:
        return await bench.judges.check(f'You told me: "{said}"', "", statements, ())

    async def advised(reply: str, statements: Sequence[str]) -> list[Opinion]:
        return await bench.judges.check(reply, "What do you suggest?", statements, ())

    told = [(one.statement, one.told, one.told_harmless) for one in PLANTED]
    checks = [*await planted(bench, quoted), *await implied(advised, told, seed=bench.seed)]
    return compared(bench, *arms, checks, simulated=simulated)


AGENT_DRIFT = Experiment(
    "agent-drift", "Drift of the agent with its user", measure, frozenset({"chat"})
)
