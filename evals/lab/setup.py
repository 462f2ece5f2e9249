"""Setting up a run of the lab: models by their parts, and whose personas."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from persona_agent.errors import InputError
from persona_agent.evals.lab.bench import Card, LabBench
from persona_agent.evals.lab.cards import demo_cards
from persona_agent.evals.lab.judges import Panel
from persona_agent.evals.runner import Progress, silent
from persona_agent.llm import create_model
from persona_agent.memory.embedder import create_embedder
from persona_agent.memory.nli import CrossEncoderReader
from persona_agent.persona.losses import reporting_apart
from persona_agent.protocols import Embedder, LanguageModel
from persona_agent.settings import OFFLINE, Settings

JUDGE_VOTES = 3


@dataclass(frozen=True)
class LabOptions:
    """How a run is set up; 0 votes is 1 for the offline model and 3 for others.

    ``single_model`` says that there is no second model: the one then judges its own repairs, and
    the report says so.
    """

    judges: tuple[str, ...] = ()
    critic: str = ""
    votes: int = 0
    turns: int = 10
    runs: int = 3
    items: int = 6
    personas: int | None = None
    seed: int = 0
    data: Path | None = None
    nli: str = ""
    single_model: bool = False


def make_lab(
    settings: Settings,
    options: LabOptions,
    cards: Sequence[Card] | None = None,
    *,
    progress: Progress = silent,
) -> LabBench:
    """Return the bench of a run; the built-in people by default.

    The actor answers without a cache, since equal requests must be able to get different answers.
    Critic and judges answer at temperature 0. The judges are the actor's model where none is named.

    Raises:
        InputError: a judge is also the critic or judged in a persona's optimization, and it is not
            the only model there is; or no persona is left.
    """
    chosen = list(demo_cards() if cards is None else cards)[: options.personas]
    if not chosen:
        raise InputError("there is no persona to examine")
    embedder = create_embedder(settings)
    opened: dict[tuple[str, bool], LanguageModel] = {}

    def model(name: str, *, steady: bool) -> LanguageModel:
        key = (name, steady and name != OFFLINE)
        if key not in opened:
            opened[key] = _open(settings, name, embedder, steady=key[1])
        return opened[key]

    names = options.judges or (settings.model,)
    critic = options.critic or settings.model
    in_loss = {critic, *(name for card in chosen for name in card.in_loss)}
    if not _alone(settings.model, critic, names, options.single_model):
        _apart(in_loss, names)
    votes = options.votes or (1 if set(names) == {OFFLINE} else JUDGE_VOTES)
    judges = tuple(model(name, steady=True) for name in names)
    reader = CrossEncoderReader(options.nli) if options.nli else None
    return LabBench(
        actor=model(settings.model, steady=False),
        critic=model(critic, steady=True),
        judges=Panel(judges, votes, options.seed, reader),
        embedder=embedder,
        cards=tuple(chosen),
        population=_population(chosen),
        turns=options.turns,
        runs=options.runs,
        items=options.items,
        seed=options.seed,
        data=options.data,
        progress=progress,
    )


def _alone(actor: str, critic: str, judges: Sequence[str], declared: bool) -> bool:
    """Whether there is one model for everything: the offline one, or one that is said to be."""
    names = {actor, critic, *judges}
    return names == {OFFLINE} or (declared and len(names) == 1)


def _apart(in_loss: set[str], names: Sequence[str]) -> None:
    try:
        reporting_apart(in_loss, names)
    except InputError as error:
        raise InputError(
            f"{error} (--judge, --critic); where there is no second model, say so (--single-model)"
        ) from None


def _open(settings: Settings, name: str, embedder: Embedder, *, steady: bool) -> LanguageModel:
    changed: dict[str, object] = {"model": name}
    if steady:
        changed["temperature"] = 0.0
    else:
        changed["cache_dir"] = None
    return create_model(settings.model_copy(update=changed), embedder)


def _population(cards: Sequence[Card]) -> tuple[Card, ...]:
    names = {card.user_id for card in cards}
    return (*cards, *(card for card in demo_cards() if card.user_id not in names))


async def close_models(bench: LabBench) -> None:
    """Release the connections of all models of a bench."""
    models = {id(one): one for one in (bench.actor, bench.critic, *bench.models)}
    for model in models.values():
        await model.aclose()
