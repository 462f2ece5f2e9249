"""The demo users are what the demo promises: enough people, enough history, in time order."""

from __future__ import annotations

from persona_agent.evals.data.demo_data import load_demo_users


def test_demo_users() -> None:
    users = load_demo_users()
    names = [user.user_id for user in users]

    assert names == sorted(set(names))
    assert sum(len(user.interactions) >= 40 for user in users) >= 8
    for user in users:
        times = [episode.at for episode in user.interactions]
        assert times == sorted(times)
        assert len({episode.id for episode in user.interactions}) == len(user.interactions)
        assert all(episode.user_id == user.user_id for episode in user.interactions)
        assert all(episode.outcome for episode in user.interactions)
    kinds = {episode.query.kind for user in users for episode in user.interactions}
    assert kinds >= {"choice", "rating"}
