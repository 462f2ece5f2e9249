"""What holds for every test: no paid call, no setting and no cache of the person who runs them."""

from __future__ import annotations

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Time limits a test would miss on a busy machine, and random examples, make a suite flaky.
settings.register_profile("thorough", deadline=None, derandomize=True)
settings.register_profile("quick", settings.get_profile("thorough"), max_examples=20)

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SWITCH = "PERSONA_AGENT_ALLOW_MODEL_CALLS"
LOCAL_SERVER = "endpoint"
"""A test with a fixture of this name is itself the server that its model calls."""

BYTECODE = Path(__file__).resolve().parents[1] / ".pytest_cache" / "bytecode"
IN_MEMORY = Path("/dev/shm")
ROOM = 4 << 30
"""Bytes that have to be free in memory for temporary files to go there."""


def pytest_configure(config: pytest.Config) -> None:
    """Choose how many examples are drawn, and where temporary files lie.

    In the full run, Hypothesis draws what it draws by default; without the slow tests, a few.
    Databases wait for the disk after each write: in memory, which others do not keep busy, the
    tests take half the time. A folder that the runner names goes first.

    Where Python may not write bytecode beside the sources, pytest's cache takes it: compiled anew
    by each process, the tests and all that they start take seconds more.
    """
    if sys.dont_write_bytecode and not sys.pycache_prefix:
        sys.dont_write_bytecode, sys.pycache_prefix = False, str(BYTECODE)
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(BYTECODE)
    settings.load_profile("quick" if "not slow" in config.option.markexpr else "thorough")
    if IN_MEMORY.is_dir() and shutil.disk_usage(IN_MEMORY).free > ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))


def pytest_collection_finish() -> None:
    """Take what was imported so far out of the garbage collector's rounds."""
    gc.collect()
    gc.freeze()


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
        patch.setenv("LANGUAGE", "C")  # argparse speaks English then, and looks for no translation
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
