"""The real files, whole: counts as their description gives them, and nothing from the future."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest

from persona_agent.evals.data.eval_data import EvalDataset, in_notation
from persona_agent.evals.data.lamp import load_dataset
from persona_agent.evals.evaluation import evaluate_file
from persona_agent.settings import Settings

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"

pytestmark = [
    pytest.mark.slow,  # whole files, tens of thousands of records
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="the data are not at ../shared/data"),
]

LAMP_LIKE = {
    "movie_tagging": ("movie-tagging", 50, 822, 520, 15),
    "news_categories": ("news-categories", 50, 3047, 1828, 29),
    "citation": ("citation", 50, 9844, 893, 2),
    "product_rating": ("product-rating", 50, 543, 359, 5),
    "movie_rating": ("movie-rating", 25, 4074, 2412, 5),
}
LAMP_REAL = {
    "lamp3_users_full_history": ("product-rating", 3, 1587, 398, 5),
    "lamp1_queries_topk_profile": ("citation", 255, 1246, 255, 2),
}
FILES = {f"lamp_like/{name}": counts for name, counts in LAMP_LIKE.items()} | {
    f"lamp_real/{name}": counts for name, counts in LAMP_REAL.items()
}


@cache
def load(name: str) -> EvalDataset:
    return load_dataset(DATA / f"{name}.json")


@pytest.mark.parametrize("name", FILES)
def test_counts(name: str) -> None:
    data = load(name)
    history = sum(len(user.history) for user in data.users)
    found = (data.task, len(data.users), history, len(data.queries), len(data.labels))
    assert found == FILES[name]


@pytest.mark.parametrize("name", FILES)
def test_every_query_follows_the_whole_history(name: str) -> None:
    for user in load(name).users:
        times = [episode.at for episode in user.history]
        assert times == sorted(set(times))
        for query in user.queries:
            assert user.history_before(query.at) == user.history


@pytest.mark.parametrize("name", FILES)
def test_golds_and_outcomes_agree(name: str) -> None:
    data = load(name)
    for query in data.queries:
        assert query.gold in data.labels
        assert in_notation(query.query, query.outcome, data.notation) == query.gold


@pytest.mark.parametrize("name", ["lamp_like/citation", "lamp_real/lamp1_queries_topk_profile"])
def test_titles_are_read_as_the_files_give_them_apart(name: str) -> None:
    rows = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    records = [query for row in rows for query in row.get("query", [row])]
    for record, query in zip(records, load(name).queries, strict=True):
        assert query.query.text == record["paper_title"].strip()
        assert query.query.options == tuple(one.strip() for one in record["options"])


def test_abstracts_alone_make_personal_answers_better(tmp_path: Path) -> None:
    rows = json.loads((DATA / "lamp_real/lamp1_queries_topk_profile.json").read_text("utf-8"))
    file = tmp_path / "papers.json"
    file.write_text(json.dumps(rows[:120]), encoding="utf-8")
    result = evaluate_file(file, Settings(), arms=["generic", "rag+stats"])
    gain = next(one for one in result.comparisons if one.arm == "rag+stats")
    assert gain.versus == "generic" and gain.metric == "accuracy"
    assert gain.ci95 is not None and gain.ci95[0] > 0
