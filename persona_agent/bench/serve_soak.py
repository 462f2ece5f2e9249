"""Many turns through the server while the model behind it fails in every way it can.

Each turn carries a mark of its own, made of user and number. Afterwards the memory of every user is
exported and compared with what was acknowledged; the upstream itself watches that no prompt holds
the mark of another user.

A server that has run for long has full caches: users who bring a past fill them with their first
turns, and resident memory that grows from then on would be a leak.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import time
from collections import Counter
from pathlib import Path
from statistics import linear_regression
from typing import Any
from urllib.request import urlopen

from persona_agent.bench.serve import (
    USERS,
    Progress,
    body_of,
    fill,
    send,
    served,
    upstream,
    user_id,
)
from persona_agent.bench.serve_client import Sent
from persona_agent.bench.serve_upstream import MARK
from persona_agent.schema.base import Record

CONCURRENCY = 64
SECONDS_OF_PATIENCE = 1.0
SHARE_OF_FAULTS = 0.2
_SAMPLES = 20
_CACHED = re.compile(r"^persona_agent_\w+_cache_bytes (\S+)$", re.MULTILINE)


class SoakReport(Record):
    """What a soak found; all but the first four counts should be 0.

    ``improper``: failures that were no error in OpenAI's shape. ``past``: episodes of each user
    before the first turn. ``memory_mib`` is, after so many turns, the server's resident memory and
    what of it its bounded caches take: both grow with what is stored until the caches are full.
    ``retried_mib`` is the resident memory while the first turns are sent once more, as retries, so
    that nothing new is stored; that must be flat.
    """

    turns: int
    past: int
    acknowledged: int
    failures: dict[str, int]
    seconds: float
    lost: int
    duplicated: int
    foreign: int
    crossed_prompts: int
    improper: int
    stored_unacknowledged: int
    memory_mib: tuple[tuple[int, float, float], ...]
    retried_mib: tuple[float, ...]

    @property
    def clean(self) -> bool:
        """Whether nothing was lost, duplicated or seen by another user, and errors were proper."""
        wrong = self.lost + self.duplicated + self.foreign + self.crossed_prompts + self.improper
        return not wrong

    @property
    def growth(self) -> float:
        """MiB that came with every 1,000 turns of the last third (slope of the least squares)."""
        late = [one[:2] for one in self.memory_mib if one[0] >= self.turns * 2 / 3]
        return 1000 * linear_regression(*zip(*late, strict=True)).slope if len(late) > 1 else 0.0

    @property
    def late_share(self) -> float:
        """By what share of itself resident memory grew over the last half of the turns."""
        half = next((mib for turns, mib, _ in self.memory_mib if turns >= self.turns / 2), 0.0)
        return self.memory_mib[-1][1] / half - 1 if half else 0.0


def run_soak(folder: Path, *, turns: int, past: int, seed: int, progress: Progress) -> SoakReport:
    """Send turns at concurrency 64, a fifth of which meet a fault, half of them streamed.

    Args:
        folder: where the data of the soak are kept; empty.
        turns: of all users together.
        past: episodes that each user has before. Some 350 are more than the caches hold.
        seed: of the faults.
        progress: told what is being done.
    """
    if past:
        progress("filling the memory", 0, 1)
        fill(folder, "hash", episodes=past)
    bodies = [
        body_of(n, stream=n % 2 == 1, text=f"Tell me of mark-{user_id(n)}-{n}-end, please")
        for n in range(turns)
    ]
    pid: list[int] = []
    with (
        upstream(seed=seed, share=SHARE_OF_FAULTS) as base,
        served(folder, base, "hash", timeout=SECONDS_OF_PATIENCE, pid=pid) as url,
    ):
        watch = _Watch(turns, pid[0], progress, url)
        begin = time.perf_counter()
        to = f"{url}/v1"
        asyncio.run(send(to, bodies, concurrency=CONCURRENCY, key=mark_of, tell=watch.see))
        seconds = time.perf_counter() - begin
        again = bodies[: max(1, turns // 4)]
        asyncio.run(send(to, again, concurrency=CONCURRENCY, key=mark_of, tell=watch.see_again))
        with urlopen(f"{base}/stats") as answer:
            crossed = int(json.load(answer)["crossed"])
        stored = {user: _exported(url, user) for user in map(user_id, range(USERS))}
    return watch.report(stored, crossed=crossed, seconds=seconds, past=past)


class _Watch:
    """Keeps what was acknowledged, and samples the memory of the server."""

    def __init__(self, turns: int, pid: int, progress: Progress, url: str = "") -> None:
        self._turns, self._pid, self._progress, self._url = turns, pid, progress, url
        self._done = self._improper = 0
        self._acknowledged: dict[tuple[str, str], str] = {}
        self._failures: Counter[str] = Counter()
        self._memory = [self._sample()]
        self._every = _step(turns)
        self._retried: list[float] = []

    def see(self, sent: Sent, body: dict[str, Any]) -> None:
        """Take in a turn."""
        self._done += 1
        mark = mark_of(body)
        if sent.status == 200 and sent.finished and sent.acknowledged and not sent.error:
            self._acknowledged[body["user"], sent.acknowledged] = mark
            self._improper += mark not in sent.text
        else:
            self._failures[f"{sent.status}{' in the stream' if sent.status == 200 else ''}"] += 1
            self._improper += not sent.error
        if self._done % self._every == 0:
            self._memory.append(self._sample())
            self._progress("soaking", self._done, self._turns)

    def see_again(self, sent: Sent, body: dict[str, Any]) -> None:
        """Take in a retry: acknowledged or not, it names the same episode as the first time."""
        self._done += 1
        if sent.acknowledged:
            known = self._acknowledged.get((body["user"], sent.acknowledged))
            self._improper += known != mark_of(body)
        if self._done % self._every == 0:
            self._retried.append(resident_mib(self._pid))

    def _sample(self) -> tuple[int, float, float]:
        cached = cached_mib(self._url) if self._url else 0.0
        return self._done, resident_mib(self._pid), cached

    def report(
        self,
        stored: dict[str, list[dict[str, Any]]],
        *,
        crossed: int,
        seconds: float,
        past: int = 0,
    ) -> SoakReport:
        texts = {
            (user, one["id"]): one["query"]["text"] for user, all_ in stored.items() for one in all_
        }
        marks = Counter(m[0] for text in texts.values() if (m := MARK.search(text)))
        told = self._acknowledged
        return SoakReport(
            turns=self._turns,
            past=past,
            acknowledged=len(told),
            failures=dict(sorted(self._failures.items())),
            seconds=round(seconds, 1),
            lost=sum(mark not in texts.get(key, "") for key, mark in told.items()),
            duplicated=sum(count - 1 for count in marks.values()),
            foreign=sum(
                any(m[1] != user for m in MARK.finditer(text)) for (user, _), text in texts.items()
            ),
            crossed_prompts=crossed,
            improper=self._improper,
            stored_unacknowledged=sum(marks.values()) - len(told),
            memory_mib=tuple(self._memory),
            retried_mib=tuple(self._retried),
        )


def _step(turns: int) -> int:
    """Return the distance of samples: a round number that gives 20 of them at most."""
    rounds = (part * int(10**power) // 4 for power in range(9) for part in (4, 10, 20))
    return next(step for step in rounds if turns <= _SAMPLES * step)


def mark_of(body: dict[str, Any]) -> str:
    """Return the mark of a turn."""
    found = MARK.search(body["messages"][-1]["content"])
    assert found is not None  # every turn of a soak has one
    return found[0]


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process, in MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def cached_mib(url: str) -> float:
    """Return what the server's bounded caches take, in MiB, as its metrics tell."""
    with urlopen(f"{url}/metrics") as answer:
        found = _CACHED.findall(answer.read().decode())
    return round(sum(map(float, found)) / 2**20, 1)


def _exported(url: str, user: str) -> list[dict[str, Any]]:
    with urlopen(f"{url}/v1/memory/export?user={user}") as answer:
        lines = [json.loads(line) for line in answer.read().decode().splitlines()]
    return [line for line in lines if line["kind"] == "episode"]
