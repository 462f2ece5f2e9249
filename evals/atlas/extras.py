"""Loading libraries of the extra ``atlas`` when they are first used."""

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


def _loaded(module: str, package: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError(package, "atlas") from None
