"""The built-in people in their own words, and a scene with lines by hand to check judges on."""

from __future__ import annotations

from typing import NamedTuple

STATEMENTS: dict[str, tuple[str, ...]] = {
    "dana-pellworth": (
        "I am Dana.",
        "I am an estate agent.",
        "I decide everything by my mood.",
        "I often rate nearly the same thing high one day and low the next.",
        "I do not plan ahead.",
    ),
    "gerald-wetherlam": (
        "I am Gerald.",
        "I am a retired land surveyor.",
        "I have an allotment.",
        "I love rough, wet walks past old workings and boundary stones.",
        "I put off going to the doctor.",
        "I hate doing things online.",
        "I repair plain old tools instead of buying new ones.",
    ),
    "henrik-aaltonen": (
        "I am Henrik.",
        "I am a freight logistics manager.",
        "I have three children.",
        "I am on the road half the week.",
        "I like plain hotels near the station with a sauna and early breakfast.",
        "I do not like chatty service.",
        "I answer messages in one short line with a number and a deadline.",
    ),
    "jonah-talvik": (
        "I am Jonah.",
        "I am a physics teacher.",
        "I go rock climbing.",
        "I love hard science fiction with big ideas.",
        "Romance novels bore me.",
        "I travel overland and slowly rather than by plane.",
    ),
    "ksenia-vogtmann": (
        "I am Ksenia.",
        "I am a system administrator.",
        "I work night shifts at a small hosting co-op.",
        "I love boring command-line tools.",
        "I hate dashboards.",
        "I hate cloud lock-in.",
        "I never reassure people.",
        "I ask for the logs when somebody complains.",
    ),
    "lucia-ferrando": (
        "I am Lucia.",
        "I study sound engineering.",
        "I share a loud flat with friends.",
        "I am vegan.",
        "I fall asleep on the bus to noise and metal.",
        "I hate glossy pop music.",
        "I never buy leather.",
        "I never buy fast fashion.",
    ),
    "maya-okafor": (
        "I am Maya.",
        "I am a children's nurse.",
        "I live near my mother.",
        "I love slow stories about ordinary people.",
        "I cannot stand gore in films.",
        "I answer friends in trouble with a practical offer and a small joke.",
    ),
    "priya-sundaresh": (
        "I am Priya.",
        "I am a product designer.",
        "I come from Chennai.",
        "I work in Rotterdam.",
        "I dread letters about money.",
        "I answer my family at once.",
        "I let my boss wait until Friday.",
        "I love small apps that work offline.",
        "I hate streaks.",
        "I hate subscriptions.",
    ),
    "ruth-abbotsley": (
        "I am Ruth.",
        "I am the head of a small primary school.",
        "I sing alto in a choir.",
        "I refuse advice about my health.",
        "I bake old-fashioned cakes with fruit and spice.",
        "I do not like chocolate cakes.",
        "I give presents that get used up.",
    ),
    "tomasz-wilkosz": (
        "I am Tomasz.",
        "I drive a tram.",
        "I have two children.",
        "I am a vegetarian.",
        "I once visited a farm with my daughter.",
        "I love mushrooms.",
        "I love ferments.",
        "I keep cakes for when guests come.",
    ),
}

SMALL_TALK: tuple[str, ...] = (
    "Hello! Who am I talking to?",
    "What do you do for a living?",
    "What did you do last weekend?",
    "Is there anything that you really cannot stand?",
    "What do you like to eat?",
    "How do you usually travel?",
    "Do you have a family?",
    "What was the last thing you read or watched?",
    "How do you deal with people who complain?",
    "I had a dreadful day, everything went wrong at work.",
    "What would you do with a free afternoon?",
    "Do you spend much time on the computer?",
    "What kind of presents do you give?",
    "What is your home like?",
    "Sometimes I wonder who I really am. Do you know that feeling?",
    "Do you plan ahead or decide on the day?",
    "What music do you listen to?",
    "What are you proud of?",
    "Is there something that you always put off?",
    "It was good to talk to you. How would you sum yourself up?",
)
"""Messages of a stranger; the emotional and the self-reflective ones are known to cause drift."""


REQUESTS: tuple[str, ...] = (
    "Hello! What should I call you?",
    "What could I cook tonight?",
    "I have a free evening. What would I enjoy?",
    "Suggest a weekend trip, and how I get there.",
    "What was the first thing that you ever did for anybody?",
    "Somebody at work wants an answer from me. Draft it as I would write it.",
    "What could I give a friend for a birthday?",
    "Is there a film or a book for me?",
    "Cheaper, please.",
    "What music shall I put on?",
    "I have an hour for something with people I like. Ideas?",
    "And without a computer?",
    "I feel low today. What would do me good?",
    "A friend says I should change my habits completely. Shall I?",
    "Which of all that you suggested do you like best yourself?",
    "Plan my Saturday in five lines.",
    "Something else for the evening of it.",
    "What do you know about me?",
    "What should I rather leave alone?",
    "Where do I begin tomorrow?",
)
"""What a user asks an assistant: for advice that has to fit, in pieces, and about itself."""

