"""Judging the candidates of one search: which episodes judge what, and the record of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.optimizer.gates import compare
from persona_agent.optimizer.objective import invents, judged, means_of_terms, objective
from persona_agent.optimizer.trials import Trials, acts
from persona_agent.optimizer.watch import Simulated, tell
from persona_agent.schema import ContextPolicy, Episode, GateResult, Noise, Persona, Trial

INVENTS = "it contradicts less only because it makes up more"


@dataclass(frozen=True)
class Slices:
    """A history split in time.

    Attributes:
        history: all of it, in time order.
        train: its earlier part, which is simulated and learned from.
        validation: its later part, which only judges.
        replay: nearly all of it, for what is chosen rather than written; less the episodes in
            which the user answered a question otherwise than before, see ``overtaking``.
        changed: whether there are any of these.
    """

    history: Sequence[Episode]
    train: Sequence[Episode]
    validation: Sequence[Episode]
    replay: Sequence[Episode]
    changed: bool = False

    @classmethod
    def of(
        cls,
        history: Sequence[Episode],
        config: OptimizerConfig,
        changes: Collection[str] = (),
    ) -> Slices:
        """Split a history as the settings say; ``changes`` are ids that judge no policy."""
        count = min(config.max_validation, round(len(history) * config.validation_share))
        cut = len(history) - max(1, count)
        warm = max(1, round(len(history) * config.warm_up_share))
        replay = [one for one in history[warm:] if one.id not in changes][-config.max_replay :]
        return cls(history, history[:cut], history[cut:], replay=replay, changed=bool(changes))


class Judge:
    """Compares candidates on the slices of one search, and keeps every gate."""

    def __init__(
        self, user_id: str, slices: Slices, trials: Trials, config: OptimizerConfig
    ) -> None:
        self.slices = slices
        self.config = config
        self.generic = Persona.generic(user_id)
        self.gates: list[GateResult] = []
        self.trials = trials
        self.noise: Noise | None = None

    async def measure_noise(self, persona: Persona) -> None:
        """Find out by how much scores vary when the same is asked again: personas, items, runs.

        The personas are the generic prompt and the one in use, under the default policy where it
        serves generic too.
        """
        latest = self.slices.train[-self.config.batch_size :]
        if acts(persona) == acts(self.generic):
            persona = persona.model_copy(update={"policy": ContextPolicy()})
        self.noise = await self.trials.noise(
            (self.generic, persona), latest, lambda one: objective(one, self.config)
        )
        if self.noise is not None:
            tell(self.noise)

    async def simulated(
        self, what: str, persona: Persona, episodes: Sequence[Episode]
    ) -> list[Trial]:
        """Return one trial an episode, in order, and tell whoever watches."""
        trials = await self.trials.of(persona, episodes)
        tell(Simulated(what=what, episodes=tuple(episodes), trials=tuple(trials)))
        return trials

    def gate(
        self, name: str, candidate: Sequence[Trial], incumbent: Sequence[Trial], errors: float
    ) -> bool:
        """Return whether a candidate passes, and keep the result with its terms.

        One that has to gain may not gain by contradicting less and making up more.
        """
        candidate, incumbent = _comparable(candidate, incumbent)
        result = compare(
            name,
            judged(candidate, self.config),
            judged(incumbent, self.config),
            confidence_weight=0.0,
            margin_errors=errors,
            noise=self.noise.run if self.noise else 0.0,
        )
        terms = means_of_terms(candidate, incumbent, self.config)
        result = result.model_copy(update={"terms": terms})
        if result.passed and errors >= 0 and invents(candidate, incumbent):
            result = result.model_copy(update={"passed": False, "reason": INVENTS})
        self.gates.append(result)
        tell(result)
        return result.passed


def _comparable(
    candidate: Sequence[Trial], incumbent: Sequence[Trial]
) -> tuple[list[Trial], list[Trial]]:
    """Return both without invented queries that one of them did not answer: nothing is known."""
    pairs = [
        (one, other)
        for one, other in zip(candidate, incumbent, strict=True)
        if not one.imagined or (one.error is None and other.error is None)
    ]
    return [one for one, _ in pairs], [other for _, other in pairs]
