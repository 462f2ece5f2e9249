"""PersonaAgent through its public methods: what each does, refuses, and never loses."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from persona_agent.agent import PersonaAgent
from persona_agent.errors import (
    BudgetExceededError,
    ConflictError,
    EmbedderMismatchError,
    InputError,
    ModelAnswerError,
    ModelCallError,
    ModelError,
    ModelRefusalError,
    NotFoundError,
    SettingsError,
    StoreUnavailableError,
)
from persona_agent.memory import open_memory
from persona_agent.prompts import DecideInputs, DraftInputs
from persona_agent.protocols import ChatMessage, LanguageModel
from persona_agent.schema import Claim, Episode, Fact, Persona, Query, Section
from persona_agent.settings import Settings
from persona_agent.testing import ScriptedModel

TAGS = ("comedy", "drama", "war")
SUBJECT = {
    "comedy": "fools and farce and jokes",
    "drama": "a family and its letters",
    "war": "soldiers in a trench",
}
START = datetime(2026, 1, 1, 9, tzinfo=UTC)
BAD_IDS = ["", "a\nb", "a\rb", "a\x00b", "\x7f", "x" * 257, "\ud800"]


class PaidModel(ScriptedModel):
    """A model whose answers cost something, so that they are journaled."""

    deterministic = False


def with_model(folder: Path, model: LanguageModel) -> PersonaAgent:
    chosen = Settings(data_dir=folder, embedder="hash")
    return PersonaAgent(open_memory(chosen), model, chosen)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[PersonaAgent]:
    with PersonaAgent.open(tmp_path / "data", embedder="hash") as opened:
        yield opened


def films(agent: PersonaAgent, user: str, count: int = 12, extra: str = "") -> list[str]:
    """Record films, each tagged by its subject; return the ids."""
    ids = []
    for number in range(count):
        tag = TAGS[number % 3]
        ids.append(
            agent.record_sync(
                user,
                f"{SUBJECT[tag]} number {number} {extra}".strip(),
                tag,
                options=TAGS,
                task="films",
                at=START + timedelta(days=number),
                id=f"film-{number}",
            )
        )
    return ids


def claim(text: str = "likes jokes", **fields: Any) -> Claim:
    return Claim(section=Section.PREFERENCES, text=text, **({"origin": "user"} | fields))


def put(agent: PersonaAgent, *claims: Claim, user: str = "ana", version: str = "v1") -> Persona:
    made = Persona(user_id=user, version=version, claims=claims)
    agent.memory.personas.put(made, expected=None)
    return made


def fact(agent: PersonaAgent, text: str, sources: Sequence[Episode], user: str = "ana") -> None:
    from persona_agent.memory.facts import Learned

    made = Fact(user_id=user, text=text, sources=tuple(one.id for one in sources))
    agent.memory.facts.learn(user, [Learned(fact=made)], list(sources))


# --- record -----------------------------------------------------------------------------------


def test_what_is_recorded_is_stored_whole(agent: PersonaAgent) -> None:
    at = datetime(2026, 5, 1, 12, tzinfo=UTC)
    name = agent.record_sync(
        "ana",
        "Which film?",
        "war",
        options=TAGS,
        task="films",
        response="drama",
        at=at,
        id="mine",
        metadata={"shop": "x", "n": 3, "f": 0.5, "b": True},
    )
    assert name == "mine"
    (found,) = agent.memory.episodes.timeline("ana")
    assert found == Episode(
        id="mine",
        user_id="ana",
        query=Query(text="Which film?", options=TAGS, task="films"),
        outcome="war",
        response="drama",
        at=at,
        metadata={"shop": "x", "n": 3, "f": 0.5, "b": True},
    )


def test_the_time_is_now_and_the_id_fresh_where_none_is_given(agent: PersonaAgent) -> None:
    before = datetime.now(UTC)
    first, second = agent.record_sync("ana", "a"), agent.record_sync("ana", "a")
    assert first != second
    found = agent.memory.episodes.timeline("ana")
    assert [one.id for one in found] == [first, second]
    assert all(before <= one.at <= datetime.now(UTC) for one in found)


def test_a_retry_with_the_same_id_changes_nothing(agent: PersonaAgent) -> None:
    agent.record_sync("ana", "tea?", "yes", id="one")
    assert agent.record_sync("ana", "coffee?", "no", id="one") == "one"
    (found,) = agent.memory.episodes.timeline("ana")
    assert (found.query.text, found.outcome) == ("tea?", "yes")


def test_the_same_id_of_another_user_is_another_episode(agent: PersonaAgent) -> None:
    agent.record_sync("ana", "tea?", "yes", id="one")
    agent.record_sync("ben", "coffee?", "no", id="one")
    assert agent.memory.episodes.get("ana", ["one"])[0].outcome == "yes"
    assert agent.memory.episodes.get("ben", ["one"])[0].outcome == "no"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"outcome": "horror"}, "'horror' is not one of the options"),
        ({"outcome": "War"}, "'War' is not one of the options"),
        ({"outcome": ""}, "is not one of the options"),
        ({"options": ("war", "war")}, "distinct"),
        ({"options": ("war", " ")}, "blank"),
        ({"options": ("war", "")}, "blank"),
        ({"options": (1, 2)}, "options.0"),
        ({"options": [f"o{n}" for n in range(501)]}, "options"),
        ({"query": ""}, "text"),
        ({"query": "\x00"}, "text"),
        ({"query": "a\ud800"}, "text"),
        ({"query": "x" * 100_001}, "text"),
        ({"query": None}, "text"),
        ({"options": (), "outcome": "  "}, "outcome must not be blank"),
        ({"task": "t" * 129}, "task"),
        ({"at": datetime(2026, 1, 1)}, "at: "),
        ({"at": "soon"}, "at: "),
        ({"id": ""}, "id: "),
        ({"id": "a\nb"}, "id: "),
        ({"metadata": {"x": {"deep": 1}}}, "metadata"),
        ({"metadata": {"x": float("nan")}}, "finite"),
        *(({"user": name}, "user_id") for name in BAD_IDS),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_stored(
    agent: PersonaAgent, fields: dict[str, Any], named: str
) -> None:
    given: dict[str, Any] = {"user": "ana", "query": "q", "outcome": "war", "options": TAGS}
    with pytest.raises(InputError, match=named):
        agent.record_sync(**(given | fields))
    assert agent.memory.episodes.users() == []


def test_a_batch_is_stored_all_or_nothing(agent: PersonaAgent) -> None:
    good = Episode(id="a", user_id="ana", query=Query(text="q"))
    bad = Episode(id="b", user_id="ana", query=Query(text="q"), metadata={"x": float("inf")})
    with pytest.raises(InputError):
        agent.record_episodes_sync([good, bad])
    assert agent.memory.episodes.count("ana") == 0
    assert agent.record_episodes_sync([good, good]) == 1
    assert agent.record_episodes_sync([]) == 0


# --- decide -----------------------------------------------------------------------------------


def test_decide_answers_as_the_user_did(agent: PersonaAgent) -> None:
    films(agent, "ana")
    for tag in TAGS:
        made = agent.decide_sync("ana", f"{SUBJECT[tag]} again", TAGS, task="films")
        assert made.answer == tag
        assert made.confidence is not None
        assert 0 <= made.confidence <= 1
        assert {one.episode.user_id for one in made.recalled} == {"ana"}
        assert '"comedy" 4' in made.persona_text


def test_an_unknown_user_gets_the_generic_answer(agent: PersonaAgent) -> None:
    films(agent, "ana")
    made = agent.decide_sync("ben", f"{SUBJECT['war']} again", TAGS, task="films")
    assert made.answer in TAGS
    assert (made.persona_text, made.recalled) == ("", ())
    assert made.reason == "Nothing is known of the user; the query alone points there."


def test_a_decision_is_remembered_without_outcome_until_it_is_told(agent: PersonaAgent) -> None:
    made = agent.decide_sync("ana", "Which film?", TAGS, task="films")
    (stored,) = agent.memory.episodes.timeline("ana")
    assert (stored.id, stored.response, stored.outcome) == (made.episode_id, made.answer, None)
    again = agent.decide_sync("ana", "Which film?", TAGS, task="films", remember=False)
    assert again.recalled == ()  # its own guess is no evidence
    assert again.episode_id == ""
    assert agent.memory.episodes.count("ana") == 1

    told = agent.feedback_sync(made.episode_id, user="ana", outcome="war", thumb=-1, comment="no")
    assert told.outcome == "war"
    assert told.feedback is not None
    assert (told.feedback.thumb, told.feedback.comment) == (-1, "no")
    assert agent.memory.episodes.get("ana", [made.episode_id]) == [told]
    final = agent.decide_sync("ana", "Which film?", TAGS, task="films", remember=False)
    assert final.answer == "war"
    assert [one.episode.id for one in final.recalled] == [made.episode_id]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"options": []}, "at least two options, got 0"),
        ({"options": ["tea"]}, "at least two options, got 1"),
        ({"options": ["tea", "tea"]}, "distinct"),
        ({"options": ["tea", "\t"]}, "blank"),
        ({"query": ""}, "text"),
        *(({"user": name}, "user_id") for name in BAD_IDS),
    ],
)
def test_decide_refuses_what_it_cannot_answer(
    tmp_path: Path, fields: dict[str, Any], named: str
) -> None:
    model = ScriptedModel()
    with with_model(tmp_path, model) as agent:
        given: dict[str, Any] = {"user": "ana", "query": "q", "options": ["tea", "coffee"]}
        with pytest.raises(InputError, match=named):
            agent.decide_sync(**(given | fields))
        assert agent.memory.episodes.users() == []
    assert model.requests == []


def test_the_policy_decides_what_the_model_sees(tmp_path: Path) -> None:
    model = ScriptedModel({"decide": {"choice": 1}})
    with with_model(tmp_path, model) as agent:
        films(agent, "ana", 3)
        agent.memory.personas.put(Persona.generic("ana"), expected=None)
        made = agent.decide_sync("ana", "q", TAGS, task="films")
        assert (made.persona_text, made.recalled) == ("", ())
    (_, inputs) = model.requests[0]
    assert isinstance(inputs, DecideInputs)
    assert (inputs.persona, inputs.recalled) == ("", ())


def test_two_answers_to_one_question_are_equal(agent: PersonaAgent) -> None:
    films(agent, "ana")
    agent.optimize_sync("ana")
    made = [
        agent.decide_sync("ana", "a film of letters", TAGS, task="films", remember=False)
        for _ in range(3)
    ]
    assert made[0] == made[1] == made[2]
    assert made[0].persona_version == agent.persona_sync("ana").version


# --- feedback ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "needs an outcome"),
        ({"outcome": "horror"}, "not one of the options"),
        ({"thumb": 0}, "thumb"),
        ({"thumb": 2}, "thumb"),
        ({"outcome": "horror", "thumb": 1}, "not one of the options"),
    ],
)
def test_wrong_feedback_changes_nothing(
    agent: PersonaAgent, fields: dict[str, Any], named: str
) -> None:
    name = agent.record_sync("ana", "q", "war", options=TAGS)
    before = agent.memory.episodes.timeline("ana")
    with pytest.raises(InputError, match=named):
        agent.feedback_sync(name, user="ana", **fields)
    assert agent.memory.episodes.timeline("ana") == before


def test_feedback_reaches_only_the_users_own_episodes(agent: PersonaAgent) -> None:
    name = agent.record_sync("ana", "q", "war", options=TAGS)
    for user, episode in (("ben", name), ("ana", "none"), ("ana", "")):
        with pytest.raises(NotFoundError):
            agent.feedback_sync(episode, user=user, outcome="drama")
    assert agent.memory.episodes.get("ana", [name])[0].outcome == "war"


# --- optimize and the versions of the persona --------------------------------------------------


def test_optimize_makes_a_persona_with_a_record_of_how(agent: PersonaAgent) -> None:
    films(agent, "ana", 24)
    made = agent.optimize_sync("ana")
    assert made.accepted
    assert made.gates
    assert made.model == "offline"
    assert made.usage.calls > 0
    assert made.usage.prompt_tokens > 0
    persona = agent.persona_sync("ana")
    assert persona.version == made.to_version
    assert persona.user_id == "ana"
    known = {one.id for one in agent.memory.episodes.timeline("ana")}
    assert persona.claims
    assert all(set(one.evidence) <= known for one in persona.claims)
    assert agent.revisions_sync("ana") == [made]
    history = agent.history_sync("ana")
    assert history[-1] == persona
    change = agent.diff_sync("ana", None, persona.version)
    assert [one.after for one in change.claims] == list(persona.claims)
    assert agent.persona_text_sync("ana")


def test_optimize_is_deterministic(tmp_path: Path) -> None:
    found = []
    for name in ("one", "two"):
        with PersonaAgent.open(tmp_path / name, embedder="hash") as agent:
            films(agent, "ana", 15)
            made = agent.optimize_sync("ana")
            text = agent.persona_text_sync("ana")
            policy = agent.persona_sync("ana").policy
            gates = [(gate.gate, gate.difference, gate.passed) for gate in made.gates]
            found.append((text, policy, gates, [edit.text for edit in made.edits]))
    assert found[0] == found[1]


def test_a_second_optimization_goes_on_from_the_first(agent: PersonaAgent) -> None:
    films(agent, "ana")
    first = agent.optimize_sync("ana")
    second = agent.optimize_sync("ana")
    assert second.from_version == first.to_version
    assert [one.id for one in agent.revisions_sync("ana")] == [first.id, second.id]
    if not second.accepted:
        assert agent.persona_sync("ana").version == first.to_version
        assert second.to_version == first.to_version


def test_rollback_makes_a_new_version_of_an_old_one(agent: PersonaAgent) -> None:
    old = put(agent, claim("likes jokes", id="c1"))
    new = Persona(user_id="ana", version="v2", parent="v1", claims=(claim("hates jokes", id="c1"),))
    agent.memory.personas.put(new, expected="v1")
    restored = agent.rollback_sync("ana", "v1")
    assert agent.persona_sync("ana") == restored
    assert (restored.parent, restored.cause) == ("v2", "rollback to v1")
    assert restored.version not in ("v1", "v2")
    assert restored.claims == old.claims
    assert [one.version for one in agent.history_sync("ana")] == ["v1", "v2", restored.version]
    assert agent.diff_sync("ana", "v1", restored.version).empty
    (changed,) = agent.diff_sync("ana", "v1", "v2").claims
    assert changed.change == "changed"


def test_what_is_not_there_is_said(agent: PersonaAgent) -> None:
    put(agent, claim(), user="ben")
    agent.record_sync("idle", "no outcome yet")
    for call in (
        lambda: agent.persona_sync("ana"),
        lambda: agent.persona_text_sync("ana"),
        lambda: agent.optimize_sync("ana"),
        lambda: agent.optimize_sync("idle"),
        lambda: agent.rollback_sync("ana", "v1"),
        lambda: agent.rollback_sync("ben", "v2"),
        lambda: agent.diff_sync("ana", None, "v1"),
        lambda: agent.diff_sync("ben", "v2", "v1"),
    ):
        with pytest.raises(NotFoundError):
            call()
    assert agent.history_sync("ana") == []
    assert agent.revisions_sync("ana") == []
    assert not any(agent.forget_sync("ana").values())
    assert agent.history_sync("idle") == []


@pytest.mark.parametrize("method", ["persona", "history", "revisions", "optimize", "forget"])
@pytest.mark.parametrize("name", [one for one in BAD_IDS if one != "\ud800"])
def test_a_bad_user_id_is_nobody(agent: PersonaAgent, method: str, name: str) -> None:
    try:
        found = getattr(agent, f"{method}_sync")(name)
    except (InputError, NotFoundError):
        return
    assert not (any(found.values()) if isinstance(found, dict) else found)


@pytest.mark.parametrize("method", ["persona", "optimize", "forget"])
def test_a_user_id_that_is_no_text_is_an_input_error(agent: PersonaAgent, method: str) -> None:
    with pytest.raises((InputError, NotFoundError)):
        getattr(agent, f"{method}_sync")("\ud800")


def test_a_few_cases_are_no_ground_for_claims(agent: PersonaAgent) -> None:
    films(agent, "ana", 3)
    agent.optimize_sync("ana")
    assert agent.persona_sync("ana").claims == ()


@pytest.mark.parametrize("odd", ["nan", "inf"])
def test_a_label_that_reads_as_no_finite_number_is_a_label(agent: PersonaAgent, odd: str) -> None:
    for number in range(8):
        agent.record_sync(
            "ana", f"query {number}", [odd, "1"][number % 2], options=("1", odd), id=f"e{number}"
        )
    agent.optimize_sync("ana")


# --- models that fail ---------------------------------------------------------------------------

FAILURES: list[tuple[str | Exception, type[ModelError]]] = [
    ("I would go for the second one.", ModelAnswerError),
    ('{"choice": 2,', ModelAnswerError),
    ("", ModelAnswerError),
    ("[1, 2]", ModelAnswerError),
    ('{"choice": 9}', ModelAnswerError),
    ('{"choice": 0}', ModelAnswerError),
    ('{"choice": "war"}', ModelAnswerError),
    ('{"choice": 1, "confidence": 7}', ModelAnswerError),
    ("I'm sorry, but I can't help with that.", ModelRefusalError),
    (ModelCallError("no answer within 60 s", transient=True), ModelCallError),
    (ModelCallError("HTTP 429: rate limit", transient=True), ModelCallError),
    (ModelCallError("HTTP 500: server error", transient=True), ModelCallError),
    (BudgetExceededError("3 calls"), BudgetExceededError),
]
IDS = [str(said)[:24] or "empty" for said, _ in FAILURES]


@pytest.mark.parametrize(("said", "error"), FAILURES, ids=IDS)
def test_decide_raises_and_loses_nothing(
    tmp_path: Path, said: str | Exception, error: type[ModelError]
) -> None:
    model = ScriptedModel({"decide": [said, {"choice": 3}]})
    with with_model(tmp_path, model) as agent:
        films(agent, "ana", 3)
        persona = put(agent, claim())
        before = agent.memory.episodes.timeline("ana")
        with pytest.raises(error) as caught:
            agent.decide_sync("ana", "q", TAGS, task="films")
        assert type(caught.value) is error
        assert agent.memory.episodes.timeline("ana") == before
        assert agent.persona_sync("ana") == persona
        assert agent.decide_sync("ana", "q", TAGS, task="films").answer == "war"
        assert model.usage(user_id="ana", purpose="answer").calls == 2


CRITIQUE = {"critique": "The tag was missed.", "preference": "Prefers war."}
STEPS: dict[str, Any] = {
    "distil_facts": {"facts": []},
    "draft_persona": {"claims": []},
    "decide": {"choice": 2},
    "verify_claims": {"verdicts": []},
    "critique": CRITIQUE,
    "propose_edits": {"edits": []},
}


@pytest.mark.parametrize("step", ["distil_facts", "propose_edits"])
@pytest.mark.parametrize(
    ("said", "error"),
    [one for one in FAILURES if "choice" not in str(one[0])],
    ids=[name for name in IDS if "choice" not in name],
)
def test_optimize_with_a_failing_model_keeps_persona_and_facts(
    tmp_path: Path, step: str, said: str | Exception, error: type[ModelError]
) -> None:
    model = ScriptedModel(STEPS | {step: said})
    with with_model(tmp_path, model) as agent:
        films(agent, "ana", 9)
        episodes = agent.memory.episodes.timeline("ana")
        fact(agent, "Owns a boat.", episodes[:2])
        facts = agent.memory.facts.current("ana")
        persona = put(agent, claim())
        with pytest.raises(error):
            agent.optimize_sync("ana")
        assert agent.persona_sync("ana") == persona
        assert agent.history_sync("ana") == [persona]
        assert agent.revisions_sync("ana") == []
        assert agent.memory.facts.current("ana") == facts
        assert agent.memory.episodes.timeline("ana") == episodes


def test_a_draft_that_fails_leaves_no_persona(tmp_path: Path) -> None:
    model = ScriptedModel(STEPS | {"draft_persona": ModelCallError("HTTP 500")})
    with with_model(tmp_path, model) as agent:
        films(agent, "ana", 9)
        with pytest.raises(ModelCallError):
            agent.optimize_sync("ana")
        assert agent.history_sync("ana") == []


def test_answers_and_critiques_that_fail_do_not_change_a_persona(tmp_path: Path) -> None:
    for step, said in (("decide", "prose"), ("critique", "prose")):
        model = ScriptedModel(STEPS | {step: said})
        with with_model(tmp_path / step, model) as agent:
            films(agent, "ana", 9)
            persona = put(agent, claim(origin="learned", evidence=("film-0",)))
            made = agent.optimize_sync("ana")
            assert not made.accepted
            assert agent.history_sync("ana") == [persona]


def test_what_was_paid_for_is_not_asked_again_after_a_failure(tmp_path: Path) -> None:
    broken = PaidModel(STEPS | {"propose_edits": ModelCallError("HTTP 500")})
    with with_model(tmp_path, broken) as agent:
        films(agent, "ana", 9)
        with pytest.raises(ModelCallError):
            agent.optimize_sync("ana")
    assert len(list((tmp_path / "journal").glob("*.jsonl"))) == 1
    mended = PaidModel(STEPS)
    with with_model(tmp_path, mended) as agent:
        assert agent.optimize_sync("ana").accepted
    asked = [name for name, _ in mended.requests]
    assert asked[0] == "propose_edits"
    assert not {"distil_facts", "draft_persona", "critique"} & set(asked)
    assert not list((tmp_path / "journal").glob("*.jsonl"))


@pytest.mark.parametrize(
    "edit",
    [
        {"operation": "delete", "claims": ["C1", "C1"]},
        {"operation": "merge", "claims": ["C1", "C2", "C2"], "text": "x", "evidence": ["E1"]},
    ],
)
def test_an_edit_that_names_a_claim_twice_does_not_end_the_run(
    tmp_path: Path, edit: dict[str, Any]
) -> None:
    model = ScriptedModel(STEPS | {"propose_edits": {"edits": [edit]}})
    with with_model(tmp_path, model) as agent:
        ids = films(agent, "ana", 9)
        learned = [
            claim(f"says {n}", id=f"c{n}", origin="learned", evidence=(ids[0],)) for n in range(2)
        ]
        put(agent, *learned)
        agent.optimize_sync("ana")


def test_a_draft_with_a_long_scope_does_not_end_the_run(tmp_path: Path) -> None:
    drafted = {"scope": "s" * 600, "text": "tags it 'war'", "evidence": ["E1", "E2"]}
    model = ScriptedModel(STEPS | {"draft_persona": {"claims": [drafted]}})
    with with_model(tmp_path, model) as agent:
        films(agent, "ana", 9)
        agent.optimize_sync("ana")


def test_a_persona_that_changed_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    def meanwhile(inputs: DraftInputs) -> dict[str, Any]:
        put(opened, claim("said by the user meanwhile"))
        return {"claims": []}

    model = ScriptedModel(STEPS | {"draft_persona": meanwhile})
    with with_model(tmp_path, model) as opened:
        films(opened, "ana", 9)
        with pytest.raises(ConflictError):
            opened.optimize_sync("ana")
        assert opened.persona_sync("ana").claims[0].text == "said by the user meanwhile"
        assert opened.revisions_sync("ana") == []


# --- users are strangers to each other ----------------------------------------------------------

LOOKALIKES = [
    "ana",
    "Ana",
    "ana ",
    "an",
    "anaa",
    "a%",
    "a_",
    "ana'--",
    "a\u0308na",
    "\u00e4na",
    "*",
]


def test_users_with_ids_alike_never_see_anything_of_each_other(tmp_path: Path) -> None:
    tokens = {user: f"token{number:02}secret" for number, user in enumerate(LOOKALIKES)}
    model = ScriptedModel({"decide": {"choice": 1}}, chat=lambda messages, tools: "fine")
    with with_model(tmp_path, model) as agent:
        for user, token in tokens.items():
            for number in range(2):
                agent.record_sync(
                    user, f"tea? {token}", token, options=(token, "other"), id=str(number)
                )
            fact(agent, f"Knows {token}.", agent.memory.episodes.timeline(user), user)
            put(agent, claim(f"says {token}", id="c"), user=user, version="v")
            agent.chat_sync(user, f"remember {token}", thread="t")
        for user, token in tokens.items():
            model.requests.clear()
            model.chats.clear()
            seen: list[object] = [agent.decide_sync(user, "tea?", ("yes", "no"), task="choice")]
            seen.append(agent.chat_sync(user, "tea?", thread="t"))
            seen += [model.requests, model.chats]
            seen += [agent.memory.facts.current(user), agent.history_sync(user)]
            seen += [agent.persona_text_sync(user), agent.memory.episodes.timeline(user)]
            shown = repr(seen)
            assert token in shown
            assert [one for one in tokens.values() if one in shown] == [token]
        gone, *kept = LOOKALIKES
        agent.forget_sync(gone)
        for user in kept:
            assert agent.memory.episodes.count(user) == 5
            assert len(agent.memory.facts.current(user)) == 1
            assert agent.persona_sync(user).version == "v"


def test_two_optimized_users_have_nothing_of_each_other(agent: PersonaAgent) -> None:
    films(agent, "ana", 9, "zebrafish")
    films(agent, "ben", 9, "quokkacat")
    alone = agent.decide_sync("ana", SUBJECT["war"], TAGS, task="films", remember=False)
    for user in ("ana", "ben"):
        agent.optimize_sync(user)
    for user, other in (("ana", "quokkacat"), ("ben", "zebrafish")):
        shown = repr(
            [
                agent.history_sync(user),
                agent.revisions_sync(user),
                agent.memory.facts.current(user),
                agent.decide_sync(user, SUBJECT["war"], TAGS, task="films"),
            ]
        )
        assert other not in shown
    assert alone.answer == "war"


async def test_many_users_at_once_stay_apart(tmp_path: Path) -> None:
    async with PersonaAgent.open(tmp_path, embedder="hash") as agent:

        async def live(user: str, liked: str) -> None:
            for number in range(4):
                await agent.record(user, f"film {number}", liked, options=TAGS, task="films")
            made = await agent.decide(user, "film 9", TAGS, task="films")
            assert made.answer == liked
            assert {one.episode.user_id for one in made.recalled} == {user}

        await asyncio.gather(*(live(f"user {n}", TAGS[n % 3]) for n in range(9)))
        assert len(agent.memory.episodes.users()) == 9


# --- forget -------------------------------------------------------------------------------------


def files_with(folder: Path, *words: str) -> list[str]:
    return [
        f"{path.relative_to(folder)}: {word}"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        for word in words
        if word.encode() in path.read_bytes()
    ]


def test_forget_leaves_no_trace_in_any_file(tmp_path: Path) -> None:
    marks = [f"markzq{n}markzq" for n in range(9)]
    user = "userzqforgotten"

    def chat(messages: Sequence[ChatMessage], tools: object) -> str:
        return f"as you said: {messages[-1].content}"

    steps = STEPS | {
        "distil_facts": {"facts": [{"text": f"Owns {marks[7]}.", "sources": ["E1"]}]},
        "critique": {"critique": f"missed {marks[8]}"},
        "propose_edits": [ModelCallError("HTTP 500")],
        "decide": {"choice": 2, "reason": f"{marks[8]}"},
    }
    with with_model(tmp_path, PaidModel(steps, chat=chat)) as agent:
        films(agent, user, 9, marks[0])
        films(agent, "ben", 3)
        name = agent.record_sync(
            user,
            "tea?",
            marks[1],
            options=(marks[1], marks[2]),
            response=marks[2],
            metadata={"note": marks[3]},
        )
        agent.feedback_sync(name, user=user, comment=marks[4])
        put(agent, claim(f"loves {marks[5]}"), user=user)
        put(agent, claim("plain"), user="ben")
        agent.chat_sync(user, f"about {marks[6]}", thread="t")
        agent.chat_sync("ben", "hello", thread="t")
        with pytest.raises(ModelCallError):
            agent.optimize_sync(user)  # leaves facts, and a journal
        found = " ".join(files_with(tmp_path, *marks, user))
        assert all(mark in found for mark in [*marks, user])  # the search does find them

        removed = agent.forget_sync(user)
        assert removed["episodes"] == 11
        assert removed["facts"] == 1
        assert removed["threads"] == 1
        assert removed["personas"] >= 1
        assert files_with(tmp_path, *marks, user) == []
        assert not any(agent.forget_sync(user).values())
        assert user not in agent.memory.episodes.users()
        assert agent.memory.episodes.count("ben") == 4
        assert agent.persona_sync("ben").claims[0].text == "plain"
    assert files_with(tmp_path, *marks, user) == []


def test_a_forgotten_user_starts_anew(agent: PersonaAgent) -> None:
    films(agent, "ana")
    agent.optimize_sync("ana")
    agent.forget_sync("ana")
    with pytest.raises(NotFoundError):
        agent.optimize_sync("ana")
    assert agent.decide_sync("ana", "q", TAGS, remember=False).recalled == ()
    assert films(agent, "ana", 2) == ["film-0", "film-1"]
    assert agent.memory.episodes.count("ana") == 2


# --- opening ------------------------------------------------------------------------------------


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        films(agent, "ana")
        agent.optimize_sync("ana")
        persona, episodes = agent.persona_sync("ana"), agent.memory.episodes.timeline("ana")
        facts = agent.memory.facts.current("ana")
    with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        assert agent.persona_sync("ana") == persona
        assert agent.memory.episodes.timeline("ana") == episodes
        assert agent.memory.facts.current("ana") == facts


@pytest.mark.parametrize("below", [".", "deeper"])
def test_a_data_directory_that_is_a_file_is_refused_and_kept(tmp_path: Path, below: str) -> None:
    place = tmp_path / "data"
    place.write_text("not yours")
    with pytest.raises(StoreUnavailableError, match="data"):
        PersonaAgent.open(place / below, embedder="hash")
    assert place.read_text() == "not yours"


def test_another_embedder_is_refused_and_loses_nothing(tmp_path: Path) -> None:
    with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        films(agent, "ana", 3)
    with pytest.raises(EmbedderMismatchError, match="hash-256"):
        PersonaAgent.open(tmp_path)
    with PersonaAgent.open(tmp_path, embedder="hash") as agent:
        assert agent.memory.episodes.count("ana") == 3


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="PERSONA_AGENT_STORE"):
        PersonaAgent.open(tmp_path, store="mongo")
    with pytest.raises(SettingsError, match="no such setting"):
        PersonaAgent.open(tmp_path, colour="red")


def test_a_closed_agent_says_so(tmp_path: Path) -> None:
    agent = PersonaAgent.open(tmp_path, embedder="hash")
    agent.close()
    agent.close()
    with pytest.raises(StoreUnavailableError, match="closed"):
        agent.memory.episodes.count("ana")
