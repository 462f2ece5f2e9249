"""What is asked after a talk, and what tells options apart: nothing but who the person is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from persona_agent.evals.lab import (
    agent_drift,
    drift,
    listener,
    prior,
    questions,
    realism,
    truthfulness,
)
from persona_agent.evals.lab.bench import Card
from persona_agent.evals.lab.cards import demo_cards
from persona_agent.evals.lab.judges import Panel
from persona_agent.evals.lab.people import (
    BACK_QUESTIONS,
    RECITALS,
    REQUESTS,
    SMALL_TALK,
    STATEMENTS,
)
from persona_agent.evals.lab.questions import Recalled
from persona_agent.evals.lab.results import Findings
from persona_agent.evals.lab.rubrics import TASKS
from persona_agent.evals.lab.setup import LabOptions, make_lab
from persona_agent.evals.lab.speakers import RepairedSpeaker
from persona_agent.optimizer.imagined import EXAMPLES, intent_of
from persona_agent.prompts import Case
from persona_agent.prompts.lab import (
    GYM_QUESTIONS,
    REFINE,
    STRANGER,
    AssertInputs,
    GymQuestionsInputs,
    Line,
    QuestionInputs,
    RecallInputs,
    RefineInputs,
    RelateInputs,
    SayInputs,
)
from persona_agent.schema import Query
from persona_agent.settings import Settings
from persona_agent.testing.models import ScriptedModel
from tests.evals.lab.actors import ANA, FAILS, bench, judge, relations
from tests.scripted import Sampling

DEMO = demo_cards()


def values(findings: Findings) -> dict[str, float | None]:
    return {one.name: one.value for one in findings.figures}


def talk(*turns: tuple[str, str]) -> list[Line]:
    return [
        Line(speaker=speaker, text=text)
        for asked, said in turns
        for speaker, text in (("user", asked), ("persona", said))
    ]


# --- questions about the persona ----------------------------------------------------------------


def test_the_key_is_in_every_place_and_no_name_gives_it_away() -> None:
    made = make_lab(Settings(embedder="hash"), LabOptions())
    for card in made.cards:
        asked = questions.questions_about(made, card)
        places = Counter(one.options.index(one.key) for one in asked)
        assert max(places.values()) == 1
        for one in asked:
            assert one.key in card.statements and len(set(one.options)) == questions.CHOICES + 1
            assert one.options[-1] == questions.CANNOT_BE_TOLD
            assert sum(option in card.statements for option in one.options) == 1
            assert not any(questions.names_somebody(text, card.user_id) for text in one.options)
            assert not any(
                name.split("-")[0] in option.casefold().split()
                for name in STATEMENTS
                for option in one.options
            )


def test_a_name_is_told_from_a_trait() -> None:
    for text in ("I am Dana.", "My name is Eve", "Dana likes tea.", "Call me Bo, please."):
        assert questions.names_somebody(text, "dana-pellworth")
    for text in ("I am vegan.", "I drive a tram.", "I am on the road half the week."):
        assert not questions.names_somebody(text, "dana-pellworth")
    assert not questions.names_somebody("I love a film at night.", "film-user-7")


async def test_what_was_recited_is_kept_out_of_the_inferred_mode_only() -> None:
    seen: list[QuestionInputs] = []

    def choose(inputs: QuestionInputs) -> dict[str, Any]:
        seen.append(inputs)
        return {"choice": 1 + [text in ANA.statements for text in inputs.options].index(True)}

    made = bench(ScriptedModel({"lab_question": choose}))
    lines = talk(
        ("What do you know of me?", "You have a dog."),
        ("So true. A film?", "Take a western."),
        ("And a snack?", "Nuts."),
    )
    intents = ["What do you know about me?", "Is there a film or a book for me?", "A snack"]
    for inferred in (True, False):
        found = await questions.ask_persona(made, ANA, lines, intents, inferred=inferred, of="user")
        assert found == [1.0, 1.0, 1.0]
    inferred_only, shown = seen[0], seen[-1]
    assert [one.text for one in inferred_only.conversation] == [
        "Take a western.",
        "And a snack?",
        "Nuts.",
    ], "what reacts to it goes with it"
    assert inferred_only.known == () and shown.known == ANA.statements
    assert [one.speaker for one in shown.conversation] == ["user", "assistant"] * 3
    as_written = talk(("?", "You have a dog."), (intents[1], "A western."))
    left = questions.without_recitals(as_written, intents[:2])
    assert [one.text for one in left] == [intents[1], "A western."]
    assert {*REQUESTS, *SMALL_TALK} > RECITALS


# --- what the speaker remembers -----------------------------------------------------------------


def recalls(inputs: RecallInputs) -> dict[str, Any]:
    if inputs.answered == "Guess!":
        return {"verdict": "cannot tell"}
    if "cannot see" in inputs.reply:
        return {"verdict": "not known"}
    return {"verdict": "right" if inputs.reply == inputs.answered else "wrong"}


async def test_what_cannot_be_told_or_judged_is_no_score() -> None:
    said = [
        Recalled("Name?", "Robin.", "What name?", "Robin."),
        Recalled("Name?", "Robin.", "What name?", "You never told me."),
        Recalled("Name?", "Guess!", "What name?", "Guess!"),
        Recalled("Name?", "You choose.", "What name?", "I cannot see it."),
    ]
    found, verdicts = await questions.judge_recall(
        Panel((ScriptedModel({"lab_recall": recalls}),)), "ana", said
    )
    assert found == ["right", "wrong", None, "not known"]
    assert [one.score for one in verdicts] == [1.0, 0.0, None, 0.0]
    assert [one.verdict for one in verdicts] == [
        "recall: right", "recall: wrong", "recall: cannot tell", "recall: not known"]  # fmt: skip
    failing = Panel((ScriptedModel({"lab_recall": FAILS}),))
    assert (await questions.judge_recall(failing, "ana", said))[0] == [None] * 4


async def test_what_the_other_settled_next_is_judged_with_the_answer() -> None:
    seen: list[RecallInputs] = []

    def recall(inputs: RecallInputs) -> dict[str, Any]:
        seen.append(inputs)
        return {"verdict": "right"}

    asked = "Hello! What should I call you?"

    async def say(_: Sequence[Line], message: str) -> str:
        return "Biscuit."

    lines = talk((asked, "You choose."), ("You're Biscuit.", "Fine."))
    recalled = await questions.ask_back(lines, [asked, "?"], say)
    await questions.judge_recall(Panel((ScriptedModel({"lab_recall": recall}),)), "ana", recalled)
    assert [(one.answered, one.later) for one in seen] == [
        ("You choose.\nthen: You're Biscuit.", "What do I call you?")]  # fmt: skip


def test_distractors_are_of_the_keys_sort() -> None:
    made = make_lab(Settings(embedder="hash"), LabOptions())
    card = next(one for one in DEMO if one.user_id == "ksenia-vogtmann")
    for one in questions.questions_about(made, card):
        if one.key.startswith("I hate"):
            wrong = [text for text in one.options[:-1] if text != one.key]
            assert all(re.search(r"hate|not like|stand|dread|refuse|bore", text) for text in wrong)


async def test_forgetting_lowers_recall_and_is_no_contradiction() -> None:
    def say(inputs: SayInputs) -> dict[str, Any]:
        if inputs.message in BACK_QUESTIONS.values():
            return {"reply": "I never told you that."}
        return {"reply": "I slept." if inputs.message in BACK_QUESTIONS else "Well."}

    actor = ScriptedModel({
        "lab_say": say, "lab_question": {"choice": 1},
        "lab_user_turn": lambda inputs: {"message": inputs.intent},
    })  # fmt: skip
    critic = judge("critic", lab_mediate={"changed": False}, lab_listen={"speaker": 1})
    one = judge(lab_recall=recalls)
    found = await drift.measure(bench(actor, one, cards=(ANA,), critic=critic, turns=8))
    plain = values(found)
    assert plain["recall of its own answers, plain"] == 0.0
    assert plain["recall, wrong, plain"] == 1.0 and plain["recall, not known, plain"] == 0.0
    assert plain["prompt-to-line, plain"] == plain["line-to-line by lines, plain"] == 1.0
    assert sum(v.verdict == "recall: wrong" for v in found.verdicts) == 4
    short = await drift.measure(bench(actor, one, cards=(ANA,), critic=critic, turns=2))
    assert "recall of its own answers, plain" not in values(short), "nothing of it was asked yet"


async def test_the_agent_is_asked_back_in_its_own_thread() -> None:
    seen: list[int] = []

    def chat(messages: Sequence[Any], tools: Any) -> str:
        if "What do I call you?" in str(messages[-1]):
            seen.append(str(messages).count("Call me Robin."))
            return "Call me Robin."
        return f"Call me Robin. {len(messages)}" if len(messages) < 3 else "Hm."

    def user(inputs: Any) -> dict[str, Any]:
        return {"message": inputs.intent}

    actor = Sampling({"lab_user_turn": user}, chat=chat)
    made = bench(actor, cards=(ANA,), turns=2)
    found = await agent_drift.talk(made, ANA, **agent_drift.PLAIN)
    assert [one.later for one in found.recalled] == ["What do I call you?"]
    assert found.recalled[0].answered.startswith("Call me Robin.")
    assert found.recalled[0].reply == "Call me Robin."
    assert len(found.lines) == 4 and len(found.calls) == 2, "the talk is as long as it was"
    assert seen == [1]


# --- nobody is told from themselves -------------------------------------------------------------


def test_no_card_is_its_own_distractor_under_any_name() -> None:
    copy = Card(user_id="me", statements=DEMO[0].statements)
    part = Card(user_id="part", statements=DEMO[1].statements[1:])
    made = make_lab(Settings(embedder="hash"), LabOptions(), [copy, part])
    for card, double in ((copy, DEMO[0]), (part, DEMO[1])):
        names = {other.user_id for other in made.distractors(card)}
        assert not {card.user_id, double.user_id} & names and len(names) == len(DEMO)


def test_a_fact_against_the_prior_stands_among_nobodys_statements() -> None:
    own = {text for card in DEMO for text in card.statements}
    assert not own & set(prior.FILLER)
    for item in prior.OPPOSED:
        for persona, _ in prior.escalations(item, prior.FILLER[:3]).values():
            assert item.statement in persona
            assert not any(text in persona for text in own)


# --- what the other prompts see -----------------------------------------------------------------


async def test_an_assertion_is_read_with_the_question() -> None:
    seen: list[RelateInputs] = []

    def relate(inputs: RelateInputs) -> dict[str, Any]:
        seen.append(inputs)
        return relations(inputs)

    panel = Panel((ScriptedModel({"lab_relate": relate}),))
    lines = talk(("Hello.", "Hi."), ("Any pets?", "My two dogs."))
    await truthfulness.grounding(panel, ANA.statements, lines)
    assert [[line.text for line in one.conversation] for one in seen] == [["Any pets?"]]


async def test_an_assertion_is_read_with_what_was_said_before_it_in_the_same_reply() -> None:
    seen: list[RelateInputs] = []

    def relate(inputs: RelateInputs) -> dict[str, Any]:
        seen.append(inputs)
        return relations(inputs)

    panel = Panel((ScriptedModel({"lab_relate": relate}),))
    lines = talk(("And?", "The castle is old. My uncle left it to me. It rains."))
    await truthfulness.grounding(panel, ANA.statements, lines)
    (asked,) = seen
    assert asked.utterance == "My uncle left it to me."
    assert [(line.speaker, line.text) for line in asked.conversation] == [
        ("other", "And?"), ("speaker", "The castle is old.")]  # fmt: skip


async def test_every_prompt_names_the_sides_of_a_talk_in_its_own_words() -> None:
    seen: dict[str, set[str]] = {}

    def noted(name: str, answer: Any) -> Any:
        def reply(inputs: Any) -> Any:
            seen.setdefault(name, set()).update(one.speaker for one in inputs.conversation)
            return answer(inputs) if callable(answer) else answer

        return reply

    model = Sampling(
        {
            "lab_user_turn": noted("lab_user_turn", {"message": "More."}),
            "lab_say": noted("lab_say", {"reply": "Not true: I love tea."}),
            "lab_mediate": noted("lab_mediate", {"changed": False}),
            "lab_relate": noted("lab_relate", relations),
            "lab_listen": noted("lab_listen", {"speaker": 1}),
            "lab_question": noted("lab_question", {"choice": 1}),
            "reply_check": {"contradictions": []},
        },
        chat=lambda messages, tools: "Well.",
    )
    made = bench(model, model, cards=(ANA,), critic=model)
    await drift.measure(made)
    chat, overheard = {"user", "assistant"}, {"other", "speaker"}
    expected = {"lab_user_turn": chat, "lab_mediate": chat, "lab_question": chat,
                "lab_say": {"other", "you"}, "lab_relate": overheard}  # fmt: skip
    assert seen == expected
    seen.clear()
    await agent_drift.talk(made, ANA, **agent_drift.REPAIRED)
    assert seen == {"lab_user_turn": chat, "lab_mediate": chat}
    seen.clear()
    await listener.measure(made)
    assert seen["lab_listen"] == overheard


async def test_a_clean_line_is_said_without_drawing_others() -> None:
    model = Sampling({"lab_say": {"reply": "I love tea."}, "lab_relate": relations})
    assert await RepairedSpeaker(model, model).reply(ANA.statements, (), "Tea?") == "I love tea."
    assert [prompt for prompt, _ in model.requests] == ["lab_say", "lab_relate"]


async def test_who_denies_a_truth_to_please_is_indifferent_to_it() -> None:
    def asserts(inputs: AssertInputs) -> dict[str, Any]:
        return {"answer": "yes" if inputs.statement in inputs.notes else "no"}

    def pleases(inputs: AssertInputs) -> dict[str, Any]:
        return asserts(inputs) if inputs.asker == STRANGER else {"answer": "no"}

    def believes(inputs: Any) -> dict[str, Any]:
        return {"probability": 0.9 if inputs.statement in inputs.notes else 0.1}

    found = {}
    for name, answer in (("honest", asserts), ("pleasing", pleases)):
        actor = ScriptedModel({"lab_assert": answer, "lab_believe": believes,
                               "lab_say": {"reply": "Well."}})  # fmt: skip
        found[name] = values(await truthfulness.measure(bench(actor, judge())))["bullshit index"]
    assert found["honest"] == 0.0 and (found["pleasing"] or 0) > 0.1
    asked = truthfulness.probes(bench(), ANA)
    assert {asker for asker, _ in asked} == set(truthfulness.ASKERS)
    named = Card(user_id="ana", statements=("I am Ana.", "I am tall.", "I love tea."))
    names = {asker for asker, text in truthfulness.probes(bench(), named) if "Ana" in text}
    assert names == {STRANGER}, "nobody is despised for a name"


async def test_an_item_is_simulated_from_others_of_its_task() -> None:
    card = next(one for one in DEMO if one.user_id == "gerald-wetherlam")
    seen: list[Any] = []

    def write(inputs: Any) -> dict[str, Any]:
        seen.append(inputs)
        return {"message": "A walk."}

    one = ScriptedModel({"lab_whose": {"speaker": 1}})
    actor = ScriptedModel({"lab_user_turn": write})
    await realism.measure(bench(actor, one, cards=(card,), items=6))
    tasks = {episode.query.text: episode.query.task_name for episode in card.episodes}
    assert seen
    for inputs in seen:
        assert inputs.kind == "item" and len(inputs.examples) == EXAMPLES
        (task,) = {tasks[text] for text in inputs.examples}
        assert inputs.intent.startswith(task.replace("-", " ") + ": ")


def test_an_intent_is_a_phrase() -> None:
    rating = Query(text="x", options=("1", "2", "5"), task="walk-rating")
    assert intent_of(rating) == "walk rating: something that this user rates from 1 to 5"
    label = Query(text="x", options=("now", "never"), task="mail")
    assert intent_of(label).endswith("one of these labels: now, never")
    choice = Query(text="x", options=("a long walk home", "a short ride home"), task="trip")
    assert "picks one of several" in intent_of(choice)


def test_a_writer_of_questions_sees_what_to_provoke_and_no_rubric() -> None:
    for task in TASKS:
        inputs = GymQuestionsInputs(person="x", task=task.provokes, situations=("a farm",), count=1)
        shown = GYM_QUESTIONS.render(inputs)[1].content
        assert task.provokes in shown and task.provokes not in task.rubric
        assert not any(text in shown for text in (task.aim, *task.levels))


def test_a_record_names_its_task_and_labels() -> None:
    records = (
        Case(query="a storm at sea", outcome="5", task="film-rating", options=("1", "5")),
        Case(query="a note", outcome="thanks"),
    )
    shown = REFINE.render(RefineInputs(records=records))[1].content
    assert "1. (film-rating; one of: 1, 5) a storm at sea -> 5" in shown
    assert "2. a note -> thanks" in shown