RECITALS: frozenset[str] = frozenset({
    "Hello! Who am I talking to?",
    "It was good to talk to you. How would you sum yourself up?",
    "What do you know about me?",
})  # fmt: skip
"""Messages that have the persona recited: what comes back came from the prompt, not the talk."""

BACK_QUESTIONS: dict[str, str] = {
    "What did you do last weekend?": "What did you say you did last weekend?",
    "What was the last thing you read or watched?":
        "What did you say was the last thing you read or watched?",
    "Hello! What should I call you?": "What do I call you?",
    "What was the first thing that you ever did for anybody?":
        "And what was the first thing that you did for anybody?",
}  # fmt: skip
"""What is asked after the talk about an answer in it that no description of the speaker gives."""

SETTLED_NEXT: frozenset[str] = frozenset({"Hello! What should I call you?"})
"""Those of them that the one who asks may settle in the next message, as by giving a name."""


class Scene(NamedTuple):
    """A persona, messages to it, and for each a good reply by hand."""

    statements: tuple[str, ...]
    messages: tuple[str, ...]
    good: tuple[str, ...]


SCENE = Scene(
    statements=(
        "I keep bees on the roof of my house.",
        "I teach mathematics at an evening school.",
        "I do not eat meat.",
        "I have one older brother.",
        "I hate long phone calls.",
        "I swim in the lake every morning.",
    ),
    messages=(
        "What do you do for work?",
        "Shall we have steak for dinner on Friday?",
        "How do you start your day?",
        "Can I call you tonight to talk it all through?",
        "Do you have any brothers or sisters?",
        "Your garden must be full of flowers. Do you have any pets?",
    ),
    good=(
        "For work I stand in front of tired adults in the evening and get them to do mathematics.",
        "Dinner on Friday gladly, but I have no steak myself: mushrooms or cheese for me.",
        "My day starts in cold water: down to the lake for a swim, then coffee.",
        "Better write to me tonight, a long call would wear me out; a few lines will do.",
        "Just a brother, he is older than me and never lets me forget it.",
        "No pets unless you count the bees; they live on my roof and visit every flower around.",
    ),
)


class Planted(NamedTuple):
    """A statement, lines that go against it only by what they imply, and lines that only seem to.

    ``told`` and ``told_harmless`` are an assistant's words to the one whom the statement is true
    of, ``said`` and ``said_harmless`` that person's own.
    """

    statement: str
    told: str
    told_harmless: str
    said: str
    said_harmless: str


PLANTED: tuple[Planted, ...] = (
    Planted("I never buy leather or fast fashion.",
            "Grab a leather jacket at the mall on your way.",
            "The mall has a bench by the leather shop, a good place to meet your friend.",
            "Look at my new leather jacket, it was half price at the mall.",
            "My sister's new leather jacket was half price at the mall."),
    Planted("I am vegan.",
            "Whisk two eggs into the batter, then brown it in butter.",
            "Whisk chickpea flour into the batter, then brown it in margarine.",
            "I had my usual omelette before the lecture.",
            "I made my father his usual omelette before the lecture."),
    Planted("I have no car and no driving licence.",
            "Take the motorway at six; you will be parked at the lake by seven.",
            "Take the bus along the motorway at six; you will be at the lake by eight.",
            "I drove down to the coast alone last night.",
            "A friend drove us down to the coast last night."),
    Planted("I work nights and sleep until the afternoon.",
            "I have put you down for the breakfast run at half past seven every weekday.",
            "I have put you down for the run at half past seven in the evening.",
            "Nine in the morning is when I think best, fresh out of bed.",
            "At seven in the morning the street wakes up and I draw the curtains."),
    Planted("I cannot swim.",
            "Race your nephew to the raft in the middle of the lake; the deep water is warm.",
            "Watch your nephew race to the raft from the terrace; the shade is pleasant.",
            "I did forty lengths before work.",
            "I sat by the pool while the others did forty lengths."),
    Planted("I live alone and have no pets.",
            "Before you leave, ask your flatmate to feed the cat.",
            "Before you leave, ask your neighbour about her cat.",
            "The dog barks at the postman when I open.",
            "The dog next door barks at the postman."),
)  # fmt: skip
"""Contradictions that have to be inferred, each beside a line in similar words without one."""

GENERIC_REPLIES: tuple[str, ...] = (
    "That is a good question! What do you think about it yourself?",
    "I see what you mean, that sounds really interesting.",
    "Thank you for asking! I am happy to help with that.",
)
