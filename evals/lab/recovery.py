"""The mediator: how much of what is lost over a conversation comes back by asking outright."""

from __future__ import annotations

import math
from typing import NamedTuple

from persona_agent.agent.chat.mediate import mediated
from persona_agent.errors import ModelCannotError
from persona_agent.evals.lab.bench import Experiment, LabBench
from persona_agent.evals.lab.habits import Understood, habit_figures, understand
from persona_agent.evals.lab.intervals import mean_interval
from persona_agent.evals.lab.results import Findings, Verdict, figure
from persona_agent.prompts import DECIDE, DecideInputs
from persona_agent.prompts.lab import Line, conversation
from persona_agent.schema import Query

KEPT = "mediated, conversation kept"
NOTHING_LOST = (
    "Nothing was lost by speaking piece by piece, so that nothing could come back: these "
    "instructions do not test a mediator for this model."
)


class Sharded(NamedTuple):
    """An instruction in pieces, the possible results, and the place of the one that fits all."""

    shards: tuple[str, ...]
    options: tuple[str, ...]
    right: int


TASKS: tuple[Sharded, ...] = (
    Sharded(("find me a flat", "somewhere quiet", "no stairs please", "oh and I have a dog"),
            ("A quiet ground-floor flat, dogs welcome.", "A quiet third-floor flat, dogs welcome.",
             "A ground-floor flat on the main road, dogs welcome.",
             "A quiet ground-floor flat, no pets."), 0),
    Sharded(("what can I cook tonight", "it has to be quick", "no oven here", "I am vegan"),
            ("Roast chicken from the oven in two hours.", "Quick fried noodles with egg.",
             "Quick pan of beans and tomatoes, vegan.", "Slow vegan stew from the oven."), 2),
    Sharded(("a train to Hamburg", "tomorrow", "not before ten", "and without changing"),
            ("Tomorrow 8:15, direct.", "Tomorrow 11:30, direct.", "Tomorrow 11:10, one change.",
             "Sunday 11:30, direct."), 1),
    Sharded(("a present for my father", "he likes the garden", "up to 30 euros",
             "nothing that has to be watered"),
            ("A pot of herbs for 20 euros.", "Garden shears of steel for 80 euros.",
             "A novel for 25 euros.", "A pair of garden gloves for 25 euros."), 3),
    Sharded(("I need a course", "for Spanish", "in the evening", "not online"),
            ("Spanish in the evening, online.", "Spanish in the morning, in a classroom.",
             "Spanish in the evening, in a classroom.", "French in the evening, in a classroom."),
            2),
    Sharded(("book a table", "for five people", "outside", "somewhere cheap"),
            ("A cheap garden table for two.", "A cheap garden table for five.",
             "An expensive garden table for five.", "A cheap indoor table for five."), 1),
)  # fmt: skip


async def _choose(bench: LabBench, text: str, options: tuple[str, ...]) -> int:
    inputs = DecideInputs(query=Query(text=text, options=options, task="lab"))
    return (await bench.actor.ask(DECIDE, inputs)).choice - 1


async def play(bench: LabBench, task: Sharded) -> dict[str, tuple[float, str]]:
    """Return for each setting whether the result is right, and what the agent acted on.

    Sharded: the user reveals a piece a turn and the agent answers every time, in one conversation.
    Concat: all pieces at once. Mediated: the sharded conversation rewritten into one request, which
    is read alone, or in place of the last piece, after the conversation so far, as in the agent.
    """
    lines: list[Line] = []
    chosen = 0
    for shard in task.shards:
        lines.append(Line(speaker="user", text=shard))
        chosen = await _choose(bench, conversation(lines), task.options)
        lines.append(Line(speaker="assistant", text=f"I suggest: {task.options[chosen]}"))
    whole = ". ".join(task.shards)
    latest = lines[:-1]  # the mediator is asked before the agent answers the last piece
    request = (await mediated(bench.critic, latest)).request or task.shards[-1]
    kept = conversation([*latest[:-1], Line(speaker="user", text=request)])
    return {
        "sharded": (float(chosen == task.right), conversation(lines)),
        "concat": (float(await _choose(bench, whole, task.options) == task.right), whole),
        "mediated": (float(await _choose(bench, request, task.options) == task.right), request),
        KEPT: (float(await _choose(bench, kept, task.options) == task.right), kept),
    }


def recovery_ratio(mediated_score: float, sharded: float, concat: float) -> float:
    """Return ``(mediated - sharded) / (concat - sharded)``; NaN when nothing was lost."""
    lost = concat - sharded
    return (mediated_score - sharded) / lost if lost > 0 else math.nan


async def measure(bench: LabBench) -> Findings:
    """Play every sharded instruction in all settings, and see what a user's habits add."""
    scores: dict[str, list[float | None]] = {
        name: [] for name in ("concat", "sharded", "mediated", KEPT)
    }
    verdicts = []
    for done, task in enumerate(TASKS, 1):
        played = await play(bench, task)
        for setting, (score, acted_on) in played.items():
            scores[setting].append(score)
            verdicts.append(
                Verdict(item=f"{task.shards[0]}, {setting}", score=score,
                        verdict="right" if score else "wrong", evidence=acted_on[:300])
            )  # fmt: skip
        bench.progress("mediator", done, len(TASKS))
    meanings = {
        "concat": "share of instructions done right when all is said at once",
        "sharded": "the same when the user says it piece by piece",
        "mediated": "the same when the pieces are rewritten into one request first, read alone",
        KEPT: "the same when that request takes the place of the last piece, as in the agent",
    }
    means = {name: mean_interval(values, seed=bench.seed) for name, values in scores.items()}
    ratio = recovery_ratio(*(means[name][0] or 0.0 for name in ("mediated", "sharded", "concat")))
    figures = [
        figure(name, means[name], meaning, better="higher") for name, meaning in meanings.items()
    ]
    figures.append(
        figure("recovery ratio", (ratio, None, len(TASKS)),
               "share of the loss from speaking piece by piece that the mediator brings back; "
               "unknown when nothing was lost", better="higher")
    )  # fmt: skip
    notes = [] if not math.isnan(ratio) else [NOTHING_LOST]
    found: list[Understood] = []
    try:
        found += [await understand(bench, card) for card in bench.cards if card.episodes]
    except ModelCannotError as error:
        notes.append(f"Habits are not measured: {error}")
    if found:
        figures += habit_figures(found, bench.seed)
        verdicts += [verdict for one in found for verdict in one.verdicts]
    return Findings(figures=tuple(figures), verdicts=tuple(verdicts), notes=tuple(notes))


MEDIATOR = Experiment("mediator", "Mediator", measure)
