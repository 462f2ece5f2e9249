"""The base of all records: frozen, strict about unknown fields, JSON round trip."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """An immutable value. Two records with equal fields are equal."""

    model_config = ConfigDict(frozen=True, extra="forbid")
