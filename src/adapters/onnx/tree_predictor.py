"""Predicting with a single tree that stands in an ONNX file as plain data."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from weighbridge.adapters.onnx.wire import fields
from weighbridge.domain.errors import ModelUnreadable
from weighbridge.domain.model.predictor import Predictor
from weighbridge.domain.model.tree_walk import TreeData, TreeWalk

if TYPE_CHECKING:
    import numpy as np

    from weighbridge.domain.data.columns import AdmittedColumns, Encoded
    from weighbridge.domain.data.schema import Row, Schema, Value
    from weighbridge.domain.model.predictor import Columns, LatencyClass
    from weighbridge.domain.model.tree_table import TreeTable

#: The key of a model's metadata under which a single tree stands as plain data, and what the model's description
#: then says. The description comes before everything of weight: a file that was cut off does not pass for one
#: without a tree.
TREE_KEY = "tree"
TREE_DESCRIPTION = "The metadata's 'tree' is the same model as plain data."

#: Fields of ONNX's ModelProto, by their numbers.
_DESCRIPTION_FIELD, _METADATA_FIELD = 6, 14


class OnnxTreePredictor(Predictor):
    """A single tree: rows one at a time are walked in Python, many rows are looked up in a table of its leaves.

    Plain columns, and those of a tree whose table would be too large, go to ONNX Runtime.

    Args:
        tree: as plain data.
        whole: makes the predictor of the file's graph, which is the same model; called once, when it is needed.
        schema: of the rows.
    """

    latency_class: ClassVar[LatencyClass] = "instant"

    def __init__(self, tree: TreeData, whole: Callable[[], Predictor], schema: Schema) -> None:
        self._tree, self._make_whole, self._schema = tree, whole, schema
        self._walk = TreeWalk(tree)

    def predict_row(self, row: Row) -> Value:
        """Walk the tree for one admitted row; a finite number in the target's unit."""
        return self._walk.predict_row(row)

    def predict_rows(self, rows: Sequence[Row]) -> list[Value]:
        """Walk the tree for each admitted row; no rows give none."""
        return [self._walk.predict_row(row) for row in rows]

    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        """Predict plain columns with ONNX Runtime; float64 of shape [rows].

        Raises:
            ModelError: ONNX Runtime cannot read the file, fails, or does not answer one number per row.
        """
        return self._whole.predict(columns)

    def predict_columns(self, columns: AdmittedColumns) -> np.ndarray[Any, Any] | Encoded:
        """Look up each row's leaf: the leaves' places as codes, and what they answer as values.

        Raises:
            ModelError: the table would be too large, and ONNX Runtime fails as for ``predict``.
        """
        table = self._table
        return super().predict_columns(columns) if table is None else table.predict(columns)

    @cached_property
    def _table(self) -> TreeTable | None:
        from weighbridge.domain.model.tree_table import TreeTable

        try:
            return TreeTable(self._tree, self._schema)
        except ValueError:
            return None

    @cached_property
    def _whole(self) -> Predictor:
        return self._make_whole()


def tree_in(data: bytes) -> TreeData | None:
    """The single tree that a file holds as plain data beside its graph; None when it holds none.

    Raises:
        ModelUnreadable: the bytes are no ONNX model, or the tree that they announce is missing or is no tree.
    """
    try:
        found = list(fields(data))
        said = {content for number, content in found if number == _DESCRIPTION_FIELD}
        if TREE_DESCRIPTION.encode() not in said:
            return None
        entries = [
            dict(fields(content))
            for number, content in found
            if number == _METADATA_FIELD and isinstance(content, bytes)
        ]
        tree = {entry.get(1): entry.get(2) for entry in entries}[TREE_KEY.encode()]
        if not isinstance(tree, bytes):
            raise ValueError("the tree is no text")
        return TreeData.from_dict(json.loads(tree))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelUnreadable(f"no ONNX model can be read: {type(error).__name__}: {error}"[:300]) from error
