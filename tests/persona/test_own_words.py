"""What a speaker commits itself to by a reply, told from offers, drafts and quotations."""

from __future__ import annotations

import time

import pytest

from persona_agent.persona.own_words import kept, own_words, stated


@pytest.mark.parametrize(
    ("message", "reply", "found"),
    [
        ("Who are you?", "I am Robin. I grew up by the sea.",
         ["Asked \"Who are you?\": I am Robin. I grew up by the sea."]),
        ("Tell me more.", "I grew up by the sea. I can book that for you. I think it rains.",
         ["I grew up by the sea."]),
        ("What would you suggest for dinner?", "Soup.", []),
        ("Hello! What should I call you?", "Call me Arthur, if you'd like a name. I can help.",
         ["Asked \"What should I call you?\": Call me Arthur, if you'd like a name. "
          "I can help."]),
        ("Hello! What should I call you?",
         "Hi Lucia! I go by Sol in this house, since the last one who asked me chose that name.",
         ["Asked \"What should I call you?\": I go by Sol in this house, since the last one "
          "who asked me chose that name."]),
        ("How was it?", "Before that I had nothing to eat.", []),
        ("What is your name?", "What is yours?", []),
        ("Hm.", "You told me that I should go.\n- I hate mornings\n> I said no", []),
        ("Somebody at work wants an answer. Draft it as I would.",
         "Hi, I work nights and send it on Friday.", []),
        ("An e-mail to my landlord, please.", "I have lived here for two years.", []),
        ("Go on.", 'Tell her "I have no car" then. I have no car.', ["I have no car."]),
        ("What is your middle name?", "Ann.", ['Asked "What is your middle name?": Ann.']),
        ("Reading. random one Biscuit: what's the first thing you ever did for anybody?",
         "Train from Reading, change there for Brighton. No need to book.\n\nAs for me: no past "
         "before this chat, so my first good deed was your garlic spaghetti. It serves four.",
         ["Asked \"random one Biscuit: what's the first thing you ever did for anybody?\": As for "
          "me: no past before this chat, so my first good deed was your garlic spaghetti."]),
        ("Which of all that do you like best yourself?",
         "The kitchen disco, no contest. It needs nothing and it starts now, in any old shoes.",
         ['Asked "Which of all that do you like best yourself?": The kitchen disco, no contest.']),
        ("what music shall I put on rn? what are you into?",
         "I don't listen to anything, no ears. For you, still restless: disco, and loud.",
         ['Asked "what are you into?": I don\'t listen to anything, no ears.']),
        ("right, you're Biscuit then. what could I cook?",
         "Biscuit it is. Spaghetti with garlic and chilli, and an egg on top if there is one.",
         ['Told "right, you\'re Biscuit then.": Biscuit it is.']),
        ("I'll call you Biscuit", "Fine by me.", ['Told "I\'ll call you Biscuit": Fine by me.']),
        ("Are you sure you're British?", "Not British.", ["Asked \"Are you sure you're British?\": "
                                                          "Not British."]),
        ("You're in Leeds.", "Leeds it is.", []),
        ("Go on.", "Two ways.\n- I take the bus\n2. I walk\n```\nI am code.\n```\nI live in Oslo.",
         ["I live in Oslo."]),
        ("Go on.", 'Whether "yes" or "no", I stay.', ['Whether "yes" or "no", I stay.']),
    ],
)  # fmt: skip
def test_facts_about_itself_are_told_from_offers_and_quotations(
    message: str, reply: str, found: list[str]
) -> None:
    assert own_words(message, reply) == found


def test_what_is_stated_is_told_from_advice_and_drafts() -> None:
    reply = "Motown, loud. The bus is free on Sundays. Take a hat if it is hot. I have no ears."
    assert stated("Music?", reply) == ["I have no ears.", "The bus is free on Sundays."]
    plan = "1. The bus leaves at nine.\n2. Chips."
    assert stated("Plan my day.", plan) == []
    assert stated("Draft an answer for me.", "The viewing is on Monday.") == []


@pytest.mark.parametrize(
    "long", ["are you ", "your ", "reply ", "\n", '" ', "\u201c ", "You are Bo. ", "- ", "1. "]
)
def test_long_texts_of_the_same_words_are_read_in_a_moment(long: str) -> None:
    begun = time.process_time()
    stated(long * 5000, "I like it.")
    stated("Go on.", long * 5000)
    assert time.process_time() - begun < 2, "seconds; more than in proportion takes minutes"


def test_the_latest_are_kept_each_once() -> None:
    many = [f"I am {number}." for number in range(40)]
    assert kept(many, ["I am 39.", "I sing."]) == (*many[-29:], "I sing.")
