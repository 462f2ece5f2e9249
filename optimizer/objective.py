"""The objective of the search: the task's loss, and what may not be paid for it.

    objective = min(1, score + sum of weight * term)

``score`` is the loss with its calibration (:func:`persona_agent.optimizer.gates.score`). A term
measures by how much the text is worse than what the user really kept, so that the user's own
answer never costs anything, whatever the claims say. A term that does not apply adds nothing, and
is told as None. Without terms the objective is the score: choices and ratings, which are no text
of the agent's, are judged by it alone unless the setting ``reason_weight`` says otherwise.

A reward for sounding like the persona alone is best served by reciting it (Kim, Kim and Kim 2020;
hence joint scores of persona and coherence): copying and irrelevance are what reciting costs. Being
heard as the user by a listener is such a reward, so it may not outweigh copying. A reward for
contradicting nothing is best served by saying what nobody can check: invention is what that costs.

A contradiction counts by how often it is said, of the answers that were drawn; what agrees counts
fully (:func:`persona_agent.persona.losses.evidence_weight`).

Contradiction, irrelevance, copying and invention are read by rule, without a call. The listener is
asked, and may be asked about invention too (:mod:`persona_agent.optimizer.asking`).
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from persona_agent.optimizer.config import OptimizerConfig
from persona_agent.optimizer.gates import score
from persona_agent.persona.contradiction import ContradictionReader, Verdict, sentences
from persona_agent.persona.copying import containment, copying
from persona_agent.persona.grounding import asserted
from persona_agent.persona.losses import KNOWN, bought_with_invention, invention_loss
from persona_agent.protocols import Embedder
from persona_agent.schema import TermMeans, Terms, Trial

COPY_TOLERANCE = 0.5
"""Share of a claim, or of the answer, that may be the same words: answers share some anyway."""

INVENTED = 0.05
"""How far groundedness may fall where contradictions do: readings of it are rough."""


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
        known: Sequence[str] = (),
        of_reason: bool = False,
    ) -> Terms:
        """Return the terms of a text; all None for one without words.

        Args:
            text: what the agent wrote.
            query: what was asked.
            kept: what the user kept; "" where there is no such text, as for a reason.
            claims: what the text is to follow, and not to recite.
            earlier: what the agent said before, as far as it stood.
            known: what else is known of the user: the cases that the agent was shown.
            of_reason: whether the text is the reason of a choice.
        """
        if not text.strip():
            return Terms()
        return Terms(
            contradiction=self._contradiction(text, kept, [*claims, *earlier]),
            irrelevance=self._irrelevance(text, kept, query),
            copying=_copied(text, kept, claims),
            invention=self._invention(text, kept, [*claims, *earlier], [*known, query]),
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

    def _invention(
        self, text: str, kept: str, binding: Sequence[str], known: Sequence[str]
    ) -> float:
        """Return the share of what is asserted of the user that was made up.

        What the user kept vouches for what it says. Statements are read by sentences: a long one
        may say the same in one place and the opposite of something in another.
        """
        own = asserted(kept)
        must = [part for one in binding for part in sentences(one)]
        may = [part for one in (*known, kept) if one.strip() for part in sentences(one)]
        return invention_loss(
            [
                KNOWN if one in own else (self._verdicts(one, must), self._verdicts(one, may))
                for one in asserted(text)
            ]
        )

    def _verdicts(self, assertion: str, statements: Sequence[str]) -> list[Verdict]:
        return [one.verdict for one in self._relations.relate(assertion, statements)]

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
        "invention": config.invention_weight,
        "listener": config.listener_weight,
    }


def value(terms: Terms, term: str) -> float | None:
    """Return what a term comes to, by the name of its field: a contradiction by how often said."""
    found: float | None = getattr(terms, term)
    return found if found is None or term != "contradiction" else found * terms.said


def objective(trial: Trial, config: OptimizerConfig) -> float:
    """Return what a trial costs, 0 (best) to 1.

    An imagined query has no loss, so that its terms are all there is: they count fully, whether of
    an answer or of a reason.
    """
    share = config.reason_weight if trial.terms.of_reason and not trial.imagined else 1.0
    costs = [
        share * weight * (value(trial.terms, term) or 0.0)
        for term, weight in weights(config).items()
    ]
    task = 0.0 if trial.imagined else score(trial, config.confidence_weight)
    return min(1.0, task + sum(costs))


def judged(trials: Sequence[Trial], config: OptimizerConfig) -> list[Trial]:
    """Return the trials as gates compare them: the objective in place of the loss."""
    return [
        Trial(
            episode_id=one.episode_id,
            answer=one.answer,
            loss=objective(one, config),
            error=one.error,
            imagined=one.imagined,
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
            candidate=_mean([one.loss for one in candidate if not one.imagined]),
            incumbent=_mean([one.loss for one in incumbent if not one.imagined]),
        )
    ]
    for term, weight in weights(config).items():
        parts.append(
            TermMeans(
                term=term,
                weight=weight,
                candidate=_mean([value(one.terms, term) for one in candidate]),
                incumbent=_mean([value(one.terms, term) for one in incumbent]),
            )
        )
    return tuple(parts)


def invents(candidate: Sequence[Trial], incumbent: Sequence[Trial]) -> bool:
    """Return whether a candidate contradicts less only because it makes up more.

    Compared are the episodes where both terms are known of both sides; where there is none, nothing
    was bought. See :func:`persona_agent.persona.losses.bought_with_invention`.
    """
    pairs = [
        (before.terms, after.terms)
        for before, after in zip(incumbent, candidate, strict=True)
        if _told(before.terms) and _told(after.terms)
    ]
    if not pairs:
        return False
    consistency, grounded = (
        (_held([one for one, _ in pairs], term), _held([one for _, one in pairs], term))
        for term in ("contradiction", "invention")
    )
    return bought_with_invention(consistency, grounded, tolerance=INVENTED)


def _held(terms: Sequence[Terms], term: str) -> float:
    return 1 - fmean(value(one, term) or 0.0 for one in terms)


def _told(terms: Terms) -> bool:
    return terms.contradiction is not None and terms.invention is not None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
