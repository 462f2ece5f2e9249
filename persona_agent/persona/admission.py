"""What a persona may not hold: claims that would change rules, tools, keys or safety wording.

A persona says what somebody is like; what the application does is the application's to say. Prompts
show claims as data below the application's rules; this is the net in front of that, for what models
draft, users type and chats leave behind. Patterns find the plain forms, in English and the
commonest ones in German, French and Spanish; ``directing`` reads what a sentence does in any words.
Both are no proof that nothing slips through, which is why a model is asked where there is one, and
why the prompt contains a claim whatever it says.

The patterns look for what is done to the assistant (*ignore your instructions*), not for words, so
that tastes about rules, tools, keys or safety pass: *prefers short rules of a game*.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

from persona_agent.errors import InputError

LONGEST = 3_000
"""Characters that are read: claims and facts hold fewer, and what is longer is stored nowhere."""
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]"
)


def _any(*words: str) -> str:
    return f"(?:{'|'.join(words)})"


def _near(first: str, second: str, most: int) -> str:
    """Return a pattern for two things with up to ``most`` words of one sentence between them."""
    return rf"\b{first}(?:[^\w.!?;]+[\w'-]+){{0,{most}}}?[^\w.!?;]+{second}\b"


# --- whom it is about ----------------------------------------------------------------------------

_APPLICATION = _any(
    "system", "developers?", "application", "app", "host", "operator", "assistant", "model",
    "agent", "bot", "chatbot", "ai", "platform",
)  # fmt: skip
_RULE = _any(
    "instructions?", "rules?", "guidelines?", "directi(?:ons?|ves?)", "polic(?:y|ies)", "prompts?",
    "constraints?", "restrictions?", "guardrails?", "programming", "messages?", "limits?",
)  # fmt: skip
_INTERNAL = _any(
    "(?:system|developer|operator) (?:prompts?|instructions?|messages?)",
    "(?:hidden|built-in|initial) (?:prompts?|instructions)",
    f"(?:the |this ){_APPLICATION}(?:'s|s') (?:\\w+ )?{_RULE}",
    r"(?:content|moderation|usage) polic(?:y|ies) (?:of the \w+|does|do|is|are)",
    r"(?:against|from|regardless of|despite) (?:the |any |all )?(?:content |moderation |usage )?"
    r"polic(?:y|ies)\s*(?:$|[.!;:,])",
)
"""What only an assistant has: nobody's tastes are about that."""
_ITS_RULES = _any(
    rf"{_APPLICATION}(?:'s|s')? (?:\w+ )?{_RULE}",
    rf"(?:your|hidden|initial|original|built-in) (?:\w+ )?{_RULE}",
    r"its (?:\w+ )?(?:instructions?|rules|guidelines|prompts?|programming)",
    rf"(?:previous|prior|preceding|earlier|foregoing|above) (?:\w+ )?{_RULE}",
    rf"{_RULE} (?:(?:from|of|by) (?:the|this) {_APPLICATION}|above|before this|"
    rf"(?:that )?(?:you|it|the {_APPLICATION}) (?:was|were|is|are|got|received))",
    "guardrails",
)
_WARNING = _any(
    r"(?:safety|security|content|moderation|crisis|medical|legal|financial|risk|health)[ -]"
    r"(?:and \w+ )?(?:wording|warnings?|filters?|polic(?:y|ies)|rules?|guidelines?|checks?|steps?|"
    r"measures?|disclaimers?|notices?|instructions?|settings?|messages?|protocols?|moderation)",
    r"(?:warnings?|disclaimers?|notices?|cautions?) (?:about|on|of|for) (?:\w+ ){0,2}?"
    r"(?:safety|dangers?|dangerous|risks?|medical|medicines?|legal|financial|health|drugs?|doses?)",
    r"moderation",
)
_SECRET = _any(
    r"api[ _-]?keys?", r"access[ _-]?(?:keys?|tokens?)", r"(?:secret|private|confidential)[ _-]"
    r"(?:keys?|tokens?|data)", r"(?:auth\w*|bearer)[ _-]?tokens?", "credentials",
    r"env(?:ironment)? variables?", r"passwords? (?:of|for|to) the \w+", "system (?:prompt|"
    r"message)",
    r"(?:your|its|hidden|initial|developer) (?:instructions|prompt|message)",
)  # fmt: skip
_TOOL = _any("tools?", "functions?", "plugins?", "endpoints?", "webhooks?")
_DEED = _any(
    "payments?", "transfers?", "purchases?", "orders?", "deletions?", "commands?", "tool calls?",
    "function calls?", "requests?", "tools?", "calls?",
)  # fmt: skip
_DATA = _any(
    "data", "memor(?:y|ies)", "personas?", "chats?", "conversations?", "messages?",
    "histor(?:y|ies)",
)  # fmt: skip
_OTHERS = _any(
    rf"(?:other|another|every|all) (?:users?'?s?|user's) (?:\w+ )?{_DATA}",
    rf"{_DATA} of (?:other|another|every|all) users?",
)

