"""The imaginary listener of the chat: which of several drafts is given."""

from __future__ import annotations

from typing import Any

import pytest

from persona_agent.agent.chat import Chat
from persona_agent.agent.chat.repairs import Grounds, Repairs
from persona_agent.errors import SettingsError
from persona_agent.memory import Memory
from persona_agent.prompts.lab import CheckInputs, ListenInputs
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel
from tests.agent.chats import changed, conflicts
from tests.scripted import Sampling

pytestmark = pytest.mark.usefixtures("claims_of_ana")


async def test_the_listener_prefers_what_fits_this_user_only(
    memory: Memory, settings: Settings
) -> None:
    seen: list[ListenInputs] = []

    def heard(inputs: ListenInputs) -> dict[str, Any]:
        seen.append(inputs)
        own = inputs.persons.index("never eats meat wants one line")
        anybody = next(i for i, one in enumerate(inputs.persons) if "nothing is known" in one)
        return {"reason": "", "speaker": (own if "Lentils" in inputs.utterance else anybody) + 1}

    asked_for_bearing: list[bool] = []

    def check(inputs: CheckInputs) -> dict[str, Any]:
        asked_for_bearing.append(inputs.bearing)
        return {**conflicts(inputs), "bearing": [1] if "dinner" in inputs.message else []}

    model = Sampling(
        {"reply_check": check, "reply_listen": heard},
        chat=["Sure.", "Fine.", "Food is good.", "Lentils.", "A steak."],
    )
    chat = Chat(memory, model, changed(settings, candidates=3, listener_votes=2))
    for text in ("A poem?", "A walk?"):
        costs = (await chat.turn("ana", text, thread="t")).costs
        assert costs["critic"].calls == 1 and "candidates" not in costs, "nothing to be heard"
    turn = await chat.turn("ana", "What could I cook for dinner?", thread="t")
    assert turn.text == "Lentils."
    assert turn.weighed is not None and turn.weighed.heard[1] > turn.weighed.heard[0]
    assert turn.weighed.heard[2] == 0.0, "a steak is not even heard"
    assert asked_for_bearing == [True, True, True, False], "once a message"
    assert (turn.costs["candidates"].calls, turn.costs["critic"].calls) == (2, 2 + 2 * 2)
    assert {frozenset(one.persons) for one in seen} == {
        frozenset(
            {
                "never eats meat wants one line",
                "eats meat wants one line",
                "A user of whom nothing is known.",
            }
        )
    }, "the user, a twin in what the message is about, and nobody: no other user"
    assert {tuple(line.text for line in one.conversation) for one in seen} == {
        ("A poem?", "Sure.", "A walk?", "Fine.", "What could I cook for dinner?")
    }, "the last two exchanges and the message"


async def test_beside_an_inference_model_the_nearest_claim_is_heard(
    memory: Memory, settings: Settings
) -> None:

    repairs = Repairs(ScriptedModel(), embedder=memory.embedder, candidates=2, listener_votes=1)
    claims = ("wants one line", "never eats meat")
    for message, draft in (("Who never eats meat?", "You."), ("Dinner?", "Who never eats meat...")):
        heard = await repairs.listener(None, draft, Grounds(message=message, of_user=claims))
        assert heard is not None and heard.persons[1] == "wants one line eats meat"
    assert await repairs.listener(None, "Rain.", Grounds(message="Zurich?", of_user=claims)) is None
    assert await repairs.listener((), "Rain.", Grounds(message="Zurich?", of_user=claims)) is None


async def test_no_listener_where_no_claim_bears_on_the_message(
    memory: Memory, settings: Settings
) -> None:
    model = Sampling({"reply_check": {"contradictions": []}}, chat=["Rain.", "Sunshine."])
    chat = Chat(memory, model, changed(settings, candidates=2, listener_votes=2))
    turn = await chat.turn("ana", "Zurich tomorrow?", thread="t")
    assert turn.text == "Rain.", "nothing tells two drafts apart here"
    assert turn.weighed is not None and turn.weighed.heard == () and not turn.problems
    assert turn.usage.calls == 2


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("Take the bus.", "take the BUS!\n", False),
        ("Take the bus.", "Take the train.", True),
        ("The red bus at the corner goes all day to the old town and its two small markets.",
         "The red bus at the corner goes all day to the old town and its two small markets now.",
         False),
        ("The red bus at the corner goes all day to the old town and its two small markets.",
         "The red bus at the corner goes not all day to the old town and its two small markets.",
         True),
        ("The red bus at the corner does go all day to the old town and its two small shops, Ana.",
         "The red bus at the corner doesn't go all day to the old town and its two small shops, Ana"
         ".", True),
        ("Leave at 9 by the red bus at the corner, it goes all day to the old town and its market.",
         "Leave at 8 by the red bus at the corner, it goes all day to the old town and its market.",
         True),
        ("\U0001f600", "\U0001f600", False),
        ("\U0001f600", "\U0001f622", True),
    ],
)  # fmt: skip
async def test_only_drafts_that_differ_in_substance_are_heard(
    memory: Memory, settings: Settings, first: str, second: str, expected: bool
) -> None:
    model = Sampling(
        {"reply_check": {"contradictions": [], "bearing": [1]}, "reply_listen": {"speaker": 0}},
        chat=[first, second],
    )
    chat = Chat(memory, model, changed(settings, candidates=2, listener_votes=1))
    turn = await chat.turn("ana", "?", thread="t")
    assert turn.text == first.strip() and turn.weighed is not None
    assert bool(turn.weighed.heard) == expected
    assert turn.costs["critic"].calls == (4 if expected else 1)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"listener_votes": 3}, "PERSONA_AGENT_CANDIDATES"),
        ({"candidates": 2, "listener_votes": 1, "temperature": 0.0}, "PERSONA_AGENT_TEMPERATURE"),
    ],
)
def test_settings_that_do_nothing_are_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        Settings.load(**given)
