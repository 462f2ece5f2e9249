"""How an optimization runs."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from persona_agent.schema.base import Record
from persona_agent.settings import check_listener


class OptimizerConfig(Record):
    """Settings of one optimization; ARCHITECTURE.md tells how the defaults were measured."""

    epochs: int = Field(default=2, ge=0, le=100)
    """Rounds of simulate, critique, propose, gate."""

    batch_size: int = Field(default=8, ge=1, le=200)
    """Training episodes simulated in a round, the latest first."""

    max_edits: int = Field(default=3, ge=1, le=20)
    """Edits proposed in a round; each has to pass the gates alone."""

    max_claims: int = Field(default=8, ge=1, le=50)
    """Claims of a first draft."""

    draft_cases: int = Field(default=80, ge=1, le=1000)
    """Interactions shown to a draft or a proposal, the latest ones."""

    validation_share: float = Field(default=0.4, gt=0, lt=1)
    """Share of the history, its end, that only judges."""

    max_validation: int = Field(default=30, ge=1, le=1000)
    """Most episodes of the validation slice."""

    warm_up_share: float = Field(default=0.25, ge=0, lt=1)
    """Share of the history, its beginning, that policies are not judged on: too little is known."""

    max_replay: int = Field(default=60, ge=1, le=1000)
    """Most episodes that policies are judged on, the latest ones."""

    min_history: int = Field(default=6, ge=2)
    """Outcomes needed before anything but the default policy is tried."""

    verify_cases: int = Field(default=12, ge=0, le=200)
    """Most cases that a proposed claim is checked on before it is tried; 0: no check."""

    pool_cases: int = Field(default=16, ge=1, le=200)
    """Training episodes that all candidates of the pool are scored on, the latest ones."""

    retire_cases: int = Field(default=3, ge=1)
    """Recent outcomes that must contradict a claim for it to be proposed for retirement."""

    refit: bool = True
    """Whether a draft that earned its place is written again from the whole history."""

    patience: int = Field(default=1, ge=1)
    """Rounds without an accepted edit after which to stop early."""

    demonstrations: int = Field(default=4, ge=0, le=20)
    """Telling cases kept with the persona."""

    confidence_weight: float = Field(default=0.5, ge=0, le=1)
    """Weight of calibration beside the loss when candidates are compared; see gates."""

    switch_errors: float = Field(default=1.0, ge=0)
    """Standard errors by which another policy must win before the default one is left."""

    edit_errors: float = Field(default=1.0, ge=0)
    """Standard errors by which an edit must win on validation."""

    harm_errors: float = Field(default=1.0, ge=0)
    """Standard errors by which the generic prompt must win to be served instead."""

    alternatives: int = Field(default=2, ge=0, le=10)
    """Versions in use before, the latest ones, that may answer where they did better; 0: none."""

    choice_errors: float = Field(default=2.0, ge=0)
    """Standard errors by which choosing a version for each query must beat one for all."""

    contradiction_weight: float = Field(default=0.5, ge=0, le=10)
    """Weight of contradicting the claims, or what the agent said before; see objective."""

    relevance_weight: float = Field(default=0.5, ge=0, le=10)
    """Weight of being less to the point than what the user kept."""

    copying_weight: float = Field(default=0.5, ge=0, le=10)
    """Weight of repeating claims word for word instead of following them."""

    invention_weight: float = Field(default=0.0, ge=0, le=10)
    """Weight of asserting of the user what nothing known entails. 0: no gain of it was measured,
    since no data at hand has free answers. The term is read all the same, and a gain in consistency
    that is bought with invention passes no gate."""

    ask_invention: bool = False
    """Whether the model is asked what a text makes up, in place of rules. It knows better what
    words entail, and costs a call an assertion; the rules cost none and serve everybody."""

    listener_weight: float = Field(default=0.0, ge=0, le=10)
    """Weight of texts by which a listener, shown the claims among rivals, does not recognize the
    user. At most the weight of copying, and only with that of relevance: what is heard best is a
    recital. 0: it costs three calls a text, and no gain of it was measured."""

    reason_weight: float = Field(default=0.0, ge=0, le=1)
    """What the terms count for a choice or rating, read from its reason; 0: they are not read."""

    contradiction_draws: int = Field(default=3, ge=1, le=10)
    """Answers drawn where one contradicts, if the model may answer otherwise: it counts by the
    share of them that do. 1: fully. 3 is the fewest that tell a slip from a habit; where nothing
    contradicts, as in choices whose reasons are not read, nothing is drawn."""

    simulated: int = Field(default=0, ge=0, le=50)
    """Invented queries of the user that join the batch of a round, judged by the terms alone; the
    model has to write them. 0: they cost calls, and no gain of them was measured."""

    @property
    def further_draws(self) -> int:
        """Draws beside the first of a sampled model: one for its noise, more for contradictions."""
        return max(1, self.contradiction_draws - 1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_listener(self.listener_weight, self.copying_weight, self.relevance_weight)
        return self
