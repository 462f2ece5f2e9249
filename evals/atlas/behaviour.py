"""Personas as vectors, by what they answer to a fixed set of probes."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np

from persona_agent.agent import Context, answer
from persona_agent.errors import BudgetExceededError, ModelCallsBlockedError, ModelError
from persona_agent.evals.atlas.claim_space import unit
from persona_agent.evals.atlas.records import Vectors
from persona_agent.evals.runner import Progress, side_by_side, silent
from persona_agent.persona import render
from persona_agent.protocols import Embedder, LanguageModel
from persona_agent.schema import Episode, Persona, Query

PROBES = 24
AT_ONCE = 64


def choose_probes(
    histories: Mapping[str, Sequence[Episode]], *, count: int = PROBES, seed: int = 0
) -> list[Query]:
    """Draw queries of different texts from all users' histories, evenly over the users."""
    generator = random.Random(seed)
    queues = [[one.query for one in histories[user]] for user in sorted(histories)]
    generator.shuffle(queues)
    for queue in queues:
        generator.shuffle(queue)
    chosen: dict[str, Query] = {}
    while len(chosen) < count and any(queues):
        for queue in queues:
            if queue and len(chosen) < count:
                query = queue.pop()
                chosen.setdefault(same_text(query.text), query)
    return list(chosen.values())


def same_text(text: str) -> str:
    """Return a key that is equal for texts that differ in case and space only."""
    return " ".join(text.casefold().split())


async def behaviour_vectors(
    personas: Sequence[Persona],
    probes: Sequence[Query],
    model: LanguageModel,
    embedder: Embedder,
    *,
    persona_tokens: int = 600,
    progress: Progress = silent,
) -> Vectors:
    """Return one row for each persona: its answers to the probes, side by side.

    The persona answers alone, from its claims and counts as its policy shows them and without
    recalled episodes. The product of two rows is the mean agreement over probes: 1 or 0 for a
    choice, ``cos(pi / 2 * |r - s| / width)`` for a rating, the cosine for a text. An answer that
    failed agrees with none.

    Raises:
        BudgetExceededError, ModelCallsBlockedError: no more calls may be made.
    """

    async def answers(persona: Persona) -> list[str | None]:
        with model.account(user_id=persona.user_id, purpose="atlas behaviour"):
            return [await _reply(persona, probe, model, persona_tokens) for probe in probes]

    jobs = [partial(answers, persona) for persona in personas]
    given = await side_by_side(jobs, at_once=AT_ONCE, what="probing", progress=progress)
    blocks = [
        _encoded(probe, [row[number] for row in given], embedder)
        for number, probe in enumerate(probes)
    ]
    if not blocks:
        return np.zeros((len(personas), 1), dtype=np.float32)
    return unit(np.concatenate(blocks, axis=1))


async def _reply(persona: Persona, probe: Query, model: LanguageModel, tokens: int) -> str | None:
    counted = tuple(one for one in persona.statistics if one.task == probe.task_name)
    shown = render(persona.model_copy(update={"statistics": counted}), max_tokens=tokens)
    context = Context(persona_version=persona.version, persona_text=shown)
    try:
        return (await answer(model, probe, context)).text
    except (BudgetExceededError, ModelCallsBlockedError):
        raise
    except ModelError:
        return None


def _encoded(probe: Query, answers: Sequence[str | None], embedder: Embedder) -> Vectors:
    if probe.kind == "text":
        rows = embedder.embed([answer or "" for answer in answers]).copy()
    elif probe.kind == "rating":
        rows = np.array([_angle(probe, answer) for answer in answers], dtype=np.float32)
    else:
        rows = np.zeros((len(answers), len(probe.options)), dtype=np.float32)
        for row, answer in enumerate(answers):
            if answer is not None:
                rows[row, probe.options.index(answer)] = 1.0
    rows[[row for row, answer in enumerate(answers) if answer is None]] = 0.0
    return rows


def _angle(probe: Query, answer: str | None) -> tuple[float, float]:
    scale = [float(option) for option in probe.options]
    width = (max(scale) - min(scale)) or 1.0
    turn = math.pi / 2 * ((float(answer) if answer else min(scale)) - min(scale)) / width
    return math.cos(turn), math.sin(turn)
