"""Any other model as ONNX, by skl2onnx; trees within it are written as ``trees`` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from onnx import GraphProto, ModelProto
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from weighbridge.adapters.onnx.export.ensembles import KINDS
from weighbridge.adapters.onnx.export.graph import ML_DOMAIN, tensor_content
from weighbridge.adapters.onnx.export.trees import write_trees
from weighbridge.domain.data.schema import Number, Schema

if TYPE_CHECKING:
    from weighbridge.domain.model.fitted import FittedModel

#: The greatest version of ``ai.onnx.ml`` that skl2onnx lets pass; its operators mean the same in later ones.
_ML_VERSION = 3


def model_by_skl2onnx(
    model: FittedModel, schema: Schema, outputs: Sequence[str], opsets: dict[str, int]
) -> ModelProto:
    """The model in ONNX; arguments are those of ``plain.plain_model``.

    Raises:
        Exception: whatever a converter of skl2onnx happens to stumble upon.
    """
    kinds = [StringTensorType([None]), None] if len(outputs) > 1 else [DoubleTensorType([None, 1])]
    proto: ModelProto = convert_sklearn(
        _with_columns_joined(model, schema),
        name="model",
        initial_types=[
            (one.name, DoubleTensorType([None, 1]) if isinstance(one, Number) else StringTensorType([None, 1]))
            for one in schema.features
        ],
        final_types=list(zip(outputs, kinds, strict=True)),
        target_opset=opsets | {ML_DOMAIN: _ML_VERSION},
        options={"zipmap": False} if len(outputs) > 1 else {},
        custom_conversion_functions=dict.fromkeys(KINDS, _convert),
        custom_shape_calculators=dict.fromkeys(KINDS, _shape),
    )
    if any(node.op_type == "TreeEnsemble" for node in proto.graph.node):
        for opset in proto.opset_import:
            if opset.domain == ML_DOMAIN:
                opset.version = opsets[ML_DOMAIN]
    _name_inputs(proto.graph, schema.feature_names)
    return proto


def _with_columns_joined(model: FittedModel, schema: Schema) -> Any:
    """The model, taking one tensor per feature: most converters know only a single one that holds them all."""
    first = model.steps[0][1] if isinstance(model, Pipeline) else model
    if isinstance(first, ColumnTransformer) or not all(isinstance(each, Number) for each in schema.features):
        return model
    names = list(schema.feature_names)
    join = ColumnTransformer([("features", "passthrough", names)]).fit(pd.DataFrame(0.0, index=[0], columns=names))
    return Pipeline([("join", join), ("model", model)])


def _name_inputs(graph: GraphProto, names: tuple[str, ...]) -> None:
    """Name the inputs of a graph, in order, and whatever has such a name already something else.

    skl2onnx puts underscores where a feature's name has other characters.
    """
    renamed: dict[str, str] = dict(zip([each.name for each in graph.input], names, strict=True))
    taken = set(names)

    def new(name: str) -> str:
        if name and name not in renamed:
            fresh = name
            while fresh in taken:
                fresh += "_"
            taken.add(fresh)
            renamed[name] = fresh
        return renamed.get(name, name)

    def walk(part: Any) -> None:
        for each in (*part.input, *part.initializer, *part.value_info, *part.output):
            each.name = new(each.name)
        for node in part.node:
            node.input[:] = [new(name) for name in node.input]
            node.output[:] = [new(name) for name in node.output]
            for attribute in node.attribute:
                for inner in (*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])):
                    walk(inner)

    walk(graph)


def _shape(operator: Any) -> None:
    model = operator.raw_operator
    if is_classifier(model):
        is_text = all(isinstance(name, str) for name in model.classes_)
        operator.outputs[0].type = StringTensorType([None]) if is_text else Int64TensorType([None])
    operator.outputs[-1].type = DoubleTensorType([None, len(model.classes_) if is_classifier(model) else 1])


def _convert(scope: Any, operator: Any, container: Any) -> None:
    columns, outputs = ([one.full_name for one in some] for some in (operator.inputs, operator.outputs))
    write_trees(_Graph(scope, container), operator.raw_operator, columns, outputs)


class _Graph:
    """Adds nodes to what skl2onnx builds; see ``graph.Graph``."""

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def add(
        self, kind: str, inputs: Sequence[str], output: str | None = None, domain: str = "", **attributes: Any
    ) -> str:
        name = output or self._scope.get_unique_variable_name(kind.lower())
        self._container.add_node(
            kind,
            list(inputs),
            name,
            name=self._scope.get_unique_operator_name(kind),
            op_domain=domain,
            op_version=_ML_VERSION if domain == ML_DOMAIN else 13,
            **attributes,
        )
        return name

    def number(self, value: float) -> str:
        return self.constant(np.array([value], np.float64))

    def constant(self, values: np.ndarray[Any, Any]) -> str:
        name: str = self._scope.get_unique_variable_name("constant")
        kind, content = tensor_content(values)
        self._container.add_initializer(name, kind, [len(content)], content)
        return name
