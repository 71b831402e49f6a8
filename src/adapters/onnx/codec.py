"""Models as ONNX: ``adapters.onnx_export`` writes them, ONNX Runtime runs them.

Everything is in double precision. Decoding imports neither scikit-learn nor ``onnx``.

A single regression tree stands in the file twice: as the graph, for whoever reads ONNX, and in the metadata as
plain data, from which single rows are predicted without ONNX Runtime.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError, ModelUnreadable
from weighbridge.domain.model.codec import ModelCodec
from weighbridge.domain.model.encoding import class_columns
from weighbridge.domain.model.predictor import Predictor
from weighbridge.domain.model.tree_walk import TreeData, TreeWalk

if TYPE_CHECKING:
    import numpy as np

    from weighbridge.adapters.onnx.predictor import OnnxPredictor
    from weighbridge.domain.data.columns import AdmittedColumns, Encoded
    from weighbridge.domain.data.schema import Row, Value
    from weighbridge.domain.model.fitted import FittedModel
    from weighbridge.domain.model.predictor import Columns, LatencyClass
    from weighbridge.domain.model.tree_table import TreeTable

_TYPES = {"number": "tensor(double)", "category": "tensor(string)"}
_SHOWN_OF_AN_ERROR = 300

#: The key of a model's metadata under which a classifier has the levels of its probabilities, as a JSON list.
_LEVELS_KEY = "levels"

#: The key under which a single tree stands as plain data, and what the model's description then says. The
#: description comes before everything of weight: a file that was cut off does not pass for one without a tree.
_TREE_KEY = "tree"
_TREE_DESCRIPTION = "The metadata's 'tree' is the same model as plain data."

#: Fields of ONNX's ModelProto, by their numbers.
_DESCRIPTION_FIELD, _METADATA_FIELD = 6, 14


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
        """See ``ModelCodec.encode``. Nothing of the machine or the moment is in the bytes."""
        from weighbridge.adapters.onnx.export.conversion import to_onnx

        columns = class_columns(model, schema.target) if isinstance(schema.target, Category) else None
        try:
            proto = to_onnx(model, schema, columns, _LEVELS_KEY)
            tree = _tree_as_text(model, schema)
        except Exception as error:  # skl2onnx raises whatever a converter happens to stumble upon
            raise ModelError(f"{_name(model)} does not convert to ONNX: {_first_line(error)}") from error
        proto.producer_name = proto.producer_version = proto.doc_string = proto.domain = ""
        proto.graph.doc_string = ""
        if tree is not None:
            proto.doc_string = _TREE_DESCRIPTION
            proto.metadata_props.add(key=_TREE_KEY, value=tree)
        return bytes(proto.SerializeToString(deterministic=True))

    def decode(self, data: bytes, schema: Schema) -> Predictor:
        """See ``ModelCodec.decode``. A model that refers to data in other files is unreadable.

        ONNX Runtime is imported when the model is no single tree, or once many rows are to be predicted.
        """
        tree = _tree_in(data)
        if tree is None:
            return _predictor(data, schema)
        _check_inputs({name: (_TYPES.get(kind, kind), 1) for name, kind in tree.inputs.items()}, schema)
        if isinstance(schema.target, Category):
            raise IncompatibleModel("the ONNX model answers one number per row, not one label")
        return OnnxTreePredictor(tree, data, schema)


class OnnxTreePredictor(Predictor):
    """A single tree: rows one at a time are walked in Python, many rows are looked up in a table of its leaves.

    Plain columns, and those of a tree whose table would be too large, go to ONNX Runtime.

    Args:
        tree: as plain data.
        data: the whole file.
        schema: of the rows.
    """

    latency_class: ClassVar[LatencyClass] = "instant"

    def __init__(self, tree: TreeData, data: bytes, schema: Schema) -> None:
        self._tree, self._data, self._schema = tree, data, schema
        self._walk = TreeWalk(tree)

    def predict_row(self, row: Row) -> Value:
        """See ``Predictor.predict_row``."""
        return self._walk.predict_row(row)

    def predict_rows(self, rows: Sequence[Row]) -> list[Value]:
        """See ``Predictor.predict_rows``."""
        return [self._walk.predict_row(row) for row in rows]

    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        """See ``Predictor.predict``.

        Raises:
            ModelError: ONNX Runtime cannot read the file, fails, or does not answer one number per row.
        """
        return self._whole.predict(columns)

    def predict_columns(self, columns: AdmittedColumns) -> np.ndarray[Any, Any] | Encoded:
        """See ``Predictor.predict_columns``.

        Raises:
            ModelError: ONNX Runtime is needed, and fails as for ``predict``.
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
    def _whole(self) -> OnnxPredictor:
        return _predictor(self._data, self._schema)


def _predictor(data: bytes, schema: Schema) -> OnnxPredictor:
    from weighbridge.adapters.onnx.predictor import OnnxPredictor

    _refuse_external_data(data)
    session = _session(data)
    found = {
        each.name: (each.type, each.shape[-1] if len(each.shape) == 2 else None) for each in session.get_inputs()
    }
    _check_inputs(found, schema)
    outputs = [(output.name, output.type, output.shape) for output in session.get_outputs()]
    levels = _levels(session, outputs, schema.target) if isinstance(schema.target, Category) else ()
    if not levels and (len(outputs) != 1 or outputs[0][1] not in ("tensor(double)", "tensor(float)")):
        answers = ", ".join(f"{name} {kind}" for name, kind, _ in outputs)
        raise IncompatibleModel(f"the ONNX model answers {answers}, not one number per row")
    return OnnxPredictor(session, levels)


