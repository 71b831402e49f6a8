"""One regression tree as plain data, walked in Python: the quickest way to predict a single row.

An ONNX runtime needs tens of microseconds for a call inside a server, the walk about one; and the walk needs
nothing but the standard library. It answers what scikit-learn answers, to the bit: scikit-learn rounds the
columns that it made of the features to 32 bits, and compares those with thresholds of 64 bits.
"""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Row

_LAYOUT = 1

#: Larger trees are left to the runtime of their format: as Python objects they would take too much memory.
MOST_NODES = 50_000

#: The least number of full precision: scikit-learn never scales by less.
_LEAST_SCALE = sys.float_info.min

#: An inner node as (column, threshold, where to go at most, where else), or the answer of a leaf.
_Node: TypeAlias = "tuple[int, float, _Node, _Node] | float"

_FLOAT = struct.Struct("f")


@dataclass(frozen=True, slots=True)
class ScaledNumber:
    """The column ``(value - shift) / scale`` of a number."""

    feature: str
    shift: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class LevelColumns:
    """The columns that a category becomes, by level: every level has as many."""

    feature: str
    values: Mapping[str, tuple[float, ...]]


Part: TypeAlias = ScaledNumber | LevelColumns


@dataclass(frozen=True, slots=True)
class TreeData:
    """A tree, and how its columns come from a row.

    Args:
        inputs: the features that a row has, by name: ``number`` or ``category``.
        parts: the columns, in order; a part may be several of them.
        column: for each node, the root first, which column it compares; -1 in a leaf.
        threshold: with what.
        left: where a row goes whose column is at most the threshold; a later node.
        right: where the other rows go; a later node.
        value: what a leaf answers.
    """

    inputs: Mapping[str, str]
    parts: tuple[Part, ...]
    column: Sequence[int]
    threshold: Sequence[float]
    left: Sequence[int]
    right: Sequence[int]
    value: Sequence[float]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data; no float loses a bit on the way through ``json``."""
        parts = [
            {"feature": part.feature, "shift": part.shift, "scale": part.scale}
            if isinstance(part, ScaledNumber)
            else {"feature": part.feature, "levels": {level: list(row) for level, row in part.values.items()}}
            for part in self.parts
        ]
        nodes = {name: list(getattr(self, name)) for name in ("column", "threshold", "left", "right", "value")}
        return {"layout": _LAYOUT, "inputs": dict(self.inputs), "parts": parts, **nodes}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TreeData:
        """Read what ``to_dict`` wrote.

        Raises:
            ValueError: it is something else, or no tree: a node that leads back, or to nowhere.
        """
        try:
            if data["layout"] != _LAYOUT:
                raise ValueError(f"the tree has the layout {data['layout']!r}, known is {_LAYOUT}")
            tree = cls(
                dict(data["inputs"]),
                tuple(_part(part) for part in data["parts"]),
                _whole_numbers(data["column"]),
                _floats(data["threshold"]),
                _whole_numbers(data["left"]),
                _whole_numbers(data["right"]),
                _floats(data["value"]),
            )
            tree._check()
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
            raise ValueError(f"the tree cannot be read: {type(error).__name__}: {error}") from error
        return tree

    def _check(self) -> None:
        count = len(self.column)
        if not count or {len(part) for part in (self.threshold, self.left, self.right, self.value)} != {count}:
            raise ValueError("the tree's nodes are not of one number")
        if count > MOST_NODES:
            raise ValueError(f"the tree has {count:,} nodes; {MOST_NODES:,} are allowed")
        for part in self.parts:
            kind = "number" if isinstance(part, ScaledNumber) else "category"
            if self.inputs.get(part.feature) != kind:
                raise ValueError(f"the tree's part {part.feature!r} is no {kind} of its inputs")
            if isinstance(part, LevelColumns) and len(set(map(len, part.values.values()))) != 1:
                raise ValueError(f"the levels of {part.feature!r} do not have as many columns each")
        width = sum(
            1 if isinstance(part, ScaledNumber) else len(next(iter(part.values.values()))) for part in self.parts
        )
        for node in range(count):
            if self.column[node] < 0:
                if not math.isfinite(self.value[node]):
                    raise ValueError("the tree has a leaf that is not a finite number")
            elif not (
                self.column[node] < width
                and node < self.left[node] < count
                and node < self.right[node] < count
                and math.isfinite(self.threshold[node])
            ):
                raise ValueError(f"the tree's node {node} leads nowhere")


class TreeWalk:
    """Predicts row by row. Safe to call from several threads at once."""

    def __init__(self, data: TreeData) -> None:
        self._parts = [
            (part.feature, None, part.shift, part.scale)
            if isinstance(part, ScaledNumber)
            else (part.feature, part.values, 0.0, 1.0)
            for part in data.parts
        ]
        nodes: list[_Node] = [0.0] * len(data.column)
        # Children come later than their parents: from the end, each finds its own made already.
        for place in reversed(range(len(nodes))):
            if data.column[place] < 0:
                nodes[place] = float(data.value[place])
            else:
                children = nodes[data.left[place]], nodes[data.right[place]]
                nodes[place] = (data.column[place], float(data.threshold[place]), *children)
        self._root = nodes[0]

    def predict_row(self, row: Row) -> float:
        """The prediction for an admitted row, in the target's unit."""
        columns: list[float] = []
        for feature, levels, shift, scale in self._parts:
            if levels is None:
                try:
                    columns += _FLOAT.unpack(_FLOAT.pack((row[feature] - shift) / scale))  # type: ignore[operator]
                except OverflowError:
                    columns.append(math.copysign(math.inf, row[feature] - shift))  # type: ignore[operator]
            else:
                columns += levels[row[feature]]  # type: ignore[index]
        node = self._root
        while type(node) is tuple:
            column, threshold, left, right = node
            node = left if columns[column] <= threshold else right
        return node  # type: ignore[return-value]


def _part(data: Mapping[str, Any]) -> Part:
    if not isinstance(data["feature"], str):
        raise TypeError("a part's feature is not a text")
    if "levels" in data:
        levels = {level: tuple(_floats(row)) for level, row in data["levels"].items()}
        if not levels or not all(math.isfinite(value) for row in levels.values() for value in row):
            raise ValueError(f"the levels of {data['feature']!r} are not finite numbers")
        return LevelColumns(data["feature"], levels)
    shift, scale = _floats([data["shift"], data["scale"]])
    # A shift or a scale that overflows would turn admitted numbers into infinity or none at all.
    if not (math.isfinite(shift) and math.isfinite(scale) and abs(scale) >= _LEAST_SCALE):
        raise ValueError(f"the tree's part {data['feature']!r} has no finite scale")
    return ScaledNumber(data["feature"], shift, scale)


def _floats(values: Any) -> list[float]:
    """JSON numbers as floats.

    Raises:
        TypeError: something else is among them, or they are no list.
        OverflowError: one is a whole number beyond what a float can have.
    """
    if type(values) is not list or not {type(value) for value in values} <= {int, float}:
        raise TypeError("not a list of numbers")
    return [float(value) for value in values]


def _whole_numbers(values: Any) -> list[int]:
    if type(values) is not list or not {type(value) for value in values} <= {int}:
        raise TypeError("not a list of whole numbers")
    return values
