"""``persona-agent decide``: choose among options as the user would."""

from __future__ import annotations

from argparse import Namespace

from persona_agent.cli.options import Subparsers, common_options, user_option


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "decide",
        parents=[common_options()],
        help="choose among options as a user would",
        description="Choose the option that the user would choose. A user who is not known yet "
        "gets the answer of the plain model.",
    )
    user_option(parser)
    parser.add_argument("--query", metavar="TEXT", required=True, help="what is to be decided")
    parser.add_argument(
        "--option",
        metavar="TEXT",
        action="append",
        required=True,
        dest="options",
        help="a possible answer; give it at least twice",
    )
    parser.add_argument("--task", metavar="NAME", default="", help="name of the recurring job")
    parser.add_argument(
        "--no-remember", action="store_true", help="do not store the decision as an episode"
    )
    parser.add_argument(
        "--ask",
        action="store_true",
        default=None,
        help="print a question to the user where what is known is divided between two options",
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Decide."""
    from persona_agent.agent.show import episode_line, one_line
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import open_agent

    output = Output(arguments)
    with open_agent(arguments, output) as agent, output.progress("deciding"):
        decision = agent.decide_sync(
            arguments.user,
            arguments.query,
            arguments.options,
            task=arguments.task,
            remember=not arguments.no_remember,
            may_ask=arguments.ask,
        )
    if output.json:
        output.data(decision)
        return 0
    sure = "" if decision.confidence is None else f"  (confidence {decision.confidence:.0%})"
    output.show(f"{decision.answer}{sure}")
    if decision.reason:
        output.show(decision.reason)
    for one in decision.recalled[:3]:
        output.show(f"  {episode_line(one.episode)}")
    if decision.question:
        output.show(one_line(decision.question, 600))
    if decision.episode_id:
        output.note(f"episode {decision.episode_id}")
    return 0
