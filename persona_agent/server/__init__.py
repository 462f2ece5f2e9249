"""The agent behind HTTP: an OpenAI-compatible endpoint and a REST API."""
