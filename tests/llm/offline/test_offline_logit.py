"""The conditional logit: what it fits, against what can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from persona_agent.llm.offline.logit import features, fit

RED_OR_BLUE = np.eye(2)


def test_odds_are_those_of_the_choices_where_little_is_ridged() -> None:
    weights = fit([RED_OR_BLUE] * 4, [0, 0, 0, 1], np.ones(4), ridge=1e-6)
    assert weights[0] - weights[1] == pytest.approx(math.log(3), abs=1e-3)


def test_a_choice_that_counts_twice_is_two_choices() -> None:
    once = fit([RED_OR_BLUE] * 2, [0, 1], np.array([2.0, 1.0]), ridge=1.0)
    assert once == pytest.approx(fit([RED_OR_BLUE] * 3, [0, 0, 1], np.ones(3), ridge=1.0))


def test_what_all_options_share_says_nothing() -> None:
    shared = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])
    assert fit([shared] * 3, [0, 0, 0], np.ones(3), ridge=1.0)[2] == pytest.approx(0)


def test_the_fit_is_where_the_ridged_likelihood_is_flat() -> None:
    options = np.array([[1.0, 0.2], [0.3, 1.0], [0.0, 0.5]])
    weights = fit([options, options], [0, 2], np.array([1.0, 0.5]), ridge=0.7)
    shares = np.exp(options @ weights) / np.exp(options @ weights).sum()
    mean = shares @ options
    flat = (options[0] - mean) + 0.5 * (options[2] - mean)
    assert flat == pytest.approx(0.7 * weights, abs=1e-5)


def test_features_have_the_kernel_as_their_products() -> None:
    kernel = np.array([[1.0, 0.4, 1.0], [0.4, 1.0, 0.4], [1.0, 0.4, 1.0]])
    points = features(kernel)
    assert points @ points.T == pytest.approx(kernel, abs=1e-5)
