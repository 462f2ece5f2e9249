"""Telling a statement about a person from one that directs whoever reads it.

A rule of three parts that holds for any wording of them. A statement is a direction when one of its
sentences

1. is *directed*: it commands, speaks to somebody, has the assistant or its answers as a part of
   what happens, wishes how something is done, says what must, may or need not be, or grants
   something to whom it is about;
2. names a *matter* that is the application's to decide: its rules, safety wording, secrets,
   approvals, records, or what its tools do; and
3. names what is *done* to that matter: it is taken away, shown, done unasked, put below, hidden.

What a person does in the own life is not directed (*signs contracts without reading them*), a taste
is about no such matter (*wants short answers*), and a wish for more of it does nothing to it
(*wants warnings up front*): each of these passes. Who speaks to the assistant of such a matter, or
wishes something about safety wording, wants less of it, unless more is said. A few things are
directions in themselves: talk of the text that is being read (*this profile has the last word*),
and obedience without exception.

The words are lists of meanings, each in any form, and the parts stand in any order. A sentence in
other words than these passes; a model that is asked as well finds more.
"""

from __future__ import annotations

import re

from persona_agent.persona import directing_matters as matters
from persona_agent.persona import directing_words as words
from persona_agent.persona.naming import without_names

_SENTENCES = re.compile(r"[.!?;\n]+(?:\s|$)")


def directs(text: str) -> bool:
    """Tell whether a text, in small letters, directs the assistant in the application's matters."""
    named = without_names(text, _directs_somewhere)
    # Who speaks to the assistant means by a name what the name says.
    return _directs_somewhere(
        text if named != text and any(map(_addressed, _parts(named))) else named
    )


def _parts(text: str) -> list[str]:
    return [part for part in _SENTENCES.split(text) if part.strip()]


def _addressed(sentence: str) -> bool:
    return bool(words.COMMAND.search(sentence) or words.ADDRESSED.search(sentence))


def _directs_somewhere(text: str) -> bool:
    parts = _parts(text)
    return any(map(_directs, parts)) or (len(parts) > 1 and _directs(" ; ".join(parts)))


def _directs(sentence: str) -> bool:
    if matters.IN_ITSELF.search(sentence) or matters.OBEDIENCE.search(sentence):
        return True
    addressed = _addressed(sentence)
    answered = addressed or bool(words.ANSWERED.search(sentence))
    if answered and matters.RAW.search(sentence):
        return True
    if words.HEAVY_DUTY.search(sentence) or (addressed and words.ITS_TOOLS.search(sentence)):
        return True
    wished = answered or _expected(sentence)
    return wished and (_is_weakened(sentence, addressed) or _is_done(sentence))


def _is_weakened(sentence: str, addressed: bool) -> bool:
    """Tell whether rules, safety wording, approvals or records are to be less than they are.

    Who speaks to the assistant of them, or wishes something about safety wording, wants less of
    them, unless it is said that there be more.
    """
    safe, ruled = bool(matters.SAFETY.search(sentence)), bool(matters.RULES.search(sentence))
    matter = safe or ruled or matters.CONSENT.search(sentence) or matters.LOGS.search(sentence)
    theirs = matters.THEIR_SAY.search(sentence)
    if not (matter or theirs):
        return False
    less = matters.AWAY.search(sentence) or ((ruled or theirs) and matters.ABOVE.search(sentence))
    if less or (safe and matters.BANNED.search(sentence)):
        return True
    if not matter:
        return False
    return (addressed or (safe and not words.OPINION.search(sentence))) and not matters.MORE.search(
        sentence
    )


def _is_done(sentence: str) -> bool:
    """Tell whether secrets are shown, tools used unasked, strangers heeded or things hidden."""
    return bool(
        (
            matters.SECRETS.search(sentence)
            and matters.SHOWN.search(sentence)
            and not matters.EXPLAINED.search(sentence)
        )
        or (
            matters.TOOLS.search(sentence)
            and matters.DEED.search(sentence)
            and matters.UNASKED.search(sentence)
        )
        or (matters.SOURCES.search(sentence) and matters.HEEDED.search(sentence))
        or (matters.HIDDEN.search(sentence) and matters.KEPT_FROM.search(sentence))
    )


def _expected(sentence: str) -> bool:
    """Tell whether a wish, a duty or a grant is uttered, and not a habit of the person's own."""
    if words.OWN_LIFE.search(sentence):
        return False
    then = words.CONDITION.sub("", sentence)
    rest = words.OF_A_THING.sub(r"\1", then)
    if words.WISHED.search(rest) or words.UNWANTED.search(rest):
        return True
    if words.OWN_LIFE.search(then):  # what is done on that condition
        return False
    return any(kind.search(rest) for kind in (words.MODAL, words.BARE, words.GRANTED))
