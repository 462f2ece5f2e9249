"""Metrics against scikit-learn, and what counts as an answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.errors import InputError
from persona_agent.evals.scores.metrics import Scorer, scorer_for

LABELS = ["a", "b", "c", "d"]
SCALE = ["1", "2", "3", "4", "5"]

pairs = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from(LABELS)), min_size=1)
ratings = st.lists(st.tuples(st.sampled_from(SCALE), st.sampled_from(SCALE)), min_size=1)


def totals(scorer: Scorer, golds: list[str], answers: list[str | None]) -> dict[str, float]:
    sums = scorer.columns(golds, answers).sum(axis=0)
    return {name: float(value) for name, value in scorer.metrics(sums).items()}


@given(pairs)
def test_classes_as_scikit_learn_has_them(drawn: list[tuple[str, str]]) -> None:
    from sklearn.metrics import accuracy_score, f1_score  # type: ignore[import-untyped]

    golds, answers = [one[0] for one in drawn], [one[1] for one in drawn]
    found = totals(scorer_for("choice", LABELS), golds, list(answers))
    f1 = f1_score(golds, answers, labels=LABELS, average="macro", zero_division=0)
    assert found["accuracy"] == pytest.approx(accuracy_score(golds, answers))
    assert found["macro_f1"] == pytest.approx(f1)


@given(ratings)
def test_ratings_as_numpy_has_them(drawn: list[tuple[str, str]]) -> None:
    golds, answers = [one[0] for one in drawn], [one[1] for one in drawn]
    found = totals(scorer_for("rating", SCALE), golds, list(answers))
    errors = np.array([float(gold) - float(said) for gold, said in drawn])
    assert found["mae"] == pytest.approx(np.abs(errors).mean())
    assert found["rmse"] == pytest.approx(np.sqrt((errors**2).mean()))


def test_macro_f1_averages_over_labels_that_never_occur() -> None:
    found = totals(scorer_for("choice", LABELS), ["a", "b"], ["a", "b"])
    assert found == {"accuracy": 1.0, "macro_f1": 0.5}


def test_an_unparsed_class_is_wrong_and_costs_no_precision() -> None:
    found = totals(scorer_for("choice", ["a", "b"]), ["a", "a", "b"], ["a", None, "prose"])
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert found["macro_f1"] == pytest.approx((2 / 3) / 2)


@pytest.mark.parametrize("answer", [None, "", "prose", "nan", "inf", "7", "0"])
def test_an_unparsed_rating_is_the_farther_extreme(answer: str | None) -> None:
    scorer = scorer_for("rating", SCALE)
    assert not scorer.parsed(answer)
    scores = scorer.scores(["1", "2", "3", "4", "5"], [answer] * 5)
    assert scores.tolist() == [-4, -3, -2, -3, -4]


def test_parsed() -> None:
    assert scorer_for("rating", SCALE).parsed("3.5")
    assert scorer_for("choice", LABELS).parsed("a")
    assert not scorer_for("choice", LABELS).parsed("z")
    assert not scorer_for("choice", LABELS).parsed(None)
    assert scorer_for("text", []).parsed("anything")


def test_free_text_has_accuracy_alone() -> None:
    assert totals(scorer_for("text", []), ["x", "y"], ["x", "z"]) == {"accuracy": 0.5}


def test_the_main_metric_comes_first() -> None:
    for kind, labels, main in (("choice", LABELS, "accuracy"), ("rating", SCALE, "mae")):
        scorer = scorer_for(kind, labels)  # type: ignore[arg-type]
        assert next(iter(totals(scorer, ["1"], ["1"]))) == main


@pytest.mark.parametrize("labels", [[], ["1"], ["a", "b"]])
def test_a_rating_needs_a_scale(labels: list[str]) -> None:
    with pytest.raises(InputError, match="scale of numbers"):
        scorer_for("rating", labels)


def test_a_gold_that_is_no_number_is_refused() -> None:
    with pytest.raises(InputError, match="'good' is not a number"):
        scorer_for("rating", SCALE).scores(["good"], ["3"])
