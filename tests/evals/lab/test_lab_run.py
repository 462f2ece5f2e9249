"""A run of the lab: failures, budgets, who may judge, the report, Dialogue-NLI."""

from __future__ import annotations

import pytest

from persona_agent.errors import BudgetExceededError, InputError, ModelCannotError
from persona_agent.evals.lab import dnli
from persona_agent.evals.lab.bench import Experiment, LabBench
from persona_agent.evals.lab.page import head_lines
from persona_agent.evals.lab.registry import EXPERIMENTS, choose
from persona_agent.evals.lab.results import Findings, LabReport, load_report, save_report
from persona_agent.evals.lab.run import run_lab
from persona_agent.evals.lab.setup import LabOptions, make_lab
from persona_agent.llm import limit
from persona_agent.settings import Settings
from persona_agent.testing.models import ScriptedModel
from tests.evals.conftest import Write
from tests.evals.lab.actors import ANA, FAILS, bench, judge


async def test_a_failure_ends_its_experiment_only() -> None:
    async def fails(_: LabBench) -> Findings:
        raise FAILS

    async def cannot(_: LabBench) -> Findings:
        raise ModelCannotError("set a model")

    async def works(made: LabBench) -> Findings:
        await made.judges.relate("I sing.", ["I sing."])
        return Findings()

    report = await run_lab(
        bench(None, judge()),
        [Experiment("a", "A", fails), Experiment("b", "B", cannot), Experiment("c", "C", works)],
    )
    assert [one.findings.cannot for one in report.results] == [
        "ended by a failure: HTTP 500", "set a model", ""]  # fmt: skip
    assert [one.usage.calls for one in report.results] == [0, 0, 1]


async def test_a_spent_budget_ends_the_run() -> None:
    with limit(max_calls=3), pytest.raises(BudgetExceededError):
        await run_lab(bench(), choose(["coherence"]))


async def test_the_whole_lab_offline_says_what_it_cannot() -> None:
    report = await run_lab(bench(items=2, turns=2), EXPERIMENTS)
    unmeasured = {one.name for one in report.results if one.findings.cannot}
    assert unmeasured == {
        "agent-drift", "commitment", "gym", "gym-published", "fidelity", "simulator", "dnli",
    }  # fmt: skip
    for one in report.results:
        assert one.findings.figures or one.findings.cannot
        assert all(found.meaning for found in one.findings.figures)


async def test_a_report_comes_back_as_it_was(write: Write) -> None:
    report = await run_lab(bench(items=2), choose(["mediator", "commitment"]))
    path = write("", "report.json")
    save_report(report, path)
    assert load_report(path) == report
    assert LabReport.model_validate_json(path.read_text()) == report
    for wrong in ("{}", "nothing"):
        with pytest.raises(InputError, match="not a report"):
            load_report(write(wrong, "wrong.json"))


def test_the_judge_in_a_loss_is_not_the_one_that_reports() -> None:
    settings = Settings(embedder="hash")
    with pytest.raises(InputError, match="critic and judge"):
        make_lab(settings, LabOptions(judges=("a/b", "c/d"), critic="a/b"))
    made = make_lab(settings, LabOptions(judges=("openai/a", "openai/b"), critic="openai/c"))
    assert made.independent and len(made.models) == 2 and made.judges.votes == 3


def test_one_model_for_everything_has_to_be_the_only_one() -> None:
    offline, real = Settings(embedder="hash"), Settings(embedder="hash", model="openai/a")
    assert not make_lab(offline, LabOptions()).independent
    with pytest.raises(InputError, match="'openai/a' cannot be critic and judge"):
        make_lab(real, LabOptions())
    assert not make_lab(real, LabOptions(single_model=True)).independent
    with pytest.raises(InputError, match="cannot be critic and judge"):
        make_lab(real, LabOptions(judges=("openai/a", "openai/b"), single_model=True))
    assert make_lab(real, LabOptions(judges=("openai/b",))).independent


def test_a_judge_of_the_optimization_does_not_report() -> None:
    card = ANA.model_copy(update={"in_loss": ("offline",)})
    real = Settings(embedder="hash", model="openai/a")
    with pytest.raises(InputError, match="'offline' cannot be critic and judge"):
        make_lab(real, LabOptions(judges=("offline",)), [card])
    make_lab(real, LabOptions(judges=("openai/b",)), [card])


async def test_the_report_says_that_one_model_judged_its_own_repairs() -> None:
    card = ANA.model_copy(update={"in_loss": ("offline",)})
    report = await run_lab(bench(cards=(card,)), choose(["mediator"]))
    shown = "\n".join(head_lines(report))
    assert "offline is inside the repairs and judges them too" in shown
    assert "a persona was optimized against offline" in shown
    apart = bench(ScriptedModel(name="actor"), judge(), critic=ScriptedModel(name="critic"))
    assert "judges them too" not in "\n".join(head_lines(await run_lab(apart, [])))


def test_an_unknown_experiment_is_named() -> None:
    with pytest.raises(InputError, match="'drif'"):
        choose(["drif"])
    assert [one.name for one in choose(["gym", "drift"])] == ["drift", "gym"]


def test_damaged_rankings_name_their_line(write: Write) -> None:
    for name in dnli.FILES:
        path = write("{}\n{}\n", name)
    with pytest.raises(InputError, match=r"valid_attributes.jsonl, line 2"):
        dnli.read_rankings(path.parent)
    with pytest.raises(InputError, match="no such file"):
        dnli.read_rankings(path.parent / "absent")


@pytest.mark.slow
@pytest.mark.data
async def test_fewer_contradictions_and_no_fewer_hits_on_dialogue_nli() -> None:
    from tests.conftest import DATA

    made = make_lab(Settings().with_default_cache(), LabOptions(data=DATA))
    found = {one.name: one for one in (await dnli.measure(made)).figures}
    lowered, hits = found["Contradict@1, difference"], found["Hits@1, difference"]
    assert lowered.ci95 is not None and lowered.ci95[1] < 0
    assert hits.value is not None and hits.value >= 0
