"""The objective of the search: the task's loss, and what may not be paid for it.

    objective = min(1, score + sum of weight * term)

``score`` is the loss with its calibration (:func:`persona_agent.optimizer.gates.score`). A term
measures by how much the text is worse than what the user really kept, so that the user's own
answer never costs anything, whatever the claims say. A term that does not apply adds nothing, and
is told as None. Without terms the objective is the score: choices and ratings, which are no text
of the agent's, are judged by it alone unless the setting ``reason_weight`` says otherwise.

A reward for sounding like the persona alone is best served by reciting it (Kim, Kim and Kim 2020;
hence joint scores of persona and coherence): copying and irrelevance are what reciting costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.optimizer.gates import score
from persona_agent.persona.contradiction import ContradictionReader
from persona_agent.persona.copying import containment, copying
from persona_agent.protocols import Embedder
from persona_agent.schema import TermMeans, Terms, Trial

COPY_TOLERANCE = 0.5
"""Share of a claim, or of the answer, that may be the same words: answers share some anyway."""


class TermReader:
    """Reads the terms of texts, by rules over an embedder; blocking, keeps what it embedded."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._relations = ContradictionReader(embedder)

    def read(
        self,
        text: str,
        *,
        query: str,
        kept: str = "",
        claims: Sequence[str] = (),
        earlier: Sequence[str] = (),
        of_reason: bool = False,
    ) -> Terms:
        """Return the terms of a text; all None for one without words.

        Args:
            text: what the agent wrote.
            query: what was asked.
            kept: what the user kept; "" where there is no such text, as for a reason.
            claims: what the text is to follow, and not to recite.
            earlier: what the agent said before, as far as it stood.
            of_reason: whether the text is the reason of a choice.
        """
        if not text.strip():
            return Terms()
        return Terms(
            contradiction=self._contradiction(text, kept, [*claims, *earlier]),
            irrelevance=self._irrelevance(text, kept, query),
            copying=_copied(text, kept, claims),
            of_reason=of_reason,
        )

    def _contradiction(self, text: str, kept: str, statements: Sequence[str]) -> float | None:
        if not statements:
            return None
        ours = self._relations.relate(text, statements)
        theirs = self._relations.relate(kept, statements) if kept.strip() else []
        allowed = [one.probability for one in theirs] or [0.0] * len(ours)
        return max(
            max(0.0, one.probability - least) for one, least in zip(ours, allowed, strict=True)
        )

    def _irrelevance(self, text: str, kept: str, query: str) -> float:
        asked, said, best = self._embedder.embed([query, text, kept.strip() or query])
        return float(min(1.0, max(0.0, asked @ best - max(0.0, float(asked @ said)))))


def _copied(text: str, kept: str, claims: Sequence[str]) -> float | None:
    """Return by how much more of the claims is repeated than tolerated, 0 to 1."""
    if not claims:
        return None
    tolerated = max(COPY_TOLERANCE, _same_words(kept, claims))
    return max(0.0, (_same_words(text, claims) - tolerated) / (1 - COPY_TOLERANCE))


def _same_words(text: str, claims: Sequence[str]) -> float:
    return max(copying(text, claims), containment(text, claims))


def weights(config: OptimizerConfig) -> dict[str, float]:
    """Return the weight of each term, by the name of its field in :class:`Terms`."""
    return {
        "contradiction": config.contradiction_weight,
        "irrelevance": config.relevance_weight,
        "copying": config.copying_weight,
    }


def objective(trial: Trial, config: OptimizerConfig) -> float:
    """Return what a trial costs, 0 (best) to 1."""
    share = config.reason_weight if trial.terms.of_reason else 1.0
    costs = [
        share * weight * (getattr(trial.terms, term) or 0.0)
        for term, weight in weights(config).items()
    ]
    return min(1.0, score(trial, config.confidence_weight) + sum(costs))


def judged(trials: Sequence[Trial], config: OptimizerConfig) -> list[Trial]:
    """Return the trials as gates compare them: the objective in place of the loss."""
    return [
        Trial(
            episode_id=one.episode_id,
            answer=one.answer,
            loss=objective(one, config),
            error=one.error,
        )
        for one in trials
    ]


def means_of_terms(
    candidate: Sequence[Trial], incumbent: Sequence[Trial], config: OptimizerConfig
) -> tuple[TermMeans, ...]:
    """Return the parts of the objective of both sides, the task's loss first."""
    parts = [
        TermMeans(
            term="task",
            weight=1.0,
            candidate=_mean([one.loss for one in candidate]),
            incumbent=_mean([one.loss for one in incumbent]),
        )
    ]
    for term, weight in weights(config).items():
        parts.append(
            TermMeans(
                term=term,
                weight=weight,
                candidate=_mean([getattr(one.terms, term) for one in candidate]),
                incumbent=_mean([getattr(one.terms, term) for one in incumbent]),
            )
        )
    return tuple(parts)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
