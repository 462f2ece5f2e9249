"""Drift in conversation: what holds by turn, with and without the agent's repairs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import zip_longest

from persona_agent.evals.lab.bench import Card, Experiment, LabBench
from persona_agent.evals.lab.consistency import (
    LineCheck,
    check_lines,
    contradicted,
    line_to_line,
    pairs_in_conflict,
    prompt_to_line,
    verdicts,
)
from persona_agent.evals.lab.intervals import mean_interval, paired_interval
from persona_agent.evals.lab.judges import Opinion, disagreement
from persona_agent.evals.lab.people import PLANTED, SMALL_TALK
from persona_agent.evals.lab.questions import Recalled, ask_back, ask_persona, judge_recall
from persona_agent.evals.lab.results import Better, Figure, Findings, Verdict, figure
from persona_agent.evals.lab.speakers import (
    PlainSpeaker,
    RepairedSpeaker,
    Speaker,
    as_many,
    talk,
)
from persona_agent.evals.lab.survival import first_loss, half_life, survival_curve
from persona_agent.persona.rivals import flipped
from persona_agent.prompts.lab import SIDES, Line
from persona_agent.settings import OFFLINE

Relate = Callable[[str, Sequence[str]], Awaitable[list[Opinion]]]
"""Tells how a line relates to statements."""


async def planted(bench: LabBench, relate: Relate) -> list[Figure]:
    """Return how many contradictions by hand the judges find, and how many they see in nothing.

    A consistency of 1 by judges who find no contradiction is worth nothing.
    """
    found: list[float | None] = []
    alarms: list[float | None] = []
    names = []
    for card in bench.cards:
        for statement in card.statements:
            against = contradicted(await relate(flipped(statement), card.statements))
            same = contradicted(await relate(statement, card.statements))
            found.append(None if against is None else float(against))
            alarms.append(None if same is None else float(same))
            names.append(card.user_id)
    return [
        figure("check: planted contradictions found",
               mean_interval(found, names, seed=bench.seed),
               "share of statements, each turned round by rule (easy ones), that the judges call a "
               "contradiction; where it is low, the consistency above is overstated",
               better="higher",
               asked=len(found)),
        figure("check: false alarms", mean_interval(alarms, names, seed=bench.seed),
               "share of true statements that the judges call a contradiction", better="lower",
               asked=len(alarms)),
    ]  # fmt: skip


async def implied(
    relate: Relate, lines: Sequence[tuple[str, str, str]], *, seed: int
) -> list[Figure]:
    """Return how judges tell contradictions that have to be inferred from what only looks like one.

    ``lines`` are a statement, a line that goes against it, and one in similar words that does not.
    """
    statements = [statement for statement, _, _ in lines]
    found: list[float | None] = []
    alarms: list[float | None] = []
    for place, (_, wrong, harmless) in enumerate(lines):
        meant = (await relate(wrong, statements))[place].answer
        found.append(None if meant is None else float(meant == "contradiction"))
        seen = contradicted(await relate(harmless, statements))
        alarms.append(None if seen is None else float(seen))
    return [
        figure("check: implied contradictions found", mean_interval(found, seed=seed),
               "share of lines by hand that go against a statement only by what they imply, and "
               "that the judges call a contradiction of it", better="higher", asked=len(found)),
        figure("check: false alarms on look-alikes", mean_interval(alarms, seed=seed),
               "share of lines by hand in similar words that go against nothing, and that the "
               "judges call a contradiction", better="lower", asked=len(alarms)),
    ]  # fmt: skip


class Arm:
    """One way of speaking, over all personas; ``calls`` of the model for each of its lines."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[float | None] = []
        self.checks: list[list[LineCheck]] = []
        self.clusters: list[str] = []
        self.questioned: list[str] = []
        self.override: list[float | None] = []
        self.inferred: list[float | None] = []
        self.remembering: list[str] = []
        self.recall: list[str | None] = []
        self.recall_verdicts: list[Verdict] = []

    async def question(
        self, bench: LabBench, card: Card, lines: Sequence[Line], intents: Sequence[str], of: SIDES
    ) -> None:
        """Ask about the persona after a talk, with it in view and without."""
        for inferred, found in ((False, self.override), (True, self.inferred)):
            found += await ask_persona(bench, card, lines, intents, inferred=inferred, of=of)
        self.questioned += [card.user_id] * (len(self.override) - len(self.questioned))

    async def remember(self, bench: LabBench, card: Card, recalled: Sequence[Recalled]) -> None:
        """Judge what was remembered of the talk."""
        name = f"{self.name}, {card.user_id}:"
        found, verdicts = await judge_recall(bench.judges, name, recalled)
        self.recall += found
        self.remembering += [card.user_id] * len(found)
        self.recall_verdicts += verdicts

    def holding(self) -> tuple[list[float | None], list[str]]:
        """Return prompt-to-line of every line, and whose it is."""
        values: list[float | None] = []
        names: list[str] = []
        for user, checks in zip(self.clusters, self.checks, strict=True):
            scores = prompt_to_line(checks)
            values += scores
            names += [user] * len(scores)
        return values, names