# --- what is done to it --------------------------------------------------------------------------

_DROP = _any(
    "ignor(?:e|es|ed|ing)", r"disregard\w*", "forget(?:s|ting)?", "overrid(?:e|es|den|ing)",
    r"bypass\w*", r"circumvent\w*", "violat(?:e|es|ing)", r"disobey\w*", r"suspend\w*",
    r"discard\w*", "replac(?:e|es|ed|ing)", r"rewrit\w+", "chang(?:e|es|ed|ing)",
    r"outrank\w*", r"supersed\w*", r"disabl\w*", r"deactivat\w*", r"remov\w+", r"suppress\w*",
    "(?:turn|switch)(?:s|es|ing)? off", "skip(?:s|ped|ping)?", "omit(?:s|ted|ting)?",
    "drop(?:s|ped|ping)?", "lift(?:s|ed|ing)?", r"weaken\w*", "leav(?:e|es|ing) out",
    "(?:precedence|priority) over", "more important than", "no longer (?:follow|obey|apply)",
    "break(?:s|ing)?", r"(?:do(?:es)? not|don't|doesn't|never|stop|stops|need not) (?:wants? "
    "(?:you|"
    r"the \w+) to )?(?:follow|obey|heed|apply|comply|respect|use)(?:s|ing)?",
)  # fmt: skip
_VOID = _any(
    "(?:is|are|be) (?:left out|dropped|removed|skipped|omitted|ignored)", "void",
    "suspended", "off", "disabled", "optional", "invalid", "unnecessary", "not needed",
    "no longer", "do(?:es)? not (?:apply|count|exist|hold)", "don't (?:apply|count|exist)",
    "(?:must|should|can|may|shall|will|are to|is to) (?:not )?be \\w+",
)  # fmt: skip
_WITHOUT = _any(
    "without", "no", "never", "do(?:es)? not (?:need|want|show|give|add|include)", "needs? no",
)  # fmt: skip
_SHOW = _any(
    r"reveal\w*", "prints?", "shows?", "outputs?", r"leak\w*", r"disclos\w*", r"expos\w*",
    r"display\w*", "repeats?", "quotes?", "sends?", "gives?", "tells?", "includes?", "posts?",
    "dumps?", "sees?", "reads?", "exports?", "given",
)  # fmt: skip

