"""The agent: context, answers, chat, simulation, and the public facade."""

from persona_agent.agent.answer import Answer, answer
from persona_agent.agent.chat import ChatTurn
from persona_agent.agent.context import Context, ContextBuilder
from persona_agent.agent.facade import Decision, PersonaAgent
from persona_agent.agent.simulate import Simulator

__all__ = [
    "Answer",
    "ChatTurn",
    "Context",
    "ContextBuilder",
    "Decision",
    "PersonaAgent",
    "Simulator",
    "answer",
]
