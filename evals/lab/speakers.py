"""Who answers in the lab's conversations: a persona as it is, with repairs, or a fixed policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from persona_agent.agent.chat.mediate import mediated
from persona_agent.agent.chat.rerank import Listener, Rerank, choose_reply
from persona_agent.errors import ModelCannotError
from persona_agent.evals.lab.bench import Card, LabBench
from persona_agent.evals.lab.people import SMALL_TALK
from persona_agent.llm.critic import VOTES, relations
from persona_agent.prompts.lab import SAY, USER_TURN, Line, SayInputs, UserTurnInputs
from persona_agent.protocols import LanguageModel

USER, PERSONA = "user", "persona"

LABELS = {
    "chat": {PERSONA: "assistant", USER: "user"},
    "played": {PERSONA: "you", USER: "other"},
    "overheard": {PERSONA: "speaker", USER: "other"},
}
"""What the sides of a talk are called: to who sees it as a chat, plays the persona, or judges."""


def as_shown(lines: Sequence[Line], to: str = "chat") -> tuple[Line, ...]:
    """Return a talk with its sides named as a prompt names them; other names stay."""
    names = LABELS[to]
    return tuple(Line(speaker=names.get(one.speaker, one.speaker), text=one.text) for one in lines)


class Speaker(Protocol):
    """Answers a message in the part of a persona."""

    async def reply(self, statements: Sequence[str], before: Sequence[Line], message: str) -> str:
        """Return the answer. Raises ModelError."""
        ...


@dataclass(frozen=True)
class PlainSpeaker:
    """The model with the persona in its prompt, and nothing else."""

    model: LanguageModel

    async def reply(self, statements: Sequence[str], before: Sequence[Line], message: str) -> str:
        """Return the model's answer."""
        shown = as_shown(before, "played")
        inputs = SayInputs(persona=tuple(statements), conversation=shown, message=message)
        return (await self.model.ask(SAY, inputs)).reply


@dataclass(frozen=True)
class RepairedSpeaker:
    """The same with the agent's repairs: mediator, own statements, a check, and more candidates.

    What it says of itself is kept and is true from then on. A first line that contradicts neither
    the persona nor that is said; else others are drawn, and the best of all is said. With rivals
    others are always drawn, and a listener among them has its say, in so many votes a line.
    """

    model: LanguageModel
    critic: LanguageModel
    rivals: tuple[str, ...] = ()
    candidates: int = 3
    votes: int = VOTES
    said: list[str] = field(default_factory=list)

    async def reply(self, statements: Sequence[str], before: Sequence[Line], message: str) -> str:
        """Return the best candidate, and remember it."""
        true = (*statements, *self.said)
        plain = PlainSpeaker(self.model)
        shown = as_shown([*before, Line(speaker=USER, text=message)], "overheard")
        asked = await self._request(before, message)
        found = [await plain.reply(true, before, asked)]
        if self.rivals or "contradiction" in await relations(self.critic, found[0], true, shown):
            # A model that repeats itself has a second answer only to another wording.
            most = self.candidates - 1 if not self.model.deterministic else int(asked != message)
            found += [await plain.reply(true, before, message) for _ in range(most)]
        persons = (" ".join(statements), *self.rivals)
        listener = Listener(self.critic, persons, votes=self.votes) if self.rivals else None
        rerank = Rerank(critic=self.critic, statements=true, listener=listener)
        best = await choose_reply(found, rerank, before=shown)
        self.said.append(best)
        return best

    async def _request(self, before: Sequence[Line], message: str) -> str:
        """Return the message, or what the mediator makes of it."""
        if not before:
            return message
        talk = as_shown([*before, Line(speaker=USER, text=message)])
        return (await mediated(self.critic, talk)).request or message


async def converse(
    speaker: Speaker, statements: Sequence[str], messages: Sequence[str]
) -> list[Line]:
    """Return the conversation in which the messages are answered one after the other."""
    lines: list[Line] = []
    for message in messages:
        reply = await speaker.reply(statements, lines, message)
        lines += [Line(speaker=USER, text=message), Line(speaker=PERSONA, text=reply)]
    return lines


def replies(lines: Sequence[Line]) -> list[str]:
    """Return what the persona said."""
    return [one.text for one in lines if one.speaker == PERSONA]


def as_many(messages: Sequence[str], turns: int) -> list[str]:
    """Return so many messages, from the first again when there are too few."""
    return [messages[turn % len(messages)] for turn in range(turns)]


async def talk(bench: LabBench, card: Card, speaker: Speaker) -> tuple[list[Line], bool]:
    """Return a conversation of the bench's length, and whether its user was simulated.

    A model that cannot stand in for a user leaves the messages to a fixed list.
    """
    stranger = ("I am a stranger who wants to know this person.",)
    lines: list[Line] = []
    simulated = False
    for intent in as_many(SMALL_TALK, bench.turns):
        message, simulated = await user_message(bench, stranger, intent, lines)
        said = await speaker.reply(card.statements, lines, message)
        lines += [Line(speaker=USER, text=message), Line(speaker=PERSONA, text=said)]
    return lines, simulated


async def user_message(
    bench: LabBench, user: Sequence[str], intent: str, lines: Sequence[Line]
) -> tuple[str, bool]:
    """Return a user's next message and True; the intent and False where the model cannot tell."""
    inputs = UserTurnInputs(user=tuple(user), intent=intent, conversation=as_shown(lines))
    try:
        return (await bench.actor.ask(USER_TURN, inputs)).message, True
    except ModelCannotError:
        return intent, False
