"""A turn of the chat: its prompt, steps, tools, repairs, and the threads that are kept."""

from persona_agent.agent.chat.chat import Chat, ChatTurn

__all__ = ["Chat", "ChatTurn"]
