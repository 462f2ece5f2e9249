"""Counters and histograms in Prometheus' text format. No label names a user."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
PREFIX = "persona_agent_"

_HELP = {
    "requests_total": "Requests answered, by route and status.",
    "turns_total": "Chat turns, by outcome.",
    "remembered_total": "Chat turns that were stored as an episode.",
    "tokens_total": "Tokens of chat turns, by kind.",
    "cost_usd_total": "Money spent on chat turns.",
    "turn_seconds": "Time of a chat turn, upstream included.",
    "own_seconds": "Time of a chat turn without the upstream: recall, rendering, storing.",
    "first_piece_seconds": "Time until the first piece of a streamed answer.",
    "turns_under_way": "Chat turns under way.",
    "optimizations_under_way": "Optimizations waiting or running.",
    "recall_cache_bytes": "Memory that the cache of recall takes, about; it is bounded.",
    "embedding_cache_bytes": "Memory that embedded texts take, about; it is bounded.",
}

Labels = tuple[tuple[str, str], ...]


class Metrics:
    """The numbers of one server. To be used from one event loop."""

    def __init__(self) -> None:
        self._counters: dict[str, dict[Labels, float]] = defaultdict(lambda: defaultdict(float))
        self._histograms: dict[str, list[int]] = {}
        self._sums: dict[str, float] = defaultdict(float)

    def count(self, name: str, by: float = 1, **labels: str) -> None:
        """Add to a counter."""
        self._counters[name][tuple(sorted(labels.items()))] += by

    def observe(self, name: str, seconds: float) -> None:
        """Enter a time."""
        counts = self._histograms.setdefault(name, [0] * (len(BUCKETS) + 1))
        counts[bisect_left(BUCKETS, seconds)] += 1
        self._sums[name] += seconds

    def text(self, gauges: dict[str, float]) -> str:
        """Return everything, with the gauges as they stand now."""
        lines: list[str] = []
        for name, value in gauges.items():
            lines += [*_head(name, "gauge"), f"{PREFIX}{name} {value:g}"]
        for name, values in self._counters.items():
            lines += _head(name, "counter")
            lines += [f"{PREFIX}{name}{_shown(ls)} {v:.10g}" for ls, v in sorted(values.items())]
        for name, counts in self._histograms.items():
            lines += _head(name, "histogram")
            total = 0
            for bound, count in zip((*map(str, BUCKETS), "+Inf"), counts, strict=True):
                total += count
                lines.append(f'{PREFIX}{name}_bucket{{le="{bound}"}} {total}')
            lines.append(f"{PREFIX}{name}_sum {self._sums[name]:.10g}")
            lines.append(f"{PREFIX}{name}_count {total}")
        return "\n".join([*lines, ""])


def _head(name: str, kind: str) -> list[str]:
    return [f"# HELP {PREFIX}{name} {_HELP[name]}", f"# TYPE {PREFIX}{name} {kind}"]


def _shown(labels: Labels) -> str:
    if not labels:
        return ""
    parts = [f'{name}="{_escaped(value)}"' for name, value in labels]
    return "{" + ",".join(parts) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