def _check_inputs(found: Mapping[str, tuple[str, Any]], schema: Schema) -> None:
    expected = {feature.name: (_tensor_type(feature), 1) for feature in schema.features}
    if found != expected:
        raise IncompatibleModel(f"the ONNX model takes {_words(found)}, the schema has {_words(expected)}")


def _tree_as_text(model: FittedModel, schema: Schema) -> str | None:
    from weighbridge.domain.model.single_tree import tree_of

    tree = tree_of(model, schema)
    return None if tree is None else json.dumps(tree.to_dict(), ensure_ascii=False, separators=(",", ":"))


def _tree_in(data: bytes) -> TreeData | None:
    """The single tree that a file holds as plain data beside its graph; None when it holds none."""
    try:
        fields = list(_fields(data))
        said = {content for number, content in fields if number == _DESCRIPTION_FIELD}
        if _TREE_DESCRIPTION.encode() not in said:
            return None
        entries = [dict(_fields(content)) for number, content in fields if number == _METADATA_FIELD]
        metadata = {entry.get(1): entry.get(2, b"") for entry in entries}
        return TreeData.from_dict(json.loads(metadata[_TREE_KEY.encode()]))
    except (ValueError, KeyError, IndexError, RecursionError) as error:
        raise ModelUnreadable(f"no ONNX model can be read: {_first_line(error)}") from error


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protobuf message as number and content; empty content for those that are numbers.

    Raises:
        ValueError, IndexError: it is none, or was cut off.
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        size = 0
        match tag & 7:
            case 0:
                _, place = _varint(message, place)
            case 1:
                place += 8
            case 2:
                size, place = _varint(message, place)
            case 5:
                place += 4
            case kind:
                raise ValueError(f"there is no field of the wire type {kind}")
        if place + size > len(message):
            raise ValueError("the file was cut off")
        yield tag >> 3, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    """A number, and where it ends."""
    value = shift = 0
    while message[place] & 0x80:
        value |= (message[place] & 0x7F) << shift
        place, shift = place + 1, shift + 7
    return value | message[place] << shift, place + 1


def _levels(session: Any, outputs: list[tuple[str, str, Any]], target: Category) -> tuple[str, ...]:
    """The levels of the target, when a session answers with labels and with a probability for each of them."""
    found = session.get_modelmeta().custom_metadata_map.get(_LEVELS_KEY)
    kinds = [(kind, shape[1:]) for _, kind, shape in outputs]
    expected = [("tensor(string)", []), ("tensor(double)", [len(target.levels)])]
    if kinds != expected:
        answers = ", ".join(f"{name} {kind} {shape}" for name, kind, shape in outputs)
        raise IncompatibleModel(
            f"the ONNX model answers {answers}, not one label and {len(target.levels)} probabilities per row"
        )
    try:
        known = found is not None and json.loads(found) == list(target.levels)
    except ValueError:
        known = False
    if not known:
        raise IncompatibleModel(
            f"the ONNX model's levels are {found or 'unknown'}, the schema has {json.dumps(target.levels)}"
        )
    return target.levels


def _session(data: bytes) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Single rows need no arena, which would keep megabytes for them.
    options.enable_cpu_mem_arena = False
    # Never the other format that ONNX Runtime would recognise, which nothing of ours writes or checks.
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise ModelUnreadable(f"no ONNX model can be read: {_first_line(error)}") from error


def _refuse_external_data(data: bytes) -> None:
    # Where a tensor lies in another file, the entry that names the file has the key "location", and protobuf
    # writes text as it is. Without that word there is nothing to look for, and ``onnx`` need not be imported.
    if b"location" not in data:
        return
    import onnx

    try:
        proto = onnx.ModelProto.FromString(data)
    except Exception as error:  # protobuf's error class differs between its implementations
        raise ModelUnreadable(f"no ONNX model can be read: {_first_line(error)}") from error
    if _has_external_data(proto, onnx.TensorProto):
        raise ModelUnreadable("the ONNX model keeps data in other files, which are not read")


def _has_external_data(message: Any, tensor: Any) -> bool:
    if isinstance(message, tensor) and message.external_data:
        return True
    return any(
        _has_external_data(child, tensor)
        for field, value in message.ListFields()
        if field.message_type is not None
        for child in (value if hasattr(value, "__len__") else [value])
    )


def _tensor_type(feature: object) -> str:
    return _TYPES["number" if isinstance(feature, Number) else "category"]


def _words(tensors: Mapping[str, tuple[str, Any]]) -> str:
    return ", ".join(f"{name} {kind} of width {width}" for name, (kind, width) in sorted(tensors.items()))


def _name(model: object) -> str:
    steps = getattr(model, "steps", None)
    return type(steps[-1][1]).__name__ if steps else type(model).__name__


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:_SHOWN_OF_AN_ERROR] if lines else type(error).__name__
