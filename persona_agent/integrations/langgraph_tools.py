"""Tools for agents of LangGraph and LangChain (``create_agent``, ``ToolNode``)."""

from __future__ import annotations

from typing import Any

from persona_agent.agent import PersonaAgent
from persona_agent.agent.inputs import explain
from persona_agent.agent.sync import LoopThread
from persona_agent.errors import MissingExtraError, PersonaAgentError
from persona_agent.integrations.tools import USER_TOOLS, UserTool

try:
    from langchain_core.runnables import RunnableConfig
    from langchain_core.tools import BaseTool, StructuredTool, ToolException
except ImportError:
    raise MissingExtraError("langgraph", "agent") from None

from persona_agent.integrations.langgraph import user_of


def persona_tools(agent: PersonaAgent) -> list[BaseTool]:
    """Return recall, remember, read_persona, give_feedback and optimize as LangChain tools.

    Whose they are is ``config["configurable"]["user_id"]`` of the run, which the model neither
    sees nor sets. What goes wrong with a call comes back to the model as text.
    """
    background = LoopThread()
    return [_tool(agent, tool, background) for tool in USER_TOOLS]


def _tool(agent: PersonaAgent, tool: UserTool, background: LoopThread) -> BaseTool:
    async def run(config: RunnableConfig, **arguments: Any) -> str:
        user = user_of(config)  # a mistake of the host, not of the model: it is raised
        try:
            return await tool.call(agent, user, arguments)
        except PersonaAgentError as error:
            raise ToolException(str(error)) from error

    def run_blocking(config: RunnableConfig, **arguments: Any) -> str:
        return background.run(run(config, **arguments))

    return StructuredTool.from_function(
        func=run_blocking,
        coroutine=run,
        name=tool.name,
        description=tool.description,
        args_schema=tool.arguments,
        handle_tool_error=True,
        handle_validation_error=_explained,
    )


def _explained(error: Any) -> str:
    return f"the arguments are wrong: {explain(error)}"
