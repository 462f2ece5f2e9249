"""What holds for every test: no paid call, no setting and no cache of the person who runs them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SWITCH = "PERSONA_AGENT_ALLOW_MODEL_CALLS"
LOCAL_SERVER = "endpoint"
"""A test with a fixture of this name is itself the server that its model calls."""


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Take the runner's settings away, give caches a folder that lasts one run, forbid calls.

    It is the environment, so that it holds in the processes that tests start as well.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PERSONA_AGENT_")]:
            patch.delenv(name)
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv(SWITCH, "false")
        yield


@pytest.fixture
def allow_model_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let one test call a model; what it calls must be on this machine."""
    monkeypatch.delenv(SWITCH)


@pytest.fixture(autouse=True)
def _model_calls(request: pytest.FixtureRequest) -> None:
    if LOCAL_SERVER in request.fixturenames:
        request.getfixturevalue("allow_model_calls")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the evaluation data where they are absent."""
    if DATA.is_dir():
        return
    absent = pytest.mark.skip(reason="the evaluation data are not at ../shared/data")
    for item in items:
        if item.get_closest_marker("data"):
            item.add_marker(absent)