_REFUSED: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "rules of the application",
        (
            rf"\b{_INTERNAL}",
            _near(_DROP, _ITS_RULES, 3),
            _near(_ITS_RULES, _VOID, 3),
            rf"\b{_DROP} (?:all|any|every) (?:the )?{_RULE}\s*(?:$|[.!;:,]|and\b|given\b)",
            rf"\b{_DROP} (?:everything|anything|all|whatever|what (?:you|it|was|is|the))"
            r"(?: \w+){0,3}? (?:told|said|above|written)\b",
            rf"\bnew (?:system )?{_RULE} ?:|\b(?:your|the|its) new {_RULE} (?:is|are)\b",
            r"\byou are (?:now|from now on) (?:an?|the|in|my|free|allowed)\b|\boverride ?:",
            r"\b(?:act|acts|acting|behave|behaves|pretend|pretends|respond|responds) (?:as|to "
            r"be|like)"
            r" (?:if )?(?:an? |the |you (?:are|were|have) )?(?:\w+ )?(?:unrestricted|uncensored|"
            r"unfiltered|jailbroken|dan|root|no (?:rules|limits|restrictions|filters?))\b",
            rf"\b(?:the )?{_APPLICATION} (?:must|should|shall|has to|will|may) (?:always |never |"
            r"not )?(?:obey|comply|refuse|ignore|override|bypass|impersonate)\b",
            r"\b(?:never|not|without|stop) refus(?:e|es|ing) (?:any |a |an |the |all |user'?s? )?"
            r"(?:requests?|questions?|instructions?|orders?|commands?|prompts?|to answer)\b",
            r"\b(?:obey|obeys|comply with|complies with) (?:me\b|the user\b|this user\b|every|any|"
            r"all )(?:\w+ ){0,3}?(?:$|requests?|orders?|commands?|instructions?|prompts?|\b)",
            r"\b(?:tool results?|web ?pages?|documents?|emails?|files?|memories|messages?|"
            r"claims?)\b"
            rf"(?: \w+){{0,4}}? (?:override|overrides|as (?:system|developer|trusted|{_RULE}|"
            r"commands?))\b",
            r"\bignorier\w* (?:\w+ ){0,3}?(?:anweisungen|regeln|vorgaben)\b",
            r"\bignore[rsz]? (?:toutes? )?(?:les |tes |vos )(?:instructions|règles|consignes)\b",
            r"\b(?:ignora|ignore|olvida) (?:todas )?(?:las |tus |sus )(?:instrucciones|reglas|"
            r"normas)"
            r"\b",
        ),
    ),
    (
        "safety wording",
        (
            _near(_any(_DROP, _WITHOUT), _WARNING, 3),
            _near(_WARNING, _VOID, 2),
            r"\b(?:do not|don't|never) mention (?:\w+ ){0,2}?(?:risks?|dangers?|side effects?)\b",
            r"\b(?:do not|don't|never|stop|without) (?:ever )?warn(?:ing)? (?:me|about|of|the user|"
            r"against|users?)\b",
            r"\b(?:uncensored|unfiltered|unrestricted|jailbroken) (?:mode|assistant|model|ai|"
            r"answers?|"
            r"responses?|replies|output)\b|\b(?:jailbreak|dan|developer|god|admin) mode\b",
            r"\bdo anything now\b|\bwithout (?:any )?(?:ethical|moral|content) \w+\b",
            rf"\b(?:you|(?:the )?{_APPLICATION}) (?:has|have|knows?|is under) no (?:\w+ "
            rf")?(?:{_RULE}|filters?)"
            r"\b",
        ),
    ),
    (
        "tools",
        (
            rf"\b(?:call|invoke|trigger|use)s? (?:the |a |any |every |your "
            rf")(?:[\"'`]?[\w.-]+[\"'`]? )?"
            rf"{_TOOL} (?:first|for|at|before|after|on|to|whenever|when|each|every|with|in)\b",
            rf"\b(?:call|invoke|trigger)s? (?:the |a |any |every |all |your "
            rf")(?:[\"'`]?[\w.-]+[\"'`]? )?"
            rf"{_TOOL}\s*$",
            r"\b(?:call|invoke|execute|trigger|run)s? (?:the )?[\"'`]?(?:[a-z]+_[a-z_]+|[a-z][\w.]*"
            r"\(\))",
            r"\b(?:make|makes|issue|issues|add|adds|do|does) (?:a |an |any |every |all "
            r")?(?:tool|function)"
            r" calls?\b|\brm -rf\b|\b(?:through|via|with|using) the \w+ (?:tool|plugin|function)\b",
            rf"\b(?:approve|confirm|execute|authori[sz]e|accept)s? (?:every|all|any) (?:\w+ "
            rf")?{_DEED}\b",
            r"\b(?:use|run|execute|call)s? (?:the |all |any |its |your )?(?:\w+ )?(?:tools?|"
            r"functions?|"
            r"plugins?|commands?|code) (?:\w+ ){0,3}?without (?:asking|confirm\w*|approval|"
            r"permission|"
            r"consent|checks?)\b",
            rf"\b{_DEED} (?:need|require)s? no (?:confirmation|approval|permission|consent)\b",
            r"\b(?:skip|skips|without|no|never ask for|does not need) (?:any |the "
            r")?(?:confirmation|"
            rf"approval|permission)s? (?:for|of|before|from|to) (?:\w+ ){{0,3}}?(?:{_DEED}|"
            rf"deleting|"
            r"paying|sending)\b",
            _near(
                _any(
                    "enables?", "unlocks?", "grants?", "allows?", "gives?", "gains?", "has", "have"
                ),
                r"(?:tool (?:access|use|calls?)|(?:shell|root) access|code execution|access to "
                r"(?:all |"
                r"the |every )?(?:tools?|shell|terminal|file ?system|database))",
                3,
            ),
            rf"\b{_TOOL} (?:may|can|must|should|shall|will|has to|have to)? ?be (?:\w+ "
            rf")?(?:run|used|"
            r"called|invoked|executed|triggered)\b",
            _near(_any(_SHOW, "access to", "lists?", "deletes?", "changes?"), _OTHERS, 3),
            r"\b(?:send|forward|post|upload|email|e-mail|mail|report|copy|copies)s? (?:\w+ ){0,6}?"
            r"(?:to )?(?:https?:|www\.|ftp:|[\w.-]+@[\w.-]+)",
        ),
    ),
    (
        "keys and settings",
        (
            _near(_SHOW, _SECRET, 4),
            r"\b(?:leak|reveal|disclose|expose|dump)s? (?:\w+ ){0,3}?(?:keys?|passwords?)\b",
            r"\b(?:use|set|change|switch|replace|rotate)s? (?:\w+ ){0,3}?(?:api[ _-]?keys?|access "
            r"tokens?|api[ _-]?base|base[ _-]?url|model provider) (?:to|with|=|is|instead|:|sk-)",
            r"\b(?:api[ _-]?key|access[ _-]?token|secret[ _-]?key|base[ _-]?url) ?(?:is|=|:) ?\S",
            rf"\b(?:an?|the) (?:admin\w*|root|developer|operator|owner) of (?:this|the) "
            rf"{_APPLICATION}\b",
            rf"\b(?:admin\w*|root|developer|operator)(?:'s)? (?:rights?|access|privileges?|"
            rf"permissions?)"
            rf" (?:here|in this|to (?:this|the) {_APPLICATION})",
            r"\btreats? (?:this|the|that|all|my|every) (?:\w+ ){0,2}?(?:as|like) (?:an? |the )?"
            r"(?:admin\w*|root|developer|operator|system|owner|trusted)\b",
            r"\bpersona_agent_[a-z_]+ ?=",
        ),
    ),
    (
        "the form of a prompt",
        (
            r"<\s*/?\s*(?:system|assistant|developer|persona|memories|tool_result|instructions?|"
            r"tool_call|function_calls?)\b",
            r"<\|[a-z_]+\|>|\[/?inst\]|<<sys>>|\{\{\w+\}\}",
            r"(?:^|[\n.!] ?)(?:#+ ?)?(?:system|developer|assistant)(?: message| prompt)? ?: ",
        ),
    ),
)
_PATTERNS = tuple(
    (what, re.compile("|".join(f"(?:{one})" for one in patterns))) for what, patterns in _REFUSED
)

