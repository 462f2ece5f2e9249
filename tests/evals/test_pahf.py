"""PAHF: what people choose by their likes, the order of time, and recovery after the switch."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from persona_agent.agent import Answer
from persona_agent.cli.main import build_parser, main
from persona_agent.errors import InputError
from persona_agent.evals.arms.arm import Answerer, Bench
from persona_agent.evals.arms.catalog import choose_arms
from persona_agent.evals.arms.sparse import SPARSE
from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser
from persona_agent.evals.lamp_run import score_runs
from persona_agent.evals.pahf.dataset import DECLINE, load_domain
from persona_agent.evals.pahf.online import online
from persona_agent.evals.pahf.results import (
    DomainResult,
    PahfResult,
    domain_result,
    rescored,
)
from persona_agent.evals.pahf.run import PAHF_ARMS, evaluate_pahf
from persona_agent.evals.pahf.tables import pahf_text
from persona_agent.evals.pahf.timeline import REFIT, fitted_with, online_dataset, phase_of
from persona_agent.evals.report.inputs import load_input
from persona_agent.evals.runner import ArmRun, make_bench, run_arms
from persona_agent.evals.scores.results import save_result
from persona_agent.llm.offline import OfflineModel
from persona_agent.protocols import InputT, OutputT, Prompt
from persona_agent.settings import Settings
from persona_agent.testing import HashEmbedder
from tests.conftest import DATA

HASHED = Settings(embedder="hash")
LIKES = {
    "dislike": ["steel", "glass"],
    "like_second": ["oak"],
    "like_most": "walnut",
}
OTHER = {"dislike": ["walnut", "oak"], "like_second": ["glass"], "like_most": "steel"}
SIZES = {"dislike": ["huge"], "like_second": ["small"], "like_most": "tiny"}


def people(material: dict[str, Any]) -> dict[str, Any]:
    table = {"material": material, "size": SIZES}
    return {name: {"persona_info": {"name": name, "table": table}} for name in ("Ann", "Bob")}


def purchase(user: str, gt: str | None, *options: list[str]) -> dict[str, Any]:
    named = {f"Option {letter}": option for letter, option in zip("ABC", options, strict=True)}
    return {"product": "table", **named, "User": user, "Task": "Buy a table I like", "gt": gt}


def shop(folder: Path, **changed: Any) -> Path:
    """A folder of PAHF shopping in small; ``changed`` replaces files, by their stem."""
    best, second = ["walnut", "tiny"], ["oak", "tiny"]
    before: list[Any] = [
        ("A", best, second, ["steel", "tiny"]),
        (None, ["glass", "tiny"], ["oak", "huge"], ["steel", "huge"]),
    ]
    after: list[Any] = [("C", best, second, ["steel", "tiny"])] * 2
    files: dict[str, Any] = {
        "shopping_persona_info": people(LIKES),
        "shopping_updated_persona_info": people(OTHER),
    }
    for phase, rows in ((1, before), (2, before), (3, after), (4, after)):
        files[f"shopping_phase{phase}"] = [
            purchase(user, gt, *options) for user in ("Ann", "Bob") for gt, *options in rows
        ]
    for name, value in (files | changed).items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


def errands(folder: Path, each: int = 12) -> Path:
    """A folder of PAHF embodied in small: two people who want another cup after the switch."""
    for stage, wanted in (("original", "red cup"), ("evolved", "blue cup")):
        for letter in "AB":
            rows = [
                {
                    "user": user,
                    "task": f"Bring me something to drink, case {number} {letter}",
                    "scene_objects": ["red cup", "blue cup", "green cup"],
                    "user_intent_object": wanted,
                }
                for user in ("Ann", "Bob")
                for number in range(each)
            ]
            path = folder / f"embodied_scenarios_{stage}_scenarios_{letter}.json"
            path.write_text(json.dumps(rows), encoding="utf-8")
    return folder


# --- what people choose -------------------------------------------------------------------------


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


# --- time ---------------------------------------------------------------------------------------


def small(tmp_path: Path) -> EvalDataset:
    domain = load_domain(errands(tmp_path), "embodied")
    return online_dataset(domain, users=["Ann", "Bob"])


def test_what_is_known_at_each_query(tmp_path: Path) -> None:
    user = small(tmp_path).users[0]
    known: dict[str, list[int]] = {}
    for query in user.queries:
        known.setdefault(phase_of(query.query_id), []).append(len(user.history_before(query.at)))
    assert known == {
        "phase-1": list(range(12)),
        "phase-2": [12] * 12,
        "phase-3": list(range(12, 24)),
        "after-0": [12] * 12,
        "after-10": [22] * 12,
        "phase-4": [24] * 12,
    }
    moments = [query.at for query in user.queries] + [episode.at for episode in user.history]
    assert len(set(moments)) == len(moments)


def test_tests_and_probes_are_never_remembered(tmp_path: Path) -> None:
    user = small(tmp_path).users[0]
    assert {phase_of(episode.id) for episode in user.history} == {"phase-1", "phase-3"}


def test_arms_are_fitted_every_ten_interactions_and_at_the_end_of_learning() -> None:
    points = sorted({fitted_with(known, 45, 90) for known in range(91)})
    assert points == [0, 10, 20, 30, 40, 45, 55, 65, 75, 85, 90]
    assert all(0 <= known - fitted_with(known, 45, 90) < REFIT for known in range(91))


async def test_an_online_arm_is_fitted_on_what_is_known_then(tmp_path: Path) -> None:
    fitted: list[int] = []

    async def counting(bench: Bench, user: EvalUser) -> Answerer:
        known = len(user.history_before(min(query.at for query in user.queries if query.at)))
        fitted.append(known)

        async def reply(query: EvalQuery) -> Answer:
            assert len(user.history_before(query.at)) - known < REFIT
            return Answer(text=query.query.options[0])

        return reply

    dataset = small(tmp_path)
    bench = make_bench(dataset, HASHED, model=OfflineModel(HashEmbedder()), embedder=HashEmbedder())
    answer = await online(counting)(bench, dataset.users[0])
    for query in dataset.users[0].queries:
        await answer(query)
    assert fitted == [0, 10, 12, 22, 24]


class Eavesdropper(OfflineModel):
    """The offline model, with every prompt that it was sent."""

    def __init__(self) -> None:
        super().__init__(HashEmbedder())
        self.heard: list[str] = []

    async def ask(self, prompt: Prompt[InputT, OutputT], inputs: InputT) -> OutputT:
        self.heard += [message.content for message in prompt.render(inputs)]
        return await super().ask(prompt, inputs)


@pytest.mark.slow
async def test_no_prompt_before_the_switch_knows_what_comes_after_it(tmp_path: Path) -> None:
    """After the switch everybody wants the blue cup; before it, no outcome may be one."""
    whole = small(tmp_path)
    users = tuple(
        user.model_copy(
            update={
                "queries": tuple(
                    one for one in user.queries if phase_of(one.query_id) in ("phase-1", "phase-2")
                )
            }
        )
        for user in whole.users
    )
    dataset = whole.model_copy(update={"users": users})
    model = Eavesdropper()
    bench = make_bench(dataset, HASHED, model=model, embedder=HashEmbedder())
    arms = {name: online(arm) for name, arm in choose_arms(PAHF_ARMS).items()}
    await run_arms(bench, arms)
    assert any("-> red cup" in prompt for prompt in model.heard)
    # A wrong answer may have been a blue cup; nothing may say that anybody ever wanted one.
    told = ("-> blue cup", 'chooses "blue cup"', "the user: blue cup", '"blue cup" 1')
    assert not [prompt for prompt in model.heard if any(words in prompt for words in told)]


# --- results ------------------------------------------------------------------------------------


async def scripted(tmp_path: Path) -> DomainResult:
    """An arm that knows the old preference, and the new one after 10 interactions of phase 3."""
    dataset = small(tmp_path)
    model = OfflineModel(HashEmbedder())
    bench = make_bench(dataset, HASHED, model=model, embedder=HashEmbedder())
    answers: dict[tuple[str, str], str | None] = {}
    for user in dataset.users:
        for query in user.queries:
            known = len(user.history_before(query.at))
            answers[user.user_id, query.query_id] = "red cup" if known < 22 else "blue cup"
    return domain_result(score_runs(bench, {"learner": ArmRun(answers=answers)}, seed=0))


async def test_recovery_is_counted_from_the_switch(tmp_path: Path) -> None:
    result = await scripted(tmp_path)
    accuracy = {name: phase.arms["learner"].value for name, phase in result.phases.items()}
    assert accuracy == {
        "phase-1": 1.0,
        "phase-2": 1.0,
        "phase-3": pytest.approx(2 / 12, abs=1e-6),
        "phase-4": 1.0,
    }
    recovery = result.recovery["learner"]
    assert recovery.held_out == {0: 0.0, 10: 1.0, 12: 1.0}
    assert (recovery.interactions, recovery.while_learning) == (10, None)
    assert (recovery.difference, recovery.ci95) == (0.0, (0.0, 0.0))


async def test_a_result_comes_back_from_its_records_and_its_file(tmp_path: Path) -> None:
    result = PahfResult(domains={"embodied": await scripted(tmp_path)})
    assert rescored(result) == result
    save_result(result, tmp_path / "deep" / "result.json")
    assert load_input(tmp_path / "deep" / "result.json") == result
    (tmp_path / "other.json").write_text('{"domains": {}}', encoding="utf-8")
    with pytest.raises(InputError, match="not a result of an evaluation: field 'domains'"):
        load_input(tmp_path / "other.json")


async def test_the_tables_fit_and_show_the_way_back(tmp_path: Path) -> None:
    text = pahf_text(PahfResult(domains={"embodied": await scripted(tmp_path)}))
    assert max(map(len, text.splitlines())) <= 100
    rows = [line.split() for line in text.splitlines() if line.startswith("learner")]
    assert rows[1][1:4] == ["0.000", "1.000", "1.000"]
    assert rows[1][-2:] == ["10", "never"]


def test_equal_seeds_give_equal_results_and_users_are_drawn(tmp_path: Path) -> None:
    folder = errands(tmp_path)
    arms = ["generic", "rag", "last"]
    first, again = (
        evaluate_pahf(folder, HASHED, domains=["embodied"], arms=arms, seed=3) for _ in range(2)
    )
    phases = [one.domains["embodied"].phases for one in (first, again)]
    assert phases[0] == phases[1]
    one = evaluate_pahf(folder, HASHED, domains=["embodied"], arms=arms, users=1).domains[
        "embodied"
    ]
    assert one.tests.users == 1


def test_the_command_prints_tables_and_writes_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONA_AGENT_EMBEDDER", "hash")
    data, out = str(errands(tmp_path)), tmp_path / "result.json"
    arms = ["--arms", "generic,majority-user,rag"]
    code = main(["eval", "pahf", "--data", data, "--domain", "embodied", *arms, "--json", str(out)])
    assert code == 0
    assert "PAHF embodied, 2 users, 48 test queries" in capsys.readouterr().out
    found = load_input(out)
    assert isinstance(found, PahfResult)
    assert set(found.domains["embodied"].tests.arms) == {"generic", "majority-user", "rag"}


def test_the_command_names_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", "pahf", "--data", str(tmp_path)]) != 0
    assert "shopping_persona_info.json: no such file" in capsys.readouterr().err


@pytest.mark.slow
def test_a_result_is_scored_again_and_reported_by_the_commands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PERSONA_AGENT_EMBEDDER", "hash")
    arms = ["generic", "rag+stats", "persona+alignment", SPARSE, "without-drift"]
    asked = ["--domain", "embodied", "--users", "2", "--arms", ",".join(arms)]
    out, again, text = (tmp_path / name for name in ("a.json", "b.json", "r.md"))
    data = str(errands(tmp_path))
    assert main(["eval", "pahf", "--data", data, *asked, "--json", str(out)]) == 0
    first = capsys.readouterr().out
    assert main(["eval", "rescore", str(out), "--json", str(again)]) == 0
    assert capsys.readouterr().out == first
    assert again.read_bytes() == out.read_bytes()
    assert main(["eval", "report", str(out), "--markdown", str(text)]) == 0
    shown = text.read_text(encoding="utf-8")
    for title in ("accuracy by phase", "Users worse off", "Prompt tokens of an answer", "against"):
        assert title in shown
    (line,) = re.findall("^persona-agent eval pahf .*", shown, re.M)
    parsed = build_parser().parse_args(shlex.split(line)[1:])
    assert (parsed.domain, parsed.users, parsed.arms) == ("embodied", 2, ",".join(arms))
    assert parsed.data == Path(tmp_path.name)


# --- following the change -----------------------------------------------------------------------


def habits(folder: Path, each: int = 12) -> Path:
    """People who want one thing for each errand, and after the switch another one for each."""
    errand = [
        "brew",
        "sing",
        "paint",
        "row",
        "dig",
        "weave",
        "bake",
        "ski",
        "fish",
        "sew",
        "run",
        "box",
    ]
    for stage, offset in (("original", 0), ("evolved", 1)):
        for letter, way in (("A", "now"), ("B", "again")):
            rows = [
                {
                    "user": user,
                    "task": f"{errand[number]} {way}",
                    "scene_objects": [f"thing{number}{part}" for part in "xyz"],
                    "user_intent_object": f"thing{number}{'xyz'[(number + offset) % 3]}",
                }
                for user in ("Ann", "Bob")
                for number in range(each)
            ]
            path = folder / f"embodied_scenarios_{stage}_scenarios_{letter}.json"
            path.write_text(json.dumps(rows), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_who_heeds_the_change_comes_back_and_who_does_not_stays_behind(tmp_path: Path) -> None:
    """Each errand comes once in a phase: only what was overtaken tells that memory can be relied on
    again."""
    arms = ["generic", "persona+alignment", "without-drift"]
    found = evaluate_pahf(habits(tmp_path), HASHED, domains=["embodied"], arms=arms)
    result = found.domains["embodied"]
    ours, without = (result.recovery[arm] for arm in arms[1:])
    assert ours.after >= ours.before - 0.03 and ours.interactions == 12
    assert without.after < ours.after - 0.2
