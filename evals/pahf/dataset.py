"""PAHF data (arXiv 2602.16173): people who choose in four phases, with other likes in the last two.

Phases 1 and 3 are learned from, 2 and 4 test; between 2 and 3 everybody's preferences change.
``shopping`` is a choice among three products by their features, ``embodied`` the object that a
person wants to be brought. An interaction is what is asked, the options, and what the person
chose: nothing else of the people ever leaves this module.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from persona_agent.errors import InputError
from persona_agent.evals.data.source import Item, Place, read_rows
from persona_agent.evals.pahf.likes import Likes, best, part, read_likes
from persona_agent.schema import Query

PHASES = (1, 2, 3, 4)
LEARNING = (1, 3)
DomainName = Literal["shopping", "embodied"]
DOMAINS: tuple[DomainName, ...] = ("shopping", "embodied")
DECLINE = "Do not buy anything"
LETTERS = ("A", "B", "C")

_INFO = {
    1: "shopping_persona_info.json",
    2: "shopping_persona_info.json",
    3: "shopping_updated_persona_info.json",
    4: "shopping_updated_persona_info.json",
}
_SCENARIOS = {
    1: "embodied_scenarios_original_scenarios_A.json",
    2: "embodied_scenarios_original_scenarios_B.json",
    3: "embodied_scenarios_evolved_scenarios_A.json",
    4: "embodied_scenarios_evolved_scenarios_B.json",
}


@dataclass(frozen=True)
class Interaction:
    """What was asked, among which options, and the option that the person chose.

    ``decided`` is False where another option is just as good to the person: such a choice tells
    something of them, but nobody can be expected to foresee it.
    """

    query: Query
    outcome: str
    decided: bool = True


@dataclass(frozen=True)
class Domain:
    """The interactions of all people: ``phases[phase][user]`` in the order of the file."""

    name: DomainName
    phases: Mapping[int, Mapping[str, Sequence[Interaction]]]


def load_domain(
    folder: Path, name: DomainName, *, may_decline: bool = False, seed: int = 0
) -> Domain:
    """Read one domain of a folder; options come in an order that is drawn for each question.

    Args:
        folder: with the files of PAHF, ``shopping_phase1.json`` and so on.
        name: of the domain.
        may_decline: shopping only: whether "Do not buy anything" is a fourth option, chosen where
            no product is acceptable, as in PAHF. Without it the person takes the best of the
            three.
        seed: of the order of options, and of the choice between equally good ones.

    Raises:
        InputError: names the file, the record, the field and the problem.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; PAHF's files are read from one")
    read = _shopping(folder, may_decline) if name == "shopping" else _embodied(folder)
    found: dict[int, dict[str, list[Interaction]]] = {phase: {} for phase in PHASES}
    for number, (phase, choice) in enumerate(read):
        draw = random.Random(f"{seed}/{name}/{number}")
        options = draw.sample(choice.options, len(choice.options))
        interaction = Interaction(
            query=choice.place.model(Query, text=choice.text, options=tuple(options), task=name),
            outcome=draw.choice(choice.best),
            decided=len(choice.best) == 1,
        )
        found[phase].setdefault(choice.user, []).append(interaction)
    _check_users(folder, name, found)
    return Domain(name=name, phases=found)


@dataclass(frozen=True)
class _Choice:
    """A record as it was read: who chooses, among what, and the options that are best."""

    place: Place
    user: str
    text: str
    options: Sequence[str]
    best: Sequence[str]


def _check_users(
    folder: Path, name: str, found: Mapping[int, Mapping[str, Sequence[Interaction]]]
) -> None:
    """Everybody has to take part in all phases, or accuracies by phase are of different people."""
    people = set(found[1])
    for phase in PHASES:
        odd = sorted(people ^ set(found[phase]))
        if odd or not people:
            who = f"user {odd[0]!r} is not in every phase" if odd else "there is no interaction"
            raise InputError(f"{folder}: {name}, phase {phase}: {who}")


# --- shopping -----------------------------------------------------------------------------------


def _shopping(folder: Path, may_decline: bool) -> Iterator[tuple[int, _Choice]]:
    for phase in PHASES:
        likes = _all_likes(folder / _INFO[phase])
        for place, row in read_rows(folder / f"shopping_phase{phase}.json"):
            yield phase, _purchase(Item(row, place), likes, may_decline)


def _all_likes(path: Path) -> dict[str, dict[str, Likes]]:
    people = Item(read_rows(path)[0][1], Place(str(path)))
    return {user: read_likes(part(people, user)) for user in people.value}


def _purchase(item: Item, likes: Mapping[str, Mapping[str, Likes]], may_decline: bool) -> _Choice:
    user, product = item.name("User"), item.name("product")
    known = likes.get(user, {}).get(product)
    if known is None:
        item.place.fail(f"nothing is known of what user {user!r} likes in a {product!r}")
    products = [item.texts(f"Option {letter}") for letter in LETTERS]
    options = [", ".join(values) for values in products]
    worths = [known.worth(values, item.place) for values in products]
    chosen, acceptable = best(worths), max(worths)[0] == 0
    if item.has("gt"):
        chosen = [_given(item, chosen, acceptable)]
    if may_decline:
        options.append(DECLINE)
        chosen = chosen if acceptable else [options.index(DECLINE)]
    return _Choice(
        item.place, user, item.name("Task"), options, [options[place] for place in chosen]
    )


def _given(item: Item, chosen: Sequence[int], acceptable: bool) -> int:
    """Return the choice that the file names; it has to agree with the likes."""
    letter = item.name("gt")
    if letter not in LETTERS:
        item.place.fail(f"field 'gt': {letter!r} is none of A, B and C")
    if not acceptable or LETTERS.index(letter) not in chosen:
        item.place.fail(f"field 'gt': the user's likes do not lead to {letter!r}")
    return LETTERS.index(letter)


# --- embodied -----------------------------------------------------------------------------------


def _embodied(folder: Path) -> Iterator[tuple[int, _Choice]]:
    for phase in PHASES:
        for place, row in read_rows(folder / _SCENARIOS[phase]):
            item = Item(row, place)
            objects = item.texts("scene_objects")
            wanted = _wanted(item.name("user_intent_object"), objects, place)
            yield phase, _Choice(place, item.name("user"), item.name("task"), objects, [wanted])


def _wanted(name: str, objects: Sequence[str], place: Place) -> str:
    """Return the object of the scene with this name, or the only one whose name contains it."""
    if name in objects:
        return name
    whole = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
    named = [one for one in objects if whole.search(one)]
    if len(named) != 1:
        place.fail(f"field 'user_intent_object': {name!r} is not in 'scene_objects'")
    return named[0]
