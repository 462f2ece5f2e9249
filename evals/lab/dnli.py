"""Dialogue-NLI ranking: does the best-ranked reply contradict the persona? (Welleck et al. 2019)

The plain order is the mean of two cosines, to the message and to the nearest statement. The other
order takes contradictions out of its first ten. Constants of the offline reader were chosen on the
even lines of each file, so only the odd lines are reported.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from persona_agent.errors import InputError
from persona_agent.evals.data.source import read_text
from persona_agent.evals.lab.bench import Experiment, LabBench
from persona_agent.evals.lab.intervals import mean_interval, paired_interval
from persona_agent.evals.lab.results import Figure, Findings, Verdict, figure
from persona_agent.persona.contradiction import ContradictionReader
from persona_agent.persona.rerank import Floats, without_contradictions
from persona_agent.protocols import Embedder

FILES = ("valid_attributes.jsonl", "valid_havenot.jsonl", "valid_likedislike.jsonl")
DEPTH = 10
KINDS = {"label": "gold", "similar": "entailing", "rand": "neutral", "neg": "contradicting"}


class Ranking(NamedTuple):
    """A persona, the message to answer, and candidates with their kinds, the gold one first."""

    name: str
    fact: str
    persona: tuple[str, ...]
    message: str
    candidates: tuple[str, ...]
    kinds: tuple[str, ...]


def read_rankings(folder: Path) -> list[Ranking]:
    """Return the odd lines of the files, counted from 0. Raises InputError naming file and line."""
    found = []
    for name in FILES:
        lines = read_text(folder / name).splitlines()
        for number, line in list(enumerate(lines, 1))[1::2]:
            try:
                found.append(_ranking(f"{name}:{number}", json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(f"{name}, line {number}: {error}") from None
    return found


def _ranking(name: str, row: dict[str, object]) -> Ranking:
    groups, prefix, triple = row["candidates"], row["prefix"], row["triple"]
    persona = row["persona"]
    if not (isinstance(groups, dict) and isinstance(prefix, list) and isinstance(persona, list)):
        raise TypeError("candidates, prefix or persona has another shape")
    pairs = [(kind, str(text)) for kind in KINDS for text in groups[kind]]
    return Ranking(
        name=name,
        fact=str(triple),
        persona=tuple(str(one) for one in persona),
        message=str(prefix[-1]) if prefix else "",
        candidates=tuple(text for _, text in pairs),
        kinds=tuple(KINDS[kind] for kind, _ in pairs),
    )


def similarity_scores(items: Sequence[Ranking], embedder: Embedder) -> list[Floats]:
    """Return for each item the plain scores of its candidates, higher is better."""
    texts = list(
        dict.fromkeys(
            text for one in items for text in (*one.persona, one.message, *one.candidates)
        )
    )
    vectors = dict(zip(texts, embedder.embed(texts), strict=True))
    scores = []
    for one in items:
        said = np.stack([vectors[text] for text in one.candidates])
        persona = np.stack([vectors[text] for text in one.persona])
        near = (said @ persona.T).max(axis=1)
        scores.append((said @ vectors[one.message] + near).astype(np.float64) / 2)
    return scores


async def measure(bench: LabBench) -> Findings:
    """Rank with and without contradictions; intervals over facts, which recur among the items."""
    items = read_rankings(bench.path("dnli_eval"))
    plain = similarity_scores(items, bench.embedder)
    firsts = [np.argsort(-scores, kind="stable")[:DEPTH] for scores in plain]
    if bench.judges.reader is None and any(model.name == "offline" for model in bench.models):
        # One large batch is several times faster than one call for each candidate.
        ContradictionReader(bench.embedder).prepare(
            [one.candidates[i] for one, first in zip(items, firsts, strict=True) for i in first]
            + [text for one in items for text in one.persona]
        )
    before, after, verdicts = [], [], []
    for done, (one, scores, first) in enumerate(zip(items, plain, firsts, strict=True), 1):
        against, evidence = np.zeros(len(scores)), {}
        for i in first:
            found = await bench.judges.relate(one.candidates[i], one.persona)
            wrong = [opinion for opinion in found if opinion.answer == "contradiction"]
            against[i] = float(bool(wrong))
            evidence[int(i)] = wrong[0].evidence if wrong else ""
        best = int(first[0])
        now = int(without_contradictions(scores, against, depth=DEPTH).argmax())
        before.append(one.kinds[best])
        after.append(one.kinds[now])
        if now != best:
            verdicts.append(
                Verdict(
                    item=one.name,
                    verdict=f"{one.kinds[best]} -> {one.kinds[now]}",
                    evidence=evidence[best],
                )
            )
        bench.progress("Dialogue-NLI", done, len(items))
    clusters = [one.fact for one in items]
    return Findings(
        figures=tuple(_figures(before, after, clusters, bench.seed)),
        verdicts=tuple(verdicts),
        notes=_notes(bench),
    )


def _notes(bench: LabBench) -> tuple[str, ...]:
    if bench.judges.reader is not None:
        return ("Contradictions are those of the inference model.",)
    if all(model.name != "offline" for model in bench.models):
        return ()
    return (
        "Two constants of the offline reader were chosen on the even lines; these are the odd "
        "lines, with other conversations but mostly the same facts.",
    )


def _figures(
    before: Sequence[str], after: Sequence[str], clusters: Sequence[str], seed: int
) -> list[Figure]:
    names = {"gold": "Hits@1", "entailing": "Entail@1", "neutral": "Rand@1"}
    figures = []
    for kind in KINDS.values():
        name = names.get(kind, "Contradict@1")
        was = [float(one == kind) for one in before]
        now = [float(one == kind) for one in after]
        figures += [
            figure(
                f"{name}, by similarity",
                mean_interval(was, clusters, seed=seed),
                f"how often the reply ranked first is {kind} when similarity alone decides",
            ),
            figure(
                f"{name}, contradiction-aware",
                mean_interval(now, clusters, seed=seed),
                f"how often it is {kind} when contradictions are moved down",
                better="lower" if kind == "contradicting" else "",
            ),
        ]
        if kind in ("gold", "contradicting"):
            figures.append(
                figure(
                    f"{name}, difference",
                    paired_interval(now, was, clusters, seed=seed),
                    f"what moving contradictions down changes in {name}",
                    better="lower" if kind == "contradicting" else "higher",
                )
            )
    return figures


DNLI = Experiment("dnli", "Contradiction: Dialogue-NLI ranking", measure, frozenset({"data"}))
