"""The verdict: whether personas are their users' own, and whether their clusters mean anything.

Every user's persona is learned several times from two halves of the history that share no
episode. The same is done with histories that were exchanged between users, where nothing can be
found, with outcomes exchanged, where only what users are asked about can, and with the initial
persona, which says nothing yet.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence

from persona_agent.errors import InputError
from persona_agent.evals.atlas.behaviour import behaviour_vectors, choose_probes, same_text
from persona_agent.evals.atlas.claim_space import centred, claim_vectors
from persona_agent.evals.atlas.conclusion import conclude
from persona_agent.evals.atlas.findings import KINDS, SPACES, Finding, Kind, Verdict
from persona_agent.evals.atlas.histories import (
    Histories,
    enough,
    half_size,
    halves,
    outcomes_shuffled,
    shuffled,
    without,
)
from persona_agent.evals.atlas.learn import Learner
from persona_agent.evals.atlas.records import Entry
from persona_agent.evals.atlas.replication import replication
from persona_agent.evals.atlas.separation import paired_gain, separation
from persona_agent.evals.runner import Progress, silent
from persona_agent.evals.scores.statistics import Floats
from persona_agent.schema import Episode, Persona, Query

DRAWS = 3
LEAST_USERS = 5


Change = Callable[[Histories, random.Random], dict[str, list[Episode]]]
CHANGED: dict[Kind, Change] = {
    "histories shuffled": shuffled,
    "outcomes shuffled": outcomes_shuffled,
}


async def judge(
    histories: Histories,
    learner: Learner,
    *,
    names: Mapping[str, str] | None = None,
    draws: int = DRAWS,
    half: int | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Verdict:
    """Return the verdict on the personas that are learned from these histories.

    Args:
        histories: each user's episodes with outcomes, in time order.
        learner: optimizes the personas, 6 for each user and draw.
        names: of users, which are hidden in claims before they are compared.
        draws: independent pairs of halves, at least 3.
        half: episodes of a half; None: half of the median history. Users with fewer than twice
            as many are left out.
        seed: of everything random.
        progress: told how far it is.

    Raises:
        InputError: there are fewer than 3 draws, or fewer than 5 users with enough episodes.
        ModelError: the model gave no usable answer.
    """
    if draws < DRAWS:
        raise InputError(f"a verdict needs at least {DRAWS} draws, not {draws}")
    probes = choose_probes(histories, seed=seed)
    rest = without(histories, {same_text(one.text) for one in probes})
    size = half_size(rest) if half is None else half
    known = {user: rest[user] for user in sorted(rest) if enough(rest[user], size)}
    if len(known) < LEAST_USERS:
        raise InputError(
            f"a verdict needs {LEAST_USERS} users with {2 * size} interactions each whose outcome "
            f"is known, beside {len(probes)} probes; there are {len(known)}"
        )
    made: dict[Kind, list[list[Persona]]] = {}
    for kind in KINDS:
        made[kind] = [
            await _personas(kind, known, learner, size, [seed, draw], progress)
            for draw in range(draws)
        ]
    findings = await _findings(made, learner, names or {}, probes, seed, progress)
    structure, clusters, words = conclude(findings, len(known))
    return Verdict(
        structure=structure,
        clusters=clusters,
        words=words,
        findings=findings,
        users=len(known),
        left_out=len(histories) - len(known),
        draws=draws,
        half=size,
        probes=len(probes),
        model=learner.model.name,
        embedder=learner.embedder.name,
        seed=seed,
    )


async def _personas(
    kind: Kind,
    histories: Histories,
    learner: Learner,
    size: int,
    seed: Sequence[int],
    progress: Progress,
) -> list[Persona]:
    """Learn both halves of every user: first halves in the order of users, then second ones."""
    if kind == "initial":
        return [Persona(user_id=user) for user in (*histories, *histories)]
    generator = random.Random(f"{kind} {list(seed)}")
    if kind in CHANGED:
        histories = CHANGED[kind](histories, generator)
    split = {user: halves(history, size, generator) for user, history in histories.items()}
    tasks = [(user, split[user][side]) for side in (0, 1) for user in histories]
    return await learner.all(tasks, what=f"{kind}, draw {seed[1] + 1}", progress=progress)


async def _findings(
    made: Mapping[Kind, Sequence[Sequence[Persona]]],
    learner: Learner,
    names: Mapping[str, str],
    probes: Sequence[Query],
    seed: int,
    progress: Progress,
) -> tuple[Finding, ...]:
    found = []
    for space in SPACES:
        null: Floats | None = None
        for kind in sorted(KINDS, key=lambda one: one != "histories shuffled"):
            draws = made[kind]
            personas = [persona for drawn in draws for persona in drawn]
            if space == "claims":
                entries = [Entry(persona=p, name=names.get(p.user_id, "")) for p in personas]
                rows = claim_vectors(entries, learner.embedder)
            else:
                rows = await behaviour_vectors(
                    personas,
                    probes,
                    learner.model,
                    learner.embedder,
                    persona_tokens=learner.persona_tokens,
                    progress=progress,
                )
            # Draws, halves, users; the mean of all is taken out, which no label enters.
            stack = centred(rows).reshape(len(draws), 2, len(draws[0]) // 2, -1)
            first, second = stack[:, 0], stack[:, 1]
            values, own = separation(first, second, seed=seed)
            null = own if null is None else null
            found.append(
                Finding(
                    kind=kind,
                    space=space,
                    separation=values,
                    replication=replication(first, second, seed=seed),
                    silent=round(sum(not p.claims for p in personas) / len(personas), 4),
                    gain=paired_gain(own, null, seed=seed),
                )
            )
    order = {kind: number for number, kind in enumerate(KINDS)}
    return tuple(sorted(found, key=lambda one: (SPACES.index(one.space), order[one.kind])))
