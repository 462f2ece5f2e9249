"""``persona-agent demo``: the whole loop on built-in users, without a key or a network."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from persona_agent.cli.options import Subparsers, common_options

if TYPE_CHECKING:
    from rich.table import Table

    from persona_agent.agent import PersonaAgent
    from persona_agent.cli.output import Output
    from persona_agent.evals.demo import DemoResult, Interval
    from persona_agent.schema import Revision

DEMO_DIR = Path("persona-demo")


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "demo",
        parents=[common_options()],
        help="see the whole loop on built-in users, without a key or a network",
        description="Replay the interactions of built-in users, draft and optimize their personas, "
        "and answer later, unseen queries: generic, persona, and persona + alignment. The users "
        f"are kept in --data-dir (default: {DEMO_DIR}), to look at with the other commands.",
    )
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="seed (default: 0)")
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Run the demo."""
    from persona_agent.agent import PersonaAgent
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import load_settings
    from persona_agent.evals.demo import run_demo

    output = Output(arguments)
    if arguments.data_dir is None:
        arguments.data_dir = DEMO_DIR
    settings = load_settings(arguments).with_default_cache()
    state = "there already" if settings.data_dir.exists() else "a new folder"
    output.note(
        f"what it learns is kept in {settings.data_dir.absolute()} "
        f"({state}; --data-dir names another one)"
    )

    async def work() -> DemoResult:
        async with PersonaAgent.of(settings) as agent:
            with output.steps() as progress:
                result = await run_demo(agent, seed=arguments.seed, progress=progress)
            if not output.json:
                await _show(agent, result, output)
            return result

    result = asyncio.run(work())
    if output.json:
        output.data(result)
    return 0


async def _show(agent: PersonaAgent, result: DemoResult, output: Output) -> None:
    output.show(_scores(result), "")
    share = len(result.harmed) / len(result.people)
    who = f" ({', '.join(result.harmed)})" if result.harmed else ""
    output.show(
        f"People worse off than with the generic prompt: {len(result.harmed)} of "
        f"{len(result.people)}, {share:.0%}{who}",
        "",
        _tasks(result),
        "",
    )
    await _show_change(agent, result, output)
    output.show("", _costs(result), "")
    example = result.people[0].user_id
    where = f"--data-dir {agent.settings.data_dir}"
    output.show(
        "Try next:",
        "  a real model   PERSONA_AGENT_MODEL=openai/gpt-4o-mini OPENAI_API_KEY=... "
        "persona-agent demo",
        f"  your own data  persona-agent import FILE {where} && "
        f"persona-agent optimize --all {where}",
        f"  look at it     persona-agent ui {where}   (or: persona-agent persona show "
        f"--user {example} {where})",
    )


def _scores(result: DemoResult) -> Table:
    from rich.table import Table

    from persona_agent.evals.demo import ARMS

    table = Table(
        title=f"Later, unseen queries answered as the person did (model: {result.model})",
        caption="1 is perfect; ratings count 1 - error / 4; [lo, hi]: 95 % bootstrap interval",
        box=None,
    )
    table.add_column("person")
    table.add_column("history", justify="right")
    table.add_column("queries", justify="right")
    for arm in ARMS:
        table.add_column(arm)
    for person in result.people:
        cells = [_interval(person.scores[arm]) for arm in ARMS]
        table.add_row(person.name, str(person.history), str(person.queries), *cells)
    queries = sum(person.queries for person in result.people)
    cells = [_interval(result.overall[arm]) for arm in ARMS]
    table.add_row("all", "", str(queries), *cells, style="bold")
    return table


def _interval(score: Interval) -> str:
    if score.low is None or score.high is None:
        return f"{score.value:.2f}"
    return f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]"


def _tasks(result: DemoResult) -> Table:
    from rich.table import Table

    from persona_agent.evals.demo import ARMS

    table = Table("by kind of task", *ARMS, box=None)
    for kind, scores in result.by_task.items():
        table.add_row(kind, *(f"{scores[arm]:.2f}" for arm in ARMS))
    return table


async def _show_change(agent: PersonaAgent, result: DemoResult, output: Output) -> None:
    """Show one persona before and after alignment.

    Of those whose claims are shown the one who gains most.
    """
    from persona_agent.agent.show import evidence_ids, render_diff

    people = {person.user_id: person for person in result.people}

    served = {name: await agent.persona(name) for name in people}

    def telling(revision: Revision) -> tuple[bool, float]:
        scores = people[revision.user_id].scores
        gain = scores["persona+alignment"].value - scores["generic"].value
        claims = served[revision.user_id].policy.show_claims
        return (claims and gain > 0, gain)

    user = max(result.revisions, key=telling).user_id
    versions = await agent.history(user)
    change = await agent.diff(user, versions[0].version, versions[-1].version)
    if change.empty:
        change = await agent.diff(user, None, versions[-1].version)
    ids = evidence_ids(change)
    found = {one.id: one for one in agent.memory.episodes.get(user, ids)}
    output.show(
        f"{people[user].name}: the persona before and after alignment", render_diff(change, found)
    )


def _costs(result: DemoResult) -> Table:
    from rich.table import Table

    table = Table("cost of", "calls", "prompt tokens", "completion tokens", box=None)
    for purpose, used in result.usage.items():
        table.add_row(
            purpose,
            f"{used.calls:,}",
            f"{used.prompt_tokens:,}",
            f"{used.completion_tokens:,}",
        )
    return table
