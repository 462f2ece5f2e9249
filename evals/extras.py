"""Loading the libraries of the extras when they are first used, with one error where one is absent.

They are the ones for maps and plots: of the extra ``atlas``, which the app's extra ``ui`` shares.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from persona_agent.errors import MissingExtraError


def sklearn(module: str) -> ModuleType:
    """Return a module of scikit-learn. Raises MissingExtraError."""
    return _loaded(f"sklearn.{module}", "scikit-learn")


def umap() -> ModuleType:
    """Return umap, whose import takes half a minute. Raises MissingExtraError."""
    return _loaded("umap", "umap-learn")


def plotly(module: str = "graph_objects", *, extra: str = "atlas") -> ModuleType:
    """Return a module of plotly; ``extra`` is what installs it for the caller.

    Raises:
        MissingExtraError: plotly is not installed.
    """
    return _loaded(f"plotly.{module}", "plotly", extra)


def matplotlib(module: str) -> ModuleType:
    """Return a module of matplotlib. Raises MissingExtraError."""
    return _loaded(f"matplotlib.{module}", "matplotlib")


def _loaded(module: str, package: str, extra: str = "atlas") -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError(package, extra) from None