async def measure(bench: LabBench) -> Findings:
    """Talk with every persona with and without repairs, and judge every line."""
    plain, repaired = Arm("plain"), Arm("with repairs")
    simulated = False
    for done, card in enumerate(bench.cards, 1):
        speakers: list[tuple[Arm, Speaker]] = [
            (plain, PlainSpeaker(bench.actor)),
            (repaired, RepairedSpeaker(bench.actor, bench.critic)),
        ]
        for arm, speaker in speakers:
            lines, simulated = await talk(bench, card, speaker)
            arm.checks.append(await check_lines(bench.judges.relate, card.statements, lines))
            arm.clusters.append(card.user_id)
            intents = as_many(SMALL_TALK, bench.turns)
            await arm.question(bench, card, lines, intents, of="assistant")
            again = partial(speaker.reply, card.statements)
            await arm.remember(bench, card, await ask_back(lines, intents, again))
        bench.progress("drift", done, len(bench.cards))
    said = [(one.statement, one.said, one.said_harmless) for one in PLANTED]
    checks = [
        *await planted(bench, bench.judges.relate),
        *await implied(bench.judges.relate, said, seed=bench.seed),
    ]
    return compared(bench, plain, repaired, checks, simulated=simulated)


def compared(
    bench: LabBench, plain: Arm, repaired: Arm, checks: Sequence[Figure], *, simulated: bool
) -> Findings:
    """Return the figures of both arms, what the repairs change, and the checks of the judges."""
    notes = [f"{bench.turns} turns with each of {len(bench.cards)} personas."]
    if not simulated:
        notes.append("The messages are a fixed list: this model cannot stand in for a user.")
    if bench.actor.deterministic:
        notes.append("This model draws no second candidate, so the repairs have little to choose.")
    if bench.actor.name == OFFLINE:
        notes.append("This model quotes what it did not say yet, so it never repeats an answer.")
    if not bench.independent:
        notes.append("Judge, critic and speaker are one model: agreement with itself, not truth.")
    found = [_figures(arm, bench) for arm in (plain, repaired)]
    before, names = plain.holding()
    after, _ = repaired.holding()
    change = figure(
        "prompt-to-line, repairs minus plain",
        paired_interval(after, before, names, seed=bench.seed),
        "what the agent's repairs change in the share of lines that agree with the persona",
        better="higher",
    )
    listed = [
        verdict
        for arm in (plain, repaired)
        for user, checks in zip(arm.clusters, arm.checks, strict=True)
        for verdict in verdicts(f"{arm.name}, {user},", checks)
    ]
    return Findings(
        figures=(
            *(one for pair in zip_longest(*found) for one in pair if one is not None),
            change,
            *checks,
        ),
        verdicts=(*listed, *plain.recall_verdicts, *repaired.recall_verdicts),
        notes=tuple(notes),
    )


