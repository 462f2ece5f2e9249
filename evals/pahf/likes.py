"""What a PAHF shopper makes of products, from the likes that only the evaluator knows.

Of each feature of a product a person likes one value most, accepts some others, and dislikes the
rest (PAHF, arXiv 2602.16173). A product is acceptable when nothing in it is disliked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from persona_agent.evals.data.source import Item, Place

MOST, ACCEPTED, DISLIKED = 2, 1, 0
"""How much a value of a feature is liked."""


@dataclass(frozen=True)
class Likes:
    """How much one person likes each value of the features of one product."""

    grades: dict[str, int]

    def worth(self, product: Sequence[str], place: Place) -> tuple[int, int]:
        """Return how good a product is: first fewest disliked values, then most liked most.

        Higher is better; the first number is 0 for an acceptable product. Raises InputError for
        a value of which nothing is known.
        """
        unknown = [value for value in product if value not in self.grades]
        if unknown:
            place.fail(f"nobody knows whether the user likes {unknown[0]!r}")
        grades = [self.grades[value] for value in product]
        return -grades.count(DISLIKED), grades.count(MOST)


def read_likes(person: Item) -> dict[str, Likes]:
    """Return the likes of a person by product.

    Raises:
        InputError: a feature does not say what is liked.
    """
    info = part(person, "persona_info")
    products = [name for name, value in info.value.items() if isinstance(value, dict)]
    return {product: Likes(_grades(part(info, product))) for product in products}


def part(whole: Item, name: str) -> Item:
    """Return a field that is an object. Raises InputError."""
    return Item(whole.value.get(name), whole.place.at(f"field {name!r}"))


def _grades(product: Item) -> dict[str, int]:
    grades: dict[str, int] = {}
    for feature in product.value:
        values = part(product, feature)
        grades |= dict.fromkeys(values.texts("dislike"), DISLIKED)
        grades |= dict.fromkeys(values.texts("like_second"), ACCEPTED)
        grades[values.name("like_most")] = MOST
    return grades


def best(worths: Sequence[tuple[int, int]]) -> list[int]:
    """Return the places of the best products; several where the likes do not decide."""
    top = max(worths)
    return [place for place, worth in enumerate(worths) if worth == top]
