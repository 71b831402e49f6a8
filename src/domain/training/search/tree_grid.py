"""The points of a grid over a decision tree's criterion and size."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

import numpy as np

from weighbridge.domain.training.search.tree_truncation import UNBOUNDED, Array

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# In the order of scikit-learn's ParameterGrid, which sorts names, so that points are numbered as there.
_AXES = ("criterion", "max_depth", "min_samples_leaf", "min_samples_split")


@dataclass(frozen=True, slots=True)
class TreeGrid:
    """Values along the four axes; a parameter that the grid does not name has the one value the tree has.

    Args:
        names: the grid's own names of the axes that it has, by axis.
        criteria: values of ``criterion``.
        depths: values of ``max_depth``.
        leaves: values of ``min_samples_leaf``: a count of rows, or a float for a share of the training rows.
        splits: values of ``min_samples_split``, likewise.
    """

    names: Mapping[str, str]
    criteria: tuple[Any, ...]
    depths: tuple[Any, ...]
    leaves: tuple[Any, ...]
    splits: tuple[Any, ...]

    @classmethod
    def of(cls, pipeline: Pipeline, grid: Mapping[str, Sequence[Any]]) -> TreeGrid | None:
        """The grid over the last step of ``pipeline``; None if it has any other parameter or a wrong value."""
        step, tree = pipeline.steps[-1]
        names = {axis: f"{step}__{axis}" for axis in _AXES if f"{step}__{axis}" in grid}
        if set(grid) != set(names.values()):
            return None
        axes = {axis: tuple(grid[names[axis]]) if axis in names else (getattr(tree, axis),) for axis in _AXES}
        if not all(values and all(_allows(axis, value) for value in values) for axis, values in axes.items()):
            return None
        return cls(names, *axes.values())

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """How many values there are of criterion, depth, leaf and split; a point is a flat index into it."""
        return (len(self.criteria), len(self.depths), len(self.leaves), len(self.splits))

    @property
    def points(self) -> int:
        """How many points there are."""
        return int(np.prod(self.shape))

    @property
    def limits(self) -> Array:
        """The depths as numbers, UNBOUNDED for None."""
        return np.array([_limit(depth) for depth in self.depths])

    def values(self, point: int) -> dict[str, Any]:
        """A point's value on every axis, by the names of the tree's own parameters, in the order of the axes."""
        places = np.unravel_index(point, self.shape)
        axes = (self.criteria, self.depths, self.leaves, self.splits)
        return {axis: values[place] for axis, values, place in zip(_AXES, axes, places, strict=True)}

    @property
    def axes(self) -> dict[str, tuple[Any, ...]]:
        """The values of the grid's own parameters, by their names, in the order in which points are numbered."""
        values = zip(_AXES, (self.criteria, self.depths, self.leaves, self.splits), strict=True)
        return {self.names[axis]: each for axis, each in values if axis in self.names}

    def params(self, point: int) -> dict[str, Any]:
        """A point's parameters, as the grid names them."""
        return {self.names[axis]: value for axis, value in self.values(point).items() if axis in self.names}

    def effective_splits(self, leaf: Any, rows: int) -> Array:
        """The rows below which a node is not split, for each split; as scikit-learn takes it for ``rows`` rows."""
        return np.array([_effective_split(split, leaf, rows) for split in self.splits])

    def simplicity(self, point: int, rows: int) -> tuple[int, int, int, int]:
        """Smaller for the simpler tree: smaller depth, then larger leaf, then larger split, then grid order."""
        _, depth, leaf, split = self.values(point).values()
        return (_limit(depth), -_rows_of(leaf, rows), -_rows_of(split, rows), point)

    def identity(self, point: int, rows: Iterable[int]) -> Hashable:
        """Equal for points that are the very same fits on training sets of so many ``rows``.

        A split below twice the leaf never takes effect.
        """
        criterion, depth, leaf, split = self.values(point).values()
        return (criterion, depth, *((_rows_of(leaf, n), _effective_split(split, leaf, n)) for n in rows))


def _allows(axis: str, value: Any) -> bool:
    if axis == "criterion":
        return isinstance(value, str)
    if value is None:
        return axis == "max_depth"
    if isinstance(value, bool | np.bool_) or not isinstance(value, Real):
        return False
    if isinstance(value, Integral):
        return int(value) >= (2 if axis == "min_samples_split" else 1)
    share = float(value)
    return axis != "max_depth" and (0.0 < share < 1.0 or (share == 1.0 and axis == "min_samples_split"))


def _limit(depth: Any) -> int:
    return UNBOUNDED if depth is None else min(int(depth), UNBOUNDED)


def _rows_of(value: Any, rows: int) -> int:
    return int(value) if isinstance(value, Integral) else ceil(value * rows)


def _effective_split(split: Any, leaf: Any, rows: int) -> int:
    return max(2, _rows_of(split, rows), 2 * _rows_of(leaf, rows))
