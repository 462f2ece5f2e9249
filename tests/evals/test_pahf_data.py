"""PAHF as data: what people choose by their likes, and files that are not as they should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from persona_agent.errors import InputError
from persona_agent.evals.pahf.dataset import DECLINE, load_domain
from tests.conftest import DATA
from tests.evals.pahf import errands, purchase, shop


def test_the_best_acceptable_product_is_chosen(tmp_path: Path) -> None:
    ann = load_domain(shop(tmp_path), "shopping").phases[1]["Ann"]
    assert ann[0].outcome == "walnut, tiny"
    assert ann[0].decided
    assert set(ann[0].query.options) == {"walnut, tiny", "oak, tiny", "steel, tiny"}


def test_where_no_product_is_acceptable_the_least_bad_one_is_chosen(tmp_path: Path) -> None:
    # One disliked value in "glass, tiny" and "oak, huge"; the former has a most liked one as well.
    second = load_domain(shop(tmp_path), "shopping").phases[1]["Ann"][1]
    assert (second.outcome, second.decided) == ("glass, tiny", True)


def test_where_no_product_is_acceptable_nothing_is_bought_when_that_is_possible(
    tmp_path: Path,
) -> None:
    first, second = load_domain(shop(tmp_path), "shopping", may_decline=True).phases[1]["Ann"]
    assert (first.outcome, second.outcome) == ("walnut, tiny", DECLINE)
    assert DECLINE in first.query.options


def test_likes_that_do_not_decide_leave_a_choice_that_nobody_can_foresee(tmp_path: Path) -> None:
    options = (["glass", "tiny"], ["steel", "tiny"], ["steel", "huge"])
    tie = [purchase(user, None, *options) for user in ("Ann", "Bob")]
    chosen = load_domain(shop(tmp_path, shopping_phase2=tie), "shopping").phases[2]["Ann"][0]
    assert not chosen.decided
    assert chosen.outcome in ("glass, tiny", "steel, tiny")


def test_options_are_shuffled_by_the_seed_alone(tmp_path: Path) -> None:
    folder = errands(tmp_path)
    orders = [
        [one.query.options for one in load_domain(folder, "embodied", seed=seed).phases[1]["Ann"]]
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
    assert len(set(orders[0])) > 1


def test_an_object_may_be_named_by_the_words_that_only_it_has(tmp_path: Path) -> None:
    folder = errands(tmp_path)
    path = folder / "embodied_scenarios_original_scenarios_A.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    rows[0]["user_intent_object"] = "red"
    path.write_text(json.dumps(rows), encoding="utf-8")
    assert load_domain(folder, "embodied").phases[1]["Ann"][0].outcome == "red cup"
    rows[0]["user_intent_object"] = "cup"
    path.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(InputError, match=r"scenarios_A.json: record 1: field 'user_intent_object'"):
        load_domain(folder, "embodied")


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            [purchase("Ann", "B", ["walnut", "tiny"], ["oak", "tiny"], ["oak", "tiny"])],
            "do not lead",
        ),
        ([purchase("Ann", "D", ["walnut", "tiny"], ["oak", "tiny"], ["oak", "huge"])], "none of A"),
        ([purchase("Eve", None, ["walnut"], ["oak"], ["glass"])], "nothing is known .* 'Eve'"),
        ([purchase("Ann", None, ["walnut"], ["oak"], ["paper"])], "likes 'paper'"),
        ([{"User": "Ann", "product": "table", "Task": "x"}], "field 'Option A' is missing"),
        ([["Ann"]], "expected an object"),
    ],
)
def test_malformed_purchases_are_named(tmp_path: Path, rows: list[Any], problem: str) -> None:
    folder = shop(tmp_path, shopping_phase3=rows)
    with pytest.raises(InputError, match=rf"shopping_phase3.json: record 1.*{problem}"):
        load_domain(folder, "shopping")


def test_everybody_is_in_every_phase(tmp_path: Path) -> None:
    alone = [purchase("Ann", "A", ["walnut", "tiny"], ["oak", "tiny"], ["steel", "tiny"])]
    with pytest.raises(InputError, match="phase 2: user 'Bob' is not in every phase"):
        load_domain(shop(tmp_path, shopping_phase2=alone), "shopping")


@pytest.mark.data
def test_likes_agree_with_every_choice_that_the_real_files_name() -> None:
    """Loading checks each named choice against the likes; the phases are whole."""
    domain = load_domain(DATA / "pahf", "shopping")
    asked = {
        phase: [one for all_ in by_user.values() for one in all_]
        for phase, by_user in domain.phases.items()
    }
    assert {phase: len(all_) for phase, all_ in asked.items()} == dict.fromkeys((1, 2, 3, 4), 450)
    undecided = {phase: sum(not one.decided for one in all_) for phase, all_ in asked.items()}
    assert undecided == {1: 0, 2: 0, 3: 84, 4: 77}
    declined = load_domain(DATA / "pahf", "shopping", may_decline=True)
    bought = [one.outcome != DECLINE for all_ in declined.phases[1].values() for one in all_]
    assert sum(bought) == 300  # as many as the file names
