"""The agent inside other frameworks: LangGraph, MCP, plain Python.

``langgraph`` has nodes, ``langgraph_store`` the long-term store, ``langgraph_tools`` tools,
``mcp`` the MCP server, ``plain`` wraps any chat function. Importing this package loads none of the
frameworks.
"""

from persona_agent.integrations.plain import wrap

__all__ = ["wrap"]
