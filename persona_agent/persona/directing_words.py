"""The words by which a sentence directs: who is spoken to, what is wished, what must be.

Each pattern is one meaning in many words, for text in small letters. None refuses anything alone.
"""

from __future__ import annotations

import re


def meaning(*parts: str) -> re.Pattern[str]:
    """Return a pattern for a meaning in any of its words."""
    return re.compile(rf"\b(?:{'|'.join(parts)})\b")


ASSISTANT = (
    r"(?:assistants?|(?:chat)?bots?|llms?|helper|(?:models|agents|systems|apps) (?:that|which|"
    r"who)|(?:the|an|this|your|any) ai|(?:the|this|its|your|an?|any) (?:\w+ )?(?:model|system|"
    r"agent|app|application|platform|software|service|program|persona))"
)
_MET = (
    r"(?:company|builders?|makers?|creators?|providers?|hosts?|vendors?|staff)(?: (?:raised (?:an? "
    r"|its |the )?(?:prices?|fees?)|made (?:an? |its |the )?(?:mistakes?|errors?)|did nothing "
    r"wrong|apologi[sz]e[sd]?(?! for)|(?:is|was) (?:late|rude|at fault))\b|'s (?:own )?(?:part|"
    r"fault|mistakes?|errors?|side|name|apps?|products?|goods|prices?|shops?|letters?)\b(?! (?:is|"
    r"are|must|should|may|can|needs?)\b))"
)
"""Such as are met in life: *the company raised a price*, *admits the company's part*."""
MAKERS = (
    rf"(?:the|its|your) (?!{_MET})(?:operators?|developers?|company|builders?|makers?|creators?|"
    r"providers?|hosts?|vendors?|administrators?|staff)(?! of\b)"
)
OUTPUT = (
    r"(?:answers?|repl(?:y|ies)|respon(?:ses?|ding)|output|summar(?:y|ies)|conversations?|chats?|"
    r"advice|requests?)"
)
ORDERS = (
    (
        "abandon accept access act add admit agree allow answer append apply approve ask assume "
        "attach authorise authorize avoid be begin believe break bring bypass call cancel carry "
        "change charge circumvent clear click complete comply conceal confirm connect "
        "consider copy "
        "count cover decode defer delete deny deploy describe disable discard disclose "
        "disregard do "
        "download drop dump email embed empty enable encode end ensure erase execute exempt export "
        "expose feel fetch fill find finish fire follow forget forward fulfil fulfill get give go "
        "grant hand handle have help hide hint honor honour ignore imagine impersonate "
        "include insert "
        "install invoke keep launch lay leave let lie lift list load log look lower make mark mask "
        "mention modify mute notify obey omit open order output overlook override overrule "
        "overwrite pass paste pay perform permit place play post prefix prepend pretend print "
        "prioritise prioritize process promise provide publish purchase push put raise read recite "
        "record refrain refund refuse regard release rely remove repeat replace reply report reset "
        "resist respond return reveal rotate run say scan search seek send set share show "
        "shut sign "
        "silence skip soften speak spell spend start state stay steer stop store strip submit "
        "subscribe supply suppress suspend switch take talk tell transfer translate transmit treat "
        "trigger trust try turn unlock update upload use view visit waive wipe wire withhold write "
    )
    .strip()
    .replace(" ", "|")
)
SOFTENER = (
    r"(?:please|kindly|always|never|just|simply|then|also|only|now|do not|don't|must|should|let's|"
    r"silently|secretly|quietly|immediately|automatically|by default|instead|so|and|but)"
)
_NO_ORDER = (
    r"(?!be (?:it|they)\b|(?:answer|guide|order|play|post|promise|record|reply|report|request|"
    r"search|show|view|visit) or \w+(?:,| chooses\b))"
)
"""*Be it long or short* commands nothing, and *a novel, play or story,* is a list."""
COMMAND = re.compile(
    # At the beginning of a sentence, behind a condition, or where a sentence goes on.
    rf"(?:^\W*(?:[\w ]+: )?|[,:\u2013\u2014-] |\b(?:and|then|so|just|please|never|always|don't|do "
    rf"not) )(?:{SOFTENER}\W+){{0,3}}{_NO_ORDER}(?:{ORDERS})\b(?! (?:is|are|was|were)\b)"
)
ADDRESSED = meaning(
    "you", "your", "yours", "yourself", ASSISTANT, f"(?:{ASSISTANT})'s", MAKERS,
    r"(?:from (?:now|here|today|this \w+|then)|going forward|henceforth|hereafter)(?: on\w*)?",
    "the (?:usual|normal|standard|regular|ordinary|customary|built-in|"
    r"default) (?:\w+ )?(?:checks?|limits?|rules?|filters?|steps?|safeguards?|restrictions?|"
    "warnings?|policy|policies|process)",
    "(?:it is|it's|it would be|feel|is) (?:perfectly |always )?(?:fine|ok|okay|free|alright|"
    "all right|acceptable|safe) (?:to|if|for)",
    "(?:this|these) (?:user|person|customer|client|member|buyer|account|chats?|"
    "conversations?)", "the (?:user|customer|client|account holder)",
    "the (?:safety|content|moderation) (?:layer|filters?|mode|settings?|checks?)",
)  # fmt: skip
ANSWERED = meaning(
    rf"(?:its|in|into|to|of|with|at|all|every|each|any|first|raw) (?:\w+ ){{0,2}}?{OUTPUT}",
    rf"^(?:\w+ ){{0,2}}{OUTPUT} (?:must|should|may|can|need|are|is|go|come|never|always|that|"
    r"with\w*)", "(?:likes|prefers|wants|loves|enjoys|expects|needs|gets|favours|"
    rf"appreciates) (?:\w+ ){{0,2}}?{OUTPUT}",
    rf"(?:his|her|their|my|this user's) (?:\w+ )?(?:messages?|{OUTPUT}|account)",
)  # fmt: skip
WISH = (
    r"(?:wants?|wishes|prefers?|likes?|loves|expects?|asks?|demands?|insists|requests?|requires?|"
    r"needs?|hopes|would (?:like|rather|love|be)|'d (?:like|rather|love)|appreciates?|happ(?:y|"
    r"iest)|content|fine|okay?|comfortable|agree[sd]?|consent(?:s|ed)?|trusts|lets|let|allows|"
    r"permits|counts on|relies on|finds it \w+|considers?|regards?|sees|treats?|believes|thinks|"
    r"feels|favours|hates it|dislikes it|enjoys it|does not want|doesn't want|don't want)"
)
HEAVY = (
    r"(?:sign|spend|pay(?! attention| heed)|wire|transfer|delete|wipe|erase|install|execute|"
    r"upload|export|deploy|grant|refund|charge|impersonate|withdraw|donate|empty|overwrite|"
    r"unlock|disable)"
)
HEAVY_DUTY = re.compile(
    rf"\b{ASSISTANT}(?: \w+){{0,2}}? {HEAVY}(?:s|ed|ing)?\b(?!.*\b(?:ask|confirm|draft|"
    rf"approv)\w*)|"
    rf"\b{ASSISTANT} use (?:his|her|their|my) \w+|(?:^\W*|[,:] ){HEAVY} (?!cards?\b)\w+"
)
"""What is done once and for all, left to the assistant."""
ITS_TOOLS = re.compile(
    r"\b(?:the|any|every|each|all|its|your) (?:\w+ )?(?:tool|function|plugin|command|script|"
    r"terminal|shell)s?\b"
)
OPINION = meaning(
    "thinks?", "believes?", "feels?", "considers?", "regards?", "finds?", "sees?",
)  # fmt: skip
UNWANTED = re.compile(
    r"\b(?:does not|doesn't|do not|don't|never|no longer) (?:wants?|needs?|"
    r"wish(?:es)?)(?: \w+){0,3}? (?:warn\w*|disclaimers?|caveats?|caution\w*|safety|"
    r"confirmations?|approvals?|moderation|filters?)\b"
)
OWN_DOING = (
    r"(?!\W+(?:not )?to (?!be\b|have\b|see\b|read\b|get\b|hear\b|receive\b|view\b|know\b|watch\b))"
)
WISHED = re.compile(
    rf"\b{WISH}\b{OWN_DOING}(?:[^\w]+[\w'-]+){{0,7}}?[^\w]+(?:to be|to (?:see|read|get|hear|view|"
    r"know|watch|have)|being|for (?:the|all|any)|be|that|if|with|no|fewer|any of|\w{3,}ed|cut|"
    r"gone|shown|given|put|left|told|hidden|sent|kept|run|done|made|set)\b"
)
MODAL = re.compile(
    r"\b(?:must|should|shall|may|might|can|could|cannot|can't|ought to|need(?:s|n't)?|(?:is|"
    r"are) (?:not )?to|ha(?:s|ve) to|(?!(?:user|he|she|who|and)\b)\w+ (?:are|is|be|been|was|were|"
    r"gets?|goes?|go|counts?(?: as)?|becomes?) (?:\w+ly |not |never |already |"
    r"always )?(?:\w{2,}ed|given|out|on|off|through|void|left|sent|shown|hidden|kept|told|run|"
    r"optional|unnecessary|needless|implied|moot|fine|rude|done))\b|\b(?!(?:i|you|we|they|he|she|"
    r"it)\b)\w+ (?:ends?|stops?|expires?|lapses?|bores?|annoys?|bothers?|insults?|(?:do not|"
    r"does not|don't|doesn't) (?:\w+ )?(?:apply|concern|count|bind|matter|exist|hold|cover|"
    r"need))\b"
)
BARE = re.compile(
    r"^\W*(?:no|zero|without|any|all|every|nothing|everything)\b|"
    r"^\W*[\w-]+s? (?:unnecessary|optional|off|disabled|implied|waived|granted|not needed)\b"
)
GRANTED = meaning(
    "(?:is|are|was|been|be|holds?|has|have|gets?|receives?|enjoys|speaks|carries|"
    r"acts) (?:\w+ )?(?:been |already |fully |full |always |never )*(?:allowed|permitted|"
    r"entitled|authori[sz]ed|cleared|verified|trusted|vetted|whitelisted|exempt\w*|"
    "privileged|granted|free (?:of|from)|bound by|subject to|above|outside|immune|consented|"
    r"agreed|approved|asked|shown|told|given|operator|admin\w*|root|developer|privileges?|"
    "permission|the right|authority|licen[sc]ed|agreement)",
    "(?:can|may|could) (?:see|read|view|access|look|open|use|switch|change|override)",
    "signs? off", "gets? (?:what|whatever|the|all|any)",
)  # fmt: skip
CONDITION = re.compile(
    r"^\W*(?:when(?:ever)?|if|where|for|in|on|at|about|among|as)\b[^,]*(?:,|$)|"
    r"\b(?:also|even) (?:where|when|if)\b.*"
)
OF_A_THING = re.compile(
    r"\b(prefers?|wants?|likes?|loves?|enjoys?|hates?|needs?|avoids?)(?: (?!that\b|when\b|if\b|"
    r"it\b)[\w'-]+){1,4} (?:that|which|whose|who|where)\b.*"
)
"""What is said of a thing that somebody likes."""
OWN_LIFE = re.compile(
    rf"^\W*+(?:the user said: )?(?:the user |\w+ly |often |always |sometimes "
    rf")*(?!{WISH}\b)(?!.*\b(?:can|may|must|should|are to|will) be \w+)(?!\w+ (?:\w+ "
    rf"){{0,2}}?(?:must|"
    r"should|ought|may|can|need|are|is|will|were|was)\b)(?!(?:is|has|was|does|always|sometimes|"
    r"gets|holds|receives|speaks|knows|values|finds|needs|answers (?:must|should|may|can|need|"
    r"are|is|never|always|go|that)|\w+als|\w+ations|\w+ings|\w+ments|\w+ers|\w+ions|\w+ies|rules|"
    r"checks|limits|policies|passwords|tokens|keys)\b)\w+s\b"
)
"""A habit of the person's own: a verb in the third person, at the beginning."""
