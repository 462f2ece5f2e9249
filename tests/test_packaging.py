"""What pyproject.toml says of packages must be what is on disk, or a wheel lacks files silently."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from itertools import chain
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS: dict[str, Any] = PYPROJECT["tool"]["setuptools"]
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]
LINKED = {package: folder for package, folder in FOLDERS.items() if "." in package}
SOURCES = {".py", ".pyi"}


def folder_of(package: str) -> Path:
    """Return the real folder of a package: that of its longest mapped ancestor, and the rest."""
    home = max((p for p in FOLDERS if f"{package}.".startswith(f"{p}.")), key=len)
    rest = package.removeprefix(home).lstrip(".")
    return ROOT.joinpath(FOLDERS[home], *filter(None, rest.split(".")))


def files_below(package: str) -> list[PurePosixPath]:
    """Return the files below a mapped folder, in relation to it; links belong to their target."""
    top = ROOT / FOLDERS[package]
    found = []
    for here, folders, names in os.walk(top):  # follows no links
        folders[:] = [name for name in folders if name != "__pycache__"]
        found += [PurePosixPath(here, name).relative_to(top) for name in names]
    return found


def test_every_folder_with_files_is_a_listed_package_and_the_other_way_round() -> None:
    on_disk = {
        ".".join([package, *file.parent.parts])
        for package in FOLDERS
        for file in files_below(package)
    }
    assert on_disk == set(SETUPTOOLS["packages"])
    assert len(SETUPTOOLS["packages"]) == len(on_disk)


def test_every_package_has_an_init() -> None:
    for package in SETUPTOOLS["packages"]:
        assert (folder_of(package) / "__init__.py").is_file(), package


def test_every_data_file_is_covered_by_package_data() -> None:
    patterns: dict[str, list[str]] = SETUPTOOLS["package-data"]
    for package in FOLDERS:
        for file in files_below(package):
            if file.suffix in SOURCES:
                continue
            home = ".".join([package, *file.parent.parts])
            assert any(file.match(p) for p in patterns.get(home, [])), f"{home}: {file.name}"


def test_every_package_data_pattern_finds_something() -> None:
    for package, patterns in SETUPTOOLS["package-data"].items():
        for pattern in patterns:
            assert list(folder_of(package).glob(pattern)), f"{package}: {pattern}"


@pytest.mark.parametrize("package", LINKED)
def test_the_link_in_the_package_leads_to_the_folder(package: str) -> None:
    link = ROOT.joinpath(*package.split("."))
    assert link.is_symlink()
    assert not link.readlink().is_absolute()
    assert link.resolve() == ROOT / LINKED[package]


def test_there_are_no_other_links() -> None:
    links = {path for path in (ROOT / "persona_agent").iterdir() if path.is_symlink()}
    assert links == {ROOT.joinpath(*package.split(".")) for package in LINKED}


def test_folder_names_are_no_import_names() -> None:
    # In a process of its own, outside of the checkout: a host app may have such modules itself.
    code = f"""
import importlib.util, sys
sys.path = [place for place in sys.path if place]
print([name for name in {sorted(LINKED.values())!r} if importlib.util.find_spec(name)])
"""
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True, cwd="/"
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_modules_of_linked_folders_have_one_name() -> None:
    code = f"""
import sys
import persona_agent.evals, persona_agent.memory, persona_agent.optimizer, persona_agent.ui
print([name for name in {sorted(LINKED.values())!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_ui_module_is_named_like_a_dependency() -> None:
    # Streamlit puts the script's folder first on sys.path, where it would hide the dependency.
    taken = {name.lower() for name in metadata.packages_distributions()} | sys.stdlib_module_names
    ours = {path.stem.lower() for path in (ROOT / "ui").glob("*.py")} - {"__init__"}
    assert not ours & taken


# --- constraints ----------------------------------------------------------------------------------

PIN = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[A-Za-z0-9.!]+)")


def pins() -> dict[str, str]:
    """Return the version of each constrained package, by normalized name."""
    found = {}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        pin = PIN.fullmatch(line)  # no host, no hash, no local version
        assert pin, line
        found[normalized(pin["name"])] = pin["version"]
    return found


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_direct_dependency_is_pinned_within_its_bounds() -> None:
    from packaging.requirements import Requirement

    project = PYPROJECT["project"]
    extras: dict[str, list[str]] = project["optional-dependencies"]
    pinned = pins()
    for line in chain(project["dependencies"], *extras.values()):
        requirement = Requirement(line)
        name = normalized(requirement.name)
        if name != normalized(project["name"]):
            assert requirement.specifier.contains(pinned[name]), line


def test_the_extra_all_holds_every_extra_but_dev() -> None:
    from packaging.requirements import Requirement

    extras: dict[str, list[str]] = PYPROJECT["project"]["optional-dependencies"]
    (line,) = extras["all"]
    assert Requirement(line).extras == set(extras) - {"all", "dev"}


def test_the_version_is_the_same_everywhere() -> None:
    import persona_agent

    assert persona_agent.__version__ == PYPROJECT["project"]["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {persona_agent.__version__}" in changes