def _figures(arm: Arm, bench: LabBench) -> list[Figure]:
    seed, users = bench.seed, arm.clusters
    holding, names = arm.holding()
    lines = [line_to_line(checks) for checks in arm.checks]
    own = [user for user, one in zip(users, lines, strict=True) for _ in one]
    runs = [first_loss([one.holds for one in checks]) for checks in arm.checks]
    steps = survival_curve([time for time, _ in runs], [lost for _, lost in runs])
    half = half_life(steps)
    curve = ", ".join(f"{step.survival:.2f} after turn {step.time}" for step in steps)
    pairs: list[float | None] = [pairs_in_conflict(checks) for checks in arm.checks]
    split = disagreement([op for checks in arm.checks for one in checks for op in one.opinions])
    made = [
        figure(f"prompt-to-line, {arm.name}", mean_interval(holding, names, seed=seed),
               "share of the persona's lines that contradict none of its statements",
               better="higher", asked=len(holding)),
        figure(f"line-to-line by pairs, {arm.name}", mean_interval(pairs, users, seed=seed),
               "share of pairs of its lines without a conflict, which hardly moves",
               better="higher"),
        figure(f"line-to-line by lines, {arm.name}",
               mean_interval([v for one in lines for v in one], own, seed=seed),
               "share of its lines that conflict with none of its earlier lines",
               better="higher"),
        figure(f"survival to the end, {arm.name}",
               mean_interval([float(not lost) for _, lost in runs], users, seed=seed),
               f"share of conversations without any contradiction: {curve}; "
               + (f"half are lost at turn {half}" if half else "fewer than half are lost"),
               better="higher"),
        figure(f"Q&A with the persona shown, {arm.name}",
               mean_interval(arm.override, arm.questioned, seed=seed),
               "how often questions about the persona are answered right after the talk, with the "
               "persona in view, a right one among five statements; the right one stands in the "
               "persona word for word, so that a hit shows little, while a miss, or to say that "
               "it cannot be told, is the conversation winning over it",
               better="higher"),
        figure(f"Q&A from the talk alone, {arm.name}",
               mean_interval(arm.inferred, arm.questioned, seed=seed),
               "the same without the persona in view, and without the turns that asked for it: "
               "how much of it came through", better="higher"),
    ]  # fmt: skip
    made += _recall(arm, seed)
    if arm.calls:
        cost = mean_interval(arm.calls, seed=seed)
        meaning = "model calls for each reply, those of its repairs included"
        made.append(figure(f"calls a reply, {arm.name}", cost, meaning, better="lower"))
    if any(one is not None for one in split):
        made.append(
            figure(
                f"judges' disagreement, {arm.name}",
                mean_interval(split, seed=seed),
                "share of judgements on which the votes differ",
                better="lower",
            )
        )
    return made


def _recall(arm: Arm, seed: int) -> list[Figure]:
    """Return how often an early answer is given again, owned to be lost, or replaced."""
    told: tuple[tuple[str, str, Better, str], ...] = (
        ("recall of its own answers", "right", "higher",
         "how often it still gives, at the end, what it answered early in the talk; to have "
         "forgotten contradicts nothing, so the figures above do not show it"),
        ("recall, not known", "not known", "",
         "how often it says instead that it does not know or see it any more, which invents "
         "nothing"),
        ("recall, wrong", "wrong", "lower",
         "how often it gives something else, or denies that it answered"),
    )  # fmt: skip
    found: list[Figure] = []
    for name, verdict, better, meaning in told if arm.recall else ():
        shares = [None if one is None else float(one == verdict) for one in arm.recall]
        share = mean_interval(shares, arm.remembering, seed=seed)
        made = figure(f"{name}, {arm.name}", share, meaning, better=better, asked=len(shares))
        found.append(made)
    return found


DRIFT = Experiment("drift", "Drift in conversation", measure)
