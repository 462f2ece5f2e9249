"""``persona-agent chat``: a conversation on the terminal or over standard input."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from persona_agent.cli.options import Subparsers, common_options, user_option

if TYPE_CHECKING:
    from persona_agent.agent import ChatTurn, PersonaAgent
    from persona_agent.cli.output import Output

_COMMANDS = """\
/good [COMMENT]   the last answer was good
/bad [COMMENT]    the last answer was bad
/correct TEXT     what the last answer should have been
/persona          what the agent takes you to be
/help             this list
/quit             leave (so does the end of input)"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    from argparse import RawDescriptionHelpFormatter

    parser = commands.add_parser(
        "chat",
        parents=[common_options()],
        help="chat with a user's agent",
        description="Chat with a user's agent, one message a line. With --json each answer is one "
        "line of JSON.",
        epilog=f"in the chat:\n{_COMMANDS}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    user_option(parser)
    parser.add_argument(
        "--thread", metavar="NAME", default="default", help="conversation to go on with"
    )
    parser.set_defaults(run=run)


def run(arguments: Namespace) -> int:
    """Chat until the input ends."""
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import open_agent

    output = Output(arguments)
    with open_agent(arguments, output) as agent:
        session = ChatSession(agent, output, user=arguments.user, thread=arguments.thread)
        for line in _lines(output):
            if not session.handle(line):
                break
    return 1 if session.failed else 0


def _lines(output: Output) -> Iterator[str]:
    """Yield the lines of the input; ask for them where a person is typing."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    output.note("/help lists the commands, /quit ends the chat")
    prompt = "" if output.json else "> "
    while True:
        try:
            yield input(prompt)
        except EOFError:
            return


class ChatSession:
    """One conversation: messages, and feedback on the last answer.

    Attributes:
        failed: whether a message got no answer.
    """

    def __init__(self, agent: PersonaAgent, output: Output, *, user: str, thread: str) -> None:
        self._agent = agent
        self._output = output
        self._user = user
        self._thread = thread
        self._last: ChatTurn | None = None
        self.failed = False

    def handle(self, line: str) -> bool:
        """Answer a message or do what a command says; return False at the end."""
        text = line.strip()
        if not text:
            return True
        if not text.startswith("/"):
            self._message(text)
            return True
        command, _, rest = text.partition(" ")
        if command == "/quit":
            return False
        if command in ("/good", "/bad", "/correct"):
            self._feedback(command, rest.strip())
        elif command == "/persona":
            self._persona()
        else:
            self._output.note(_COMMANDS)
        return True

    def _message(self, text: str) -> None:
        from persona_agent.cli.output import show_error
        from persona_agent.errors import InputError, ModelAnswerError, ModelCallError

        try:
            if self._output.json:
                self._last = self._agent.chat_sync(self._user, text, thread=self._thread)
                self._output.record(self._last)
            else:
                self._stream(text)
        except (InputError, ModelAnswerError, ModelCallError) as error:
            # The next message may well be answered; a spent budget or a damaged store ends it.
            self.failed = True
            show_error(str(error))

    def _stream(self, text: str) -> None:
        for piece in self._agent.stream_sync(self._user, text, thread=self._thread):
            if isinstance(piece, str):
                self._output.piece(piece)
            else:
                self._last = piece
        self._output.piece("\n")
        if self._last is not None:
            for problem in self._last.problems:
                self._output.note(problem)

    def _feedback(self, command: str, text: str) -> None:
        if self._last is None:
            self._output.note("there is no answer yet")
            return
        if command == "/correct" and not text:
            self._output.note("/correct needs the right answer behind it")
            return
        said: dict[str, str] = {"outcome": text} if command == "/correct" else {"comment": text}
        thumb = {"/good": 1, "/bad": -1}.get(command)
        self._agent.feedback_sync(
            self._last.episode_id,
            user=self._user,
            outcome=said.get("outcome"),
            comment=said.get("comment", ""),
            thumb=thumb,
        )
        self._output.note("noted")

    def _persona(self) -> None:
        from persona_agent.errors import NotFoundError

        try:
            text = self._agent.persona_text_sync(self._user)
        except NotFoundError as error:
            text = str(error)
        self._output.note(text or "the persona is empty")
