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


Relations = tuple[Sequence[Verdict], Sequence[Verdict]]
"""How an assertion relates to what it must not contradict, and to everything else that is known."""
KNOWN: Relations = ((), ("entailment",))
"""The relations of an assertion that is known to be true."""


def invention_loss(assertions: Sequence[Relations]) -> float:
    """Return the share of assertions that were made up, 0 to 1; 0 where nothing is asserted.

    An assertion is made up that nothing known entails. What a binding statement denies is a
    contradiction, which is counted as such and not here: whoever puts something in its place that
    nobody can check makes up more, and contradicts less.
    """
    if not assertions:
        return 0.0
    invented = [
        "entailment" not in (*binding, *other) and "contradiction" not in binding
        for binding, other in assertions
    ]
    return sum(invented) / len(invented)


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


def evidence_weight(said: int, drawn: int) -> float:
    """Return what a contradiction counts by: ``said / drawn``, how likely the agent is to say one.

    What agrees counts fully instead. This is the asymmetry of VaRMI (Shea and Yu 2023), with the
    sampling frequency in place of the policy's probability. A model that answers equal requests
    alike says what it says every time: 1.

    Args:
        said: how many of the drawn answers contradict.
        drawn: answers drawn, at least 1.

    Raises:
        ValueError: more were said than drawn, or none was drawn.
    """
    if drawn < 1 or not 0 <= said <= drawn:
        raise ValueError(f"of {drawn} answers drawn, {said} cannot contradict")
    return said / drawn


def bought_with_invention(
    consistency: tuple[float, float], grounded: tuple[float, float], *, tolerance: float = 0.0
) -> bool:
    """Return whether consistency rose while groundedness fell; each is (before, after), 0 to 1.

    Whoever says only what nobody can check contradicts nothing. ``tolerance`` is how far
    groundedness may fall all the same.
    """
    (was, now), (known, left) = consistency, grounded
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
