"""Heavy libraries are loaded when they are used and not before. Each check has its own process."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "litellm", "chromadb", "langgraph", "sentence_transformers", "streamlit")

LIGHT = [
    "import persona_agent",
    "from persona_agent import PersonaAgent, Settings, Episode",
    "import persona_agent.agent, persona_agent.optimizer, persona_agent.llm, persona_agent.memory",
    "import persona_agent.evals.arms.catalog, persona_agent.evals.evaluation",
    "import persona_agent.testing",
    "import persona_agent.ui",
]


def run(code: str) -> str:
    """Run a program and return its last line."""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def loaded(code: str) -> list[str]:
    """Return the heavy libraries that are loaded after ``code``."""
    report = f"import json, sys; print(json.dumps(sorted(set({HEAVY!r}) & set(sys.modules))))"
    names: list[str] = json.loads(run(f"{code}\n{report}"))
    return names


@pytest.mark.slow
@pytest.mark.parametrize("code", LIGHT)
def test_imports_are_light(code: str) -> None:
    assert loaded(code) == []


def test_help_is_light() -> None:
    code = """
import runpy, sys
sys.argv = ["persona-agent", "--help"]
try:
    runpy.run_module("persona_agent", run_name="__main__")
except SystemExit as end:
    assert not end.code, end.code
"""
    assert loaded(code) == []


def test_importing_the_root_imports_nothing_else_of_the_package() -> None:
    code = """
import persona_agent, sys
print([name for name in sys.modules if name.startswith("persona_agent.")])
"""
    assert run(code) == "[]"


def test_the_names_of_the_root_are_listed_before_they_are_loaded() -> None:
    code = "import persona_agent as p; print(set(p.__all__) <= set(dir(p)))"
    assert run(code) == "True"


def test_a_heavy_import_would_be_noticed() -> None:
    code = "import sys, types; sys.modules['torch'] = types.ModuleType('torch')"
    assert loaded(code) == ["torch"]


@pytest.mark.slow
def test_every_name_of_the_root_can_be_had() -> None:
    code = "import persona_agent as p; print(all(getattr(p, name) for name in p.__all__))"
    assert run(code) == "True"
