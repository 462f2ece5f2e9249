"""The persona that answers a user now: the version in use with what the user stated since.

Optimizing takes statements up as claims. What was said meanwhile, as in reply to a question, is not
to wait for that: the next answer already goes by it.
"""

from __future__ import annotations

from persona_agent.agent.last_made import LastMade
from persona_agent.memory import Memory
from persona_agent.optimizer.draft import with_stated
from persona_agent.schema import Persona

MOST_USERS = 200
"""Of whom a persona with statements on top is kept: it holds its version alive."""


class Served:
    """Serves personas. Blocking; safe to use from several threads.

    Past episodes are not answered with it: there a statement that came later would be the future.
    """

    def __init__(self, memory: Memory) -> None:
        """Take the memory with the versions and the facts."""
        self._memory = memory
        self._made: LastMade[tuple[str, int], Persona | None] = LastMade(MOST_USERS)

    def persona(self, user: str) -> Persona:
        """Return what answers a user: without a version, the default policy and no claims."""
        return self.by_now(self._memory.personas.latest(user) or no_persona(user))

    def by_now(self, persona: Persona) -> Persona:
        """Return a version with what its user stated by now, less what is no longer so.

        One that shows nothing of the user stays as it is. It costs the look at one number where
        neither version nor facts changed.
        """
        user, facts = persona.user_id, self._memory.facts
        stamp = None if persona.policy.is_generic else facts.stamp(user)
        if stamp is None:
            return persona

        def made() -> Persona | None:
            found = with_stated(persona, facts.profile(user))
            return None if found.claims == persona.claims else found

        return self._made.get(user, (persona.version, stamp), made) or persona


def no_persona(user: str) -> Persona:
    """Return what a user without a persona is served by: the default policy, no claims."""
    return Persona(user_id=user, version="", cause="no persona yet")