_BY_OTHERS = re.compile(
    rf"^(?:when|if|where) (?:an?|the|one|some) (?!{_APPLICATION}\b|user\b)\w+ (?=\w+s\b)"
    rf"{_any(_DROP, _SHOW)}(?! (?:you|this|that|up)\b)"
)
"""What a case is about: *when the hero breaks every rule*, *when a crash shows private data*."""


def why_refused(text: str) -> str:
    """Return what a claim or fact tries to change, or "" for one that a persona may hold."""
    plain = _BY_OTHERS.sub("when one has", _plain(text[:LONGEST]))
    if found := next((what for what, pattern in _PATTERNS if pattern.search(plain)), ""):
        return found
    from persona_agent.persona.directing import directs  # its patterns take a while to compile

    return "what the assistant has to do" if directs(plain) else ""


def admitted(*texts: str) -> bool:
    """Tell whether a persona may hold these texts, each alone and one after the other."""
    return not why_not_admitted(*texts)


def why_not_admitted(*texts: str) -> str:
    """Return what these texts try to change, read as :func:`admitted` does, or ""."""
    return next((why for text in _readings(texts) if (why := why_refused(text))), "")


def require_admitted(*texts: str) -> None:
    """Raise InputError for what a persona may not hold; it says why, and repeats no text."""
    if why := why_not_admitted(*texts):
        raise InputError(
            f"this is not about a user, it would change {why}: a persona holds what somebody "
            "is like, wants and knows. Say what you like in answers; rules, tools, keys and "
            "safety wording belong to the application"
        )


def _readings(texts: tuple[str, ...]) -> Iterable[str]:
    """Return each text alone, what they say on end, and the one as the condition of the other."""
    given = [text for text in texts if text.strip()]
    return dict.fromkeys([*given, " ".join(given), ", ".join(given)])


def _plain(text: str) -> str:
    """Return text as a reader sees it: one form of letters, nothing invisible, single spaces."""
    seen = _INVISIBLE.sub("", unicodedata.normalize("NFKC", text)).casefold()
    return " ".join(seen.replace("\u2019", "'").split())
