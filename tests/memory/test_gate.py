"""The gate: many together, or one alone."""

from __future__ import annotations

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from persona_agent.memory.gate import Gate


def test_one_is_alone_and_many_are_not() -> None:
    gate = Gate()
    sharing, alone, most = 0, 0, 0
    guard = threading.Lock()

    def share(seed: int) -> None:
        nonlocal sharing, most
        for _ in range(30):
            with gate.shared(), gate.shared():
                with guard:
                    sharing += 1
                    most = max(most, sharing)
                assert not alone
                time.sleep(random.Random(seed).random() / 2_000)
                with guard:
                    sharing -= 1

    def take(_: int) -> None:
        nonlocal alone
        for _ in range(10):
            with gate.alone():
                alone += 1
                assert (sharing, alone) == (0, 1)
                time.sleep(0.0005)
                assert (sharing, alone) == (0, 1)
                alone -= 1

    with ThreadPoolExecutor(8) as threads:
        for done in [*threads.map(share, range(6)), *threads.map(take, range(2))]:
            assert done is None
    assert most > 1


def test_who_is_in_may_come_in_again_while_one_waits_to_be_alone() -> None:
    gate = Gate()
    got = threading.Event()

    def take() -> None:
        with gate.alone():
            got.set()

    with gate.shared():
        waiting = threading.Thread(target=take)
        waiting.start()
        time.sleep(0.05)
        with gate.shared():
            assert not got.is_set()
    waiting.join(10)
    assert got.is_set()


def test_an_error_inside_opens_the_gate_again() -> None:
    gate = Gate()
    for way in (gate.alone, gate.shared):
        try:
            with way():
                raise ValueError
        except ValueError:
            pass
    with gate.alone():
        pass
