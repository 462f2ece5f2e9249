"""What a critic is asked about drafts of a reply."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.llm.critic import Conflict, check_drafts, relations
from persona_agent.llm.offline import OfflineModel
from persona_agent.persona.contradiction import Relation
from persona_agent.prompts.lab import REPLY_CHECK, CheckInputs
from persona_agent.testing import ScriptedModel
from persona_agent.testing.embedder import HashEmbedder


async def test_one_call_tells_conflicts_and_what_bears_on_the_reply() -> None:
    answer = {
        "contradictions": [{"draft": 2, "statement": 1, "evidence": "beef"},
                           {"draft": 2, "statement": 3, "evidence": "Kim"}],
        "bearing": [2, 3, 1, 2],
    }  # fmt: skip
    model = ScriptedModel({"reply_check": answer})
    found = await check_drafts(
        model, ["a", "b"], message="?", of_user=["no meat", "short"], of_assistant=["I am Bo."]
    )
    assert found.conflicts == [
        [], [Conflict("no meat", "beef", True), Conflict("I am Bo.", "Kim", False)]]  # fmt: skip
    assert found.bearing == (1, 0), "claims only, each once, the weightiest first"
    assert len(model.requests) == 1


async def test_nothing_known_costs_no_call_and_nothing_bears_on_it() -> None:
    model = ScriptedModel()
    found = await check_drafts(model, ["a"], message="?")
    assert (found.conflicts, found.bearing, model.requests) == ([[]], (), [])


async def test_an_inference_model_reads_what_was_said_and_not_on_what_occasion() -> None:
    class Reader:
        name = "reader"

        def __init__(self) -> None:
            self.read: list[str] = []

        def relate(self, utterance: str, statements: Sequence[str]) -> list[Relation]:
            self.read = [*statements]
            return [Relation("contradiction", 1.0) for _ in statements]

    reader, line = Reader(), 'Asked "Do you like tea?": I drink coffee.'
    found = await check_drafts(
        reader, ["Tea."], message="?", of_user=["no meat"], of_assistant=[line, "I am Bo."]
    )
    assert reader.read == ["no meat", "I drink coffee.", "I am Bo."]
    assert [one.statement for one in found.conflicts[0]] == ["no meat", line, "I am Bo."]
    assert await relations(reader, "Tea.", [line]) == ["contradiction"]
    assert reader.read == ["I drink coffee."]


async def test_offline_the_occasion_is_no_part_of_what_was_said() -> None:
    told = 'The assistant, asked "Do you love beef?", said: I live in Graz.'
    inputs = CheckInputs(message="?", drafts=("I hate beef.",), statements=(told,))
    found = await OfflineModel(HashEmbedder()).ask(REPLY_CHECK, inputs)
    assert found.contradictions == ()
    denied = 'The assistant, told "You are Bo.", said: I have no siblings.'
    inputs = CheckInputs(message="?", drafts=("I have two siblings.",), statements=(denied,))
    found = await OfflineModel(HashEmbedder()).ask(REPLY_CHECK, inputs)
    assert [one.statement for one in found.contradictions] == [1]


async def test_offline_what_is_near_bears_on_the_reply() -> None:
    statements = ("The user: likes rain", "The assistant: I am Bo.", "The user: eats no meat")
    inputs = CheckInputs(message="meat", drafts=("Who eats no meat?",), statements=statements)
    found = await OfflineModel(HashEmbedder()).ask(REPLY_CHECK, inputs)
    assert found.bearing == (3,)
