"""What a listener believes who hears one reply after the other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.evals.lab.listener import LEAK, sustained


def test_belief_is_carried_from_reply_to_reply() -> None:
    # .8 from even odds; then (.9 * .8 + .05) = .77 of prior against .23, heard as .6 again.
    first = 0.8 * (1 - LEAK) + LEAK / 2
    second = 0.6 * first / (0.6 * first + 0.4 * (1 - first))
    assert sustained([0.8]) == pytest.approx(first)
    assert sustained([0.8, 0.6]) == pytest.approx(second * (1 - LEAK) + LEAK / 2)


def test_replies_that_nobody_could_judge_say_nothing() -> None:
    assert sustained([None, 0.8, None]) == sustained([0.8])
    assert sustained([None]) is None


@given(st.lists(st.floats(0.01, 0.99), min_size=1, max_size=30))
def test_belief_is_never_certain_and_follows_the_latest_reply(heard: list[float]) -> None:
    belief = sustained(heard)
    assert belief is not None and LEAK / 2 <= belief <= 1 - LEAK / 2
    more, less = sustained([*heard, 0.9]), sustained([*heard, 0.1])
    assert more is not None and less is not None and less < more
