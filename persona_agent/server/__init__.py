"""The server: an OpenAI-compatible chat endpoint and a REST API. Importing this is cheap."""
