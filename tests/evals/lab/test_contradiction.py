"""What the reader of contradictions sees, and what it is honest not to see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.persona.contradiction import ContradictionReader, clauses, compare, stem
from persona_agent.protocols import Vectors
from persona_agent.testing.embedder import HashEmbedder


class SameTopic:
    """An embedder for which everything is about one thing, so that only the rules decide."""

    name, dimension = "same", 2

    def embed(self, texts: Sequence[str]) -> Vectors:
        return np.tile(np.array([1.0, 0.0], dtype=np.float32), (len(texts), 1))


@pytest.mark.parametrize(
    ("said", "statement", "verdict"),
    [
        ("i have no siblings .", "i have one older sister .", "contradiction"),
        ("I don't like coffee.", "I love coffee.", "contradiction"),
        ("i can t stand pizza", "my favourite food is pizza .", "contradiction"),
        ("I do not hate tea.", "I love tea.", "entailment"),
        ("My hair is brown.", "I have blonde hair.", "contradiction"),
        ("I have two cats.", "I have three cats.", "contradiction"),
        ("I have three cats.", "I have three cats.", "entailment"),
        ("Do you hate coffee?", "I love coffee.", "neutral"),
        ("I am married.", "I am single.", "contradiction"),
    ],
)
def test_polarity_attributes_and_numbers(said: str, statement: str, verdict: str) -> None:
    (found,) = ContradictionReader(SameTopic()).relate(said, [statement])
    assert found.verdict == verdict
    assert (found.probability > 0.5) == (verdict == "contradiction")
    assert bool(found.evidence) == (verdict != "neutral")


def test_another_topic_is_neutral() -> None:
    assert compare("i have no car", "i love coffee", 0.1).verdict == "neutral"


def test_only_one_clause_has_to_contradict() -> None:
    reader = ContradictionReader(HashEmbedder())
    (found,) = reader.relate("Lovely day, but I do not love my dog.", ["I love my dog."])
    assert found.verdict == "contradiction" and "dog" in found.evidence


@given(st.text(max_size=60), st.lists(st.text(max_size=30), max_size=3))
def test_any_text_gets_one_relation_for_each_statement(said: str, against: list[str]) -> None:
    found = ContradictionReader(HashEmbedder()).relate(said, against)
    assert len(found) == len(against)
    assert all(0 <= one.probability <= 1 for one in found)


def test_clauses_and_stems() -> None:
    assert clauses("I sing but I do not dance. Fine") == ["I sing", "I do not dance.", "Fine"]
    assert clauses("") == [""]
    assert {stem("cats"), stem("stories"), stem("cooking"), stem("is")} == {
        "cat", "story", "cook", "is"}  # fmt: skip
