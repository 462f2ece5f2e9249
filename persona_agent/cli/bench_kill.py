"""``persona-agent bench kill``: whether a store loses anything when its process is killed."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from persona_agent.cli.options import Subparsers, at_least, results_option


def add_parser(actions: Subparsers) -> None:
    """Add the command."""
    kill = actions.add_parser(
        "kill",
        help="kill a writing process again and again, and count what was lost",
        description="Kill a process that adds, recalls and forgets, at random moments, and compare "
        "what is stored with what was acknowledged. Ends with 1 when anything is not as it was.",
    )
    kill.add_argument("--kills", metavar="N", type=at_least(1), default=25, help="default: 25")
    kill.add_argument(
        "--store", choices=("sqlite", "chroma"), default="sqlite", help="default: sqlite"
    )
    kill.add_argument("--seed", metavar="S", type=int, default=0, help="default: 0")
    results_option(kill)
    kill.add_argument("--no-progress", action="store_true", help="show no progress")
    kill.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Run the kills in a folder of their own."""
    import tempfile

    from persona_agent.bench.kill import run_kills
    from persona_agent.cli.output import Output

    output = Output(Namespace(no_progress=arguments.no_progress))
    with tempfile.TemporaryDirectory() as folder, output.steps() as advance:
        report = run_kills(
            Path(folder),
            kills=arguments.kills,
            seed=arguments.seed,
            store=arguments.store,
            progress=lambda done, total: advance("kills", done, total),
        )
    output.show(
        f"{report.kills} kills in {report.seconds:.0f} s; {report.acknowledged} operations "
        f"acknowledged, {report.under_way} kills met one under way",
        f"lost {report.lost}, duplicated {report.duplicated}, visible to others "
        f"{report.foreign}, half done {report.half_done}",
    )
    output.save(report, arguments.json)
    return 0 if report.clean else 1
