"""Models as ONNX: ``export`` writes them, ONNX Runtime runs them.

Everything is in double precision. Decoding imports neither scikit-learn nor ``onnx``.

A single regression tree stands in the file twice: as the graph, for whoever reads ONNX, and in the metadata as
plain data, from which single rows are predicted without ONNX Runtime.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from weighbridge.adapters.onnx.graph_check import check_graph
from weighbridge.adapters.onnx.session import LEVELS_KEY, TENSOR_TYPES, check_inputs, first_line, predictor_of
from weighbridge.adapters.onnx.tree_predictor import TREE_DESCRIPTION, TREE_KEY, OnnxTreePredictor, tree_in
from weighbridge.domain.data.schema import Category, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError
from weighbridge.domain.model.codec import ModelCodec
from weighbridge.domain.model.encoding import class_columns
from weighbridge.domain.model.tree_walk import LevelColumns, TreeData

if TYPE_CHECKING:
    from weighbridge.domain.model.fitted import FittedModel
    from weighbridge.domain.model.predictor import Predictor


class OnnxCodec(ModelCodec):
    """The format ``onnx``: one input tensor of shape [rows, 1] per feature.

    Out comes one number per row; or, for a category, first the label of each row as text, then probabilities of
    shape [rows, levels] in the order of the schema's levels, which the model's metadata name.
    """

    @property
    def format(self) -> str:
        """``onnx``, also the suffix of a model's key."""
        return "onnx"

    def encode(self, model: FittedModel, schema: Schema) -> bytes:
        """The model as an ONNX file; nothing of the machine or the moment is in the bytes.

        Raises:
            ModelError: no converter knows the model, or it needs an operator that ``decode`` refuses.
        """
        from weighbridge.adapters.onnx.export.conversion import to_onnx

        columns = class_columns(model, schema.target) if isinstance(schema.target, Category) else None
        try:
            proto = to_onnx(model, schema, columns, LEVELS_KEY)
            tree = _tree_as_text(model, schema)
        except Exception as error:  # skl2onnx raises whatever a converter happens to stumble upon
            raise ModelError(f"{_name(model)} does not convert to ONNX: {first_line(error)}") from error
        proto.producer_name = proto.producer_version = proto.doc_string = proto.domain = ""
        proto.graph.doc_string = ""
        if tree is not None:
            proto.doc_string = TREE_DESCRIPTION
            proto.metadata_props.add(key=TREE_KEY, value=tree)
        return bytes(proto.SerializeToString(deterministic=True))

    def decode(self, data: bytes, schema: Schema) -> Predictor:
        """A predictor of an ONNX file, whose graph is checked first: see ``graph_check``.

        ONNX Runtime is imported when the model is no single tree, or once plain columns are to be predicted.

        Raises:
            ModelUnreadable: the bytes are no ONNX model, or one with operators or sizes that are not allowed.
            IncompatibleModel: its inputs or outputs are not those of the schema.
        """
        check_graph(data)
        tree = tree_in(data)
        if tree is None:
            return predictor_of(data, schema)
        check_inputs({name: (TENSOR_TYPES.get(kind, kind), 1) for name, kind in tree.inputs.items()}, schema)
        if isinstance(schema.target, Category):
            raise IncompatibleModel("the ONNX model answers one number per row, not one label")
        _check_levels(tree, schema)
        return OnnxTreePredictor(tree, lambda: predictor_of(data, schema), schema)

    def is_plain(self, data: bytes) -> bool:
        """Whether the file holds a single tree, which is walked in Python.

        Raises:
            ModelUnreadable: the bytes are no ONNX model, or its tree is none.
        """
        return tree_in(data) is not None


def _check_levels(tree: TreeData, schema: Schema) -> None:
    for part in tree.parts:
        feature = schema.feature(part.feature)
        if isinstance(part, LevelColumns) and isinstance(feature, Category):
            unknown = sorted(set(feature.levels) - set(part.values))
            if unknown:
                raise IncompatibleModel(f"the tree does not know the level {unknown[0]!r} of {feature.name}")


def _tree_as_text(model: FittedModel, schema: Schema) -> str | None:
    from weighbridge.domain.model.single_tree import tree_of

    tree = tree_of(model, schema)
    return None if tree is None else json.dumps(tree.to_dict(), ensure_ascii=False, separators=(",", ":"))


def _name(model: object) -> str:
    steps = getattr(model, "steps", None)
    return type(steps[-1][1]).__name__ if steps else type(model).__name__
