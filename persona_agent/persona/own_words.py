"""What a speaker commits itself to: the sentences of a reply that assert something about itself.

Read by rule, for English: it costs no call. Offers, opinions of the matter, quotations, lists and
texts written for somebody else are no facts about the speaker, and what is said of the other person
is none either.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from persona_agent.persona.contradiction import sentences

MOST_KEPT = 30
LONGEST_KEPT = 200
SHORT_ANSWER = 12
"""Words up to which a reply to a question about the speaker is a fact as it stands."""
LONGEST_ANSWER = 30
"""Words up to which the first sentence of a longer one is kept."""

_FIRST_PERSON = frozenset({"i", "my", "mine", "me", "i'm", "i've", "we", "our"})
_OTHER = re.compile(r"\b(?:you|your|yours|you're|you've|you'd|you'll)\b", re.IGNORECASE)
_NO_FACT = re.compile(
    r"\b(?:I|we)\s*(?:'d|'ll|\s+would|\s+will|\s+can|\s+could|\s+may|\s+might|\s+should|\s+think|"
    r"\s+suggest|\s+recommend|\s+suppose|\s+guess|\s+believe|\s+hope|\s+see|\s+understand|\s+know|"
    r"\s+mean|\s+found|\s+looked|\s+checked|\s+am\s+(?:sorry|glad|happy|afraid|sure)|"
    r"'m\s+(?:sorry|glad|happy|afraid|sure)|\s+(?:do\s+not|don't|cannot|can't)\s+know)\b|"
    r"\b(?:let|tell|give|send|show)\s+me\b",
    re.IGNORECASE,
)
# Whoever writes decides how long a text is: none of these may take longer than in proportion to it.
_QUOTED = re.compile(r"^[ \t]*(?:[-*>•]|\d+[.)])[^\n]*$|```(?s:.*?)```", re.MULTILINE)
_IN_QUOTES = re.compile(r'"[^"]*"|\u201c[^\u201c\u201d]*\u201d')
_CUT = '""'
_ASKS_FOR_A_TEXT = re.compile(
    r"\b(?:draft|write|compose|rewrite|rephrase|reword|translate|proofread|paraphrase)\b|"
    r"\ban?(?:\s+\w+){0,2}\s+(?:e-?mail|letter|post|speech|poem|toast|caption)\b",
    re.IGNORECASE,
)
_ANSWERING = re.compile(r"\b(?:reply|answer|respond)\b", re.IGNORECASE)
_IN_MY_NAME = re.compile(r"\b(?:for me|in my name)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"[^.?!]+[.?!]?")
_ASKING = re.compile(
    r"\b(?:are|were|do|did|have|had|what(?:'s| is| was| are| were)|where|when|who|which|how)\b",
    re.IGNORECASE,
)
_YOU = re.compile(r"\byou(?:r|rs)?\b", re.IGNORECASE)
_YOUR = re.compile(r"\byour\b", re.IGNORECASE)
_ASKS_FOR_SOMETHING = re.compile(
    r"\b(?:can|could|would|will|should|shall|recommend|suggest|advise|know|think|have any)\b",
    re.IGNORECASE,
)
_ASKS_THE_NAME = re.compile(r"\b(?:should|shall|can|may|do) (?:I|we) call you\b", re.IGNORECASE)
_GIVES_A_NAME = re.compile(
    r"(?:(?P<plainly>\b[Ii](?:'ll| will|'m going to)?(?: just)? (?:call|name) you|"
    r"\b[Yy]our name(?:'s| is))|\b[Yy]ou(?:'re| are| shall be)(?: now)?) (?P<name>[A-Z]\w+)\b(?!')"
)
_STATES = re.compile(
    r"\d|\b(?:is|are|was|were|isn't|aren't|has|have|costs|opens|closes|leaves|takes|runs|"
    r"starts|ends)\b",
    re.IGNORECASE,
)
_LEAVES_OPEN = re.compile(
    r"\b(?:if|would|could|may|might|should|maybe|perhaps|probably|or|let's)\b|'d\b", re.IGNORECASE
)
_PAIR = re.compile(r'(Asked|Told) "([^"]*)": (.*)', re.DOTALL)
_SAYS_NOTHING = re.compile(
    r"\?$|"
    r"^(?:hi|hello|hey|sure|well|oh|thanks|good question|nice to meet you)\b[^.!]{0,30}[.!]$",
    re.IGNORECASE,
)
_GOES_ON = re.compile(r"^(?:before that|after that|then|besides|also|and|but|so)\b", re.IGNORECASE)


def about_itself(text: str) -> list[str]:
    """Return the sentences that assert something about the speaker."""
    return [
        part
        for part in sentences(text)
        if not part.rstrip().endswith("?")
        and _FIRST_PERSON & {word.strip(".,;!") for word in part.casefold().split()}
    ]


def own_words(message: str, reply: str) -> list[str]:
    """Return what a reply commits its speaker to, one line each.

    The answer to a question about the speaker stands behind that question, and a name that the
    other gives it and it takes up behind the words that give it. All else are facts in the first
    person that stand by themselves; none where a text was asked for, in which "I" is somebody else.
    """
    text = _plain(_QUOTED.sub(" ", reply))
    asked = [one for one in sentences(_plain(message)) if _asks_itself(one)]
    found = []
    if asked:
        answers = _answers(text, alone=_greets_at_most(message, asked))
        found += [_pair("Asked", " ".join(asked), one) for one in answers]
    found += _name_taken_up(message, text)
    if _asks_for_a_text(message):
        return found
    said = "\n".join(found)
    return [*found, *(one for one in _facts_of_itself(text) if one not in said)]


def stated(message: str, reply: str) -> list[str]:
    """Return what a reply states of its speaker, or of the world, as :func:`own_words` does.

    Of the world are whole sentences with a figure or a plain "is" that leave nothing open. Advice
    and texts written for somebody else state nothing.
    """
    found = own_words(message, reply)
    if _asks_for_a_text(message):
        return found
    said = "\n".join(found)
    text = _without_quotations(_plain(_QUOTED.sub(" ", reply)))
    return [*found, *(one[:LONGEST_KEPT] for one in sentences(text)
                      if _states_a_fact(one) and one[:LONGEST_KEPT] not in said)]  # fmt: skip


def _answers(text: str, *, alone: bool) -> list[str]:
    """Return what of a reply answers a question about its speaker, nothing where nothing does.

    A short reply as it stands; of a longer one the first fact in the first person, which need not
    come first where the message asked for something else too, and a short first sentence where
    the question was ``alone`` or there is no such fact.
    """
    short = len(text.split()) <= SHORT_ANSWER and not text.endswith("?")
    parts = [text] if short else sentences(text)
    said = [one.strip() for one in parts if not _SAYS_NOTHING.search(one.strip())]
    if short or not said:
        return said
    of_itself = [
        one
        for one in said
        if about_itself(one) and not _NO_FACT.search(one) and len(one.split()) <= LONGEST_ANSWER
    ][:1]
    first = said[:1] if (alone or not of_itself) and len(said[0].split()) <= SHORT_ANSWER else []
    return list(dict.fromkeys([*first, *of_itself]))


def _greets_at_most(message: str, asked: Sequence[str]) -> bool:
    """Tell whether a message says nothing but a greeting beside what it asks."""
    others = [one for one in sentences(_plain(message)) if one not in asked]
    return all(_SAYS_NOTHING.search(one) and not one.endswith("?") for one in others)


def _name_taken_up(message: str, text: str) -> list[str]:
    """Return how a reply takes up a name that the message gives to its speaker.

    The sentence that repeats it; where none does, the first answers what gives a name plainly.
    """
    replied = [(one, frozenset(re.findall(r"\w+", one))) for one in sentences(text)]
    for given in sentences(_plain(message)):
        name = None if given.rstrip().endswith("?") else _GIVES_A_NAME.search(given)
        if name is None:
            continue
        taken = [one for one, its_words in replied if name["name"] in its_words]
        if taken or (taken := [replied[0][0]] if name["plainly"] else []):
            return [_pair("Told", given, taken[0])]
    return []


def _pair(how: str, message: str, said: str) -> str:
    quoted = " ".join(message.replace('"', "'").split())  # a quote would end it
    return f'{how} "{quoted[:LONGEST_KEPT]}": {said.strip()}'[: 2 * LONGEST_KEPT]


def occasion(line: str) -> tuple[str, str]:
    """Return on what occasion a line of :func:`own_words` was said, and what was said.

    The occasion reads ``asked "..."`` or ``told "..."``, and is empty where the line stands alone.
    """
    found = _PAIR.fullmatch(line)
    return (f'{found[1].lower()} "{found[2]}"', found[3]) if found else ("", line)


def _facts_of_itself(text: str) -> list[str]:
    return [
        part[:LONGEST_KEPT]
        for part in about_itself(_without_quotations(text))
        if _CUT not in part and not _says_no_fact(part)
    ]


def _states_a_fact(part: str) -> bool:
    return (
        not part.rstrip().endswith("?")
        and _CUT not in part
        and _STATES.search(part) is not None
        and not (_LEAVES_OPEN.search(part) or _says_no_fact(part))
    )


def _says_no_fact(part: str) -> bool:
    return bool(_OTHER.search(part) or _NO_FACT.search(part) or _GOES_ON.search(part.strip()))


def _asks_itself(message: str) -> bool:
    if _ASKS_THE_NAME.search(message):
        return True
    asked = any(
        one.endswith("?") and (_YOUR.search(one) or _in_turn(_ASKING, _YOU, one))
        for one in _SENTENCE.findall(message)
    )
    return asked and not _ASKS_FOR_SOMETHING.search(message)


def _asks_for_a_text(message: str) -> bool:
    return bool(_ASKS_FOR_A_TEXT.search(message)) or any(
        _in_turn(_ANSWERING, _IN_MY_NAME, one) for one in _SENTENCE.findall(message)
    )


def _in_turn(first: re.Pattern[str], then: re.Pattern[str], text: str) -> bool:
    """Tell whether one pattern is found, and the other behind it."""
    found = first.search(text)
    return found is not None and then.search(text, found.end()) is not None


def _without_quotations(text: str) -> str:
    """Return a text with quotations of several words cut; one word may be a name or a title."""
    return _IN_QUOTES.sub(lambda quoted: _CUT if re.search(r"\s", quoted[0]) else quoted[0], text)


def out_of_view(lines: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Return the lines of :func:`own_words` that none of the messages shown still says."""
    texts = [_plain(one) for one in shown]
    return [line for line in lines if not any(_spoken(line) in text for text in texts)]


def _spoken(line: str) -> str:
    return _plain(occasion(line)[1])


def _plain(text: str) -> str:
    """Return a text on one line, with plain apostrophes."""
    return " ".join(text.replace("\u2019", "'").split())


def kept(earlier: Sequence[str], said: Sequence[str]) -> tuple[str, ...]:
    """Return what is kept once more was said: each once, the latest :data:`MOST_KEPT`."""
    return tuple(dict.fromkeys([*earlier, *said]))[-MOST_KEPT:]
