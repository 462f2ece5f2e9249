"""A user's data as JSON Lines: out of one memory, into another one.

Each line is an object with a ``kind``: ``user`` (first, with the format), ``episode``, ``fact``,
``distilled`` (ids of episodes that need no distillation), ``persona`` and ``revision``. Vectors are
left out: they are made anew, so that an export can be read with another embedder.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from persona_agent.errors import InputError
from persona_agent.memory.codec import encode
from persona_agent.memory.filling import add_episodes
from persona_agent.persona.admission import admitted
from persona_agent.schema import Alternative, Episode, Fact, Persona, Revision
from persona_agent.schema.base import Record

if TYPE_CHECKING:
    from persona_agent.memory import Memory

FORMAT = 1
VersionT = TypeVar("VersionT", Persona, Alternative)


class _User(Record):
    user_id: str
    format: int


class _Distilled(Record):
    user_id: str
    episode_ids: tuple[str, ...]


_KINDS: dict[str, type[Record]] = {
    "user": _User,
    "episode": Episode,
    "fact": Fact,
    "distilled": _Distilled,
    "persona": Persona,
    "revision": Revision,
}


def export_user(memory: Memory, user_id: str) -> Iterator[str]:
    """Yield everything that is stored of a user, one JSON object a line, without line ends."""
    yield _line("user", _User(user_id=user_id, format=FORMAT))
    episodes = memory.episodes.timeline(user_id)
    for episode in episodes:
        yield _line("episode", episode)
    for fact in memory.facts.history(user_id):
        yield _line("fact", fact)
    pending = {episode.id for episode in memory.facts.pending(user_id, episodes)}
    done = tuple(episode.id for episode in episodes if episode.id not in pending)
    yield _line("distilled", _Distilled(user_id=user_id, episode_ids=done))
    for persona in memory.personas.history(user_id):
        yield _line("persona", persona)
    for revision in memory.personas.revisions(user_id):
        yield _line("revision", revision)


def import_lines(
    memory: Memory,
    lines: Iterable[str],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, int]:
    """Store exported lines, of one or more users; return how many records of each kind were new.

    All lines are checked before anything is written. What is stored already stays as it is, so an
    import that was interrupted is simply run again. Facts and claims that no persona may hold, for
    they would change rules, tools, keys or safety wording, are left out: whoever wrote the lines
    is not known. ``refused`` counts them, where there are any.

    Args:
        memory: where to.
        lines: as :func:`export_user` yields them; blank ones are skipped.
        progress: called with the episodes stored so far and all of them.

    Raises:
        InputError: a line is not valid; the message names its number.
        ConflictError: a user has another persona than the one that the lines begin with.
    """
    records: dict[str, list[Any]] = {kind: [] for kind in _KINDS}
    for number, line in enumerate(lines, 1):
        if line.strip():
            kind, record = _parsed(number, line)
            records[kind].append(record)
    new = Counter({kind: 0 for kind in _KINDS if kind not in ("user", "distilled")})
    if refused := _leave_out_refused(records):
        new["refused"] = refused
    new["episode"] = add_episodes(memory.episodes, records["episode"], memory.embedder, progress)
    new["fact"] = len(memory.facts.add(records["fact"]))
    for mark in records["distilled"]:
        stored = memory.episodes.get(mark.user_id, mark.episode_ids)
        memory.facts.mark_distilled(mark.user_id, stored)
    new["persona"] = sum(_by_user(records["persona"], lambda *of: _add_personas(memory, *of)))
    new["revision"] = sum(_by_user(records["revision"], lambda *of: _add_revisions(memory, *of)))
    return dict(new)


def _line(kind: str, record: Record) -> str:
    # ASCII: no terminal is driven by it, and no encoding of a stream changes it.
    return json.dumps({"kind": kind, **record.model_dump(mode="json")})


def _parsed(number: int, line: str) -> tuple[str, Record]:
    try:
        fields = json.loads(line)
        kind = fields.pop("kind")
        record = _KINDS[kind].model_validate_json(json.dumps(fields))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"line {number}: {place}: {problem['msg']}") from None
    except (ValueError, LookupError, TypeError, AttributeError):
        kinds = ", ".join(_KINDS)
        raise InputError(
            f'line {number} is not a JSON object with a "kind" among {kinds}: {line[:80]!r}'
        ) from None
    if isinstance(record, Episode):
        try:
            encode(record)  # before anything is written, as every store does
        except InputError as error:
            raise InputError(f"line {number}: {error}") from None
    if isinstance(record, _User) and record.format != FORMAT:
        raise InputError(
            f"line {number}: format {record.format} is not known, only {FORMAT}: "
            "upgrade persona_agent"
        )
    return kind, record


def _leave_out_refused(records: dict[str, list[Any]]) -> int:
    """Take facts and claims that are not admitted out of parsed records; return how many."""
    given = _statements(records)
    records["fact"] = [fact for fact in records["fact"] if admitted(fact.text)]
    records["persona"] = [
        _with_admitted(persona).model_copy(
            update={"alternatives": tuple(map(_with_admitted, persona.alternatives))}
        )
        for persona in records["persona"]
    ]
    return given - _statements(records)


def _with_admitted(version: VersionT) -> VersionT:
    kept = tuple(one for one in version.claims if admitted(one.scope, one.text))
    return version.model_copy(update={"claims": kept})


def _statements(records: dict[str, list[Any]]) -> int:
    versions = [v for persona in records["persona"] for v in (persona, *persona.alternatives)]
    return len(records["fact"]) + sum(len(one.claims) for one in versions)


def _by_user(records: list[Any], add: Callable[[str, list[Any]], int]) -> Iterator[int]:
    for user_id in dict.fromkeys(record.user_id for record in records):
        yield add(user_id, [record for record in records if record.user_id == user_id])


def _add_personas(memory: Memory, user_id: str, personas: list[Persona]) -> int:
    """Store the versions that are missing, in order, on top of the last one that is there."""
    stored = [persona.version for persona in memory.personas.history(user_id)]
    missing = [persona for persona in personas if persona.version not in stored]
    there = [persona.version for persona in personas if persona.version in stored]
    current = there[-1] if there else None
    for persona in missing:
        memory.personas.put(persona, expected=current)
        current = persona.version
    return len(missing)


def _add_revisions(memory: Memory, user_id: str, revisions: list[Revision]) -> int:
    stored = {revision.id for revision in memory.personas.revisions(user_id)}
    missing = [revision for revision in revisions if revision.id not in stored]
    for revision in missing:
        memory.personas.add_revision(revision)
    return len(missing)
