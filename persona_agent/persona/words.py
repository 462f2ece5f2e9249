"""Which words of a text tell something: all but the common ones."""

from __future__ import annotations

import re

_WORD = re.compile(r"[a-z][a-z'-]{2,}")
COMMON = frozenset(
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


def telling_words(text: str) -> list[str]:
    """Return the telling words of a text in their order, each once, in lower case."""
    found = dict.fromkeys(_WORD.findall(text.casefold()))
    return [word for word in found if word not in COMMON]
