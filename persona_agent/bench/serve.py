"""What the server adds to a model that answers at once, measured in one run.

Three processes: a loopback model server, ``persona-agent serve`` in front of it, and this one,
which sends turns to both. On two cores they share the processor, as they would not in earnest, so
times are upper bounds. The server's processor time of a turn is told as well: what else the machine
does hardly touches it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from pydantic import Field

from persona_agent.agent import PersonaAgent
from persona_agent.bench.serve_client import Connection, Sent
from persona_agent.bench.serve_openai import OpenAIConnection, openai_client
from persona_agent.errors import StoreUnavailableError
from persona_agent.schema import Episode, Query
from persona_agent.schema.base import Record

USERS = 64
EPISODES = 100
CLAIMS = 12
TEXTS = 50
OFFERED = 300
"""Turns a second that fall due where they are sent on a schedule."""
RULES = "You are the assistant of a shop for films. Answer in one sentence."

Progress = Callable[[str, int, int], None]


class Plan(Record):
    """Turns to send over so many connections.

    With ``every``, a connection waits so many seconds between the beginnings of its turns. With
    ``rate``, so many turns a second fall due, whether or not earlier ones are over: the time of a
    turn is counted from when it was due, so that a server that falls behind cannot hide it. With
    neither, each connection sends its next turn at once, so that as many are under way as there
    are connections, and their time is that number divided by the turns a second. With ``openai``
    they are tasks of one app that shares a client of OpenAI's: what such an app would notice.
    """

    what: str
    concurrency: int
    turns: int
    every: float = 0.0
    rate: float = 0.0
    stream: bool = False
    openai: bool = False


class Load(Record):
    """Turns of one kind. Milliseconds; ``rate`` is turns a second."""

    turns: int
    failed: int
    p50: float
    p95: float
    p99: float
    rate: float
    first_piece_p50: float | None = None
    first_piece_p95: float | None = None

    @classmethod
    def of(cls, sent: list[Sent], seconds: float) -> Load:
        """Sum up what was sent in a time."""
        good = [one for one in sent if one.status == 200 and one.finished]
        times = sorted(1000 * one.seconds for one in good)
        pieces = sorted(1000 * one.first_piece for one in good if one.first_piece is not None)
        return cls(
            turns=len(sent),
            failed=len(sent) - len(good),
            p50=_at(times, 0.5),
            p95=_at(times, 0.95),
            p99=_at(times, 0.99),
            rate=len(good) / seconds,
            first_piece_p50=_at(pieces, 0.5) if pieces else None,
            first_piece_p95=_at(pieces, 0.95) if pieces else None,
        )


class Comparison(Record):
    """The same turns sent to the upstream directly and through the server.

    ``processor`` is the processor time of the server's process, in milliseconds a turn.
    """

    what: str
    concurrency: int
    direct: Load
    through: Load
    processor: float

    @property
    def added_p50(self) -> float:
        """Milliseconds that the server adds to the median turn."""
        return self.through.p50 - self.direct.p50

    @property
    def added_p99(self) -> float:
        """Milliseconds by which the 99th percentile is later than directly."""
        return self.through.p99 - self.direct.p99

    @property
    def added_first_piece(self) -> float | None:
        """Milliseconds that the server adds to the median way of a first piece."""
        if self.through.first_piece_p50 is None or self.direct.first_piece_p50 is None:
            return None
        return self.through.first_piece_p50 - self.direct.first_piece_p50


class ServeReport(Record):
    """What one run found. ``load``: how many processes wanted a processor before it began."""

    embedder: str
    processors: int
    load: float
    embedding_p50: float = Field(ge=0)
    comparisons: tuple[Comparison, ...]


def run_bench(folder: Path, *, embedder: str, turns: int, progress: Progress) -> ServeReport:
    """Measure in a folder that is empty.

    Args:
        folder: where the data of the bench are kept.
        embedder: as in the settings.
        turns: of each measurement at concurrency 32 and 64; fewer are sent one at a time.
        progress: told what is being done.
    """
    load = os.getloadavg()[0]
    progress("filling the memory", 0, 1)
    embedding = fill(folder, embedder)
    progress("filling the memory", 1, 1)
    pid: list[int] = []
    with upstream() as base, served(folder, base, embedder, pid=pid) as url:
        found = asyncio.run(_measure(f"{base}/v1", f"{url}/v1", pid[0], turns, progress))
    return ServeReport(
        embedder=embedder,
        processors=len(os.sched_getaffinity(0)),
        load=round(load, 2),
        embedding_p50=embedding,
        comparisons=found,
    )


def fill(folder: Path, embedder: str, *, episodes: int = EPISODES) -> float:
    """Give every user a history and claims; return the median time to embed a query, in ms."""
    with PersonaAgent.open(folder, embedder=embedder) as agent:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        for user in map(user_id, range(USERS)):
            agent.record_episodes_sync(
                [
                    Episode(
                        id=f"{number:04}",
                        user_id=user,
                        query=Query(text=f"{text_of(number)} ({number})", task=f"t{number % 3}"),
                        outcome=f"choice {number % 5}",
                        at=start + timedelta(hours=number),
                    )
                    for number in range(episodes)
                ]
            )
            for number in range(CLAIMS):
                agent.state_claim_sync(user, f"likes {text_of(number)}, more or less")
        times = []
        for number in range(20):
            begin = time.perf_counter()
            agent.memory.embedder.embed([f"never seen {number}, {text_of(number)}"])
            times.append(1000 * (time.perf_counter() - begin))
    return statistics.median(times)


def user_id(number: int) -> str:
    """Return the id of a user."""
    return f"u{number % USERS}"


def text_of(number: int) -> str:
    """Return one of the texts that are asked for; they repeat, so that their vectors are cached."""
    return f"a film for evening number {number % TEXTS} of the season"


def body_of(number: int, *, stream: bool = False, text: str = "") -> dict[str, Any]:
    """Return the request of a turn."""
    body: dict[str, Any] = {
        "model": "loopback",
        "user": user_id(number),
        "messages": [
            {"role": "system", "content": RULES},
            {"role": "user", "content": text or text_of(number)},
        ],
    }
    return body | {"stream": True} if stream else body


async def send(
    base: str,
    bodies: list[dict[str, Any]],
    *,
    concurrency: int,
    every: float = 0.0,
    rate: float = 0.0,
    key: Callable[[dict[str, Any]], str] = lambda body: "",
    tell: Callable[[Sent, dict[str, Any]], None] = lambda sent, body: None,
    connect: Callable[[str], Connection | OpenAIConnection] = Connection,
) -> list[Sent]:
    """Send turns over so many connections; return what came, in the order in which it was over.

    ``every`` and ``rate`` are those of a :class:`Plan`. ``key`` names a turn, ``tell`` is told of
    each that is over, ``connect`` opens a connection to the base.
    """
    waiting, sent = enumerate(bodies), list[Sent]()
    start = time.perf_counter()

    async def work(number: int) -> None:
        connection = connect(base)
        due = start + every * number / concurrency
        for place, body in waiting:
            if rate:
                due = start + place / rate
            if rate or every:
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
            began = time.perf_counter()
            one = await connection.turn(body, key=key(body))
            if rate:
                one = replace(one, seconds=one.seconds + began - due)
            due += every
            sent.append(one)
            tell(one, body)
        connection.close()

    await asyncio.gather(*(work(number) for number in range(concurrency)))
    return sent


async def _measure(
    direct: str, through: str, pid: int, turns: int, progress: Progress
) -> tuple[Comparison, ...]:
    await send(through, [body_of(n) for n in range(4 * TEXTS)], concurrency=8)  # vectors, caches
    few = max(50, turns // 4)
    three, offered = "32 users, 3 turns a second each", f"32 at most, {OFFERED} turns a second"
    plans = (
        Plan(what="one after the other", concurrency=1, turns=few),
        Plan(what=three, concurrency=32, turns=turns, every=1 / 3),
        Plan(what=offered, concurrency=32, turns=turns, rate=OFFERED),
        Plan(what="32 at once, without a pause", concurrency=32, turns=turns),
        Plan(what="64 at once, without a pause", concurrency=64, turns=turns),
        Plan(what="32 tasks of an app, OpenAI's client", concurrency=32, turns=turns, openai=True),
        Plan(what="streamed, one after the other", concurrency=1, turns=few, stream=True),
        Plan(what=f"streamed, {three}", concurrency=32, turns=turns, every=1 / 3, stream=True),
    )
    found = []
    for number, plan in enumerate(plans):
        progress("measuring", number, len(plans))
        found.append(await _compared(plan, direct, through, pid))
    progress("measuring", len(plans), len(plans))
    return tuple(found)


async def _compared(plan: Plan, direct: str, through: str, pid: int) -> Comparison:
    bodies, loads = [body_of(n, stream=plan.stream) for n in range(plan.turns)], []
    for base in (direct, through):
        async with openai_client() if plan.openai else nullcontext(Connection) as connect:
            used, begin = processor_seconds(pid), time.perf_counter()
            sent = await send(
                base,
                bodies,
                concurrency=plan.concurrency,
                every=plan.every,
                rate=plan.rate,
                connect=connect,
            )
            loads.append(Load.of(sent, time.perf_counter() - begin))
    return Comparison(
        what=plan.what,
        concurrency=plan.concurrency,
        direct=loads[0],
        through=loads[1],
        processor=1000 * (processor_seconds(pid) - used) / plan.turns,
    )


@contextmanager
def upstream(*, seed: int = 0, share: float = 0.0) -> Iterator[str]:
    """Run the loopback model server; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "persona_agent.bench.serve_upstream", str(port)]
    with _process([*command, str(seed), str(share)], {}) as process:
        yield _answering(process, f"http://127.0.0.1:{port}", "/stats")


