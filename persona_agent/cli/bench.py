"""``persona-agent bench``: what the system costs in time and memory."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from persona_agent.cli import bench_kill, bench_serve
from persona_agent.cli.options import Subparsers, at_least, results_option


def add_parser(commands: Subparsers) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "bench",
        help="measure what the system costs in time and memory",
        description="Measure what the system costs in time and memory.",
    )
    actions = parser.add_subparsers(title="benchmarks", metavar="BENCHMARK", required=True)
    _add_memory(actions)
    bench_serve.add_parser(actions)
    bench_kill.add_parser(actions)


def _add_memory(actions: Subparsers) -> None:
    memory = actions.add_parser(
        "memory",
        help="fill an episode store and time every call",
        description="Fill an episode store with invented users and time every call, next to a bare "
        "NumPy product over the same rows and one plain Chroma collection, in the same run.",
    )
    number = at_least(1)
    memory.add_argument("--users", metavar="U", type=number, default=500, help="default: 500")
    memory.add_argument("--per-user", metavar="M", type=number, default=200, help="default: 200")
    memory.add_argument("--dimension", metavar="D", type=number, default=384, help="default: 384")
    memory.add_argument(
        "--store", choices=("sqlite", "chroma", "memory"), default="sqlite", help="default: sqlite"
    )
    memory.add_argument(
        "--chroma-url", metavar="URL", help="an empty Chroma server for --store chroma"
    )
    memory.add_argument(
        "--chroma-rows",
        metavar="N",
        type=number,
        default=20_000,
        help="episodes of the plain Chroma collection (default: 20000; filling it takes long)",
    )
    memory.add_argument(
        "--no-chroma", action="store_true", help="leave the plain Chroma collection out"
    )
    memory.add_argument("--seed", metavar="S", type=int, default=0, help="default: 0")
    memory.add_argument(
        "--dir", metavar="DIR", type=Path, help="where to put the data meanwhile (default: /tmp)"
    )
    results_option(memory)
    memory.add_argument("--no-progress", action="store_true", help="show no progress")
    memory.set_defaults(run=_memory)


def _memory(arguments: Namespace) -> int:
    from persona_agent.bench.memory import benchmark_memory
    from persona_agent.bench.memory_data import Population
    from persona_agent.bench.memory_stores import StoreUnderTest
    from persona_agent.bench.memory_table import memory_lines, memory_table
    from persona_agent.cli.output import Output

    output = Output(Namespace(no_progress=arguments.no_progress))
    with output.steps() as progress:
        result = benchmark_memory(
            Population(arguments.users, arguments.per_user, arguments.dimension, arguments.seed),
            StoreUnderTest(arguments.store, arguments.chroma_url),
            chroma_rows=0 if arguments.no_chroma else arguments.chroma_rows,
            progress=progress,
            folder=arguments.dir,
        )
    output.show(memory_table(result), *memory_lines(result))
    output.save(result, arguments.json)
    return 0
