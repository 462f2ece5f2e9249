"""``persona-agent bench serve``: what the server adds to a model that answers at once."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from persona_agent.cli.options import Subparsers, at_least, results_option

if TYPE_CHECKING:
    from persona_agent.bench.serve import ServeReport
    from persona_agent.bench.serve_soak import SoakReport
    from persona_agent.cli.output import Output

DEFAULT_EMBEDDER = "sentence-transformers/all-MiniLM-L6-v2"


def add_parser(benches: Subparsers) -> None:
    """Add the benchmark."""
    parser = benches.add_parser(
        "serve",
        help="latency and throughput of the server, and a soak with faults",
        description="Put the server in front of a loopback model that answers at once, and send "
        "the same turns directly and through it. Then soak it with turns of which a fifth fails.",
    )
    parser.add_argument(
        "--turns", metavar="N", type=at_least(100), default=2_000,
        help="turns of each measurement (default: 2000)",
    )  # fmt: skip
    parser.add_argument(
        "--soak", metavar="N", type=at_least(0), default=2_000,
        help="turns of the soak; 0: none (default: 2000)",
    )  # fmt: skip
    parser.add_argument(
        "--past", metavar="N", type=at_least(0), default=0,
        help="episodes of each of the 64 users before the soak; 400 are more than the caches hold",
    )  # fmt: skip
    parser.add_argument(
        "--embedder", metavar="NAME", default=DEFAULT_EMBEDDER, help="'hash' needs no model"
    )
    parser.add_argument("--seed", metavar="N", type=int, default=0, help="of the faults")
    results_option(parser)
    parser.add_argument("--no-progress", action="store_true", help="show no progress")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Measure, soak, and report; 1 when the soak found anything wrong."""
    import tempfile
    from pathlib import Path

    from persona_agent.bench.serve import run_bench
    from persona_agent.bench.serve_soak import run_soak
    from persona_agent.cli.output import Output

    output = Output(Namespace(no_progress=arguments.no_progress))
    soak: SoakReport | None = None
    with output.steps() as progress, tempfile.TemporaryDirectory() as folder:
        report = run_bench(
            Path(folder, "bench"),
            embedder=arguments.embedder,
            turns=arguments.turns,
            progress=progress,
        )
        if arguments.soak:
            soak = run_soak(
                Path(folder, "soak"),
                turns=arguments.soak,
                past=arguments.past,
                seed=arguments.seed,
                progress=progress,
            )
    _show(report, output)
    if soak is not None:
        _show_soak(soak, output)
    output.save({"latency": report, "soak": soak}, arguments.json)
    return 0 if soak is None or soak.clean else 1


def _show(report: ServeReport, output: Output) -> None:
    from rich.table import Table

    output.show(
        f"{report.processors} processors for three processes; embedding a new query takes "
        f"{report.embedding_p50:.1f} ms ({report.embedder}), and is not in these figures",
        f"load of the machine before the run: {report.load:.1f}",
    )
    table = Table(
        "turns", "direct p50", "through p50", "p99", "added p50", "p99", "turns/s", "processor",
        "first piece", box=None,
    )  # fmt: skip
    for one in report.comparisons:
        first = one.added_first_piece
        table.add_row(
            one.what,
            f"{one.direct.p50:.1f} ms",
            f"{one.through.p50:.1f} ms",
            f"{one.through.p99:.1f} ms",
            f"{one.added_p50:+.1f} ms",
            f"{one.added_p99:+.1f} ms",
            f"{one.through.rate:.0f}",
            f"{one.processor:.1f} ms",
            "" if first is None else f"{first:+.1f} ms",
        )
        if one.through.failed or one.direct.failed:
            output.show(f"{one.what}: {one.through.failed} turns failed")
    output.show(table)


def _show_soak(soak: SoakReport, output: Output) -> None:
    failures = ", ".join(f"{count}x {kind}" for kind, count in soak.failures.items())
    samples = (f"{mib:.0f} ({held:.0f}) {turns:,}" for turns, mib, held in soak.memory_mib)
    again = " ".join(f"{mib:.1f}" for mib in soak.retried_mib)
    output.show(
        f"Soak, {soak.past} episodes a user before it: {soak.turns} turns in "
        f"{soak.seconds:.0f} s, {soak.acknowledged} acknowledged; failures: {failures or 'none'}",
        f"  lost {soak.lost}, duplicated {soak.duplicated}, foreign {soak.foreign}, prompts with "
        f"another user's text {soak.crossed_prompts}, improper errors {soak.improper}, stored but "
        f"not acknowledged {soak.stored_unacknowledged}",
        "  resident memory in MiB (bounded caches in it), after so many turns: "
        + ", ".join(samples),
        f"  {100 * soak.late_share:+.1f} % over the last half, {soak.growth:+.2f} MiB per 1,000 "
        f"turns of the last third; while nothing new is stored: {again}",
    )
