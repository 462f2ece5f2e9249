"""PAHF as an evaluation: the order of time, results, and recovery after the switch."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from persona_agent.agent import Answer
from persona_agent.cli.main import build_parser, main
from persona_agent.errors import InputError
from persona_agent.evals.arms.arm import Answerer, Bench
from persona_agent.evals.arms.catalog import choose_arms
from persona_agent.evals.arms.sparse import SPARSE
from persona_agent.evals.data.eval_data import EvalDataset, EvalQuery, EvalUser
from persona_agent.evals.evaluation import score_runs
from persona_agent.evals.pahf.dataset import load_domain
from persona_agent.evals.pahf.online import online
from persona_agent.evals.pahf.results import (
    DomainResult,
    PahfResult,
    domain_result,
    rescored,
)
from persona_agent.evals.pahf.run import PAHF_ARMS, evaluate_pahf
from persona_agent.evals.pahf.tables import pahf_view
from persona_agent.evals.pahf.timeline import REFIT, fitted_with, online_dataset, phase_of
from persona_agent.evals.report.inputs import load_input
from persona_agent.evals.runner import ArmRun, make_bench, run_arms
from persona_agent.evals.scores.results import save_result
from persona_agent.evals.tables import plain_text
from persona_agent.llm.offline import OfflineModel
from persona_agent.protocols import InputT, OutputT, Prompt
from persona_agent.settings import Settings
from persona_agent.testing import HashEmbedder
from tests.evals.pahf import errands

HASHED = Settings(embedder="hash")


# --- time ---------------------------------------------------------------------------------------


def small(tmp_path: Path) -> EvalDataset:
    domain = load_domain(errands(tmp_path), "embodied")
    return online_dataset(domain, seed=0)


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
    text = plain_text(
        pahf_view(PahfResult(domains={"embodied": await scripted(tmp_path)}), plain=True)
    )
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
    assert (parsed.domain, parsed.users, parsed.arms) == ("embodied", 2, list(arms))
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
