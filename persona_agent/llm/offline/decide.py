"""Choosing among options, from the prompt's inputs alone: query, options, persona text, cases."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from persona_agent.llm.offline import evidence, leaning, statements, writings
from persona_agent.llm.offline.evidence import Array, Counted, RecalledCases
from persona_agent.llm.offline.opinion import OpinionReader
from persona_agent.llm.offline.reading import Claim, Counts, Reading, read
from persona_agent.persona.render import quoted
from persona_agent.prompts import Case, DecideInputs, DecideOutput
from persona_agent.protocols import Embedder, Vectors

# Common knowledge that ratings lean high, for a scale of five grades.
RATINGS_LEAN_HIGH = np.array([0.05, 0.07, 0.15, 0.33, 0.40])
GRADE_WIDTH = 0.6
TILT_ALONE = 1.0
TILT = 0.5
SHORT_LABEL_WORDS = 4
SHRINK_OPINIONS = 5


@lru_cache(maxsize=16_384)
def normalized(label: str) -> str:
    """Return a label in the form in which labels are compared."""
    return " ".join(label.replace('"', "'").casefold().split())


def label_text(option: str) -> str:
    """A bare label embeds badly: give it a sentence. A described option speaks for itself."""
    return f"This is about {option}." if len(option.split()) <= SHORT_LABEL_WORDS else option


class Decider:
    """Answers the ``decide`` prompt. Keeps of a request vectors, and what past choices say."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._opinions = OpinionReader(embedder)
        self._read_choices = leaning.ChoiceReader(embedder)

    def __call__(self, inputs: DecideInputs) -> DecideOutput:
        """Return the option with the highest score; for ratings the median of the posterior."""
        case = _Request(inputs, self._embedder, self._read_choices)
        if inputs.query.kind == "rating":
            probabilities, best = self._rate(case)
        else:
            scores = case.similarity() * evidence.BETA + np.log(case.expected()) + case.leaning()
            weights = np.exp(scores - scores.max())
            probabilities = weights / weights.sum()
            best = int(np.argmax(scores))
        return DecideOutput(
            reason=case.reason(best),
            choice=best + 1,
            confidence=round(float(probabilities[best]), 4),
        )

    def _rate(self, case: _Request) -> tuple[Array, int]:
        """Return the posterior over grades in the order of the options, and its median's place."""
        order = np.argsort([float(option) for option in case.options], kind="stable")
        grades = len(order)
        base = np.interp(np.linspace(0, 4, grades), np.arange(5), RATINGS_LEAN_HIGH)
        expected = case.expected(base=base[np.argsort(order)] / base.sum())[order]
        opinion = self._opinions.read(case.inputs.query.text)
        tilt = TILT_ALONE * opinion
        if case.known:
            before = [self._opinions.read(past.query) for past in case.inputs.recalled]
            usual = sum(before) / (len(before) + SHRINK_OPINIONS)
            by_tone = case.reading.habits.by_tone
            tilt = (TILT if by_tone is None else by_tone) * (opinion - usual)
            expected = _smooth(expected)
        position = (np.arange(grades) - (grades - 1) / 2) * 4 / max(grades - 1, 1)
        weights = expected * np.exp(tilt * position)
        posterior = np.empty(grades)
        posterior[order] = weights / weights.sum()
        median = int((np.cumsum(posterior[order]) < 0.5 - 1e-12).sum())
        return posterior, int(order[min(median, grades - 1)])


def _smooth(weights: Array) -> Array:
    """Share the mass of each grade with its neighbours (Laplace kernel)."""
    places = np.arange(len(weights))
    kernel = np.exp(-np.abs(np.subtract.outer(places, places)) / GRADE_WIDTH)
    return np.asarray(weights @ (kernel / kernel.sum(axis=1, keepdims=True)))


