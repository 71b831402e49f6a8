"""One regression tree as a table: the quickest way to predict many rows.

Between two neighbouring thresholds of a column a tree answers alike, and so it does for each level of a category.
So there are but so many different rows to it; each of them has its leaf in the table, and a row is predicted by
finding its place. It answers what scikit-learn answers, to the bit, as ``tree_walk`` does for single rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from weighbridge.domain.data.columns import Array, Encoded
from weighbridge.domain.data.schema import Category
from weighbridge.domain.model.tree_walk import ScaledNumber, TreeData

if TYPE_CHECKING:
    from weighbridge.domain.data.columns import AdmittedColumns
    from weighbridge.domain.data.schema import Schema

#: Larger tables take too long to make.
MOST_PLACES = 1 << 18

#: Whole numbers whose least and greatest are no further apart are looked up, not searched.
_NARROW = 1 << 16

#: For a category and its level, the columns that it has there.
_Level: TypeAlias = Mapping[int, float]


@dataclass(frozen=True, slots=True)
class _Axis:
    """A column of numbers that the tree looks at, with its thresholds, ascending."""

    column: int
    part: ScaledNumber
    cuts: Array

    def ranks(self, values: Array) -> Array:
        """How many thresholds are less than each value, as the tree sees it."""
        if not len(values):
            return np.empty(0, np.intp)
        low, high = float(values.min()), float(values.max())
        if high - low < _NARROW and abs(low) < _NARROW and low.is_integer():
            whole = values.astype(np.intp)
            if np.array_equal(whole, values):
                return self._searched(np.arange(low, high + 1)).take(whole - int(low))
        return self._searched(values)

    def _searched(self, values: Array) -> Array:
        with np.errstate(over="ignore"):
            seen = ((values - self.part.shift) / self.part.scale).astype(np.float32)
        return np.searchsorted(self.cuts, seen.astype(np.float64))


class TreeTable:
    """Predicts columns. Safe to call from several threads at once.

    Args:
        data: the tree.
        schema: of the rows.
        most_places: in the table.

    Raises:
        ValueError: the table would have more places.
    """

    def __init__(self, data: TreeData, schema: Schema, most_places: int = MOST_PLACES) -> None:
        self._axes, categories = _axes(data, schema)
        self._categories = list(categories)
        shape = [len(levels) for levels in categories.values()] + [len(axis.cuts) + 1 for axis in self._axes]
        if prod(shape) > most_places:
            raise ValueError(f"a table of this tree would have {prod(shape):,} places")
        inner = np.array(data.column) >= 0
        leaves = np.cumsum(~inner) - 1
        self._values = np.array(data.value, np.float64)[~inner]
        table = np.empty(shape, np.intp)
        ranks = {
            node: (place, int(np.searchsorted(axis.cuts, data.threshold[node])))
            for place, axis in enumerate(self._axes)
            for node in np.flatnonzero(np.array(data.column) == axis.column).tolist()
        }
        for levels in product(*(enumerate(levels) for levels in categories.values())):
            constant: dict[int, float] = {}
            where: tuple[Any, ...] = (*(place for place, _ in levels), ...)
            for _, columns in levels:
                constant |= columns
            _fill(table[where], data, leaves, ranks, constant)
        self._table = table.reshape(-1)
        self._strides = [prod(shape[place + 1 :]) for place in range(len(shape))]

    def predict(self, columns: AdmittedColumns) -> Encoded:
        """The predictions, in the target's unit: for each row its leaf, and what the leaves answer."""
        place: Any = np.zeros(columns.rows, np.intp)
        strides = iter(self._strides)
        for name in self._categories:
            column = columns.columns[name]
            assert isinstance(column, Encoded)
            place = place + column.codes * next(strides)
        for axis in self._axes:
            column = columns.columns[axis.part.feature]
            assert isinstance(column, np.ndarray)
            place = place + axis.ranks(column) * next(strides)
        return Encoded(self._table.take(place), self._values)


def _axes(data: TreeData, schema: Schema) -> tuple[list[_Axis], dict[str, list[_Level]]]:
    """The columns of numbers that the tree compares, and by category the columns of each level."""
    compared = np.array(data.column)
    thresholds = np.array(data.threshold, np.float64)
    axes: list[_Axis] = []
    categories: dict[str, list[dict[int, float]]] = {}
    column = 0
    for part in data.parts:
        feature = schema.feature(part.feature)
        if isinstance(part, ScaledNumber):
            cuts = np.unique(thresholds[compared == column])
            if len(cuts):
                axes.append(_Axis(column, part, cuts))
            column += 1
            continue
        assert isinstance(feature, Category)
        width = len(next(iter(part.values.values())))
        if np.isin(compared, range(column, column + width)).any():
            known = categories.setdefault(feature.name, [{} for _ in feature.levels])
            for level, columns in zip(feature.levels, known, strict=True):
                columns |= dict(enumerate(part.values[level], column))
        column += width
    return axes, {name: list(levels) for name, levels in categories.items()}


def _fill(
    table: Array, data: TreeData, leaves: Array, ranks: Mapping[int, tuple[int, int]], constant: _Level
) -> None:
    """Write the leaves into the part of the table where the categories' columns are constant."""
    waiting: list[tuple[int, tuple[slice, ...]]] = [(0, tuple(slice(0, size) for size in table.shape))]
    while waiting:
        node, box = waiting.pop()
        if data.column[node] < 0:
            table[box] = leaves[node]
        elif node in ranks:
            place, rank = ranks[node]
            side = box[place]
            # Where it ends on the left: a value of this rank is at most the threshold.
            middle = min(max(rank + 1, side.start), side.stop)
            for child, part in (
                (data.left[node], slice(side.start, middle)),
                (data.right[node], slice(middle, side.stop)),
            ):
                if part.start < part.stop:
                    waiting.append((child, (*box[:place], part, *box[place + 1 :])))
        else:
            is_left = constant[data.column[node]] <= data.threshold[node]
            waiting.append((data.left[node] if is_left else data.right[node], box))
