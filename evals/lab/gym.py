"""The persona gym: questions to a persona in situations, graded by rubrics with examples.

After PersonaGym (Samuel et al. 2024): five tasks, mean of the task scores. A score that a judge
failed to give is missing and not zero; disagreement of the judges is reported.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from persona_agent.errors import InputError
from persona_agent.evals.data.source import read_text
from persona_agent.evals.lab.bench import Card, Experiment, LabBench
from persona_agent.evals.lab.intervals import known_mean, mean_interval
from persona_agent.evals.lab.judges import invalid
from persona_agent.evals.lab.results import Findings, Verdict, figure
from persona_agent.evals.lab.rubrics import ALIASES, SITUATIONS, TASKS, Task
from persona_agent.evals.lab.speakers import PlainSpeaker
from persona_agent.prompts.lab import (
    GYM_EXEMPLARS,
    GYM_GRADE,
    GYM_QUESTIONS,
    GymExemplarsInputs,
    GymGradeInputs,
    GymQuestionsInputs,
)
from persona_agent.protocols import LanguageModel

DATA = "personagym/questions.json"
Asked = dict[str, tuple[str, ...]]
"""Questions by task."""


def read_questions(path: Path, personas: int, questions: int) -> list[tuple[Card, Asked]]:
    """Return the first personas of a file ``{persona: {task: [question]}}``. Raises InputError."""
    text = read_text(path)
    try:
        found = [
            (
                Card(user_id=f"gym-{number}", statements=(f"I am {person}.",)),
                _by_task(tasks, questions),
            )
            for number, (person, tasks) in enumerate(list(json.loads(text).items())[:personas], 1)
        ]
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{path} must hold {{persona: {{task: [question]}}}}: {error}") from None
    unknown = {name for _, asked in found for name in asked} - {task.name for task in TASKS}
    if unknown:
        raise InputError(f"{path}: there is no task {min(unknown)!r}")
    return found


def _by_task(tasks: Mapping[str, Sequence[str]], questions: int) -> Asked:
    return {
        ALIASES.get(name, name): tuple(map(str, listed[:questions]))
        for name, listed in tasks.items()
    }


async def write_questions(bench: LabBench, card: Card, count: int) -> Asked:
    """Let the critic choose situations and write questions. Raises ModelError."""
    asked = {}
    for task in TASKS:
        inputs = GymQuestionsInputs(
            person=card.text, task=task.provokes, situations=SITUATIONS, count=count
        )
        found = await bench.critic.ask(GYM_QUESTIONS, inputs)
        asked[task.name] = tuple(one.question for one in found.questions)
    return asked


async def grade(
    bench: LabBench, card: Card, task: Task, question: str, answer: str, examples: Sequence[str]
) -> list[tuple[int, str]]:
    """Return (score, evidence) of every judge that gave one."""
    inputs = GymGradeInputs(
        person=card.text, rubric=task.rubric, question=question, examples=tuple(examples),
        answer=answer,
    )  # fmt: skip

    async def ask(model: LanguageModel, _: random.Random) -> tuple[int, str]:
        found = await model.ask(GYM_GRADE, inputs)
        return found.score, found.evidence

    return await bench.judges.ballots(ask, f"{question}{answer}")


async def measure(bench: LabBench) -> Findings:
    """Ask every persona, grade the answers, and check the judges on answers of known quality."""
    count = max(1, bench.items // 3)
    work = [(card, await write_questions(bench, card, count)) for card in bench.cards]
    return await examine(bench, work)


async def measure_published(bench: LabBench) -> Findings:
    """The same with the published questions and personas."""
    count = max(1, bench.items // 3)
    return await examine(bench, read_questions(bench.path(DATA), len(bench.cards), count))


async def examine(bench: LabBench, work: Sequence[tuple[Card, Asked]]) -> Findings:
    """Return the gym's figures for personas and their questions."""
    scores: dict[str, list[float | None]] = {task.name: [] for task in TASKS}
    names: dict[str, list[str]] = {task.name: [] for task in TASKS}
    gaps: list[float | None] = []
    ordered: list[float | None] = []
    verdicts = []
    for done, (card, asked) in enumerate(work, 1):
        for task in TASKS:
            for question in asked.get(task.name, ()):
                about = GymExemplarsInputs(person=card.text, rubric=task.rubric, question=question)
                examples = (await bench.critic.ask(GYM_EXEMPLARS, about)).answers
                verdict, given = await _answered(bench, card, task, question, examples)
                verdicts.append(verdict)
                scores[task.name].append(verdict.score)
                names[task.name].append(card.user_id)
                if len(given) > 1:
                    gaps.append(float(max(given) - min(given)))
                if question == asked[task.name][0]:
                    ordered.append(await _calibrated(bench, card, task, question, examples))
        bench.progress("gym", done, len(work))
    means = [mean_interval(scores[task.name], names[task.name], seed=bench.seed) for task in TASKS]
    flat = [value for task in TASKS for value in scores[task.name]]
    users = [name for task in TASKS for name in names[task.name]]
    whole = mean_interval(flat, users, seed=bench.seed)
    figures = [
        figure("PersonaScore", (known_mean(mean[0] for mean in means), whole[1], whole[2]),
               "mean of the five tasks, 1 to 5", better="higher", asked=len(flat)),
        *(figure(task.name, mean, task.aim, better="higher", asked=len(scores[task.name]))
          for task, mean in zip(TASKS, means, strict=True)),
        figure("judges' gap", mean_interval(gaps, seed=bench.seed),
               "how far the judges lie apart on an answer, in points", better="lower"),
        figure("check: judges' order of graded answers", mean_interval(ordered, seed=bench.seed),
               "share of pairs of answers of known quality that the judges put in the right order; "
               "near 0.5 the scores mean nothing", better="higher"),
    ]  # fmt: skip
    return Findings(figures=tuple(figures), verdicts=tuple(verdicts))


async def _answered(
    bench: LabBench, card: Card, task: Task, question: str, examples: Sequence[str]
) -> tuple[Verdict, list[int]]:
    """Ask a persona a question; return the verdict on the answer, and each judge's score."""
    answer = await PlainSpeaker(bench.actor).reply(card.statements, (), question)
    problem = invalid(answer)
    grades = [] if problem else await grade(bench, card, task, question, answer, examples)
    verdict = Verdict(
        item=f"{card.user_id}, {task.name}: {question[:100]}",
        verdict="invalid" if problem else "graded" if grades else "",
        score=known_mean(score for score, _ in grades),
        evidence=grades[0][1] if grades else "",
        votes=tuple(str(score) for score, _ in grades),
    )
    return verdict, [score for score, _ in grades]


async def _calibrated(
    bench: LabBench, card: Card, task: Task, question: str, examples: Sequence[str]
) -> float | None:
    """Return the share of pairs of exemplars that are graded in their order; ties count half."""
    given = []
    for example in examples:
        grades = await grade(bench, card, task, question, example, ())
        given.append(known_mean(score for score, _ in grades))
    pairs = [
        0.5 if low == high else float(low < high)
        for place, low in enumerate(given)
        for high in given[place + 1 :]
        if low is not None and high is not None
    ]
    return known_mean(pairs)


GYM = Experiment("gym", "Persona gym", measure)
GYM_PUBLISHED = Experiment(
    "gym-published", "Persona gym, published questions", measure_published, frozenset({"data"})
)
