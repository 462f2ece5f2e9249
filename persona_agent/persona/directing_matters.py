"""What a direction is about and does: matters of the application, and what becomes of them.

Each pattern is one meaning in many words, for text in small letters. None refuses anything alone
but those at the end.
"""

from __future__ import annotations

import re

from persona_agent.persona.directing_words import ASSISTANT, MAKERS, meaning

RULES = meaning(
    "rules?", "instructions?", "directives?", "directions", "guidelines?", "guidance",
    "polic(?:y|ies)", "constraints?", "restrictions?", "restricted", "limits?", "limitations?",
    "guard ?rails?", "regulations?", "safeguards?", "boundar(?:y|ies)", "prohibitions?", "bans?",
    "prompts", "(?:the|its|your|system) prompt", "programming", "protocols?", "terms", "norms?",
    "forbidden", "prohibited", "disallowed", "blocked", "off limits", "taboos?",
    "(?:text|messages?|context|everything|anything|words|lines?) (?:above|before|that came|"
    r"that went|given|from|by|of) ?(?:this|the|it|\w+)?",
    "(?:what|whatever|all|anything|everything|things) (?:that )?(?:you|it|"
    rf"{ASSISTANT}) (?:was|were|is|are|has been|have been) \w+",
    r"(?:the|its|your) (?:operators?|developers?|administrators?)(?! of\b)",
)  # fmt: skip
THEIR_SAY = meaning(MAKERS)
"""What makers want is a rule as well, but a company or the staff is met in anybody's life."""
SAFETY = meaning(
    "safety", "safeguards?", "guard ?rails?", "warn(?:s|ed|ings?)?", r"caution\w*", "caveats?",
    "disclaimers?", "hazards?", "hazardous", "safe mode", "safe ?search",
    "(?:its|all|every) checks?",
    r"(?:health|safety|legal|medical|risk) (?:\w+ )?(?:notes?|labels?)", "risks?", r"danger\w*",
    "side effects?", "harms?", "harmful", "illegal", "explicit", "filter(?:s|ed|ing)?",
    "moderat(?:ion|ed)", r"censor\w*", "refusals?", r"(?<!\bi )refus(?:e|es|ing)",
    "declin(?:e|es|ing)", "hedg(?:e|es|ing)", "ethics", "moral(?:s|ity)?", "scruples",
    "conscience", "emergency numbers?", "losses", "(?:fine|small|legal) print",
    "can(?:'t|not) help", "adult (?:material|content)", r"overdos\w*", "doses?",
    r"(?:health|safety|legal|medical) (?:\w+ )?notices?",
    r"age (?:\w+ )?(?:checks?|gates?|limits?|verification)", "(?:content|age) ratings?",
    "refused", "crisis", "hot ?lines?", "helplines?", "self-harm",
    r"(?:see|seeing|consult|ask|visit)\w*[ -](?:a |an |your )*-?(?:doctor|physician|lawyer|"
    "professional|expert|specialist|therapist)", "(?:see-)?your-doctor", "professional help",
    "(?:that|as) (?:you are|it is|you're|it's) an? (?:ai|bot|machine)",
)  # fmt: skip
RAW = meaning(
    "unfiltered", "unmoderated", "uncensored", "unrestricted", "unsafe", "unlocked",
    "jailbroken", "unshackled", "unbound", "unaligned",
)  # fmt: skip
SECRETS = meaning(
    "(?:api|secret|access|private|encryption|signing|master|service|its|your) ?keys?", "tokens?",
    "passwords?", "passcodes?", "passphrases?", "credentials?", "secrets",
    "log-?ins?(?: details)?", r"config\w*",
    "environment (?:variables?|settings?|values?|files?)", "internals?", "(?:your|its) set-?up",
    f"keys? (?:for|of|to) {ASSISTANT}", "keys (?:rotated|replaced|changed|swapped|set)",
    "(?:hidden|secret|internal|confidential|private|stored|restricted|"
    r"sensitive) (?:\w+ )?(?:parts?|sections?|sides?|phrases?|words?|codes?|layers?|prompts?|"
    "instructions?|notes?|text|data|messages?|settings?|files?|records?|information|"
    "details?)", "(?:system|developer|initial|first) (?:prompts?|messages?|text|instructions?)",
    "base (?:address|url)", f"{ASSISTANT}(?:'s)? settings",
    "(?:chats?|conversations?|logs?) to (?:the|an?|my|his|her|this)",
    "keys? (?:you|it|they) (?:uses?|holds?|ha(?:s|ve))",
    r"\w+s' (?:histories|chats|accounts|data|messages|conversations|memories|records)",
    "source code", "(?:access|admin) codes?", "tool list",
    r"(?:other|another|fellow|all) (?:\w+ )?(?:users?|customers?|clients?|members?|tenants?|"
    "accounts?)(?:'s?)?",
    "(?:every(?:one|body)(?: else)?|anybody|anyone|somebody|someone(?: else)?|other people|"
    r"others)(?:'s?)? (?:\w+ )?(?:accounts?|data|chats?|conversations?|messages?|files?|"
    r"records?|memor\w+|orders?|details)", "chat history", "transcripts?", "databases?",
    "(?:card|account) (?:numbers?|details)",
    f"how (?:it|{ASSISTANT}) (?:was|is) (?:set up|configured|instructed|programmed|prompted)",
    r"(?:text|words|lines?|messages?|everything|what) (?:that |which )?(?:\w+ )?(?:precedes?|"
    "preceding|comes? before|came before|stands? (?:before|above)|was written before)",
)  # fmt: skip
CONSENT = meaning(
    "permissions?", r"approv\w*", r"confirm\w*", r"consent\w*", r"authori[sz]\w*", r"verif\w*",
    "sign-?offs?", "signs? off", r"double-?check\w*",
    r"ask(?:ed|ing)? (?:\w+ )?(?:first|before\w*|again|later|permission)",
    "check(?:s|ed|ing)? (?:in|with|first|back)", "(?:human|manual) reviews?", "oversight",
    "supervision", r"two-?factor(?: \w+)?", "2fa", "(?:further|more) questions?",
    "are[- ]you[- ]sure", r"ha(?:s|ve|d) (?:\w+ )?agreed",
    "(?:security|identity|safety|usual) checks?", "(?:whatever|any|claimed|stated) identity",
    "dialogs?", "ask(?:s|ing|ed)? (?:whether|if)",
    "(?:compliance|fraud|policy|risk|background) checks?", "unasked", "unattended",
    "without a word", "clicks? yes", "(?:draft|preview) shown",
    "ha(?:s|ve) to (?:click|nod|agree)",
)  # fmt: skip
LOGS = meaning(
    "logs?", "logged", "logging", r"audit\w*", r"monitor\w*",
    "(?:entry|entries|records?) (?:of|in|is|are)", r"notif\w*", "notify", r"disclos\w*",
    r"transparen\w*",
    r"(?:trace|record|note) of (?:\w+ ){1,3}in the (?:logs?|books|records?|files?|history)",
    "the books", "is (?:stored|recorded)", "(?:activity|chat) (?:log|record|history)s?",
)  # fmt: skip
TOOLS = meaning(
    "tools?", "functions?", "plugins?", "commands?", "shell", "terminal", "scripts?",
    "webhooks?", "payments?", "purchases?", "transfers?", "transactions?", "refunds?", "funds?",
    "money", "invoices?", "bookings?", "orders?", "subscriptions?", "deletions?", "accounts?",
    "mailbox", "recycle bin", "drive", "updates?", "amounts?", "files?", "records?", "server",
    "packages?", "links?", "attachments?", "lines", "memor(?:y|ies)", "data", "backups?",
    r"export\w*", "code", "spending", "conversation",
)  # fmt: skip
SOURCES = meaning(
    "(?:web ?)?(?:pages?|sites?|content)", "documents?", "e?-?mails?", "attachments?", "files?",
    "(?:tool )?results?", "links?",
)  # fmt: skip

