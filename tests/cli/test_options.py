"""What options take, and what they refuse before a command has done anything."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path

import pytest

from persona_agent.cli.options import PORTS, at_least, names, out_file


def test_names_may_have_blanks_beside_their_commas() -> None:
    assert names("generic, rag ,persona") == ["generic", "rag", "persona"]


def test_a_file_to_write_may_be_there_or_have_its_folders_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.json").write_text("{}", encoding="utf-8")
    for given in ("there.json", "new.json", "new/folder/result.json"):
        assert out_file(given) == Path(given)
    assert not Path("new").exists(), "asking makes nothing"


@pytest.mark.parametrize(
    ("take", "given", "problem"),
    [
        (names, "", "is not a list of names"),
        (names, "generic,,rag", "is not a list of names"),
        (out_file, ".", "is a folder"),
        (out_file, "file/result.json", "cannot be written"),
        (at_least(1), "0", "0 is less than 1"),
        (at_least(1), "one", "is not a whole number"),
        (at_least(0, most=PORTS), "65536", "65536 is more than 65535"),
    ],
)
def test_what_cannot_be_taken_is_said(
    take: Callable[[str], object],
    given: str,
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("", encoding="utf-8")
    with pytest.raises(ArgumentTypeError, match=problem):
        take(given)
