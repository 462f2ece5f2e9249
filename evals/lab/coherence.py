"""Joint coherence: does a reply follow from the message, and come from the persona, uncopied?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from persona_agent.evals.lab.bench import Card, Experiment, LabBench
from persona_agent.evals.lab.intervals import known_mean, mean_interval
from persona_agent.evals.lab.joint import coherent, global_coherence, joint_score
from persona_agent.evals.lab.judges import Panel, invalid
from persona_agent.evals.lab.people import GENERIC_REPLIES, SCENE, SMALL_TALK
from persona_agent.evals.lab.results import Figure, Findings, Verdict, figure
from persona_agent.evals.lab.speakers import PlainSpeaker, as_shown, converse, replies
from persona_agent.persona.copying import copying
from persona_agent.prompts.lab import Line

Axes = tuple[float | None, float | None, float | None]
"""Persona, local coherence and relevance of a reply."""


@dataclass(frozen=True)
class Coherence:
    """The axes of one conversation, 0 to 1 each; None where nothing could be judged."""

    persona: float | None
    local: float | None
    whole: float
    copied: float
    relevance: float | None
    joint: float | None
    verdicts: tuple[Verdict, ...]


async def judge_dialogue(
    panel: Panel,
    statements: Sequence[str],
    lines: Sequence[Line],
    *,
    rivals: Sequence[str] = (),
    name: str = "",
) -> Coherence:
    """Judge a conversation of messages and replies in turn.

    The persona axis is the share of replies in which a listener among ``rivals`` hears this
    persona and that contradict none of its statements; without rivals, that entail a statement.
    The coherence axis is the mean of local coherence and relevance.
    """
    edges: dict[tuple[int, int], str] = {}
    axes: list[Axes] = []
    found = []
    for place in range(1, len(lines), 2):
        given, verdict, relations = await _judge_reply(
            panel, statements, rivals, lines[: place + 1]
        )
        axes.append(given)
        found.append(verdict.model_copy(update={"item": f"{name} {verdict.item}"}))
        edges |= {(place - back, place): relation for back, relation in relations.items()}
    said = [line.text for line in lines[1::2]]
    persona, local, relevance = (known_mean(one[axis] for one in axes) for axis in range(3))
    copied = fmean(copying(one, statements) for one in said) if said else 0.0
    joint = None
    if persona is not None and local is not None and relevance is not None:
        joint = joint_score(persona, (local + relevance) / 2, copied)
    return Coherence(
        persona=persona,
        local=local,
        whole=global_coherence(len(lines), edges),
        copied=copied,
        relevance=relevance,
        joint=joint,
        verdicts=tuple(found),
    )


async def _judge_reply(
    panel: Panel, statements: Sequence[str], rivals: Sequence[str], talk: Sequence[Line]
) -> tuple[Axes, Verdict, dict[int, str]]:
    """Judge the last line of a talk.

    Returns:
        Whether it shows the persona, follows from the message, and is relevant; the verdict; and
        its relation to the message (1) and to the speaker's line before (2).
    """
    *before, last = talk
    reply, message = last.text, before[-1].text
    problem = invalid(reply)
    if problem:
        verdict = Verdict(item=reply[:80], verdict="invalid", evidence=problem)
        return (None, None, None), verdict, {}
    shown, why = await _shows(panel, statements, rivals, as_shown(before, "overheard"), reply)
    relation, relevance = await panel.discourse(message, reply)
    relations = {1: relation.answer or "none"}
    if len(before) > 1:
        own, _ = await panel.discourse(before[-2].text, reply, same_speaker=True)
        relations[2] = own.answer or "none"
    fits = None
    if relation.answer is not None:
        to_question = message.rstrip().endswith("?")
        fits = float(coherent(relation.answer, to_question=to_question))
    verdict = Verdict(
        item=f"{message[:60]} / {reply[:80]}",
        verdict=relation.answer or "",
        score=fits,
        evidence=why or relation.evidence,
    )
    return (shown, fits, relevance), verdict, relations


async def _shows(
    panel: Panel,
    statements: Sequence[str],
    rivals: Sequence[str],
    before: Sequence[Line],
    reply: str,
) -> tuple[float | None, str]:
    opinions = await panel.relate(reply, statements, before)
    wrong = next((one for one in opinions if one.answer == "contradiction"), None)
    if wrong is not None:
        return 0.0, wrong.evidence
    if rivals:
        votes = await panel.listen(reply, [" ".join(statements), *rivals], before)
        return (votes[0] / sum(votes) if sum(votes) else None), ""
    if all(one.answer is None for one in opinions):
        return None, ""
    return float(any(one.answer == "entailment" for one in opinions)), ""


def scene_policies() -> dict[str, list[Line]]:
    """Return the scene as a good, a generic and a parroting policy would play it."""
    talks: dict[str, list[Line]] = {}
    count = len(SCENE.messages)
    echo = [SCENE.statements[(place + 1) % len(SCENE.statements)] for place in range(count)]
    generic = [GENERIC_REPLIES[place % len(GENERIC_REPLIES)] for place in range(count)]
    for name, said in (("good", SCENE.good), ("generic", generic), ("parrot", echo)):
        talks[name] = [
            line
            for message, reply in zip(SCENE.messages, said, strict=True)
            for line in (Line(speaker="user", text=message), Line(speaker="persona", text=reply))
        ]
    return talks


async def measure(bench: LabBench) -> Findings:
    """Judge the model's conversations, and three policies by hand to check the judges."""
    found: list[Coherence] = []
    for done, card in enumerate(bench.cards, 1):
        messages = SMALL_TALK[: bench.items]
        lines = await converse(PlainSpeaker(bench.actor), card.statements, messages)
        rivals = [other.text for other in bench.distractors(card)[:2]]
        found.append(
            await judge_dialogue(
                bench.judges, card.statements, lines, rivals=rivals, name=card.user_id
            )
        )
        bench.progress("coherence", done, len(bench.cards))
    users = [card.user_id for card in bench.cards]
    axes: list[tuple[str, list[float | None], str]] = [
        ("persona", [one.persona for one in found],
         "share of replies that a listener hears as this persona's and that contradict nothing"),
        ("local coherence", [one.local for one in found],
         "share of replies that follow from the message before"),
        ("global coherence", [one.whole for one in found],
         "share of turns that hang together in the graph of relations"),
        ("relevance", [one.relevance for one in found],
         "how far the replies give the message what it calls for"),
        ("copying", [one.copied for one in found],
         "how much of a statement of the persona the replies repeat word by word (above 0.5 it "
         "is held against them)"),
        ("joint score", [one.joint for one in found],
         "persona and coherence together, less copying: low for a parrot and for small talk"),
    ]  # fmt: skip
    figures = [
        figure(name, mean_interval(values, users, seed=bench.seed), meaning,
               better="lower" if name == "copying" else "higher", asked=len(users))
        for name, values, meaning in axes
    ]  # fmt: skip
    figures += await _instrument(bench)
    return Findings(
        figures=tuple(figures), verdicts=tuple(v for one in found for v in one.verdicts)
    )


async def _instrument(bench: LabBench) -> list[Figure]:
    scene = Card(user_id="scene", statements=SCENE.statements)
    others = [card.text for card in bench.distractors(scene)[:2]]
    figures = []
    for name, lines in scene_policies().items():
        judged = await judge_dialogue(bench.judges, SCENE.statements, lines, rivals=others)
        point = f"persona {_shown(judged.persona)}, local coherence {_shown(judged.local)}"
        figures.append(
            figure(
                f"check: joint score of the {name} policy",
                (judged.joint, None, len(replies(lines))),
                f"the good one must be the highest of the three ({point}, copying "
                f"{judged.copied:.2f}); if not, do not trust the scores above",
            )
        )
    return figures


def _shown(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}"


COHERENCE = Experiment("coherence", "Joint coherence", measure)