class _Request:
    """One request with everything embedded that its evidence needs."""

    def __init__(
        self, inputs: DecideInputs, embedder: Embedder, read_choices: leaning.ChoiceReader
    ) -> None:
        self.inputs = inputs
        self._read_choices = read_choices
        self.options = inputs.query.options
        self.reading: Reading = read(inputs.persona)
        self.is_rating = inputs.query.kind == "rating"
        self._embedder = embedder
        self._keys = [normalized(option) for option in self.options]
        self._query = embedder.embed([inputs.query.text])[0]
        self._option_vectors = (
            np.zeros((len(self.options), 1), dtype=np.float32)
            if self.is_rating
            else embedder.embed([label_text(option) for option in self.options])
        )
        self._counts = next((c for c in self.reading.counts if self._fits(c)), None)
        answered = [case for case in inputs.recalled if case.outcome]
        picked, self._written = answered, list[Case]()
        if not self.is_rating:
            picked, self._written = writings.told_apart(answered, self.options)
        self._cases = [*picked, *self._examples()]
        self._choices = self._carried_over()
        self._said = self._statements()
        self._applies = self._applicability(self.reading.claims)

    @property
    def known(self) -> bool:
        """Whether anything is known of the user for this query."""
        claims = any(claim.likes or claim.avoids for claim in self.reading.claims)
        seen = bool(self._cases) or bool(self._said) or bool(self._written)
        return self._counts is not None or claims or seen

    def similarity(self) -> Array:
        """Return how near each option is to the query, and to what the user said that bears on it.

        As far as statements bear on the query, they take its place; see ``statements.BESIDE``.
        So does what the user wrote, which tells what they are about. Beside choices that are
        carried over the query says little.
        """
        zero_shot = np.asarray(self._own_vectors() @ self._query, dtype=np.float64)
        if self._choices:
            zero_shot = zero_shot * evidence.BESIDE_CHOICES
        if self._written:
            near = writings.nearness(self._own_vectors(), self._written, self._embedder)
            zero_shot = zero_shot * statements.BESIDE + near
        if not self._said:
            return zero_shot
        weights = self._bearing()
        said = statements.leaning(self._own_vectors(), self._said, weights, self._embedder)
        left = 1 - (1 - statements.BESIDE) * float(weights.sum())
        return np.asarray(zero_shot * left + said, dtype=np.float64)

    def _own_vectors(self) -> Vectors:
        """Return the options without what they share, of length 1."""
        count = len(self.options)
        shared = (count - 2) / count * self._option_vectors.mean(axis=0) if count > 2 else 0.0
        own = self._option_vectors - shared
        return np.asarray(own / np.linalg.norm(own, axis=1, keepdims=True))

    def expected(self, base: Array | None = None) -> Array:
        """Return the expected number of cases for each option."""
        habits = self.reading.habits
        recent = evidence.RECENT_SHARE if habits.recent is None else habits.recent
        if base is None:
            base = np.full(len(self.options), 1 / len(self.options))
        return evidence.mixture(
            base,
            self._counted(recent),
            self._recalled(),
            self._claimed(),
            by_subject=evidence.BY_SUBJECT if habits.by_subject is None else habits.by_subject,
            graded=self.is_rating,
        )

    def leaning(self) -> Array:
        """Return what claims and past choices say of described options, as log-odds."""
        scores = np.zeros(len(self.options))
        if self.is_rating:
            return scores
        scores += leaning.from_claims(self.options, self.reading.claims, self._applies)
        if self._choices:
            scores += self._read_choices(self.inputs.query, self._choices)
        return scores

    def reason(self, best: int) -> str:
        """Say in one sentence what the answer rests on."""
        label = self.options[best]
        if not self.known:
            return "Nothing is known of the user; the query alone points there."
        if self._said and not self._cases and self._counts is None:
            nearest = int(np.argmax(statements.fit(self._said, self._query, self._embedder)))
            return f"The user said: {quoted(self._said[nearest][:200])}"
        if self._written and not self._cases and self._counts is None:
            return f"It is near to what the user wrote on {len(self._written)} occasions."
        agreeing = sum(normalized(case.outcome) == self._keys[best] for case in self._cases)
        counted = 0
        if self._counts:
            table = {normalized(name): n for name, n in self._counts.counts}
            counted = table.get(self._keys[best], 0)
        if not agreeing and not counted:
            return self._without_agreement(label)
        return (
            f"{agreeing} of {len(self._cases)} recalled cases and {counted} earlier outcomes "
            f"agree with {label[:60]!r}."
        )

    def _without_agreement(self, label: str) -> str:
        """Say what is left to go by where no case and no earlier outcome was this answer."""
        if self.is_rating:
            left = "the other grades and the tone of the text"
        elif self._choices:
            left = "how its wording compares with what was chosen among other options"
        elif self._said or self._written or self.reading.claims:
            left = "the wording and what the user is known for besides"
        else:
            left = "the wording alone"
        agrees = f"No recalled case and no earlier outcome agrees with {label[:60]!r}"
        return f"{agrees}: it goes by {left}."

    # --- the parts ------------------------------------------------------------------------------

    def _fits(self, counts: Counts) -> bool:
        wanted = self.inputs.query.task_name
        return counts.task == wanted or any(
            normalized(label) in self._keys for label, _ in counts.counts
        )

    def _statements(self) -> list[str]:
        """Return what the user said without quoting options: claims, and turns that were recalled.

        What was decided among options says nothing here, whoever speaks in its query. Ratings go
        by counts and tone alone.
        """
        if self.is_rating:
            return []
        turns = [case for case in self.inputs.recalled if not case.outcome and not case.options]
        said = [claim.text for claim in self.reading.claims if claim.stated]
        said += [one for case in turns for one in statements.statements_in(case.query)]
        return list(dict.fromkeys(said))

    def _bearing(self) -> Array:
        """Return how far each statement bears on the query, shape (statements,); at most 1 in all.

        Where nothing else is known, what comes nearest to the query is the best there is. Beside
        habits and cases a statement counts only as far as it is about the query.
        """
        weights = statements.fit(self._said, self._query, self._embedder)
        if self._counts is not None or self._cases:
            similarity = self._embedder.embed(self._said) @ self._query
            weights = weights * evidence.applicability(np.asarray(similarity, dtype=np.float64))
        return weights

    def _examples(self) -> list[Case]:
        """Return the persona's examples that are about these options and not recalled anyway."""
        recalled = {normalized(case.query)[:200] for case in self.inputs.recalled}
        return [
            Case(query=query, outcome=outcome)
            for query, outcome in self.reading.examples
            if normalized(outcome) in self._keys and normalized(query)[:200] not in recalled
        ]

    def _agreement(self, outcomes: Sequence[str]) -> Array:
        """Return (options, outcomes): 1 where equal, else how near they are to the same."""
        keys = [normalized(outcome) for outcome in outcomes]
        same = np.array([[key == other for other in keys] for key in self._keys], dtype=np.float64)
        if self.is_rating or not keys:
            return same
        vectors = self._embedder.embed([label_text(outcome) for outcome in outcomes])
        near = np.exp((self._option_vectors @ vectors.T - 1.0) / evidence.SAME_OUTCOME)
        return np.asarray(np.maximum(same, near), dtype=np.float64)

    def _counted(self, recent_share: float) -> Counted | None:
        counts = self._counts
        if counts is None or not counts.counts or self._choices:
            return None
        labels = [label for label, _ in counts.counts]
        place = {label: index for index, label in enumerate(labels)}
        weight = evidence.counted_weights(
            np.array([count for _, count in counts.counts], dtype=np.float64),
            np.array([place.get(label, -1) for label in counts.latest]),
            recent_share,
        )
        return Counted(self._agreement(labels), weight)

    def _recalled(self) -> RecalledCases | None:
        listed = self._counts.alike if self._counts else ()
        if not (self._cases or listed) or self._choices:
            return None
        vectors = self._embedder.embed([case.query for case in self._cases])
        similarity = np.asarray(vectors @ self._query, dtype=np.float64)
        nearest = float(similarity.max()) if self._cases else 0.0
        return RecalledCases(
            self._agreement([*(case.outcome for case in self._cases), *listed]),
            np.concatenate([similarity, evidence.listed_similarity(nearest, len(listed))]),
        )

    def _applicability(self, claims: Sequence[Claim]) -> Array:
        if not claims:
            return np.zeros(0)
        similarity = self._embedder.embed([claim.about for claim in claims]) @ self._query
        scoped = np.array([bool(claim.scope) for claim in claims])
        fit = evidence.applicability(np.asarray(similarity, dtype=np.float64))
        return np.where(scoped, fit, 1.0)

    def _claimed(self) -> Array:
        """Return the cases that claims stand for: those whose quotes are among the options."""
        expected = np.zeros(len(self.options))
        for claim, applies in zip(self.reading.claims, self._applies, strict=True):
            if self._counts and not claim.scope:
                continue  # says again what the counts say
            liked = [label for label in claim.likes if normalized(label) in self._keys]
            for label in liked:
                place = self._keys.index(normalized(label))
                expected[place] += claim.seen * applies / len(liked)
        shown = self._counts is not None or len(self._cases) >= evidence.FEW_SHOWN
        return expected * (evidence.CLAIM_BESIDE_CASES if shown else 1.0)

    def _carried_over(self) -> list[Case]:
        """Return the choices among options of their own: what they say has to be carried over.

        Where all of our options were on offer every time, these are labels, and cases of each are
        counted. Elsewhere a count tells how often a thing was taken and not how often it was left.
        """
        choices = [case for case in self._cases if len(case.options) > 1]
        ours = set(self._keys)
        labels = all(ours.issubset(map(normalized, case.options)) for case in choices)
        return [] if self.is_rating or labels else choices
