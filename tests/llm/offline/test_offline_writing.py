"""The prompts that the offline model answers by writing: all of it counted, all of it cited."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from persona_agent.errors import ModelAnswerError
from persona_agent.llm.offline import OfflineModel
from persona_agent.llm.offline.model import ABOUT
from persona_agent.prompts import (
    CRITIQUE,
    DISTIL_FACTS,
    DRAFT_PERSONA,
    PROFILE,
    PROPOSE_EDITS,
    RESPOND,
    Case,
    CritiqueInputs,
    DecideInputs,
    DecideOutput,
    DistilInputs,
    DraftInputs,
    Failure,
    ProfileInputs,
    ProposeInputs,
    RespondInputs,
    TypedPrompt,
)
from persona_agent.protocols import ChatMessage
from persona_agent.schema import Claim, Episode, Fact, Feedback, Query, Section
from persona_agent.testing.embedder import HashEmbedder

AT = datetime(2026, 1, 1, tzinfo=UTC)
STORY = {"war": "soldiers in a trench", "comedy": "fools and their jokes"}


@pytest.fixture
def model() -> OfflineModel:
    return OfflineModel(HashEmbedder())


def case(number: int, outcome: str) -> Case:
    return Case(
        query=f"{STORY[outcome]} {number}",
        outcome=outcome,
        options=("war", "comedy"),
        task="films",
        episode_id=f"e{number}",
    )


CASES = tuple(case(n, ("war", "comedy")[n % 2]) for n in range(8))


async def test_a_draft_names_true_evidence(model: OfflineModel) -> None:
    inputs = DraftInputs(cases=CASES, max_claims=3)
    written = await model.ask(DRAFT_PERSONA, inputs)
    assert 1 <= len(written.claims) <= 3
    assert any('chooses "war"' in one.text and "trench" in one.scope for one in written.claims)
    for one in written.claims:
        assert {inputs.episode_id(name) for name in one.evidence} <= {c.episode_id for c in CASES}
    assert written == await model.ask(DRAFT_PERSONA, inputs)
    assert (await model.ask(DRAFT_PERSONA, DraftInputs(cases=()))).claims == ()


async def test_a_draft_names_the_cases_that_are_no_instance_of_a_claim(model: OfflineModel) -> None:
    odd = CASES[2].model_copy(update={"outcome": "comedy", "episode_id": "odd"})
    inputs = DraftInputs(cases=(*CASES, odd), max_claims=8)
    written = await model.ask(DRAFT_PERSONA, inputs)
    (war,) = [one for one in written.claims if 'chooses "war"' in one.text and one.scope]
    assert [inputs.episode_id(name) for name in war.contrary] == ["odd"]
    assert "odd" not in {inputs.episode_id(name) for name in war.evidence}


@pytest.mark.parametrize(("of", "habit"), [(8, True), (40, False)])
async def test_what_came_twice_among_many_is_no_habit(
    model: OfflineModel, of: int, habit: bool
) -> None:
    cases = [
        Case(query=f"occasion {n}", outcome=f"snack {max(n, 1)}", task="snacks", episode_id=f"e{n}")
        for n in range(of)
    ]
    written = await model.ask(DRAFT_PERSONA, DraftInputs(cases=tuple(cases), max_claims=8))
    assert any(one.text == 'often chooses "snack 1"' for one in written.claims) is habit


async def test_a_critique_blames_the_claim_that_misled(model: OfflineModel) -> None:
    misled = Claim(section=Section.STYLE, text='chooses "comedy"', evidence=("e1",))
    right = Claim(section=Section.STYLE, text='chooses "war"', evidence=("e0",))
    failure = Failure(case=CASES[0], answer="comedy")
    found = await model.ask(
        CRITIQUE, CritiqueInputs(failure=failure, claims=(misled, right), similar=CASES[2:4])
    )
    assert found.misleading == ("C1",)
    assert '"war", not "comedy"' in found.critique
    assert "1 of 2 similar cases" in found.critique
    assert found.preference.endswith('chooses "war"')


async def test_what_did_not_help_is_not_proposed_again(model: OfflineModel) -> None:
    bad = Claim(section=Section.STYLE, text="x", evidence=("e1",), harmful=2)
    fixed = bad.model_copy(update={"pinned": True, "id": "pinned"})
    inputs = ProposeInputs(
        claims=(fixed, bad),
        failures=(Failure(case=CASES[0], answer="comedy"),),
        history=CASES[1:],
        max_edits=2,
    )
    tried: list[str] = []
    for _ in range(20):
        made = await model.ask(PROPOSE_EDITS, inputs.model_copy(update={"rejected": tuple(tried)}))
        assert len(made.edits) <= 2
        assert all("C1" not in one.claims for one in made.edits)
        new = [f"{e.operation}: {f'{e.scope}: ' if e.scope else ''}{e.text}" for e in made.edits]
        assert not set(new) & set(tried)
        tried += new
        if not new:
            break
    assert tried[0] == "delete: x"
    assert len(tried) > 2
    assert not new


async def test_facts_are_what_the_user_said_and_what_recurs(model: OfflineModel) -> None:
    def episode(n: int, text: str, outcome: str | None, *options: str, said: str = "") -> Episode:
        return Episode(
            id=f"e{n}",
            user_id="ana",
            query=Query(text=text, options=options, task="drinks"),
            outcome=outcome,
            feedback=Feedback(comment=said) if said else None,
            at=AT + timedelta(days=n),
        )

    episodes = (
        episode(1, "I never drink coffee. What now?", None),
        episode(2, "I like a question?", None),
        *(episode(n, "I like options", "tea", "tea", "milk") for n in (3, 4, 5)),
        episode(6, "q", "milk", "tea", "milk", said="I prefer oat milk."),
    )
    old = Fact(user_id="ana", text="The user said: I never drink coffee.", sources=("e0",))
    found = await model.ask(DISTIL_FACTS, DistilInputs(episodes=episodes, facts=(old,)))
    assert [(one.text, one.sources) for one in found.facts] == [
        ("The user said: I never drink coffee.", ("E1",)),
        ("The user said: I prefer oat milk.", ("E6",)),
        ('Often answers "tea" in drinks.', ("E3", "E4", "E5")),
    ]
    assert found.facts[0].supersedes == ()  # the same again is no contradiction
    tea = Fact(user_id="ana", text='Often answers "tea" in drinks.', sources=("e0",))
    once = (episode(7, "q", "tea", "tea", "milk"), episode(8, "q", "milk", "tea", "milk"))
    milk = tuple(episode(n, "q", "milk", "tea", "milk") for n in (9, 10))
    inputs = DistilInputs(episodes=once, facts=(tea,), earlier=milk)
    found = await model.ask(DISTIL_FACTS, inputs)
    assert [(one.fact, one.sources) for one in found.confirmed] == [("F1", ("E1",))]
    assert [one.sources for one in found.facts] == [("E2", "P1", "P2")]


async def test_profile_and_response(model: OfflineModel) -> None:
    written = await model.ask(PROFILE, ProfileInputs(cases=CASES))
    assert 'Often chooses "war" (4 of 8).' in written.profile
    assert (await model.ask(PROFILE, ProfileInputs(cases=()))).profile
    query = Query(text="fools and jokes")
    kept = await model.ask(RESPOND, RespondInputs(query=query, recalled=CASES[:2]))
    assert kept.answer == "comedy"
    none = await model.ask(RESPOND, RespondInputs(query=query))
    assert "Nothing similar is known" in none.answer


async def test_an_unknown_prompt_is_refused(model: OfflineModel) -> None:
    prompt = TypedPrompt("compose", DecideInputs, DecideOutput)
    with pytest.raises(ModelAnswerError, match="PERSONA_AGENT_MODEL"):
        await model.ask(prompt, DecideInputs(query=Query(text="q", options=("a", "b"))))
    assert model.usage().calls == 0


async def test_the_chat_says_what_is_known_and_what_it_is(model: OfflineModel) -> None:
    system = ChatMessage(role="system", content="- drinks green tea\n- rides a bicycle")
    asked = ChatMessage(role="user", content="Which tea?")
    reply = await model.chat([system, asked])
    assert "- drinks green tea" in reply.content
    assert "bicycle" not in reply.content
    assert reply.content.endswith(ABOUT)
    nothing = await model.chat([system, ChatMessage(role="user", content="xyzzy")])
    assert nothing.content.startswith("Nothing that I know of you")
    ruled = system.model_copy(
        update={"content": f"- pour no tea\n\n<persona>\n{system.content}\n</persona>"}
    )
    assert "pour" not in (await model.chat([ruled, asked])).content, "a rule is nothing known"
    *pieces, whole = [piece async for piece in model.stream([system, asked])]
    assert "".join(str(piece) for piece in pieces).strip() == reply.content
    assert whole == reply


async def test_the_chat_knows_what_the_user_said_before(model: OfflineModel) -> None:
    lines = ["I am allergic to peanuts.", "Am I allergic to cats?", "What am I allergic to?"]
    talk = [
        ChatMessage(role=role, content=text)
        for line in lines
        for role, text in (("user", line), ("assistant", "I see."))
    ]
    said = (await model.chat(talk[:-1])).content
    assert "- I am allergic to peanuts.\n" in said
    assert "cats" not in said, "a question tells nothing"
