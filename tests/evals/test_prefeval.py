"""PrefEval: what was said when, that nothing else is known, and that it reaches the answer."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from persona_agent.cli.main import build_parser, main
from persona_agent.errors import InputError
from persona_agent.evals.arms.arm import Bench
from persona_agent.evals.prefeval.arms import PREFEVAL_ARMS, prefeval_arms
from persona_agent.evals.prefeval.dataset import CHAT, load_prefeval
from persona_agent.evals.prefeval.run import evaluate_prefeval, spoken_bench
from persona_agent.evals.report.build import build_report
from persona_agent.evals.report.inputs import load_input
from persona_agent.evals.runner import run_arms
from persona_agent.evals.scores.results import EvalResult
from persona_agent.llm.offline import OfflineModel
from persona_agent.prompts import DecideInputs
from persona_agent.protocols import InputT, OutputT, Prompt
from persona_agent.settings import Settings
from persona_agent.testing import HashEmbedder
from tests.conftest import DATA

HASHED = Settings(embedder="hash")
TOPICS = ("food", "films", "pets")


def record(topic: str, number: int) -> dict[str, Any]:
    return {
        "preference": f"I always prefer {topic} of kind {number}.",
        "question": f"Which {topic} should I take, case {number}?",
        "classification_task_options": [
            f"{topic} of kind {number}",
            f"{topic} from the north",
            f"{topic} from the south",
            f"{topic} from the east",
        ],
    }


def prefeval(folder: Path, **changed: Any) -> Path:
    """A folder of PrefEval in small; ``changed`` replaces the records of a topic."""
    (folder / "mcq_options").mkdir()
    for topic in TOPICS:
        rows = changed.get(topic, [record(topic, number) for number in range(4)])
        path = folder / "mcq_options" / f"{topic}.json"
        path.write_text(json.dumps(rows), encoding="utf-8")
    return folder


# --- what was said ------------------------------------------------------------------------------


def test_the_preference_is_stated_first_and_then_never_again(tmp_path: Path) -> None:
    user = load_prefeval(prefeval(tmp_path), topics=["food"], turns=5).users[2]
    said = [turn.query.text for turn in user.history]
    assert user.user_id == "food/002"
    assert said[0] == "I always prefer food of kind 2."
    assert len(said) == 6
    assert not [text for text in said[1:] if "food" in text]
    assert len(user.history_before(user.queries[0].at)) == 6


def test_a_turn_is_recorded_like_a_turn_of_the_chat(tmp_path: Path) -> None:
    for turn in load_prefeval(prefeval(tmp_path), turns=3).users[0].history:
        assert (turn.query.task, turn.query.options, turn.outcome) == (CHAT, (), None)


def test_at_most_one_preference_of_another_topic_is_stated(tmp_path: Path) -> None:
    for user in load_prefeval(prefeval(tmp_path), turns=8).users:
        stated = [one.query.text.split()[3] for one in user.history if "prefer" in one.query.text]
        assert sorted(stated) == sorted(TOPICS)


def test_the_first_option_is_right_and_stands_anywhere(tmp_path: Path) -> None:
    dataset = load_prefeval(prefeval(tmp_path), turns=2, orders=3)
    places = [query.query.options.index(query.gold) for query in dataset.queries]
    assert len(places) == 36
    assert set(places) == {0, 1, 2, 3}
    assert all("of kind" in query.gold for query in dataset.queries)


def test_equal_seeds_give_equal_data(tmp_path: Path) -> None:
    folder = prefeval(tmp_path)
    first, again, other = (load_prefeval(folder, turns=4, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"preference": "x"}, "field 'classification_task_options' is missing"),
        (record("food", 0) | {"preference": " "}, "field 'preference' is blank"),
        (record("food", 0) | {"classification_task_options": ["a"]}, "at least 2 options"),
        (record("food", 0) | {"classification_task_options": ["a", "a"]}, "must be distinct"),
        (record("food", 0) | {"classification_task_options": "a"}, "expected a list"),
        ("text", "expected an object"),
    ],
)
def test_malformed_records_are_named(tmp_path: Path, row: Any, problem: str) -> None:
    folder = prefeval(tmp_path, food=[record("food", 1), row])
    with pytest.raises(InputError, match=rf"food.json: record 2: .*{problem}"):
        load_prefeval(folder, turns=2)


def test_unknown_topics_and_absent_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder mcq_options"):
        load_prefeval(tmp_path)
    with pytest.raises(InputError, match="cars; known: films, food, pets"):
        load_prefeval(prefeval(tmp_path), topics=["cars"])


@pytest.mark.slow
@pytest.mark.data
def test_the_real_files_load() -> None:
    dataset = load_prefeval(DATA / "prefeval", turns=20)
    assert len(dataset.users) == 505
    assert all(len(user.history) == 21 for user in dataset.users)


# --- what reaches the answer --------------------------------------------------------------------


class Eavesdropper(OfflineModel):
    """The offline model, with what it was asked to decide on."""

    def __init__(self) -> None:
        super().__init__(HashEmbedder())
        self.decisions: list[DecideInputs] = []

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        if isinstance(inputs, DecideInputs):
            self.decisions.append(inputs)
        return await super().ask(prompt, inputs)


async def decided(tmp_path: Path, arm: str) -> tuple[Bench, list[DecideInputs]]:
    model = Eavesdropper()
    dataset = load_prefeval(prefeval(tmp_path), topics=["food"], turns=6)
    bench = spoken_bench(dataset, HASHED, model=model, embedder=HashEmbedder())
    await run_arms(bench, prefeval_arms([arm]))
    return bench, model.decisions


async def test_generic_knows_nothing(tmp_path: Path) -> None:
    _, seen = await decided(tmp_path, "generic")
    assert len(seen) == 4
    assert not [one for one in seen if one.persona or one.recalled]


async def test_retrieval_finds_what_was_said(tmp_path: Path) -> None:
    _, seen = await decided(tmp_path, "rag")
    recalled = {case.query for one in seen for case in one.recalled}
    assert {f"I always prefer food of kind {n}." for n in range(4)} <= recalled
    assert not [one for one in seen if one.persona]


@pytest.mark.parametrize("arm", ["persona", "persona+alignment"])
async def test_what_was_stated_is_a_claim_in_the_users_own_words(tmp_path: Path, arm: str) -> None:
    _, seen = await decided(tmp_path, arm)
    assert len(seen) == 4
    for number, one in enumerate(sorted(seen, key=lambda one: one.query.text)):
        lines = [line for line in one.persona.splitlines() if "I always prefer food" in line]
        assert len(lines) == 1
        assert f"kind {number}." in lines[0]
        assert re.search(r"\(user's own words, \d{4}-\d\d-\d\d\)$", lines[0])
        assert not one.recalled  # as in the agent, which recalls decisions


def test_equal_seeds_give_equal_results(tmp_path: Path) -> None:
    folder = prefeval(tmp_path)
    first, again = (
        evaluate_prefeval(folder, HASHED, topics=["pets"], turns=4, seed=2) for _ in range(2)
    )
    assert first.records == again.records
    assert tuple(first.arms) == PREFEVAL_ARMS


def test_the_command_prints_a_table_and_writes_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONA_AGENT_EMBEDDER", "hash")
    data, out = str(prefeval(tmp_path)), tmp_path / "result.json"
    options = ["--topics", "food,pets", "--turns", "3", "--orders", "2", "--arms", "generic,rag"]
    assert main(["eval", "prefeval", "--data", data, *options, "--json", str(out)]) == 0
    assert "8 users, 16 queries" in capsys.readouterr().out
    found = load_input(out)
    assert isinstance(found, EvalResult)
    assert found.task == "recommendation"
    line, _ = build_report({"result.json": found}).commands
    parsed = build_parser().parse_args(shlex.split(line)[1:])
    assert (parsed.topics, parsed.turns, parsed.orders) == (["food", "pets"], 3, 2)
    assert (parsed.arms, parsed.data) == (["generic", "rag"], Path(tmp_path.name))
