"""What maps and plots need is named with its install line where it is absent."""

from __future__ import annotations

import sys

import pytest

from persona_agent.errors import MissingExtraError
from persona_agent.evals import extras
from persona_agent.evals.report.build import Report
from persona_agent.evals.report.page import page
from persona_agent.ui import plots


@pytest.mark.parametrize("name", ["plotly", "matplotlib", "sklearn", "umap"])
def test_what_is_absent_is_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (name, "plotly.graph_objects", "matplotlib.figure", "sklearn.cluster"):
        if module.startswith(name):
            monkeypatch.setitem(sys.modules, module, None)
    load = {
        "plotly": extras.plotly,
        "matplotlib": lambda: extras.matplotlib("figure"),
        "sklearn": lambda: extras.sklearn("cluster"),
        "umap": extras.umap,
    }
    package = {"sklearn": "scikit-learn", "umap": "umap-learn"}.get(name, name)
    with pytest.raises(MissingExtraError, match=rf"needs {package}, .*\[atlas\]"):
        load[name]()


def test_an_app_without_plotly_names_its_own_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    monkeypatch.setitem(sys.modules, "plotly.offline", None)
    with pytest.raises(MissingExtraError, match=r"needs plotly, .*\[ui\]"):
        plots._figure("x", "y")
    with pytest.raises(MissingExtraError, match=r"needs plotly, .*\[atlas\]"):
        page(Report(title="x", sections=()))
