"""Every shape of LaMP-like data, and what a damaged file is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from persona_agent.errors import InputError
from persona_agent.evals.data.eval_data import in_notation, select
from persona_agent.evals.data.lamp import load_dataset

Write = Callable[..., Path]

TAGS = "[comedy, action, dark comedy]"

LABELS = ("comedy", "action", "dark comedy")
NEWS = "categories: [politics, food & drink] article: Soup."
CITING = (
    'For an author who has written the paper with the title "On "Big" Graphs", which reference '
    'is related? Just answer with [1] or [2] without explanation. [1]: "Trees" [2]: "Say "Yes""'
)
REVIEW = (
    "What is the score of the following review on a scale of 1 to 5? just answer with 1, 2, 3, "
    "4, or 5 without further explanation. review: It broke: twice."
)
MOVIE = (
    "On a scale of 1 to 5, what score would this user give to the following movie? just answer "
    "with 1, 2, 3, 4, or 5 without further explanation. movie: Heat (1995). A heist."
)


def movie_question(text: str) -> str:
    return (
        "Which tag does this movie relate to among the following tags? Just answer with the tag "
        f"name without further explanation. tags: {TAGS} description: {text}"
    )


def movie_user(user_id: str = "u1", **changes: Any) -> dict[str, Any]:
    user = {
        "user_id": user_id,
        "profile": [
            {"id": "p1", "tag": "comedy", "description": "Two fools travel.", "timestamp": 100},
            {"id": "p2", "tag": "action", "description": "A chase.", "timestamp": 200},
        ],
        "query": [
            {"id": "q1", "input": movie_question("A duel."), "gold": "action", "timestamp": 300},
            {"id": "q2", "input": movie_question("A farce."), "gold": "comedy", "timestamp": 400},
        ],
    }
    return {**user, **changes}


def one_user(question: str, gold: Any, item: dict[str, Any]) -> list[dict[str, Any]]:
    query = [{"id": "q", "input": question, "gold": gold}]
    return [{"user_id": "u", "profile": [item], "query": query}]


def test_movie_tagging(write: Write) -> None:
    data = load_dataset(write([movie_user()], "my_movies.json"))

    assert (data.name, data.task, data.kind) == ("my_movies", "movie-tagging", "choice")
    assert data.labels == LABELS
    (user,) = data.users
    first = user.history[0]
    assert (first.id, first.query.text, first.outcome) == ("p1", "Two fools travel.", "comedy")
    assert first.query.options == LABELS
    assert first.at == datetime(1970, 1, 1, 0, 1, 40, tzinfo=UTC)
    query = user.queries[0]
    assert (query.query.text, query.query.options) == ("A duel.", LABELS)
    assert query.gold == query.outcome == "action"
    assert in_notation(query.query, "action", data.notation) == "action"


def test_news_falls_back_to_the_title_of_an_item_without_text(write: Write) -> None:
    item = {"id": 7, "text": " ", "title": "Soup week", "category": "Food & Drink"}
    question = "Which category does this article relate to among the following? " + NEWS
    data = load_dataset(write(one_user(question, "food & drink", item)))

    episode = data.users[0].history[0]
    assert data.task == "news-categories"
    assert (episode.id, episode.query.text) == ("7", "Soup week")
    assert episode.outcome == "food & drink"  # as the options spell it


def test_citation_has_an_episode_for_each_reference(write: Write) -> None:
    item = {"id": "p", "title": "Old", "citation": "B", "references": ["A", "B"], "year": 1999}
    data = load_dataset(write(one_user(CITING, "[2]", item)))

    (user,) = data.users
    assert data.task == "citation"
    assert data.labels == ("[1]", "[2]")
    assert [(one.id, one.outcome) for one in user.history] == [("p", "A"), ("p#2", "B")]
    assert user.history[0].query.options == ()
    assert user.history[0].at.year == 1999
    query = user.queries[0]
    assert query.query.text == 'On "Big" Graphs'
    assert query.query.options == ("Trees", 'Say "Yes"')
    assert (query.gold, query.outcome) == ("[2]", 'Say "Yes"')
    assert in_notation(query.query, "Trees", data.notation) == "[1]"
    with pytest.raises(InputError, match="not one of the options"):
        in_notation(query.query, "Bushes", data.notation)


def test_citation_with_abstracts_only(write: Write) -> None:
    item = {"id": "p", "title": "Old", "abstract": "x" * 400}
    data = load_dataset(write(one_user(CITING, "[1]", item)))
    assert data.users[0].history[0].outcome == "x" * 300


@pytest.mark.parametrize(
    ("question", "task", "text"),
    [
        (REVIEW, "product-rating", "Review: It broke: twice."),
        (MOVIE, "movie-rating", "Movie: Heat (1995). A heist."),
    ],
)
def test_ratings(write: Write, question: str, task: str, text: str) -> None:
    data = load_dataset(write(one_user(question, 4.0, {"text": "Fine.", "score": 5})))

    assert (data.task, data.kind) == (task, "rating")
    assert data.labels == ("1", "2", "3", "4", "5")
    (user,) = data.users
    assert user.history[0].outcome == "5"
    assert user.history[0].query.text.endswith(": Fine.")
    assert (user.queries[0].query.text, user.queries[0].gold) == (text, "4")


def test_a_blank_text_is_kept(write: Write) -> None:
    data = load_dataset(write(one_user(REVIEW, "4", {"text": " ", "score": "5"})))
    assert data.users[0].history[0].query.text == "Review: (no text)"


def test_json_lines(write: Write) -> None:
    lines = "\n\n".join(json.dumps(movie_user(name)) for name in "ab")
    assert [one.user_id for one in load_dataset(write(lines, "data.jsonl")).users] == ["a", "b"]


def test_full_histories_are_split_four_to_one(write: Write) -> None:
    items = [{"id": f"i{n}", "text": f"t{n}", "score": "5"} for n in range(10)]
    data = load_dataset(write([{"user_id": "u", "items": items}]))

    (user,) = data.users
    assert data.task == "product-rating"
    assert [one.id for one in user.history] == [f"i{n}" for n in range(8)]
    assert [one.query_id for one in user.queries] == ["i8", "i9"]
    assert user.queries[0].query.text == "Review: t8"
    forced = load_dataset(write([{"user_id": "u", "items": items}]), task="movie_rating")
    assert forced.users[0].queries[0].query.text == "Movie: t8"


def official(tmp_path: Path, questions: list[dict[str, Any]], golds: list[dict[str, Any]]) -> Path:
    path = tmp_path / "dev_questions.json"
    path.write_text(json.dumps(questions), encoding="utf-8")
    outputs = {"task": "LaMP_2", "golds": golds}
    (tmp_path / "dev_outputs.json").write_text(json.dumps(outputs), encoding="utf-8")
    return path


def question(name: str, tag: str = "comedy", **more: Any) -> dict[str, Any]:
    profile = [{"id": "1", "tag": tag, "description": "A chase."}]
    return {"id": name, "input": movie_question("A duel."), "profile": profile, **more}


def test_official_questions_find_their_outputs(tmp_path: Path) -> None:
    golds = [{"id": "11", "output": "action"}, {"id": "10", "output": "comedy"}]
    path = official(tmp_path, [question("10"), question("11", "action")], golds)

    for given in (path, tmp_path):
        data = load_dataset(given)
        assert data.task == "movie-tagging"
        assert [one.user_id for one in data.users] == ["10", "11"]
        assert [one.gold for one in data.queries] == ["comedy", "action"]


def test_official_questions_of_one_user_share_a_profile(tmp_path: Path) -> None:
    questions = [
        question("1", user_id="u"),
        question("2", user_id="u"),
        question("3", "action", user_id="u"),  # another profile may hold this user's future
    ]
    golds = [{"id": str(number), "output": "action"} for number in (1, 2, 3)]
    data = load_dataset(official(tmp_path, questions, golds))

    found = [(user.user_id, [one.query_id for one in user.queries]) for user in data.users]
    assert found == [("u", ["1", "2"]), ("u/3", ["3"])]


def test_questions_with_golds_need_no_outputs(write: Write) -> None:
    row = {"id": "1", "input": CITING, "gold": "[1]", "retrieved_profile": []}
    data = load_dataset(write([row]))
    assert data.users[0].history == ()
    assert data.queries[0].outcome == "Trees"


def test_users_without_queries_are_left_out_and_without_history_stay(write: Write) -> None:
    users = [movie_user("a", query=[]), movie_user("b", profile=[])]
    data = load_dataset(write(users))
    assert [(one.user_id, len(one.history)) for one in data.users] == [("b", 0)]


def test_a_profile_label_that_no_question_offers_is_kept(write: Write) -> None:
    profile = [{"id": "1", "tag": "western", "description": "A ride."}]
    episode = load_dataset(write([movie_user(profile=profile)])).users[0].history[0]
    assert (episode.outcome, episode.query.options) == ("western", (*LABELS, "western"))


def test_an_id_that_comes_again_is_another_episode(write: Write) -> None:
    profile = [{"id": "1", "tag": "comedy", "description": text} for text in "ab"]
    history = load_dataset(write([movie_user(profile=profile)])).users[0].history
    assert [one.id for one in history] == ["1", "1#2"]


@pytest.mark.parametrize("task", ["movie-tagging", "LaMP-2M", "movie_tagging"])
def test_the_task_can_be_named(write: Write, task: str) -> None:
    assert load_dataset(write([movie_user()]), task=task).task == "movie-tagging"


def bad_query(**changes: Any) -> dict[str, Any]:
    query = {"id": "q1", "input": movie_question("A duel."), "gold": "action", **changes}
    return movie_user(query=[{name: value for name, value in query.items() if value != "-"}])


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", ["data.json", "empty"]),
        ("  \n", ["empty"]),
        ("[]", ["no records"]),
        ('[{"user_id": ', ["not valid JSON", "line 1"]),
        ('{"user_id": "a"}\n{"user_id": ', ["line 2", "not valid JSON"]),
        ("prose", ["not valid JSON"]),
        ("3", ["record 1", "a number"]),
        ([movie_user(), 5], ["record 2", "a number"]),
        ([{"a": 1}], ["record 1", "not a known shape", "fields found: a"]),
        ({"task": "LaMP_2", "golds": []}, ["give the *_questions.json"]),
        ([{**movie_user(), "user_id": None}], ["record 1", "'user_id' is null"]),
        ([movie_user(" ")], ["'user_id' is blank"]),
        ([movie_user(profile=None)], ["user 'u1'", "'profile' is null"]),
        ([movie_user(profile={})], ["'profile'", "expected a list, found an object"]),
        ([movie_user(query=[])], ["no user has a query"]),
        ([movie_user(), movie_user()], ["record 2", "has occurred before"]),
        ([movie_user(profile=[{"id": "x"}])], ["profile item 1", "'description' is missing"]),
        (
            [movie_user(profile=[{"tag": "comedy", "description": "d", "date": "soon"}])],
            ["profile item 1", "'date'", "'soon' is not a time"],
        ),
        ([bad_query(gold="western")], ["user 'u1'", "query 1", "'gold'", "'western'", "comedy"]),
        ([bad_query(gold="-")], ["query 1", "'gold' is missing"]),
        ([bad_query(gold=[1])], ["'gold'", "expected text, found a list"]),
        ([bad_query(gold=True)], ["'gold'", "a truth value"]),
        ([bad_query(id="-")], ["query 1", "'id' is missing"]),
        ([bad_query(input="-")], ["query 1", "'input' is missing"]),
        ([bad_query(input="which tag does this movie have?")], ["'input'", "expected '... tags:"]),
        (one_user("Who?", "me", {"name": "x"}), ["cannot tell the task", "--task"]),
        (
            one_user(
                "Generate a title for the following abstract of a paper: bees", "b", {"title": "x"}
            ),
            ["asks for a text to be written"],
        ),
        (one_user(REVIEW, "6", {"text": "t", "score": 1}), ["query 1", "'gold'", "'6'"]),
        (one_user(REVIEW, "5", {"text": "t", "score": 9}), ["profile item 1", "'score'", "'9'"]),
        (one_user(CITING, "[3]", {"title": "t", "citation": "c"}), ["query 1", "'[3]'"]),
        (one_user(CITING, "[1]", {"title": "t", "references": []}), ["'references' is empty"]),
        (
            one_user(CITING.replace("Trees", 'Say "Yes"'), "[1]", {"title": "t", "citation": "c"}),
            ["query 1", "options must be distinct"],
        ),
        ([{"user_id": "u", "items": [{"text": "t", "score": 1}]}], ["item 1", "'id' is missing"]),
        ([{"user_id": "u", "items": [{"id": "1", "text": "t", "score": 9}]}], ["item 1", "'9'"]),
        ([question("1")], ["no golds", "X_outputs.json"]),
        ([question("1", output="x"), question("2")], ["question '2'", "no gold"]),
    ],
)
def test_bad_data_is_named(write: Write, value: Any, told: list[str]) -> None:
    path = write(value)
    with pytest.raises(InputError) as caught:
        load_dataset(path)
    for part in [path.name, *told]:
        assert part in str(caught.value)


def test_official_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    path = official(tmp_path, [question("1")], [{"id": "2", "output": "action"}])
    with pytest.raises(InputError, match=r"question '1'.*no gold.*dev_outputs\.json"):
        load_dataset(path)
    path = official(tmp_path, [question("1"), question("1")], [{"id": "1", "output": "action"}])
    with pytest.raises(InputError, match="has occurred before"):
        load_dataset(path)
    (tmp_path / "dev_outputs.json").unlink()
    with pytest.raises(InputError, match=r"no file of outputs beside it \(dev_outputs\.json\)"):
        load_dataset(path)
    (tmp_path / "test_questions.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match=r"found: dev_questions\.json, test_questions\.json"):
        load_dataset(tmp_path)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_dataset(tmp_path / "absent.json")
    with pytest.raises(InputError, match="found: none"):
        load_dataset(tmp_path)
    (tmp_path / "latin.json").write_bytes(b'["\xe9"]')
    with pytest.raises(InputError, match="not UTF-8"):
        load_dataset(tmp_path / "latin.json")


def test_an_unknown_task_is_named(write: Write) -> None:
    with pytest.raises(InputError, match="unknown task 'LaMP-9'; known: auto, movie-tagging"):
        load_dataset(write([movie_user()]), task="LaMP-9")
    with pytest.raises(InputError, match="not a question of the task 'citation'"):
        load_dataset(write([movie_user()]), task="citation")


def test_select_is_deterministic_and_keeps_the_order(write: Write) -> None:
    data = load_dataset(write([movie_user(f"u{n}") for n in range(20)]))
    part = select(data, users=5, queries=1, seed=3)

    assert part == select(data, users=5, queries=1, seed=3)
    assert part.users != select(data, users=5, queries=1, seed=4).users
    names = [user.user_id for user in part.users]
    assert names == [one.user_id for one in data.users if one.user_id in names]
    assert len(names) == 5
    assert set(names) < {one.user_id for one in select(data, users=8, seed=3).users}
    assert [query.query_id for query in part.queries] == ["q1"] * 5
    assert select(data) == data
    assert select(data, users=99, queries=99) == data
    assert part.labels == data.labels


def test_select_takes_the_earliest_queries(write: Write) -> None:
    user = movie_user()
    user["query"].reverse()
    (query,) = select(load_dataset(write([user])), queries=1).queries
    assert query.query_id == "q1"


@pytest.mark.parametrize("arguments", [{"users": 0}, {"queries": 0}, {"users": -1}])
def test_select_refuses_nothing(write: Write, arguments: dict[str, int]) -> None:
    with pytest.raises(InputError, match="must be 1 or more"):
        select(load_dataset(write([movie_user()])), **arguments)