@contextmanager
def served(
    folder: Path, base: str, embedder: str, *, timeout: float = 30.0, pid: list[int] | None = None
) -> Iterator[str]:
    """Run ``persona-agent serve`` in front of an upstream; yield its address."""
    port = free_port()
    command = [sys.executable, "-m", "persona_agent", "serve", "--port", str(port)]
    command += ["--data-dir", str(folder), "--turns-per-minute", "0"]
    settings = {
        "PERSONA_AGENT_MODEL": "openai/loopback",
        "PERSONA_AGENT_API_BASE": f"{base}/v1",
        "PERSONA_AGENT_API_KEY": "none",
        "PERSONA_AGENT_EMBEDDER": embedder,
        "PERSONA_AGENT_TIMEOUT": str(timeout),
        "PERSONA_AGENT_ALLOW_MODEL_CALLS": "true",  # the model is the loopback server
    }
    with _process(command, settings) as process:
        if pid is not None:
            pid.append(process.pid)
        yield _answering(process, f"http://127.0.0.1:{port}", "/ready")


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _process(command: list[str], settings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command, env=os.environ | settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def _answering(process: subprocess.Popen[bytes], base: str, path: str) -> str:
    """Wait until a server answers. Raises StoreUnavailableError when it ended or takes too long."""
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            with urlopen(f"{base}{path}", timeout=5):
                return base
        except OSError:
            time.sleep(0.2)
    raise StoreUnavailableError(f"{' '.join(process.args)} did not start")  # type: ignore[arg-type]


def _at(times: list[float], share: float) -> float:
    return round(times[min(len(times) - 1, int(share * len(times)))], 3) if times else 0.0
