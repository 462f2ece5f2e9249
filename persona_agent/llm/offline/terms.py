"""Words that set one group of texts apart from another, by counting."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"[a-z][a-z'-]{2,}")
_COMMON = frozenset(
    """
    about above across actually after again against ago all almost along already also
    although always among and another any anyone anything are around ask asked asks away
    back based became because become becomes been before began begin begins behind being
    best better between big both but call called came can cannot come comes coming could day
    days did didn does doesn doing don done down during each either else end enough even
    ever every everyone everything few find finds first five for found four from gave get
    gets getting give given gives goes going gone good got had half has have having help her
    here hers herself him himself his how however into its itself just keep keeps kept know
    known last later least leave leaves left less let like little long look looking lot made
    make makes making man many may maybe might more most much must near need never new next
    nor not nothing now off often old once one ones only onto other others our out over own
    part people per place put quite rather really right said same say says see seem seems
    seen set several shall she should show shows since small some someone something soon
    still stop such take takes taking than that the their them themselves then there these
    they thing things think this those though three through till time times together too
    took toward towards try trying turn turned turns two under until upon use used uses
    using very want wants was way ways well were what when where whether which while who
    whole whom whose why will with within without woman won word work works would year years
    yes yet you young your
    """.split()  # noqa: SIM905
)


def words(text: str) -> set[str]:
    """Return the telling words of a text, in lower case."""
    return {word for word in _WORD.findall(text.casefold()) if word not in _COMMON}


def segments(text: str) -> set[str]:
    """Return the comma-separated parts of a list-like text, else none."""
    parts = {part.strip().rstrip(".").casefold() for part in text.split(",")}
    short = len(parts) > 1 and all(0 < len(part.split()) <= 5 for part in parts)
    return parts if short else set()


def distinctive(
    inside: Sequence[set[str]], outside: Sequence[set[str]], *, most: int, at_least: int = 2
) -> list[tuple[str, int]]:
    """Return terms that are frequent inside and rare outside, best first, with their counts.

    score = log((i + .5) / (n + 1)) - log((o + .5) / (m + 1)), weighted by log(1 + i); only terms
    in at least ``at_least`` texts inside and relatively more frequent there count.
    """
    counted = Counter(term for terms in inside for term in terms)
    against = Counter(term for terms in outside for term in terms)
    scored = []
    for term, count in counted.items():
        rate = (count + 0.5) / (len(inside) + 1)
        other = (against[term] + 0.5) / (len(outside) + 1)
        if count >= at_least and rate > 1.5 * other:
            scored.append((math.log(rate / other) * math.log1p(count), term, count))
    scored.sort(key=lambda item: (-item[0], item[1]))
    return [(term, count) for _, term, count in scored[:most]]
