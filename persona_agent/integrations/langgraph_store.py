"""LangGraph's long-term store over the data directory of an agent.

What is put there belongs to a user: it lives in that user's data, is found by the agent's embedder
and goes when the user is forgotten.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import numpy as np

from persona_agent.agent import PersonaAgent
from persona_agent.agent.inputs import valid_user
from persona_agent.errors import InputError, MissingExtraError
from persona_agent.memory.items import ITEMS_FILE, ItemStore, Put, Space
from persona_agent.memory.items import Item as StoredItem

try:
    from langgraph.store.base import (
        BaseStore,
        GetOp,
        Item,
        ListNamespacesOp,
        MatchCondition,
        Op,
        PutOp,
        Result,
        SearchItem,
        SearchOp,
        get_text_at_path,
        tokenize_path,
        validate_op_namespace,
    )
except ImportError:
    raise MissingExtraError("langgraph", "agent") from None

WHOLE = "$"
"""The path of a whole value."""

_TAKEN = {"langgraph": "%6Canggraph", "*": "%2A"}
_ORDERED = {
    "$gt": lambda value, bound: value > bound,
    "$gte": lambda value, bound: value >= bound,
    "$lt": lambda value, bound: value < bound,
    "$lte": lambda value, bound: value <= bound,
}


def user_label(user: str) -> str:
    """Return a user id as the label of a namespace; labels may not hold a period.

    Raises InputError.
    """
    label = valid_user(user).replace("%", "%25").replace(".", "%2E")
    return _TAKEN.get(label, label)


class PersonaBaseStore(BaseStore):
    """A :class:`~langgraph.store.base.BaseStore` whose items belong to users.

    With ``user`` all namespaces are that user's own. Without it one store serves all users: the
    first label of every namespace names the user (see :func:`user_label`), and a search or listing
    that does not name one is refused instead of reading everybody's.

    Everything else is as LangGraph has it: filters, paths to index, paging; reads in a batch see
    what was stored before it. A search with a query sorts by cosine similarity to the value's best
    vector; values without a vector come last, without a score. Other orders: written last first.
    Items do not expire (``supports_ttl`` is False).
    """

    def __init__(
        self,
        agent: PersonaAgent,
        *,
        user: str | None = None,
        fields: Sequence[str] = (WHOLE,),
    ) -> None:
        """Open the store in the agent's data directory. Close it before the agent.

        Args:
            agent: whose data directory and embedder are used.
            user: whose namespaces these are; None: the first label says.
            fields: paths that are made searchable unless a ``put`` names others.

        Raises:
            InputError: nobody can have that user id.
            StoreError: the file cannot be used, or holds vectors of another embedder.
        """
        self._user = None if user is None else valid_user(user)
        self._fields = tuple(fields)
        self._embedder = agent.memory.embedder
        self._items = ItemStore(
            agent.settings.data_dir / ITEMS_FILE, embedder=agent.memory.embedder.name
        )

    def close(self) -> None:
        """Release the file. Idempotent."""
        self._items.close()

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations: all reads, then all writes in one transaction.

        Raises:
            InvalidNamespaceError: a label is not one.
            InputError: no user is named, or a value is not JSON.
            StoreError: nothing was written.
        """
        asked = list(ops)
        for op in asked:
            validate_op_namespace(op)
        results: list[Result] = []
        puts: dict[tuple[Space, str], PutOp] = {}
        for op in asked:
            if isinstance(op, PutOp):
                puts[tuple(op.namespace), op.key] = op
                results.append(None)
            else:
                results.append(self._read(op))
        if puts:
            self._items.write(self._writes(list(puts.values())))
        return results

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Run operations as :meth:`batch` does, off the event loop."""
        return await asyncio.to_thread(self.batch, list(ops))

    def _read(self, op: Op) -> Result:
        if isinstance(op, GetOp):
            space = tuple(op.namespace)
            found = self._items.get(self._owner(space), space, op.key)
            return None if found is None else Item(**_fields(found))
        if isinstance(op, SearchOp):
            return self._search(op)
        if isinstance(op, ListNamespacesOp):
            return self._list(op)
        raise InputError(f"unknown operation {type(op).__name__}")

    def _owner(self, space: Space) -> str:
        """Return whose namespace this is. Raises InputError where nobody is named."""
        if self._user is not None:
            return self._user
        if not space or space[0] == "*":
            raise InputError(
                "name the user: one store serves all of them, and the first label of a namespace "
                "(or of the prefix of a search or listing) says whose it is"
            )
        return valid_user(unquote(space[0]))

    # --- reading ------------------------------------------------------------------------------

    def _search(self, op: SearchOp) -> list[SearchItem]:
        if op.limit < 0 or op.offset < 0:
            raise InputError(f"limit and offset must be 0 or more: {op.limit}, {op.offset}")
        prefix = tuple(op.namespace_prefix)
        owner = self._owner(prefix)
        if not op.filter and not op.query:
            plain = self._items.under(owner, prefix, limit=op.limit, offset=op.offset)
            return [SearchItem(**_fields(item)) for item in plain]
        items = [
            item
            for item in self._items.under(owner, prefix)
            if all(_matches(_at(item.value, key), told) for key, told in (op.filter or {}).items())
        ]
        scores = self._scores(owner, prefix, op.query) if op.query else {}
        items.sort(key=lambda item: -scores.get((item.space, item.key), -np.inf))
        return [
            SearchItem(**_fields(item), score=scores.get((item.space, item.key)))
            for item in items[op.offset : op.offset + op.limit]
        ]

    def _scores(self, owner: str, prefix: Space, query: str) -> dict[tuple[Space, str], float]:
        """Return the cosine similarity of a query to the best vector of each item, -1 to 1."""
        places, matrix = self._items.vectors(owner, prefix)
        if not places:
            return {}
        best: dict[tuple[Space, str], float] = {}
        for place, score in zip(
            places, (matrix @ self._embedder.embed([query])[0]).tolist(), strict=True
        ):
            best[place] = max(score, best.get(place, -1.0))
        return best

    def _list(self, op: ListNamespacesOp) -> list[Space]:
        conditions = op.match_conditions or ()
        named = [tuple(one.path) for one in conditions if one.match_type == "prefix"]
        owner = self._owner(next((path for path in named if path), ()))
        spaces = [
            space
            for space in self._items.spaces(owner)
            if all(_fits(condition, space) for condition in conditions)
        ]
        if op.max_depth is not None:
            spaces = sorted({space[: op.max_depth] for space in spaces})
        return spaces[op.offset : op.offset + op.limit]

    # --- writing ------------------------------------------------------------------------------

    def _writes(self, ops: Sequence[PutOp]) -> list[Put]:
        values = [_json(op) for op in ops]
        texts = [self._texts(op) for op in ops]
        matrix = self._embedder.embed([text for some in texts for text in some])
        puts, start = [], 0
        for op, value, some in zip(ops, values, texts, strict=True):
            space, vectors = tuple(op.namespace), matrix[start : start + len(some)]
            if not space:
                raise InputError("an item needs a namespace of at least one label")
            puts.append(Put(self._owner(space), space, op.key, value, vectors))
            start += len(some)
        return puts

    def _texts(self, op: PutOp) -> list[str]:
        """Return the texts that a value is found by."""
        if op.value is None or op.index is False:
            return []
        paths = self._fields if op.index is None else op.index
        found = [
            text
            for path in paths
            for text in get_text_at_path(op.value, path if path == WHOLE else tokenize_path(path))
        ]
        return [text for text in found if text.strip()]


def _json(op: PutOp) -> str | None:
    if op.value is None:
        return None
    try:
        return json.dumps(dict(op.value), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"the value under {op.key!r} is not JSON: {error}") from None


def _fields(item: StoredItem) -> dict[str, Any]:
    return {
        "namespace": item.space,
        "key": item.key,
        "value": item.value,
        "created_at": item.created_at,
        "updated_at": item.updated_at,
    }


def _fits(condition: MatchCondition, space: Space) -> bool:
    path = tuple(condition.path)
    if len(space) < len(path):
        return False
    part = space[: len(path)] if condition.match_type == "prefix" else space[-len(path) :]
    return not path or all(wanted in ("*", label) for wanted, label in zip(path, part, strict=True))


def _at(value: Mapping[str, Any], path: str) -> object:
    """Return what a value holds under a key, or else under a path of keys with periods between."""
    if path in value:
        return value[path]
    found: object = value
    for key in path.split("."):
        found = found.get(key) if isinstance(found, Mapping) else None
    return found


def _matches(value: object, wanted: object) -> bool:
    """Tell whether a value is what a filter asks for, operators of LangGraph included."""
    if isinstance(wanted, Mapping):
        if any(str(key).startswith("$") for key in wanted):
            return all(_holds(value, operator, bound) for operator, bound in wanted.items())
        return isinstance(value, Mapping) and all(
            _matches(value.get(key), told) for key, told in wanted.items()
        )
    if isinstance(wanted, list | tuple):
        return (
            isinstance(value, list)
            and len(value) == len(wanted)
            and all(_matches(one, told) for one, told in zip(value, wanted, strict=True))
        )
    return value == wanted


def _holds(value: object, operator: str, bound: object) -> bool:
    """Tell whether a comparison holds; what cannot be compared does not match."""
    if operator == "$eq":
        return value == bound
    if operator == "$ne":
        return value != bound
    if operator not in _ORDERED:
        known = ", ".join(["$eq", "$ne", *_ORDERED])
        raise InputError(f"unknown operator {operator!r} in a filter; known: {known}")
    numbers = isinstance(value, int | float) and isinstance(bound, int | float)
    if numbers or (isinstance(value, str) and isinstance(bound, str)):
        return bool(_ORDERED[operator](value, bound))
    return False
