"""A column of values that repeat, as small integers: what filters compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Scalar = str | int | float | bool
Indices = npt.NDArray[np.intp]

_MISSING = -1


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """One value, or none, for each row. Never changed in place.

    Attributes:
        codes: int32, shape (n,), -1 where a row has no value.
        known: the code of each value; ``True`` is not ``1``, but ``1`` is ``1.0``.
    """

    codes: npt.NDArray[np.int32]
    known: Mapping[tuple[bool, Scalar], int]

    @classmethod
    def of(cls, values: Iterable[Scalar | None]) -> Coded:
        """Return the column of these values, None where a row has none."""
        known: dict[tuple[bool, Scalar], int] = {}
        codes = [
            _MISSING if value is None else known.setdefault(_key(value), len(known))
            for value in values
        ]
        return cls(np.asarray(codes, dtype=np.int32), known)

    def equals(self, value: Scalar) -> npt.NDArray[np.bool_]:
        """Tell which rows have this value; shape (n,)."""
        code = self.known.get(_key(value))
        if code is None:
            return np.zeros(len(self.codes), dtype=np.bool_)
        matches: npt.NDArray[np.bool_] = self.codes == code
        return matches

    def take(self, indices: Indices | npt.NDArray[np.bool_]) -> Coded:
        """Return the column of some rows, in the order given."""
        return Coded(self.codes[indices], self.known)

    def followed_by(self, other: Coded) -> Coded:
        """Return these rows and then the other's."""
        known = dict(self.known)
        codes = [known.setdefault(value, len(known)) for value in other.known]
        translated = np.asarray([*codes, _MISSING], dtype=np.int32)[other.codes]
        return Coded(np.concatenate([self.codes, translated]), known)

    @property
    def nbytes(self) -> int:
        """Memory taken, about."""
        return self.codes.nbytes + 250 * len(self.known)


def _key(value: Scalar) -> tuple[bool, Scalar]:
    return isinstance(value, bool), value
