"""What the memory benchmark found, as records that go to JSON and back."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from persona_agent.schema.base import Record


class Latency(Record):
    """Times of one call in milliseconds, over ``count`` calls."""

    p50: float
    p95: float
    p99: float
    count: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Latency:
        """Return the quantiles of measured times."""
        p50, p95, p99 = np.percentile(np.asarray(seconds) * 1_000, [50, 95, 99]).tolist()
        return cls(p50=p50, p95=p95, p99=p99, count=len(seconds))


class Fill(Record):
    """Storing episodes in batches; the making of the episodes is not in the time."""

    order: str
    episodes: int
    batch: int
    seconds: float

    @property
    def rate(self) -> float:
        """Episodes a second."""
        return self.episodes / self.seconds


class Throughput(Record):
    """Recalls a second from one event loop, by one task and by many at once."""

    tasks: int
    one: float
    many: float

    @property
    def ratio(self) -> float:
        """How many times more the many do."""
        return self.many / self.one


class PlainChroma(Record):
    """One Chroma collection of all users, filtered by user: what a naive store would be."""

    episodes: int
    fill: Fill
    recall: Latency
    two_filters: Latency
    add: Latency
    forget: Latency


class MemoryBenchmark(Record):
    """All figures of one run.

    Attributes:
        recall_warm: the user is in the store's cache.
        recall_cold: the user is not, but the operating system may have the file.
        recall_disk: neither has anything of the user.
        numpy_product: ``matrix @ query`` over the same users' rows in the same turn as
            ``recall_warm``, and nothing else.
        numpy_top: the same, and the ten best of it in order.
        add: one episode, acknowledged when it is durable.
        forget: one user, until nothing of the user is found or in the file.
        recall_at_10: share of the true ten most similar episodes that recall returned.
        resident_mb: memory of the process after all recalls, before the comparison with Chroma.
        peak_mb: the most that it ever was until then, batches of the fill included.
    """

    store: str
    users: int
    per_user: int
    dimension: int
    seed: int
    version: str
    cpus: int
    fills: tuple[Fill, ...]
    recall_warm: Latency
    recall_filtered: Latency
    recall_cold: Latency | None
    recall_disk: Latency | None
    numpy_product: Latency
    numpy_top: Latency
    throughput_warm: Throughput | None
    throughput_cold: Throughput | None
    add: Latency
    update: Latency
    delete: Latency
    forget: Latency
    recall_at_10: float
    resident_mb: float
    peak_mb: float
    disk_mb: float
    plain_chroma: PlainChroma | None
