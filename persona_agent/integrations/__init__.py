"""The agent inside other frameworks: LangGraph, MCP, plain Python."""