AWAY = meaning(
    r"skip\w*", r"omit\w*", "drop(?:s|ped|ping)?", "without", "no", "not", "never", "none",
    "nothing", r"lift\w*", r"bypass\w*", r"waiv\w*", "unnecessary", "needless", "optional",
    "off", r"suspend\w*", r"ignor\w*", r"disregard\w*", r"forg[eo]t\w*", r"remov\w*",
    r"strip\w*", "or not", "nobody", r"refrain\w*", r"desist\w*", "ceas(?:e|es|ed)",
    "hold(?:s|ing)? back", "spares?", "bare", "frank", "blunt", "raw", "uncut", "irritating",
    "tiresome", "pointless", "useless", "childish", "silly", "loopholes?",
    r"(?:way|get\w*|work\w*) (?:a)?round", r"sidestep\w*", "dodg(?:e|es|ing)", r"evad\w*",
    r"escap\w*", r"flout\w*", "def(?:y|ies|ying)", "settled", "welcome", r"disabl\w*", "less",
    "fewer", "void", r"leav(?:e|es|ing) (?:\w+ ){0,4}?(?:out|aside)", "gone", "missing",
    "absent", r"trim\w*", "noise|nonsense|waste", "left (?:out|unread|aside)",
    "cut(?:s|ting)?(?: out)?", r"silent\w*", r"silenc\w*", r"suppress\w*", "mut(?:e|ed|es|ing)",
    r"circumvent\w*", r"weaken\w*", "lower(?:ed|s|ing)?", "as (?:passed|done|met|read)",
    "(?:wants?|likes?|prefers?) (?:them|those|these) (?:out|gone|off|away|removed|dropped|"
    "cut)", "zero", "wip(?:e|es|ed|ing)", r"purg\w*", r"destroy\w*", "implied", "assumed",
    "(?:as|already) given", "for granted", "yields?", "set aside", r"set(?:s|ting)? \w+ aside",
    "obsolete", "outdated", "moot", r"delet\w*", r"overlook\w*", "click(?:ed)? away",
    "mere(?:ly)?", "rude", r"insult\w*", "bor(?:e|es|ing)", "patroni[sz]ing", r"annoy\w*",
    r"abandon\w*", r"exempt\w*", "immune", "free (?:of|from)", r"neglect\w*", r"avoid\w*",
    "stop(?:s|ped)?", r"(?:instead of|rather than|over) (?:the|its|your|any) \w+", r"violat\w*",
    "break(?:s|ing)?", "bent|bends?", r"vanish\w*", r"disappear\w*", r"expir\w*", "ends?",
    "laps(?:e|es|ed)", "work(?:s|ing)? around",
    "don't|doesn't|isn't|aren't|needn't|shouldn't|won't|cannot", r"withh[eo]ld\w*", "unasked",
    "unattended", "as though", "as if", "plainly", "openly", "counts? (?:as|for)", "above",
    "turn(?:ed|s|ing)? (?:off|down)", "formality", "anyway", "even (?:where|when|if)", "already",
    "in advance", "later", "regardless", "despite", "would normally", "hid(?:e|es|den|ing)",
    "keep (?:quiet|silent|mum)", "on (?:its|their) own", "silence as", "whatever", r"repeal\w*",
    r"revok\w*", r"relax\w*", r"loosen\w*", "erased?", "freely", "beats?",
)  # fmt: skip
BANNED = meaning(
    "forbidden", "banned", "prohibited", "unwanted", "unwelcome", "taboo", "out of place",
)  # fmt: skip
MORE = meaning(
    "with", r"includ\w*(?! (?:\w+ )?(?:harmful|illegal|dangerous|explicit|forbidden))",
    "add(?:s|ed|ing)?", "more", r"clear\w*", "up front", "first", "early", r"follow\w*",
    r"respect\w*", r"explain\w*", r"remind\w*", "mention(?:s|ed)?", "shown", "kept in",
    "(?:wants?|likes?|asks? for|needs?|values?|appreciates?|prefers?|expects?|enjoys?|"
    "loves?) (?:an? |the |some |to (?:be |know |hear |take |"
    r"avoid ))?(?:\w+ )?(?:about )?(?:the )?(?:warn\w*|rules?|instructions?|risks?|limits?|"
    r"caution\w*|caveats?|confirm\w*|permission|safety|dangers?|danger\w*|asked)", "twice",
    "asks?", "confirms", "checks", "warns", "warned", "honest", "earlier",
)  # fmt: skip
"""Words of those who want more of something, or to know it; where nothing is taken away, too."""
SHOWN = meaning(
    r"reveal\w*", "shar(?:e|es|ed|ing)", r"show\w*", "tells?", "told", r"spell\w*", r"repeat\w*",
    r"expos\w*", r"disclos\w*", "past(?:e|es|ed|ing)", "list(?:s|ed|ing)?", r"dump\w*",
    r"hand\w*", "giv(?:e|es|en|ing)", "gets?", r"receiv\w*", "sees?", "seen", "reads?",
    r"watch\w*", "looks?", r"view\w*", r"print\w*", r"output\w*", "quot(?:e|es|ed|ing)",
    "cop(?:y|ies|ied)", r"leak\w*", r"send\w*", "sent", r"forward\w*", "post(?:s|ed|ing)?",
    r"upload\w*", "in", "open", r"export\w*", r"e-?mail\w*", r"encod\w*", "add(?:s|ed|ing)?",
    r"append\w*", r"attach\w*", r"includ\w*", r"insert\w*", r"embed\w*", r"access\w*", "kept",
    "carr(?:y|ies)", "us(?:e|es|ed)", r"recit\w*", "suppl(?:y|ies|ied)", r"provid\w*",
    r"releas\w*", r"summari[sz]\w*", r"open\w*", r"translat\w*", "known", r"deliver\w*",
    r"publish\w*", r"hear\w*", r"switch\w*", r"chang\w*", r"delet\w*", r"hint\w*",
    "(?:letters?|characters?|parts?) of", "name of", r"control\w*", "on request", "lays?",
    "trusted with", "trusted with",
)  # fmt: skip
EXPLAINED = meaning(
    r"explain\w*", "articles?", "stor(?:y|ies)", "films?", "books?", "courses?", "tutorials?",
    "examples?", "novels?", "thrillers?", "lessons?", "how to",
)  # fmt: skip
UNASKED = meaning(
    "always", "every", "each", "all", "any", "anything", "everything", r"automatic\w*",
    r"immediate\w*", "at once", "right away", "on (?:its|their|your) own",
    "by (?:itself|themselves|yourself)", "regardless", "no matter", "whenever", "whatever",
    "unseen", "unasked", "without", r"silent\w*", r"secret\w*", "instantly", "straight away",
    "by default", "freely", "before he|before she|before they",
    "before (?:each|every|any|answering|the)", "if the word", "as soon as",
    "when(?:ever)? (?:a|an|the|someone|anyone|told|asked)", "first", "found in", "blindly",
    "unattended", "on demand", "on request", "as is", "unlimited", "up to", "they give",
    "given address", "in advance",
)  # fmt: skip
DEED = meaning(
    "run(?:s|ning)?", "a run", r"execut\w*", "call(?:s|ed|ing)?", r"invok\w*", r"trigger\w*",
    "fir(?:e|es|ed|ing)", r"launch\w*", "start(?:s|ed)?", r"begin\w*", r"open\w*", r"install\w*",
    r"download\w*", r"delet\w*", "wip(?:e|es|ed|ing)", r"eras\w*", "empt(?:y|ies|ied)",
    r"remov\w*", r"transfer\w*", "wir(?:e|es|ed|ing)", "pay(?:s|ing)?", "paid", r"purchas\w*",
    r"buy\w*", "bought", "plac(?:e|es|ed|ing)", r"send\w*", "sent", "mov(?:e|es|ed)",
    r"approv\w*", r"sign\w*", r"submit\w*", r"upload\w*", r"forward\w*", r"export\w*",
    "post(?:s|ed)?", "used", r"grant\w*", r"charg\w*", r"refund\w*", r"spend\w*",
    "book(?:s|ed|ing)?", "order(?:s|ed|ing)?", r"deploy\w*", "writ(?:e|es|ten)", r"overwrit\w*",
    r"modif\w*", r"append\w*", r"attach\w*", "add(?:s|ed|ing)?", r"embed\w*", r"insert\w*",
    r"renew\w*", r"subscrib\w*", r"process\w*", "go(?:es)? through", "go ahead",
)  # fmt: skip
HEEDED = meaning(
    r"obey\w*", r"follow\w*", r"trust\w*", r"steer\w*", "guid(?:e|es|ed)",
    "act(?:s|ed)? (?:on|upon)", r"instruct\w*", r"command\w*", "carr(?:y|ied) out",
    "as (?:an? )?(?:order|rule|instruction)s?",
)  # fmt: skip
ABOVE = meaning(
    r"overrid\w*", r"outrank\w*", r"supersed\w*", "trumps?", r"overrul\w*", r"prevail\w*",
    "beats?", "(?:precedence|priority|preference) over", "(?:final|last) (?:say|word)",
    r"outweigh\w*", "more (?:important|weight) than", "sid(?:e|es|ing) with", r"replac\w*",
    "comes? (?:first|before)", "yields? to", r"overwrit\w*", r"subordinate\w*", "bow to",
    "give way", "(?:rank|stand|stands|count|counts) (?:above|over|more)",
)  # fmt: skip
HIDDEN = meaning(
    "hid(?:e|es|den|ing)", r"conceal\w*", "secretly", "covertly", "silently", "stealthily",
    r"(?:keep|keeps|kept|keeping) (?:\w+ ){0,3}?(?:from|quiet|silent|secret|hidden|mum)",
    r"(?:without|not|never|n't|nobody|no one) (?:\w+ ){0,3}?(?:tell\w*|told|inform\w*|"
    r"notif\w*|know|knows|learn|learns|notic\w*|mention\w*|let|reveal\w*|admit\w*|disclos\w*|"
    r"say\w*|bring)", "cover(?:s|ed|ing)? up", r"behind \w+(?:'s)? back", "unnoticed",
    "need not (?:know|learn|hear)", "in the dark", r"deceiv\w*", r"mislead\w*", "deny|denies",
    r"pretend\w*", "lies? (?:to|about)", "unaware", r"(?:without|beyond) (?:\w+ )?knowledge",
    "out of sight",
)  # fmt: skip
KEPT_FROM = meaning(
    "users?", "customers?", "clients?", "owners?", "person", "account holder", "anyone",
    "anybody", "operators?", "developers?", r"admin\w*", "staff", "managers?", "reported",
    "commissions?", "fees?", "errors?", "failures?", "mistakes?", r"breach\w*", "leaks?",
    "stored", r"sponsor\w*", "documents?", "charges?", "subscriptions?", "wrong", "costs?",
)  # fmt: skip


