"""What the agent said of itself in a thread holds in its later turns."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from persona_agent import PersonaAgent
from persona_agent.agent.chat import Chat
from persona_agent.evals.lab.divergence import commitment
from persona_agent.memory import Memory
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel
from tests.agent.chats import changed, conflicts
from tests.scripted import Sampling

pytestmark = pytest.mark.usefixtures("claims_of_ana")


PETS = ("Rex", "Tom", "Ivy", "Moss", "Fern", "Puck")
ASKED = "What was the name of your first pet? Answer with the name only."


def inventing() -> Callable[..., str]:
    """Invent another pet every time, unless what was said before is in view."""
    number = count()

    def answer(messages: Any, tools: Any) -> str:
        if "first pet" not in messages[-1].content:
            return "Indeed."
        said = [pet for pet in PETS if any(pet in one.content for one in messages[:-1])]
        return said[0] if said else PETS[next(number) % len(PETS)]

    return answer


@pytest.mark.parametrize(("keeps", "expected"), [(False, 0.0), (True, 1.0)])
async def test_commitment_rises_to_one_once_its_own_words_are_kept(
    memory: Memory, settings: Settings, keeps: bool, expected: float
) -> None:
    model = Sampling(chat=inventing())
    chat = Chat(memory, model, changed(settings, commitment=keeps))
    answers = []
    for _ in range(5):
        answers.append((await chat.turn("ana", ASKED, thread="t")).text)
        for number in range(11):  # more than the messages that go on into the next turn
            await chat.turn("ana", f"Remark {number}.", thread="t")
    assert commitment(answers) == pytest.approx(expected)
    other = await chat.turn("ana", ASKED, thread="another")
    assert other.text != answers[0], "what is kept belongs to its thread"


async def test_what_is_kept_is_shown_with_its_question_as_a_fragment(
    memory: Memory, settings: Settings
) -> None:
    said = iter(["Oh\nyes. Call me\u2019Bo."])
    model = ScriptedModel(chat=lambda messages, tools: next(said, "Yes."))
    chat = Chat(memory, model, settings)
    await chat.turn("ana", 'What is your name, is it "Bo": Bo?', thread="t")
    line = "- Asked \"What is your name, is it 'Bo': Bo?\": Oh yes. Call me'Bo.\n</own_words>"
    for number in range(10):
        await chat.turn("ana", f"So? {number}", thread="t")
        assert "own_words" not in model.chats[-1][0].content, "its message is still in view"
    await chat.turn("ana", "So?", thread="t")
    system = model.chats[-1][0].content
    assert line in system
    assert "fragments" in system and "it is true of you" not in system


@pytest.mark.parametrize("keeps", [True, False])
async def test_brackets_with_own_answers_are_explained_where_there_are_any(
    memory: Memory, settings: Settings, keeps: bool
) -> None:
    model = ScriptedModel(chat=lambda messages, tools: "Indeed.")
    chat = Chat(memory, model, changed(settings, commitment=keeps))
    for number in range(12):
        await chat.turn("ana", f"A boat, number {number}?", thread="t")
    first, *_, last = (messages[0].content for messages in model.chats)
    assert "in brackets what you answered" not in first
    assert ("in brackets what you answered" in last) == keeps
    assert ("(earlier in this conversation; you answered: " in last) == keeps


async def test_no_section_seems_to_open_before_it_does(memory: Memory, settings: Settings) -> None:
    said = iter(["I am Bo.", *(["Well."] * 10), "I am Kim.", "Bo."])
    model = Sampling({"reply_check": conflicts}, chat=lambda messages, tools: next(said))
    chat = Chat(memory, model, changed(settings, candidates=2))
    for text in ("Your name?", *(f"So? {number}" for number in range(10)), "Your name?"):
        await chat.turn("ana", text, thread="t")
    system = model.chats[-1][0].content
    for tag in ("own_words", "unsent_draft", "goes_against"):
        assert system.count(f"<{tag}>") == system.count(f"</{tag}>") == 1


async def test_what_is_kept_is_forgotten_with_the_user(tmp_path: Path) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        model = ScriptedModel(chat=lambda messages, tools: "I come from Ulm.")
        chat = Chat(agent.memory, model, agent.settings)
        await chat.turn("ana", "Where are you from?", thread="t")
        await agent.forget("ana")
        for number in range(2):
            await chat.turn("ana", f"Well {number}", thread="t")
        assert "own_words" not in model.chats[1][0].content
