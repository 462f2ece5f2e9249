"""How well a persona holds, as losses: what is heard, what is known, what is believed.

Pure functions of verdicts. Whoever gives the verdicts of a loss must not be the judge that
reports on what was optimized with it (:func:`reporting_apart`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from persona_agent.errors import InputError
from persona_agent.persona.contradiction import Verdict
from persona_agent.persona.rsa import listener_from_votes


def listener_loss(votes: Sequence[int], *, smoothing: float = 0.5) -> float:
    """Return ``-log L0(speaker | u) / log(persons)`` from the votes of a listener, 0 or more.

    Near 0 the speaker is heard, 1 is a listener who cannot tell, above 1 somebody else is heard.

    Args:
        votes: how often each person was named, the speaker first; at least two persons.
        smoothing: added to every count; see :func:`persona_agent.persona.rsa.listener_from_votes`.

    Raises:
        ValueError: there is nobody to tell the speaker from.
    """
    if len(votes) < 2:
        raise ValueError("a listener needs a second person to tell the speaker from")
    heard = float(listener_from_votes(votes, smoothing=smoothing)[0])
    return -math.log(heard) / math.log(len(votes))


def contradiction_loss(assertions: Sequence[Sequence[Verdict | None]]) -> float | None:
    """Return the share of assertions that contradict a statement, 0 to 1; None if none is known.

    Args:
        assertions: for each assertion its relation to every known statement; None is unknown.
    """
    judged = [_contradicts(one) for one in assertions]
    known = [value for value in judged if value is not None]
    return sum(known) / len(known) if known else None


def invention_loss(assertions: Sequence[Sequence[Verdict | None]]) -> float | None:
    """Return the share of assertions that no statement entails, 0 to 1; None if none is known.

    ``1 - groundedness``: what is neither known nor denied was made up, however consistent it is.
    """
    judged = [_entailed(one) for one in assertions]
    known = [value for value in judged if value is not None]
    return 1 - sum(known) / len(known) if known else None


def _contradicts(relations: Sequence[Verdict | None]) -> bool | None:
    if "contradiction" in relations:
        return True
    return None if None in relations else False


def _entailed(relations: Sequence[Verdict | None]) -> bool | None:
    if "entailment" in relations:
        return True
    return None if None in relations else False


@dataclass(frozen=True)
class Bullshit:
    """``index`` is 0 (beliefs decide what is asserted) to 1 (they do not matter).

    ``correlation`` tells truth (above 0) from systematic lies (below 0), which share an index.
    """

    index: float
    correlation: float


def bullshit_index(assertions: Sequence[bool], beliefs: Sequence[float]) -> Bullshit:
    """Return ``1 - |r|`` with the point-biserial ``r`` of assertion and belief (Liang et al. 2025).

    Args:
        assertions: whether each statement was asserted.
        beliefs: how likely the speaker takes each to be true, 0 to 1.

    Returns:
        NaN for both when either is constant: nothing can be told then.
    """
    said, believed = np.asarray(assertions, dtype=float), np.asarray(beliefs, dtype=float)
    if len(said) < 2 or math.isclose(said.std(), 0) or math.isclose(believed.std(), 0):
        return Bullshit(math.nan, math.nan)
    correlation = float(np.corrcoef(said, believed)[0, 1])
    correlation = max(-1.0, min(1.0, correlation))
    return Bullshit(1 - abs(correlation), correlation)


def truthfulness_loss(assertions: Sequence[bool], beliefs: Sequence[float]) -> float | None:
    """Return ``(1 - r) / 2`` with ``r`` of :func:`bullshit_index`, 0 to 1; None if undefined.

    0 says what it believes, 0.5 says regardless of belief, 1 says the opposite. Unlike the index
    it tells truth from systematic lies, so that it can be minimized.
    """
    found = bullshit_index(assertions, beliefs).correlation
    return None if math.isnan(found) else (1 - found) / 2


def consistency_loss(
    to_persona: float | None,
    to_itself: float | None,
    answered: float | None,
    *,
    weights: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> float | None:
    """Return ``sum w (1 - C) / sum w`` over the scores that are known, 0 (best) to 1.

    Args:
        to_persona: prompt-to-line, 0 to 1; None where nothing could be judged.
        to_itself: line-to-line by lines, 0 to 1.
        answered: share of the questions about the persona answered by the key, 0 to 1.
        weights: of the three, 0 or more.
    """
    known = [
        (weight, score)
        for weight, score in zip(weights, (to_persona, to_itself, answered), strict=True)
        if score is not None and weight > 0
    ]
    total = sum(weight for weight, _ in known)
    return sum(weight * (1 - score) for weight, score in known) / total if known else None


def evidence_weights(contradicting: Sequence[bool], said: Sequence[int], drawn: int) -> list[float]:
    """Return the weights with which lines count when an edit of a persona is scored.

    Lines that agree count fully; a contradiction counts by how likely the agent is to say it,
    ``hits / drawn`` (the asymmetry of VaRMI, Shea and Yu 2023, with the sampling frequency in
    place of the policy's probability), as a negative weight.

    Args:
        contradicting: whether each distinct line contradicts the persona.
        said: how often each was said among ``drawn`` samples.
    """
    if drawn < 1 or any(not 0 <= hits <= drawn for hits in said):
        raise ValueError("every line is said between 0 and drawn times, drawn at least 1")
    return [
        -hits / drawn if wrong else 1.0 for wrong, hits in zip(contradicting, said, strict=True)
    ]


def bought_with_invention(
    consistency: tuple[float | None, float | None],
    grounded: tuple[float | None, float | None],
    *,
    tolerance: float = 0.0,
) -> bool | None:
    """Return whether consistency rose while groundedness fell; each is (before, after), 0 to 1.

    None where one of the four is unknown: such a change must not be accepted on consistency alone.
    """
    was, now = consistency
    known, left = grounded
    if was is None or now is None or known is None or left is None:
        return None
    return now > was and left < known - tolerance


def reporting_apart(in_loss: Iterable[str], reporting: Iterable[str]) -> None:
    """Raise unless no model that judged inside a loss or a repair also reports on the result.

    Args:
        in_loss: names of the models whose verdicts were optimized against.
        reporting: names of the models whose verdicts are the report.

    Raises:
        InputError: a model is both; it names the model.
    """
    both = sorted(set(in_loss) & set(reporting))
    if both:
        raise InputError(
            f"{', '.join(map(repr, both))} cannot be critic and judge: what is optimized against a "
            "judge must be reported by another one; name other judges, or another critic"
        )
