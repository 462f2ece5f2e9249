"""``persona-agent optimize``: improve personas from what their users really did."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

from persona_agent.cli.options import Subparsers, common_options

if TYPE_CHECKING:
    from rich.table import Table

    from persona_agent.agent import PersonaAgent
    from persona_agent.cli.output import Output
    from persona_agent.schema import Edit, GateResult, Revision


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "optimize",
        parents=[common_options()],
        help="improve a user's persona from recent interactions",
        description="Replay recent interactions, rewrite the persona by small edits, and keep only "
        "what helps on interactions that the edits were not derived from.",
    )
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--user", metavar="ID", help="whose agent")
    who.add_argument(
        "--all",
        action="store_true",
        help="every user with new outcomes or statements, several at a time",
    )
    parser.set_defaults(run=run, interrupted="run it again to go on")


def run(arguments: Namespace) -> int:
    """Optimize one user or all."""
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import open_agent, require_user

    output = Output(arguments)
    with open_agent(arguments, output, existing=True) as agent:
        if arguments.all:
            return _all(agent, output)
        require_user(agent, arguments.user)
        with output.progress(f"optimizing {arguments.user}"):
            revision = agent.optimize_sync(arguments.user)
        if output.json:
            output.data(revision)
        else:
            _show(agent, revision, output)
    return 0


def _all(agent: PersonaAgent, output: Output) -> int:
    """Optimize everybody with something new. One who fails does not keep the others from it."""
    done: list[Revision] = []
    failed: dict[str, str] = {}
    users = agent.unlearned_sync()
    try:
        with output.steps() as advance:
            for number, ended in enumerate(agent.optimize_all_sync(users), 1):
                advance("optimizing", number, len(users))
                if ended.error:
                    failed[ended.user_id] = ended.error
                elif ended.revision is not None:
                    done.append(ended.revision)
    except KeyboardInterrupt:
        _report(agent, done, failed, output)
        count = len(done) + len(failed)
        output.note(f"{count} of {len(users)} users are done")
        raise
    if not done and not failed and not output.json:
        output.show("Nobody has outcomes or statements that were not learned from yet.")
    _report(agent, done, failed, output)
    return 1 if failed else 0


def _report(
    agent: PersonaAgent, done: list[Revision], failed: dict[str, str], output: Output
) -> None:
    done.sort(key=lambda revision: revision.user_id)
    if output.json:
        output.data({"revisions": done, "errors": dict(failed)})
    for revision in () if output.json else done:
        _show(agent, revision, output)
    for user, problem in failed.items():
        output.note(f"{user}: {problem}")


def _show(agent: PersonaAgent, revision: Revision, output: Output) -> None:
    from rich.text import Text

    from persona_agent.agent.show import noise_line, one_line
    from persona_agent.persona.left_out import left_out_line
    from persona_agent.persona.plural import counted

    if revision.accepted:
        color, verdict = "green", "improved" if revision.gates else "taken up, not judged"
    else:
        color, verdict = "yellow", "left as it was"
    output.show(Text(f"{one_line(revision.user_id)}: {verdict}", style=f"bold {color}"))
    if revision.reason:
        output.show(revision.reason)
    if revision.gates:
        output.show(_gates(revision.gates))
    if revision.noise is not None:
        output.show(Text(noise_line(revision.noise)))
    _edits(agent, revision, "kept", revision.edits, output)
    _edits(agent, revision, "turned down", revision.rejected, output)
    if left_out := left_out_line(revision.left_out):
        output.show(left_out)
    used = revision.usage
    output.show(
        f"{counted(used.calls, 'call')}, {used.prompt_tokens:,} + {used.completion_tokens:,} "
        f"tokens, {used.cost_usd:.4f} USD ({revision.model})"
    )


def _gates(gates: tuple[GateResult, ...]) -> Table:
    from rich.table import Table
    from rich.text import Text

    from persona_agent.agent.show import one_line, terms_line

    table = Table("gate", "episodes", "before", "after", "difference", "", "terms", box=None)
    for gate in gates:
        spread = "" if gate.standard_error is None else f" ± {gate.standard_error:.3f}"
        table.add_row(
            Text(one_line(gate.gate)),
            str(gate.episodes),
            f"{gate.incumbent_loss:.3f}",
            f"{gate.candidate_loss:.3f}",
            f"{gate.difference:+.3f}{spread}",
            Text(
                ("passed" if gate.passed else "failed")
                + (f": {one_line(gate.reason)}" if gate.reason else "")
            ),
            Text(terms_line(gate.terms)),
        )
    return table


def _edits(
    agent: PersonaAgent, revision: Revision, title: str, edits: tuple[Edit, ...], output: Output
) -> None:
    from rich.text import Text

    from persona_agent.agent.show import evidence_ids, evidence_lines, one_line
    from persona_agent.cli.session import lookup

    if not edits:
        return
    episodes = lookup(agent, revision.user_id, evidence_ids(edits))
    output.show(Text(f"Edits {title}", style="bold"))
    for edit in edits:
        output.show(f"  {edit.operation.value} {one_line(edit.statement, 300)}".rstrip())
        if edit.reason:
            output.show(f"    because: {one_line(edit.reason, 300)}")
        output.show(*evidence_lines(edit.evidence, episodes))
