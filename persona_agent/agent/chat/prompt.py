"""The prompt of a chat turn: who the user is, what is remembered, and the message to answer."""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.prompts import PromptInputs, TypedPrompt, neutralize
from persona_agent.prompts.parts import NOTHING, shorten
from persona_agent.protocols import ChatMessage, ChatReply
from persona_agent.schema import Episode

SECTION_TAGS = frozenset(
    {"persona", "memories", "tool_result", "own_words", "unsent_draft", "goes_against"}
)
"""Tags of the prompt's sections; no text from outside may open or close one."""

_LINE = 400
_ANSWERED = "(earlier in this conversation; you answered: "
_EXPLAINED = ", and in brackets what you answered, where that was in this conversation"


class ChatInputs(PromptInputs):
    """The message, the rendered persona, and what was recalled, one line each, oldest first."""

    message: str
    today: str = ""
    persona: str = ""
    memories: tuple[str, ...] = ()

    @property
    def own_answers(self) -> bool:
        """Whether a memory shows what the assistant itself answered in this conversation."""
        return any(_ANSWERED in one for one in self.memories)

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        return {
            "persona": self.persona or NOTHING,
            "memories": "\n".join(self.memories) or NOTHING,
            "today": self.today or "not known",
            "message": self.message,
            "own_answers": _EXPLAINED if self.own_answers else "",
        }


class FullInputs(PromptInputs):
    """A message, the same with what it leaves out, and what nobody said of it."""

    message: str
    request: str
    open: tuple[str, ...] = ()

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        missing = "; ".join(shorten(one, 200).rstrip(" .?;") for one in self.open)
        return {
            "message": neutralize(self.message, SECTION_TAGS),
            "request": neutralize(shorten(self.request, 4_000), SECTION_TAGS),
            "unsaid": neutralize(f"\n(Not said: {missing})" if missing else "", SECTION_TAGS),
        }


class KeptInputs(PromptInputs):
    """What the assistant said of itself earlier in the thread, one line each."""

    message: str = ""
    own_words: tuple[str, ...]

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        lines = [f"- {shorten(one, _LINE)}" for one in self.own_words]
        return {"own_words": neutralize("\n".join(lines), SECTION_TAGS), "message": self.message}


class AgainInputs(PromptInputs):
    """A draft that is not sent, and what it goes against, one line each."""

    message: str = ""
    draft: str
    goes_against: tuple[str, ...]

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        lines = [f"- {shorten(one, _LINE)}" for one in self.goes_against]
        return {
            "goes_against": neutralize("\n".join(lines), SECTION_TAGS),
            "draft": neutralize(self.draft, SECTION_TAGS),
            "message": self.message,
        }


CHAT = TypedPrompt("chat", ChatInputs, ChatReply)
CHAT_IN_FULL = TypedPrompt("chat_in_full", FullInputs, ChatReply)
CHAT_KEPT = TypedPrompt("chat_kept", KeptInputs, ChatReply)
REPLY_AGAIN = TypedPrompt("reply_again", AgainInputs, ChatReply)


def memory_line(episode: Episode, *, thread: str | None = None) -> str:
    """Return an episode on one line: what was asked, and what the user made of the answer.

    An answer that the user neither kept nor judged is left out: it is the assistant's own guess,
    and shown again it would look like something the user said. In the ``thread`` that is under way
    it is shown as the assistant's own, which it must not lose sight of.
    """
    query = shorten(episode.query.text, _LINE)
    start = f"- {episode.at.date().isoformat()} ({shorten(episode.query.task_name, 60)}) {query}"
    said = episode.feedback
    comment = (
        f" (the user's comment: {shorten(said.comment, 200)})" if said and said.comment else ""
    )
    if episode.outcome is not None:
        return f"{start} -> {shorten(episode.outcome, _LINE)}{comment}"
    if said and said.thumb and episode.response:
        judged = "liked" if said.thumb > 0 else "disliked"
        return f"{start} (the user {judged} this answer: {shorten(episode.response, 300)}){comment}"
    if thread is not None and episode.metadata.get("thread") == thread and episode.response:
        own = shorten(episode.response, 200)
        return f"{start} {_ANSWERED}{own}){comment}"
    return f"{start}{comment}"


def chat_messages(
    inputs: ChatInputs,
    history: Sequence[ChatMessage],
    own_words: Sequence[str] = (),
    *,
    request: str = "",
    unsaid: Sequence[str] = (),
) -> tuple[ChatMessage, ...]:
    """Return the messages to send: the system prompt, the conversation so far, the message.

    What the assistant said of itself in messages that are not sent any more stands at the end of
    the system prompt. Where the mediator made a ``request`` of the message, it stands below it
    with what it leaves ``unsaid``, and the system prompt says what these lines are.
    """
    system, message = CHAT.render(inputs)
    added: list[str] = []
    if request:
        full = FullInputs(message=inputs.message, request=request, open=tuple(unsaid))
        explained, message = CHAT_IN_FULL.render(full)
        added.append(explained.content)
    if own_words:
        added.append(CHAT_KEPT.render(KeptInputs(own_words=tuple(own_words)))[0].content)
    content = "\n\n".join([system.content, *added])
    earlier = [
        said.model_copy(update={"content": neutralize(said.content, SECTION_TAGS)})
        for said in history
    ]
    return (system.model_copy(update={"content": content}), *earlier, message)


def messages_again(
    messages: Sequence[ChatMessage], draft: str, goes_against: Sequence[str]
) -> tuple[ChatMessage, ...]:
    """Return the messages that a draft answered, with why it is not sent in the system prompt."""
    inputs = AgainInputs(draft=draft, goes_against=tuple(goes_against))
    added = REPLY_AGAIN.render(inputs)[0].content
    system = messages[0].model_copy(update={"content": f"{messages[0].content}\n\n{added}"})
    return (system, *messages[1:])


def tool_message(call_id: str, text: str) -> ChatMessage:
    """Return a tool's result as data that cannot leave its section."""
    inside = neutralize(text, SECTION_TAGS)
    return ChatMessage(
        role="tool",
        content=f"<tool_result>\n{inside}\n</tool_result>",
        tool_call_id=call_id,
    )
