"""What was last made for each user."""

from __future__ import annotations

from persona_agent.agent.last_made import LastMade


def test_the_last_value_of_each_user_is_kept_within_a_bound() -> None:
    made: list[str] = []
    last: LastMade[str, str] = LastMade(most=2)

    def get(user: str, of: str) -> str:
        def make() -> str:
            made.append(f"{user}-{of}")
            return made[-1]

        return last.get(user, of, make)

    assert [get("ana", "x"), get("ben", "x"), get("ana", "x")] == ["ana-x", "ben-x", "ana-x"]
    assert made == ["ana-x", "ben-x"], "what is asked for again is not made again"
    assert get("ana", "y") == "ana-y" and get("ana", "x") == "ana-x"
    assert made[2:] == ["ana-y", "ana-x"], "only the last of a user is kept"
    assert get("ben", "x") == "ben-x" and len(made) == 4, "another user's is left alone"
    get("cleo", "x")
    assert len(last._kept) <= 2 and get("cleo", "x") == "cleo-x" and made[4:] == ["cleo-x"]
