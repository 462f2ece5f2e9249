"""Which memories a message is answered with, in a chat and through the endpoint."""

from __future__ import annotations

from persona_agent.agent import PersonaAgent
from persona_agent.agent.proxy import Proxy
from persona_agent.schema import Episode, Feedback, Query, Recalled

OPTIONS = ("soup", "stew")
MESSAGE = "What do I eat for dinner?"


async def recalled(agent: PersonaAgent) -> list[set[str]]:
    """Return the ids of what the chat and the endpoint recall."""
    proxy = Proxy(agent)
    turn = await proxy.prepare("ann", [{"role": "user", "content": MESSAGE}])
    await proxy.aclose()
    chatted = await agent.chat("ann", MESSAGE)
    return [ids(chatted.recalled), ids(turn.recalled)]


def ids(found: tuple[Recalled, ...]) -> set[str]:
    return {one.episode.id for one in found}


def dinner(name: str, text: str, outcome: str | None = None, **fields: object) -> Episode:
    query = Query(text=text, options=OPTIONS if not name.startswith("said") else ())
    return Episode.model_validate(
        {"id": name, "user_id": "ann", "query": query, "outcome": outcome, **fields}
    )


async def test_decisions_that_nobody_settled_take_no_place(agent: PersonaAgent) -> None:
    open_ones = [dinner(f"open{n}", f"What do I eat for dinner {n}?") for n in range(30)]
    settled = [dinner(f"settled{n}", f"lunch on day {n}", "soup") for n in range(3)]
    said = dinner("said", "What do I eat for supper?")
    liked = dinner("liked", "What do I eat for brunch?", feedback=Feedback(thumb=1))
    await agent.record_episodes([*open_ones, *settled, said, liked])
    for found in await recalled(agent):
        assert found == {"settled0", "settled1", "settled2"} | found & {"said", "liked"}


async def test_what_was_written_and_what_was_judged_are_recalled(agent: PersonaAgent) -> None:
    said = dinner("said", "What do I eat for dinner today?")
    liked = dinner("liked", "What do I eat for dinner now?", feedback=Feedback(thumb=1))
    await agent.record_episodes([said, liked, dinner("open", "What do I eat for dinner then?")])
    for found in await recalled(agent):
        assert found == {"said", "liked"}
