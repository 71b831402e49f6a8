"""Many rows as columns: as they come, as they are admitted, and as they are predicted.

A column of few different values is best kept as codes and values: each value is then looked at once, however
many rows have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from weighbridge.domain.data.schema import Schema

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Encoded:
    """A column as codes and values.

    Args:
        codes: whole numbers of shape [rows], each the place of a value; -1 for nothing.
        values: any number of them; some may be equal, and some may be used by no row.
    """

    codes: Array
    values: Sequence[Any] | Array

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self.codes)

    def plain(self) -> Array:
        """A value for each row, none of which is nothing: float64 for numbers, else objects."""
        return _array(self.values)[self.codes]

    def take(self, rows: Array) -> Encoded:
        """Some of the rows, by their places or by a mask."""
        return Encoded(self.codes[rows], self.values)


#: An untrusted column: an array, any sequence of Python's values, or codes and values.
Cells: TypeAlias = Array | Sequence[Any] | Encoded


@dataclass(frozen=True, slots=True)
class AdmittedColumns:
    """Rows that keep a schema's promises.

    Args:
        schema: of the rows.
        columns: by feature, in the schema's order and of equal length: float64 for a number; for a category,
            codes of the schema's own levels.
        rows: how many.
    """

    schema: Schema
    columns: Mapping[str, Array | Encoded]
    rows: int

    def take(self, mask: Array) -> AdmittedColumns:
        """The rows that a mask of shape [rows] keeps."""
        kept = {
            name: column.take(mask) if isinstance(column, Encoded) else column[mask]
            for name, column in self.columns.items()
        }
        return AdmittedColumns(self.schema, kept, int(mask.sum()))

    def plain(self) -> dict[str, Array]:
        """As ``Predictor.predict`` takes them: float64 for numbers, objects (of str) for categories."""
        return {
            name: column.plain() if isinstance(column, Encoded) else column
            for name, column in self.columns.items()
        }


def _array(values: Sequence[Any] | Array) -> Array:
    if isinstance(values, np.ndarray):
        return values
    if all(isinstance(value, float) for value in values):
        return np.array(values, np.float64)
    made = np.empty(len(values), object)
    made[:] = values
    return made
