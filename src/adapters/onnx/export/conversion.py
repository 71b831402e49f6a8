"""Fitted models in ONNX, all in double precision."""

from __future__ import annotations

import json
from collections.abc import Container
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper, numpy_helper

from weighbridge.adapters.onnx.export.graph import ML_DOMAIN
from weighbridge.adapters.onnx.export.plain import plain_model
from weighbridge.domain.data.schema import Category, Schema

if TYPE_CHECKING:
    from weighbridge.domain.model.fitted import FittedModel

#: ``TreeEnsemble`` came with version 5 of ``ai.onnx.ml``.
_OPSETS = {"": 18, ML_DOMAIN: 5}


def to_onnx(
    model: FittedModel, schema: Schema, columns: np.ndarray[Any, Any] | None, levels_key: str
) -> ModelProto:
    """The model with one input per feature, and as outputs what ``OnnxCodec`` says.

    Args:
        model: fitted.
        schema: of its rows.
        columns: for each level of a category its place among the model's classes, -1 for none; None for numbers.
        levels_key: under which the metadata name the levels.

    Raises:
        Exception: the model cannot be converted; whatever a converter happens to stumble upon.
    """
    names = ["prediction"] if columns is None else ["prediction", "probabilities"]
    outputs = [_beside(name, schema.feature_names) for name in names]
    proto = plain_model(model, schema, outputs, _OPSETS)
    if proto is None:
        # Imported for those models alone that need it: it takes 30 MB.
        from weighbridge.adapters.onnx.export.by_skl2onnx import model_by_skl2onnx

        proto = model_by_skl2onnx(model, schema, outputs, _OPSETS)
    if columns is not None and isinstance(schema.target, Category):
        _order_probabilities(proto.graph, columns)
        proto.metadata_props.add(key=levels_key, value=json.dumps(schema.target.levels, ensure_ascii=False))
    # skl2onnx lists them as they come out of a set.
    opsets = sorted(proto.opset_import, key=lambda opset: str(opset.domain))
    del proto.opset_import[:]
    proto.opset_import.extend(opsets)
    return proto


def _order_probabilities(graph: GraphProto, columns: np.ndarray[Any, Any]) -> None:
    """Give the second output of a graph a column for each level, zero for those that the model never saw.

    Args:
        graph: of a classifier, as skl2onnx makes it.
        columns: for each level its place among the model's classes, -1 for none.
    """
    output = graph.output[1]
    taken = {name for node in graph.node for name in (*node.input, *node.output)} | {
        each.name for each in (*graph.input, *graph.initializer)
    }
    by_class, padding, padded, order = (
        _beside(name, taken) for name in ("by_class", "padding", "with_zeros", "order")
    )
    for node in graph.node:
        node.output[:] = [by_class if name == output.name else name for name in node.output]
        node.input[:] = [by_class if name == output.name else name for name in node.input]
    # A column of zeros behind the last class is where -1 points.
    graph.initializer.append(numpy_helper.from_array(np.array([0, 0, 0, 1]), padding))
    graph.initializer.append(numpy_helper.from_array(np.asarray(columns, np.int64), order))
    graph.node.extend(
        [
            helper.make_node("Pad", [by_class, padding], [padded]),
            helper.make_node("Gather", [padded, order], [output.name], axis=1),
        ]
    )
    output.CopyFrom(helper.make_tensor_value_info(output.name, TensorProto.DOUBLE, [None, len(columns)]))


def _beside(name: str, taken: Container[str]) -> str:
    """The name, with as many underscores behind it as make it another than those taken."""
    while name in taken:
        name += "_"
    return name
