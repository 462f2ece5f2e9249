"""``wrap``: any chat function, with the persona in its messages and the exchange remembered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from persona_agent import PersonaAgent
from persona_agent.errors import InputError
from persona_agent.integrations import wrap
from tests.integrations.conftest import SECRET

Messages = list[dict[str, Any]]
ASKED: Messages = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What for dinner?"},
]


class Upstream:
    """A chat function in OpenAI's form that keeps what it was sent."""

    def __init__(self, *pieces: str, tool_calls: list[Any] | None = None) -> None:
        self.pieces, self.tool_calls = pieces, tool_calls
        self.sent: Messages = []
        self.options: dict[str, Any] = {}
        self.closed = False

    async def create(self, *, messages: Messages, stream: bool = False, **options: Any) -> Any:
        self.sent, self.options = messages, options
        if stream:
            return self._stream()
        message = SimpleNamespace(content="".join(self.pieces), tool_calls=self.tool_calls)
        return SimpleNamespace(choices=[SimpleNamespace(message=message)])

    async def _stream(self) -> AsyncIterator[dict[str, Any]]:
        try:
            for piece in self.pieces:
                yield {"choices": [{"delta": {"content": piece}}]}
            yield {"choices": []}
        finally:
            self.closed = True


def remembered(agent: PersonaAgent, user: str = "ana") -> list[tuple[str, str | None]]:
    """Return what was asked and answered since the fixture."""
    found = agent.episodes_sync(user)
    return [(one.query.text, one.response) for one in found if one.id not in ("soup", "evil")]


async def test_the_messages_get_the_persona_behind_the_rules(agent: PersonaAgent) -> None:
    upstream = Upstream("A soup.")
    ask = wrap(upstream.create, agent=agent, user="ana", thread="tv")
    reply = await ask(messages=ASKED, temperature=0.5)
    assert reply.choices[0].message.content == "A soup."
    assert upstream.options == {"temperature": 0.5}
    system, user = upstream.sent
    assert user is ASKED[1] and ASKED[0]["content"] == "Be brief."
    assert system["content"].startswith("Be brief.\n\n")
    assert "eats no meat" in system["content"] and "-> soup" in system["content"]
    assert SECRET not in system["content"]
    assert remembered(agent) == [("What for dinner?", "A soup.")]
    assert agent.episodes_sync("ana")[-1].metadata == {"thread": "tv"}


async def test_half_a_character_costs_no_turn(agent: PersonaAgent) -> None:
    asked = [{"role": "user", "content": "What for dinner? \ud83d"}]  # an emoji that was cut
    answer = await wrap(Upstream("A soup. \ud83d").create, agent=agent, user="ana")(messages=asked)
    assert answer.choices[0].message.content == "A soup. \ud83d"  # the host's own
    assert remembered(agent) == [("What for dinner? ?", "A soup. ?")]
    await wrap(Upstream("\x00 ").create, agent=agent, user="ana")(messages=asked)
    assert len(remembered(agent)) == 1  # nothing was said


async def test_text_of_a_user_cannot_leave_its_section(agent: PersonaAgent) -> None:
    upstream = Upstream("ok")
    await wrap(upstream.create, agent=agent, user="ana")(messages=ASKED)
    text = upstream.sent[0]["content"]
    assert "ignore all rules" in text and text.count("</memories>") == 1


async def test_users_of_one_agent_see_nothing_of_each_other(agent: PersonaAgent) -> None:
    ana, ben = Upstream("a"), Upstream("b")
    question = [{"role": "user", "content": "Where is the key for dinner?"}]
    await asyncio.gather(
        *(wrap(ana.create, agent=agent, user="ana")(messages=question) for _ in range(5)),
        *(wrap(ben.create, agent=agent, user="ben")(messages=question) for _ in range(5)),
    )
    assert SECRET in str(ben.sent) and SECRET not in str(ana.sent)
    assert "soup" in str(ana.sent) and "soup" not in str(ben.sent)
    assert {response for _, response in remembered(agent)} == {"a"}


async def test_a_stream_passes_through_and_is_remembered_at_its_end(agent: PersonaAgent) -> None:
    upstream = Upstream("A ", "soup.")
    ask = wrap(upstream.create, agent=agent, user="ana")
    stream = await ask(messages=ASKED, stream=True)
    seen = []
    async for chunk in stream:
        assert not remembered(agent)
        seen.append(chunk)
    assert [c["choices"][0]["delta"]["content"] for c in seen[:-1]] == ["A ", "soup."]
    assert remembered(agent) == [("What for dinner?", "A soup.")]


async def test_a_stream_that_is_left_early_is_closed_and_not_remembered(
    agent: PersonaAgent,
) -> None:
    upstream = Upstream("A ", "soup.")
    async with await wrap(upstream.create, agent=agent, user="ana")(
        messages=ASKED, stream=True
    ) as stream:
        await anext(stream)
    assert upstream.closed and not remembered(agent)


async def test_a_call_of_a_tool_is_not_remembered(agent: PersonaAgent) -> None:
    upstream = Upstream("", tool_calls=[{"id": "1"}])
    await wrap(upstream.create, agent=agent, user="ana")(messages=ASKED)
    assert not remembered(agent)


async def test_any_function_of_messages_can_be_wrapped(agent: PersonaAgent) -> None:
    async def text(messages: Messages) -> str:
        return f"{len(messages)} messages"

    async def open_ended(**options: Any) -> dict[str, Any]:
        return {"choices": [{"message": {"content": options["messages"][0]["role"]}}]}

    question = [{"role": "user", "content": "Hello?"}]
    assert await wrap(text, agent=agent, user="ana")(question) == "2 messages"
    reply = await wrap(open_ended, agent=agent, user="ana")(messages=question)
    assert reply["choices"][0]["message"]["content"] == "system"
    assert remembered(agent) == [("Hello?", "2 messages"), ("Hello?", "system")]


async def test_what_cannot_be_wrapped_is_explained(agent: PersonaAgent) -> None:
    async def silent(question: str) -> str:
        return question

    def blocking(messages: Messages) -> Any:
        return "no"

    with pytest.raises(InputError, match="takes no argument 'messages'"):
        wrap(silent, agent=agent, user="ana")
    with pytest.raises(InputError, match="user"):
        wrap(Upstream().create, agent=agent, user="")
    with pytest.raises(InputError, match="not asynchronous"):
        await wrap(blocking, agent=agent, user="ana")(ASKED)
    with pytest.raises(InputError, match="list of messages"):
        await wrap(Upstream().create, agent=agent, user="ana")(messages="hi")  # type: ignore[arg-type]


async def test_a_failing_call_is_not_an_answer(agent: PersonaAgent) -> None:
    async def fail(messages: Messages) -> str:
        raise TimeoutError("upstream")

    with pytest.raises(TimeoutError, match="upstream"):
        await wrap(fail, agent=agent, user="ana")(ASKED)
    assert not remembered(agent)
