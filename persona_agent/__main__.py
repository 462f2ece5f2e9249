"""``python -m persona_agent``: the command line."""

from persona_agent.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
