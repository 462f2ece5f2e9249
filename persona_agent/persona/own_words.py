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
_QUOTED = re.compile(r"^\s*(?:[-*>•]|\d+[.)]).*$|```.*?```", re.MULTILINE | re.DOTALL)
_WORDS_IN_QUOTES = re.compile(r'"[^"]*\s[^"]*"|\u201c[^\u201d]*\s[^\u201d]*\u201d')
_CUT = '""'
_ASKS_FOR_A_TEXT = re.compile(
    r"\b(?:draft|write|compose|rewrite|rephrase|reword|translate|proofread|paraphrase)\b|"
    r"\b(?:reply|answer|respond)\b[^.?!]*\b(?:for me|in my name)\b|"
    r"\ban?(?:\s+\w+){0,2}\s+(?:e-?mail|letter|post|speech|poem|toast|caption)\b",
    re.IGNORECASE,
)
_ASKS_ITSELF = re.compile(
    r"\b(?:are|were|do|did|have|had|what(?:'s| is| was| are| were)|where|when|who|which|how)\b"
    r"[^.?!]*\byou(?:r|rs)?\b[^.?!]*\?|\byour\b[^.?!]*\?",
    re.IGNORECASE,
)
_ASKS_FOR_SOMETHING = re.compile(
    r"\b(?:can|could|would|will|should|shall|recommend|suggest|advise|know|think|have any)\b",
    re.IGNORECASE,
)
_ASKS_THE_NAME = re.compile(r"\b(?:should|shall|can|may|do) (?:I|we) call you\b", re.IGNORECASE)
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

    For a question about the speaker, the whole of a short answer or the first sentence of a longer
    one, with the question. Else the facts in the first person that stand by themselves; none where
    a text was asked for, in which "I" is somebody else.
    """
    text = _plain(_QUOTED.sub(" ", reply))
    if _asks_itself(message):
        short = len(text.split()) <= SHORT_ANSWER and not text.endswith("?")
        parts = [text] if short else sentences(text)
        said = next((part for part in parts if not _SAYS_NOTHING.search(part.strip())), "")
        if said and len(said.split()) <= LONGEST_ANSWER:
            asked = " ".join(message.replace('"', "'").split())  # a quote would end the question
            return [f'Asked "{asked[:LONGEST_KEPT]}": {said.strip()}'[: 2 * LONGEST_KEPT]]
    if _ASKS_FOR_A_TEXT.search(message):
        return []
    return [
        part[:LONGEST_KEPT]
        for part in about_itself(_WORDS_IN_QUOTES.sub(_CUT, text))
        if _CUT not in part and not _says_no_fact(part)
    ]


def _says_no_fact(part: str) -> bool:
    return bool(_OTHER.search(part) or _NO_FACT.search(part) or _GOES_ON.search(part.strip()))


def _asks_itself(message: str) -> bool:
    if _ASKS_THE_NAME.search(message):
        return True
    return bool(_ASKS_ITSELF.search(message)) and not _ASKS_FOR_SOMETHING.search(message)


def out_of_view(lines: Sequence[str], shown: Sequence[str]) -> list[str]:
    """Return the lines of :func:`own_words` that none of the messages shown still says."""
    texts = [_plain(one) for one in shown]
    return [line for line in lines if not any(_spoken(line) in text for text in texts)]


def _spoken(line: str) -> str:
    said = line.partition('": ')[2] if line.startswith('Asked "') else line
    return _plain(said)


def _plain(text: str) -> str:
    """Return a text on one line, with plain apostrophes."""
    return " ".join(text.replace("\u2019", "'").split())


def kept(earlier: Sequence[str], said: Sequence[str]) -> tuple[str, ...]:
    """Return what is kept once more was said: each once, the latest :data:`MOST_KEPT`."""
    return tuple(dict.fromkeys([*earlier, *said]))[-MOST_KEPT:]
