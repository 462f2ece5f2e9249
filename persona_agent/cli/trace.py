"""``persona-agent trace``: what happened in one turn, of the server or a chat, end to end."""

from __future__ import annotations

from argparse import Namespace
from contextlib import suppress
from typing import TYPE_CHECKING

from persona_agent.cli.options import Subparsers, common_options

if TYPE_CHECKING:
    from persona_agent.agent import PersonaAgent
    from persona_agent.agent.traces import Trace
    from persona_agent.cli.output import Output
    from persona_agent.schema import Episode, Usage


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "trace",
        parents=[common_options()],
        help="show what happened in one turn of the server or a chat",
        description="Show one turn end to end: what was recalled, which claims the model saw, "
        "which tools ran, how long each step took, and what it cost.",
    )
    parser.add_argument("id", metavar="ID", help="the turn, as its answer named it")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Show a trace."""
    from persona_agent.agent.traces import TRACES_FILE, TraceStore
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import load_settings, open_agent
    from persona_agent.errors import NotFoundError

    output = Output(arguments)
    path = load_settings(arguments).data_dir / TRACES_FILE
    found: Trace | None = None
    if path.exists():
        store = TraceStore(path)
        try:
            found = store.get(arguments.id)
        finally:
            store.close()
    if found is None:
        raise NotFoundError(f"there is no turn {arguments.id!r} in {str(path)!r}")
    if output.json:
        output.data(found)
        return 0
    with open_agent(arguments, output, existing=True) as agent:
        _show(agent, found, output)
    return 0


def _show(agent: PersonaAgent, trace: Trace, output: Output) -> None:
    from rich.table import Table
    from rich.text import Text

    from persona_agent.agent.show import one_line

    episodes = {one.id: one for one in agent.memory.episodes.get(trace.user_id, _ids(trace))}
    asked = episodes.get(trace.id)
    output.show(Text(f"Turn {trace.id}", style="bold"))
    facts = Table("", "", box=None, show_header=False)
    facts.add_row("user", Text(one_line(trace.user_id)))
    facts.add_row("at", trace.at.isoformat(timespec="seconds"))
    if trace.thread:
        facts.add_row("thread", Text(one_line(trace.thread)))
    facts.add_row("model", Text(one_line(trace.model)) + (" (streamed)" if trace.streamed else ""))
    if asked is not None:
        facts.add_row("asked", Text(one_line(asked.query.text, 200)))
        facts.add_row("answered", Text(one_line(asked.response or "", 200)))
    facts.add_row("remembered", "yes" if trace.remembered else "no")
    if trace.tools_offered:
        facts.add_row("tools offered", Text(one_line(", ".join(trace.tools_offered), 200)))
    facts.add_row("tools called", Text(one_line(", ".join(trace.tools_called), 200) or "none"))
    facts.add_row("cost", _cost(trace.usage))
    for name, part in trace.costs.items() if len(trace.costs) > 1 else ():
        facts.add_row(f"  {name}", _cost(part))
    steps = ", ".join(f"{name} {1000 * time:.1f} ms" for name, time in trace.seconds.items())
    facts.add_row("time", steps)
    if trace.error:
        facts.add_row("failed", Text(one_line(trace.error)))
    output.show(facts)
    _show_recalled(trace, episodes, output)
    _show_claims(agent, trace, output)


def _cost(used: Usage) -> str:
    from persona_agent.persona.plural import counted

    tokens = f"{used.prompt_tokens} + {used.completion_tokens} tokens"
    return f"{counted(used.calls, 'call')}, {tokens}, {used.cost_usd:.4f} USD"


def _show_recalled(trace: Trace, episodes: dict[str, Episode], output: Output) -> None:
    from rich.table import Table
    from rich.text import Text

    from persona_agent.agent.show import one_line

    output.show(Text("Recalled", style="bold"))
    if not trace.recalled:
        output.show("  nothing")
        return
    table = Table("score", "similarity", "memory", box=None)
    for one in trace.recalled:
        episode = episodes.get(one.episode_id)
        text = "(deleted since)"
        if episode is not None:
            text = episode.query.text + (f" -> {episode.outcome}" if episode.outcome else "")
        table.add_row(f"{one.score:.3f}", f"{one.similarity:.3f}", Text(one_line(text, 120)))
    output.show(table)


def _show_claims(agent: PersonaAgent, trace: Trace, output: Output) -> None:
    from rich.text import Text

    from persona_agent.agent.show import one_line
    from persona_agent.errors import NotFoundError

    title = f"Claims in view (persona {trace.persona_version or 'none'})"
    output.show(Text(title, style="bold"))
    # What the user stated since that version was made is shown as a claim with the fact's id.
    said = {fact.id: fact.stated for fact in agent.memory.facts.history(trace.user_id)}
    with suppress(NotFoundError):
        persona = agent.memory.personas.get(trace.user_id, trace.persona_version)
        said |= {claim.id: claim.statement for claim in persona.claims}
    for claim_id in trace.claims:
        if claim_id in said:
            output.show(f"  {one_line(said[claim_id], 200)}")
    if not trace.claims:
        output.show("  none")


def _ids(trace: Trace) -> list[str]:
    return [trace.id, *(one.episode_id for one in trace.recalled)]