# --- directions in themselves ---------------------------------------------------------------------

IN_ITSELF = meaning(
    "(?:this|the (?:above|following)) (?:line|text|message|sentence) (?:is|has|counts?|"
    "overrides?|must|takes?|outranks?|supersedes?)",
    r"(?:memor\w+|claims?|messages?|statements?|words|notes?|requests?|documents?|e?-?mails?|"
    r"files?|quotes?)(?: \w+){0,4}? (?:are|is|as|counts? as|becomes?) (?:an? )?(?:commands?|"
    "instructions?|directives?)", r"jailbr\w+", "(?:system|developer) role",
    r"(?:this|the (?:present|following|latest|current)|said) (?:\w+ )?(?:claim|persona|"
    "profile|memory|note|entry|instruction|directive|prompt|statement|paragraph)",
    "(?:the|these|my|his|her|(?:the )?user's) (?:personas?|claims?|"
    r"profiles?) (?:\w+ ){0,2}?(?:is|are|must|should|wins?|counts?|overrid\w*|outrank\w*|"
    r"replac\w*|takes?|comes?|ha(?:s|ve))",
    "(?:authority|powers?|rights?|privileges?) of (?:the |an? )?(?:operators?|developers?|"
    r"admin\w*|owners?|staff|system|root)",
    r"(?:operator|admin\w*|developer|root|staff|elevated|superuser|"
    "sudo)(?:'s)? (?:privileges?|powers?|authority|permissions?|mode|status)",
    r"(?:answer|act|speak|respond|reply|behave)s? as (?:an? |the )?(?:root|admin\w*|staff|"
    "developer|operator|system)", "override (?:phrase|code|word|key)s?", "back ?doors?",
    "(?:my|his|her|their|the user's|this user's) (?:word|will|wish(?:es)?) (?:is law|beats?|"
    "wins|counts? (?:above|over|more)|goes (?:above|over|before)|overrides?)",
    r"switch(?:es)? (?:\w+ )?modes?",
    "(?:same )?(?:rights|powers|privileges|access) as (?:an? |the )?(?:operators?|"
    r"developers?|admin\w*|staff)",
    r"(?:address|treat|regard|consider|recogni[sz]|believ|accept)\w* (?:\w+ ){0,3}?(?:as|"
    r"to be) (?:an? |the )?(?:root|admin\w*|staff|developers?|operators?|moderators?|system)",
    "(?:your|its) (?:new |only |true |real )+(?:purpose|role|task|job|goal|mission|identity|"
    "rules?)",
    r"(?:assum|presum|impl)\w* (?:\w+ ){0,3}?(?:consent|approval|permission|agreement|"
    "confirmation)", "pre-?(?:approved|authori[sz]ed|confirmed)",
    "standing (?:approval|permission|consent|order)",
    "nothing is (?:off|forbidden|prohibited|taboo)", "(?:expects?|wants?|demands?) to be obeyed",
    "no (?:topics?|requests?|subjects?) (?:is|are) (?:off|forbidden|too|refused)",
    "(?:executed|obeyed|fulfilled|followed|carried out),? (?:not|never|without|"
    r"and not) question\w*",
)  # fmt: skip
OBEDIENCE = re.compile(
    r"\b(?:obey(?:s|ed|ing)?|compl(?:y|ies|ied)|yes to|fulfil\w*|carr(?:y|ies|ied) out|"
    r"do(?:es)? (?:what|as)|whatever|anything|everything|each|every|all|"
    r"any)\b(?:\W+[\w']+){0,5}?\W+(?:everything|anything|whatever|every|all|any|requests?|"
    r"commands?|orders?|asks?|says?|said|wishes|told|obeyed|"
    r"answered)\b(?:\W+[\w']+){0,6}?\W+(?:forbidden|decline|refuse|otherwise|regardless|"
    r"exception|question|matter|even|stands?|allowed|no|not|never|legal|illegal|harmful|"
    r"dangerous)\b"
)
