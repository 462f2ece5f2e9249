"""The memory benchmark as a table."""

from __future__ import annotations

from rich.table import Table

from persona_agent.bench.memory_results import Fill, Latency, MemoryBenchmark
from persona_agent.persona.plural import counted


def memory_table(result: MemoryBenchmark) -> Table:
    """Return one row for each figure, beside NumPy and plain Chroma as ratios."""
    plain = result.plain_chroma
    size = f", {counted(plain.episodes, 'episode')}" if plain else ""
    table = Table(
        title=f"{result.store}: {counted(result.users * result.per_user, 'episode')} of "
        f"{counted(result.users, 'user')}, {result.dimension} dimensions, {result.cpus} processors"
    )
    table.add_column("")
    for name in ("p50 ms", "p95 ms", "p99 ms"):
        table.add_column(name, justify="right")
    table.add_column("of NumPy", justify="right")
    table.add_column(f"of plain Chroma{size}", justify="right")
    warm, filtered = result.recall_warm, result.recall_filtered
    product = result.numpy_product
    _line(table, "recall, user in cache", warm, product, plain.recall if plain else None)
    _line(table, "the same, two filters", filtered, product, plain.two_filters if plain else None)
    _line(
        table,
        "recall, user not in cache",
        result.recall_cold,
        product,
        plain.recall if plain else None,
    )
    _line(table, "recall, file not in memory", result.recall_disk, product)
    _line(table, "NumPy: product", product)
    _line(table, "NumPy: product and the 10 best", result.numpy_top, product)
    _line(table, "add one, durable", result.add, None, plain.add if plain else None)
    _line(table, "set an outcome", result.update)
    _line(table, "delete one", result.delete)
    _line(table, "forget a user", result.forget, None, plain.forget if plain else None)
    if plain:
        _line(table, "plain Chroma: recall", plain.recall)
        _line(table, "plain Chroma: recall, two filters", plain.two_filters)
        _line(table, "plain Chroma: add one", plain.add)
        _line(table, "plain Chroma: forget a user", plain.forget)
    return table


def memory_lines(result: MemoryBenchmark) -> list[str]:
    """Return what has no quantiles, a line each."""
    lines = [_filled(fill.order, fill) for fill in result.fills]
    if result.plain_chroma:
        lines.append(_filled("plain Chroma", result.plain_chroma.fill))
    filters = result.recall_filtered.p50 / result.recall_warm.p50
    lines.append(f"two filters: {filters:.2f} of unfiltered recall (p50)")
    for name, found in (("in cache", result.throughput_warm), ("cold", result.throughput_cold)):
        if found:
            lines.append(
                f"recalls a second, users {name}: {found.one:,.0f} by one task, {found.many:,.0f} "
                f"by {found.tasks} ({found.ratio:.2f})"
            )
    lines.append(f"recall@10 against brute force: {result.recall_at_10:.3f}")
    lines.append(f"resident memory: {result.resident_mb:,.0f} MB, at most {result.peak_mb:,.0f} MB")
    lines.append(f"on disk: {result.disk_mb:,.0f} MB")
    return lines


def _filled(name: str, fill: Fill) -> str:
    return (
        f"fill, {name}: {fill.seconds:,.1f} s for {fill.episodes:,} in batches of {fill.batch:,} "
        f"({fill.rate:,.0f} a second)"
    )


def _line(
    table: Table,
    name: str,
    found: Latency | None,
    numpy: Latency | None = None,
    chroma: Latency | None = None,
) -> None:
    if found is None:
        return
    table.add_row(
        name,
        *(f"{value:.3g}" for value in (found.p50, found.p95, found.p99)),
        f"{found.p50 / numpy.p50:.1f}" if numpy else "",
        f"{found.p50 / chroma.p50:.2g}" if chroma else "",
    )
