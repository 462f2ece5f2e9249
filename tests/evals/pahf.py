"""PAHF in small, as its files are: two people who shop, and two who want things brought."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LIKES = {
    "dislike": ["steel", "glass"],
    "like_second": ["oak"],
    "like_most": "walnut",
}
OTHER = {"dislike": ["walnut", "oak"], "like_second": ["glass"], "like_most": "steel"}
SIZES = {"dislike": ["huge"], "like_second": ["small"], "like_most": "tiny"}


def people(material: dict[str, Any]) -> dict[str, Any]:
    table = {"material": material, "size": SIZES}
    return {name: {"persona_info": {"name": name, "table": table}} for name in ("Ann", "Bob")}


def purchase(user: str, gt: str | None, *options: list[str]) -> dict[str, Any]:
    named = {f"Option {letter}": option for letter, option in zip("ABC", options, strict=True)}
    return {"product": "table", **named, "User": user, "Task": "Buy a table I like", "gt": gt}


def shop(folder: Path, **changed: Any) -> Path:
    """A folder of PAHF shopping in small; ``changed`` replaces files, by their stem."""
    best, second = ["walnut", "tiny"], ["oak", "tiny"]
    before: list[Any] = [
        ("A", best, second, ["steel", "tiny"]),
        (None, ["glass", "tiny"], ["oak", "huge"], ["steel", "huge"]),
    ]
    after: list[Any] = [("C", best, second, ["steel", "tiny"])] * 2
    files: dict[str, Any] = {
        "shopping_persona_info": people(LIKES),
        "shopping_updated_persona_info": people(OTHER),
    }
    for phase, rows in ((1, before), (2, before), (3, after), (4, after)):
        files[f"shopping_phase{phase}"] = [
            purchase(user, gt, *options) for user in ("Ann", "Bob") for gt, *options in rows
        ]
    for name, value in (files | changed).items():
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")
    return folder


def errands(folder: Path, each: int = 12) -> Path:
    """A folder of PAHF embodied in small: two people who want another cup after the switch."""
    for stage, wanted in (("original", "red cup"), ("evolved", "blue cup")):
        for letter in "AB":
            rows = [
                {
                    "user": user,
                    "task": f"Bring me something to drink, case {number} {letter}",
                    "scene_objects": ["red cup", "blue cup", "green cup"],
                    "user_intent_object": wanted,
                }
                for user in ("Ann", "Bob")
                for number in range(each)
            ]
            path = folder / f"embodied_scenarios_{stage}_scenarios_{letter}.json"
            path.write_text(json.dumps(rows), encoding="utf-8")
    return folder
