"""``persona-agent persona show|history|diff|rollback``."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from persona_agent.cli.options import Subparsers, common_options, user_option

if TYPE_CHECKING:
    from persona_agent.agent import PersonaAgent
    from persona_agent.cli.output import Output
    from persona_agent.schema import Persona

_VERSION = "an id, its beginning, or a number of the history"


def add_parser(commands: Subparsers) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "persona",
        help="show, compare and restore what the agent takes a user to be",
        description="Show, compare and restore what the agent takes a user to be.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    common = common_options()

    show = actions.add_parser("show", parents=[common], help="show the persona with its evidence")
    show.add_argument("--version", metavar="VERSION", help=f"{_VERSION} (default: the latest)")
    history = actions.add_parser("history", parents=[common], help="list all versions")
    diff = actions.add_parser("diff", parents=[common], help="show what changed, and why")
    diff.add_argument(
        "--from", metavar="VERSION", dest="before", help=f"{_VERSION} (default: the one before)"
    )
    diff.add_argument(
        "--to", metavar="VERSION", dest="after", help=f"{_VERSION} (default: the latest)"
    )
    back = actions.add_parser(
        "rollback", parents=[common], help="make an earlier version the one in use"
    )
    back.add_argument("--to", metavar="VERSION", required=True, help=_VERSION)

    for action, body in ((show, _show), (history, _history), (diff, _diff), (back, _rollback)):
        user_option(action)
        action.set_defaults(run=_with_agent(body))


Body = Callable[["PersonaAgent", Namespace, "Output"], None]


def _with_agent(body: Body) -> Callable[[Namespace], int]:
    def run(arguments: Namespace) -> int:
        from persona_agent.cli.output import Output
        from persona_agent.cli.session import open_agent, require_user

        output = Output(arguments)
        with open_agent(arguments, output, existing=True) as agent:
            require_user(agent, arguments.user)
            body(agent, arguments, output)
        return 0

    return run


def _show(agent: PersonaAgent, arguments: Namespace, output: Output) -> None:
    from persona_agent.agent.show import evidence_ids, render_persona
    from persona_agent.cli.session import lookup
    from persona_agent.persona import render_statistics

    persona = agent.persona_sync(arguments.user)
    if arguments.version:
        persona = find_version(agent.history_sync(arguments.user), arguments.version)
    if output.json:
        output.data(persona)
        return
    made = f"version {persona.version} of {persona.created_at:%Y-%m-%d %H:%M}"
    output.show(
        f"{persona.user_id}, {made if persona.version else 'as stated'}"
        + (f" ({persona.cause})" if persona.cause else "")
    )
    episodes = lookup(agent, persona.user_id, evidence_ids(persona))
    output.show(render_persona(persona, episodes))
    counts = render_statistics(persona.statistics)
    if counts:
        output.show(counts)
    if persona.demonstrations:
        output.show(f"{len(persona.demonstrations)} examples")
    for other in persona.alternatives:
        output.show(f"version {other.version} answers where it did better on similar cases")


def _history(agent: PersonaAgent, arguments: Namespace, output: Output) -> None:
    from rich.table import Table
    from rich.text import Text

    from persona_agent.agent.show import one_line, terms_line

    versions = agent.history_sync(arguments.user)
    revisions = agent.revisions_sync(arguments.user)
    if output.json:
        output.data({"versions": versions, "revisions": revisions})
        return
    if not versions:
        output.show("no persona yet: run persona-agent optimize first")
        return
    judged = {one.to_version: one.final for one in revisions if one.accepted}
    table = Table("no.", "version", "made", "claims", "loss", "terms", "cause", box=None)
    for number, version in enumerate(versions, 1):
        final = judged.get(version.version)
        table.add_row(
            str(number),
            Text(one_line(version.version, 40)),
            f"{version.created_at:%Y-%m-%d %H:%M}",
            str(len(version.claims)),
            "" if final is None else f"{final.difference:+.3f}",
            "" if final is None else terms_line(final.terms),
            Text(one_line(version.cause)),
        )
    output.show(table)
    turned_down = sum(not one.accepted for one in revisions)
    if turned_down:
        output.show(f"{turned_down} optimizations changed nothing")


def _diff(agent: PersonaAgent, arguments: Namespace, output: Output) -> None:
    from persona_agent.agent.show import evidence_ids, render_diff
    from persona_agent.cli.session import lookup
    from persona_agent.errors import NotFoundError

    versions = agent.history_sync(arguments.user)
    after = (
        find_version(versions, arguments.after)
        if arguments.after
        else agent.persona_sync(arguments.user)
    )
    if not after.version:
        raise NotFoundError("there is no version yet to compare: run persona-agent optimize first")
    before = find_version(versions, arguments.before).version if arguments.before else after.parent
    found = agent.diff_sync(arguments.user, before, after.version)
    if output.json:
        output.data(found)
        return
    output.show(f"{before or 'nothing'} -> {after.version}")
    output.show(render_diff(found, lookup(agent, arguments.user, evidence_ids(found))))


def _rollback(agent: PersonaAgent, arguments: Namespace, output: Output) -> None:
    target = find_version(agent.history_sync(arguments.user), arguments.to)
    restored = agent.rollback_sync(arguments.user, target.version)
    if output.json:
        output.data(restored)
    else:
        output.show(f"version {target.version} is in use again, as version {restored.version}")


def find_version(versions: list[Persona], named: str) -> Persona:
    """Return the version with this id, this number in the history, or this beginning of its id.

    Raises:
        NotFoundError: there is none, or more than one.
    """
    from persona_agent.errors import NotFoundError

    exact = [version for version in versions if version.version == named]
    if exact:
        return exact[0]
    if named.isascii() and named.isdigit() and 1 <= int(named) <= len(versions):
        return versions[int(named) - 1]
    alike = [version for version in versions if version.version.startswith(named)]
    if len(alike) == 1:
        return alike[0]
    problem = f"{len(alike)} versions begin with" if alike else "there is no version"
    raise NotFoundError(f"{problem} {named!r}: persona-agent persona history lists them")
