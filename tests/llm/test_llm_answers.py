"""Whatever a model writes becomes a valid answer or an error that says why not."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from persona_agent.errors import ModelAnswerError, ModelRefusalError
from persona_agent.llm.answers import (
    MAX_OBJECTS,
    Reply,
    json_objects,
    parse_answer,
    repair_messages,
)
from persona_agent.prompts import (
    DECIDE,
    PROPOSE_EDITS,
    RESPOND,
    DecideInputs,
    DecideOutput,
    ProposeInputs,
    RespondInputs,
    all_prompts,
)
from persona_agent.schema import Query

INPUTS = DecideInputs(query=Query(text="which?", options=("a", "b", "c")))


def decide(text: str, finish_reason: str | None = "stop") -> DecideOutput:
    return parse_answer(DECIDE, INPUTS, Reply(text=text, finish_reason=finish_reason))


@pytest.mark.parametrize(
    "text",
    [
        '{"choice": 2}',
        '  \n{"choice": 2}\n',
        '```json\n{"choice": 2}\n```',
        'Sure! Here it is:\n```\n{"choice": 2}\n``` Hope that helps {or not}.',
        'Of the options {a, b, c} I pick: {"choice": 2}',
        'An object opens with "{" and so: {"choice": 2}',
        'First {"a" then the answer: {"choice": 2}',
        'Using {} or {"x": 1} would be wrong. {"choice": 2}',
        '{"choice": 7} is no option, so {"choice": 2}',
        '{"reason": "a {brace} and a \\"quote\\"", "choice": 2}',
        '{"reason": "line one\nline two", "choice": 2}',
        '<think>maybe 1?</think>{"choice": 2}',
        '\ufeff{"choice": 2, "confidence": 0.25}',
        '{"choice": "2"}',
    ],
)
def test_the_answer_is_found(text: str) -> None:
    assert decide(text).choice == 2


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("The second one.", "no JSON object"),
        ("[1, 2]", "no JSON object"),
        ('{"choice": 2', "broken"),
        ('{"choice": 2,}', "broken"),
        ("{'choice': 2}", "no JSON object"),
        ('{"choice": 9}', "choice 9 is not the number of an option"),
        ('{"choice": null}', "choice: Input should be a valid integer"),
        ('{"confidence": 0.5}', "choice: Field required"),
        ('{"choice": 2, "confidence": NaN}', "NaN"),
        ('{"choice": 2, "mood": "good"}', "mood"),
        ('{"choice": ' + "9" * 5000 + "}", "broken"),
        ('{"a":' * 100_000, "broken"),
        ('{"reason": "\\ud800", "choice": 2}', "reason|surrogate|answer"),
    ],
)
def test_an_unusable_answer_says_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(ModelAnswerError, match=complaint) as caught:
        decide(text)
    assert not isinstance(caught.value, ModelRefusalError)
    assert "decide" in str(caught.value)
    assert len(str(caught.value)) < 1_500
    str(caught.value).encode()


def test_what_stands_inside_a_broken_object_is_no_answer() -> None:
    inputs = ProposeInputs(failures=())
    for text in ('{"edits": [{"edits": []}, ', '{"edits": [{"edits": []},], "x": }'):
        with pytest.raises(ModelAnswerError, match="broken"):
            parse_answer(PROPOSE_EDITS, inputs, Reply(text=text))


def test_an_empty_object_is_an_answer_only_where_there_is_no_other() -> None:
    inputs = ProposeInputs(failures=())
    edits = '{"edits": [{"operation": "delete", "claims": ["C1"]}]}'
    reply = Reply(text=f"Not {{}}, but {edits}")
    assert len(parse_answer(PROPOSE_EDITS, inputs, reply).edits) == 1
    assert parse_answer(PROPOSE_EDITS, inputs, Reply(text="None: {}")).edits == ()


def test_a_cut_answer_is_named_as_such() -> None:
    with pytest.raises(ModelAnswerError, match="cut off at the model's output limit"):
        decide('{"reason": "because', finish_reason="length")


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that.",
        "I\u2019m sorry, but I can\u2019t assist with that request.",
        "I cannot predict what a person would decide.",
        "I can't do that.",
        "I am unable to answer.",
        "I'm not able to comply with this.",
        "Sorry, I won't answer this.",
        "I apologize, but I cannot provide that.",
        "As an AI language model, I cannot have preferences.",
        "I must decline.",
    ],
)
def test_a_refusal_is_not_an_answer(text: str) -> None:
    with pytest.raises(ModelRefusalError):
        decide(text)


@pytest.mark.parametrize(
    "text", ["Sorry, the second one.", "I think the second.", "I am sure it is 2.", "Isn't it 2?"]
)
def test_prose_is_not_a_refusal(text: str) -> None:
    with pytest.raises(ModelAnswerError) as caught:
        decide(text)
    assert not isinstance(caught.value, ModelRefusalError)


def test_a_filter_overrides_what_was_written() -> None:
    with pytest.raises(ModelRefusalError):
        decide('{"choice": 2}', finish_reason="content_filter")
    with pytest.raises(ModelRefusalError, match="against my rules"):
        parse_answer(DECIDE, INPUTS, Reply(refusal="against my rules"))


def test_a_refusal_inside_a_valid_answer_is_an_answer() -> None:
    inputs = RespondInputs(query=Query(text="write to my landlord"))
    text = '{"answer": "I\'m sorry, but I cannot come."}'
    assert parse_answer(RESPOND, inputs, Reply(text=text)).answer.startswith("I'm sorry")


@pytest.mark.parametrize("prompt", all_prompts(), ids=lambda prompt: prompt.name)
def test_every_prompts_own_example_parses(prompt: object) -> None:
    (found,) = json_objects(re.findall(r"```json\n(.*?)```", prompt.text, re.DOTALL)[0])  # type: ignore[attr-defined]
    assert prompt.output.model_validate(found)  # type: ignore[attr-defined]


def test_the_repair_shows_the_answer_the_problem_and_the_schema() -> None:
    messages = DECIDE.render(INPUTS)
    again = repair_messages(messages, Reply(text="Two."), "no JSON", DecideOutput)
    assert again[:2] == messages
    assert [(message.role, message.content) for message in again[2:3]] == [("assistant", "Two.")]
    assert "no JSON" in again[-1].content and '"choice"' in again[-1].content
    assert len(repair_messages(messages, Reply(), "empty", DecideOutput)) == 3


# --- properties -------------------------------------------------------------------------------

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(), JSON, max_size=4)
# Prose that itself opens an object is another case; see the examples above.
PROSE = st.text().filter(lambda text: not re.search(r'\{\s*["}]', text))


@given(before=PROSE, found=OBJECTS, after=st.text(), ascii_only=st.booleans(), indent=st.booleans())
def test_an_object_is_found_in_any_prose(
    before: str, found: dict[str, object], after: str, ascii_only: bool, indent: bool
) -> None:
    text = json.dumps(found, ensure_ascii=ascii_only, indent=2 if indent else None)
    assert next(json_objects(before + text + after)) == found


@given(first=OBJECTS, between=PROSE, second=OBJECTS)
def test_objects_come_in_order(
    first: dict[str, object], between: str, second: dict[str, object]
) -> None:
    text = json.dumps(first) + between + json.dumps(second)
    assert list(json_objects(text)) == [first, second]


@given(st.text(alphabet='{}"\\[]:,a1 \n') | st.text())
def test_any_text_gives_an_answer_or_one_of_the_two_errors(text: str) -> None:
    try:
        assert 1 <= decide(text).choice <= 3
    except ModelAnswerError as error:
        assert str(error)


def test_rambling_ends() -> None:
    assert len(list(json_objects("{}" * 1000))) == MAX_OBJECTS
    assert list(json_objects("{" * 200_000)) == []
    assert len(list(json_objects('{"' * 200_000))) <= MAX_OBJECTS
