"""``persona-agent memory``: what is stored of a user, out, in, gone, found, counted and mended."""

from __future__ import annotations

import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from persona_agent.cli.memory_repair import check_files, rebuild_files
from persona_agent.cli.options import Subparsers, at_least, common_options, user_option

if TYPE_CHECKING:
    from persona_agent.agent import PersonaAgent
    from persona_agent.cli.output import Output

Body = Callable[["PersonaAgent", Namespace, "Output"], None]


def add_parser(commands: Subparsers) -> None:
    """Add the commands."""
    parser = commands.add_parser(
        "memory",
        help="export, import, forget, search, count and mend what is stored",
        description="Export, import, forget, search, count and mend what is stored.",
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    common = common_options()

    export = actions.add_parser(
        "export", parents=[common], help="write everything of a user as JSON Lines"
    )
    user_option(export)
    export.add_argument("--out", metavar="FILE", type=Path, help="default: standard output")

    into = actions.add_parser(
        "import",
        parents=[common],
        help="store what an export wrote",
        description="Store what an export wrote, of one or more users. What is stored already "
        "stays as it is, so importing again changes nothing.",
    )
    into.add_argument("file", metavar="FILE", type=Path)

    forget = actions.add_parser(
        "forget",
        parents=[common],
        help="erase a user from every store",
        description="Erase a user: episodes, facts, personas, chat threads, journals and cached "
        "answers. It cannot be undone.",
    )
    user_option(forget)
    forget.add_argument("--yes", action="store_true", help="do not ask")

    search = actions.add_parser(
        "search", parents=[common], help="show what would be recalled for a query"
    )
    user_option(search)
    search.add_argument("--query", metavar="TEXT", required=True)
    search.add_argument("--limit", metavar="N", type=at_least(1), default=8, help="default: 8")
    search.add_argument("--task", metavar="NAME", help="only interactions of this task")
    search.add_argument(
        "--before", metavar="TIME", type=_moment, help="only what was known before (ISO 8601)"
    )

    stats = actions.add_parser("stats", parents=[common], help="count what is stored")
    stats.add_argument("--user", metavar="ID", help="of one user (default: of all)")

    actions.add_parser(
        "check", parents=[common], help="tell which files are damaged, and what is intact"
    ).set_defaults(run=check_files)
    rebuild = actions.add_parser(
        "rebuild",
        parents=[common],
        help="make damaged files anew from all that can be read",
        description="Make damaged SQLite files anew from all records that can be read, with new "
        "vectors. The old files are kept beside them until a user is forgotten.",
    )
    rebuild.set_defaults(run=rebuild_files)

    bodies = ((export, _export), (into, _import), (forget, _forget), (search, _search))
    for action, body in (*bodies, (stats, _stats)):
        action.set_defaults(run=_with_agent(body, existing=action is not into))


def _with_agent(body: Body, *, existing: bool) -> Callable[[Namespace], int]:
    def run(arguments: Namespace) -> int:
        from persona_agent.cli.output import Output
        from persona_agent.cli.session import open_agent

        output = Output(arguments)
        with open_agent(arguments, output, existing=existing) as agent:
            body(agent, arguments, output)
        return 0

    return run


def _export(agent: PersonaAgent, arguments: Namespace, output: Output) -> None:
    from persona_agent.cli.session import require_user

    require_user(agent, arguments.user)
    with output.progress("exporting"):
        lines = agent.export_sync(arguments.user)
    if arguments.out is None:
        for line in lines:
            output.console.out(line, highlight=False)
        return
    _write(arguments.out, lines)
    if output.json:
        output.data({"user": arguments.user, "lines": len(lines), "file": str(arguments.out)})
    else:
        output.show(f"{len(lines)} lines in {arguments.out}")


def _write(path: Path, lines: list[str]) -> None:
    from persona_agent.errors import InputError

    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error}): name another file") from None


def _import(agent: PersonaAgent, arguments: Namespace, output: Output) -> None:
    from persona_agent.errors import InputError
    from persona_agent.memory.transfer import import_lines

    try:
        lines = arguments.file.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{arguments.file} cannot be read ({error})") from None
    with output.steps() as advance:
        try:
            new = import_lines(
                agent.memory, lines, lambda done, total: advance("importing", done, total)
            )
        except InputError as error:
            raise InputError(f"{arguments.file}: {error}") from None
    if output.json:
        output.data({"new": {**new}})
        return
    refused = new.pop("refused", 0)
    output.show("new: " + ", ".join(f"{count} {kind}s" for kind, count in new.items()))
    if refused:
        output.show(
            f"left out: {refused} facts or claims that would change rules, tools, keys or safety "
            "wording rather than tell of the user"
        )


def _forget(agent: PersonaAgent, arguments: Namespace, output: Output) -> None:
    from persona_agent.errors import NotFoundError

    if not arguments.yes:
        _confirm(arguments.user)
    with output.progress("forgetting"):
        removed = agent.forget_sync(arguments.user)
    if not any(removed.values()):
        raise NotFoundError(f"nothing is stored of user {arguments.user!r}")
    if output.json:
        output.data({"user": arguments.user, "removed": {**removed}})
        return
    counts = ", ".join(f"{count} {what}" for what, count in removed.items() if count)
    output.show(f"forgotten: {counts}")


def _confirm(user: str) -> None:
    """Ask on a terminal. Raises InputError where there is none, or the answer is another."""
    from persona_agent.agent.show import one_line
    from persona_agent.errors import InputError

    if not sys.stdin.isatty():
        raise InputError("forgetting cannot be undone: say --yes, or run it on a terminal")
    sys.stderr.write(f"Erase everything of {one_line(user, 60)!r}? Type the user id: ")
    sys.stderr.flush()
    if sys.stdin.readline().rstrip("\r\n") != user:
        raise InputError("nothing was erased: that was not the user id")


def _search(agent: PersonaAgent, arguments: Namespace, output: Output) -> None:
    from rich.table import Table
    from rich.text import Text

    from persona_agent.agent.show import one_line
    from persona_agent.cli.session import require_user
    from persona_agent.errors import InputError

    require_user(agent, arguments.user)
    if not arguments.query.strip():
        raise InputError("a search needs a query, got a blank text")
    with output.progress("searching"):
        vector = agent.memory.embedder.embed([arguments.query])[0]
        found = agent.memory.episodes.recall(
            arguments.user,
            vector,
            limit=arguments.limit,
            task=arguments.task,
            before=arguments.before,
        )
    if output.json:
        output.data(found)
        return
    if not found:
        output.show("nothing found")
        return
    table = Table("similarity", "when", "query", "outcome", "id")
    for one in found:
        episode = one.episode
        table.add_row(
            f"{one.similarity:.2f}",
            f"{episode.at:%Y-%m-%d}",
            Text(one_line(episode.query.text, 80)),
            Text(one_line(episode.outcome or "", 40)),
            Text(one_line(episode.id, 40)),
        )
    output.show(table)


def _stats(agent: PersonaAgent, arguments: Namespace, output: Output) -> None:
    from persona_agent.cli.memory_stats import of_all, of_user, show
    from persona_agent.cli.session import require_user

    if arguments.user is not None:
        require_user(agent, arguments.user)
        counts = of_user(agent.memory, arguments.user)
    else:
        with output.steps() as advance:
            counts = of_all(
                agent.memory, agent.settings.data_dir, lambda *at: advance("counting", *at)
            )
    if output.json:
        output.data({name.replace(" ", "_"): count for name, count in counts.items()})
    else:
        output.show(show(counts))


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a date or time in ISO 8601") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
