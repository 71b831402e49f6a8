"""Trees behind plain columns as ONNX, without skl2onnx, whose import costs more than the rest of an export.

Plain are the columns that ``domain.single_tree`` can tell as data: numbers as they are or scaled, categories as
one column for each level or as codes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto, TensorProto, ValueInfoProto, helper
from sklearn.base import is_classifier
from sklearn.pipeline import Pipeline

from weighbridge.adapters.onnx.export.ensembles import KINDS
from weighbridge.adapters.onnx.export.graph import ML_DOMAIN, Graph, OwnGraph
from weighbridge.adapters.onnx.export.trees import write_trees
from weighbridge.domain.data.schema import Number, Schema
from weighbridge.domain.model.single_tree import parts_of
from weighbridge.domain.model.tree_walk import LevelColumns, Part

if TYPE_CHECKING:
    from weighbridge.domain.model.fitted import FittedModel

_IR_VERSION = 8


def plain_model(
    model: FittedModel, schema: Schema, outputs: Sequence[str], opsets: dict[str, int]
) -> ModelProto | None:
    """The model in ONNX; None for one that is not made of trees behind plain columns.

    Args:
        model: fitted.
        schema: its features become inputs, in order.
        outputs: the name of the prediction; or of label and probabilities. The latter are in the order of the
            model's classes.
        opsets: the version of each domain of operators.

    Raises:
        ValueError: the trees cannot be converted.
    """
    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    parts = parts_of(steps[:-1], schema) if type(steps[-1]) in KINDS else None
    if not parts:
        return None
    graph = OwnGraph({*schema.feature_names, *outputs})
    write_trees(graph, steps[-1], [_column(graph, part) for part in parts], outputs)
    inputs = [
        _tensor(one.name, TensorProto.DOUBLE if isinstance(one, Number) else TensorProto.STRING, 1)
        for one in schema.features
    ]
    return helper.make_model(
        graph.finished(inputs, _outputs(steps[-1], outputs)),
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in opsets.items()],
    )


def _column(graph: Graph, part: Part) -> str:
    """Add what makes a part's columns; the name of the tensor of doubles, of shape [rows, columns]."""
    if isinstance(part, LevelColumns):
        return _level_columns(graph, part)
    name = part.feature
    if part.shift:
        name = graph.add("Sub", [name, graph.number(part.shift)])
    return name if part.scale == 1.0 else graph.add("Div", [name, graph.number(part.scale)])


def _level_columns(graph: Graph, part: LevelColumns) -> str:
    rows = np.array(list(part.values.values()))
    width = rows.shape[1]
    # Where a level has no column of its own, its place is behind the last, where the operator puts zeros.
    places = rows[:, 0] if width == 1 else np.where(rows.any(axis=1), rows.argmax(axis=1), width)
    codes = graph.add(
        "LabelEncoder",
        [part.feature],
        domain=ML_DOMAIN,
        keys_strings=list(part.values),
        values_int64s=[int(place) for place in places],
        default_int64=0 if width == 1 else width,
    )
    if width > 1:
        flat = graph.add("Reshape", [codes, graph.constant(np.array([-1]))])
        ends = graph.constant(np.array([0, 1]))
        codes = graph.add("OneHot", [flat, graph.constant(np.array([width])), ends])
    return graph.add("Cast", [codes], to=TensorProto.DOUBLE)


def _outputs(model: Any, names: Sequence[str]) -> list[ValueInfoProto]:
    if not is_classifier(model):
        return [_tensor(names[0], TensorProto.DOUBLE, 1)]
    label = helper.make_tensor_value_info(names[0], TensorProto.STRING, [None])
    return [label, _tensor(names[1], TensorProto.DOUBLE, len(model.classes_))]


def _tensor(name: str, kind: int, width: int) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [None, width])
