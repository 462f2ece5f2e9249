"""The end of every ``persona-agent eval`` command: print the result, write it to a file."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table as RichTable

    from persona_agent.cli.output import Output
    from persona_agent.evals.report.inputs import Input
    from persona_agent.evals.report.tables import Table
    from persona_agent.evals.sweeps import SweepResult


def finish(result: Input, arguments: Namespace, output: Output) -> int:
    """Print a result as tables, write it where ``--json`` says, and return the exit code."""
    from persona_agent.evals.pahf.results import PahfResult
    from persona_agent.evals.pahf.tables import print_pahf
    from persona_agent.evals.scores.results import save_result
    from persona_agent.evals.sweeps import SweepResult
    from persona_agent.evals.tables import print_result

    if isinstance(result, PahfResult):
        print_pahf(result, output.console)
    elif isinstance(result, SweepResult):
        _show_sweep(result, output)
    else:
        print_result(result, output.console)
    if arguments.json:
        save_result(result, arguments.json)
        output.note(f"results written to {arguments.json}")
    return 0


def _show_sweep(result: SweepResult, output: Output) -> None:
    from persona_agent.evals.report.gains import sweep_gains, sweep_scores

    for table in (sweep_scores(result), sweep_gains(result)):
        if table.rows:
            output.show(_rich(table), table.note)


def _rich(table: Table) -> RichTable:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(title=Text(table.title), title_justify="left", box=box.SIMPLE_HEAD)
    for column in table.columns:
        shown.add_column(Text(column))
    for row in table.rows:
        shown.add_row(*map(Text, row))
    return shown
