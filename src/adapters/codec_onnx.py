"""Models as ONNX: skl2onnx writes them, ONNX Runtime runs them.

Everything is in double precision: number features come in as doubles, regression trees are written by
``adapters.onnx_trees``. Decoding imports neither scikit-learn nor skl2onnx.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from domain.errors import IncompatibleModel, ModelError, ModelUnreadable
from domain.ports import ModelCodec
from domain.schema import Number, Schema
from domain.serving import Predictor

if TYPE_CHECKING:
    from domain.estimator import FittedModel
    from domain.serving import Columns

_OPSETS = {"": 18, "ai.onnx.ml": 3}
_SHOWN_OF_AN_ERROR = 300


class OnnxCodec(ModelCodec):
    """The format ``onnx``: one input tensor of shape [rows, 1] per feature, one number per row out."""

    @property
    def format(self) -> str:
        """``onnx``, also the suffix of a model's key."""
        return "onnx"

    def encode(self, model: FittedModel, schema: Schema) -> bytes:
        """See ``ModelCodec.encode``. Nothing of the machine or the moment is in the bytes."""
        try:
            proto = _convert(model, schema)
        except Exception as error:  # skl2onnx raises whatever a converter happens to stumble upon
            raise ModelError(f"{_name(model)} does not convert to ONNX: {_first_line(error)}") from error
        proto.producer_name = proto.producer_version = proto.doc_string = proto.domain = ""
        proto.graph.doc_string = ""
        return bytes(proto.SerializeToString(deterministic=True))

    def decode(self, data: bytes, schema: Schema) -> Predictor:
        """See ``ModelCodec.decode``. A model that refers to data in other files is unreadable."""
        _refuse_external_data(data)
        session = _session(data)
        expected = {feature.name: (_tensor_type(feature), 1) for feature in schema.features}
        found = {
            each.name: (each.type, each.shape[-1] if len(each.shape) == 2 else None)
            for each in session.get_inputs()
        }
        if found != expected:
            raise IncompatibleModel(f"the ONNX model takes {_words(found)}, the schema has {_words(expected)}")
        outputs = session.get_outputs()
        if len(outputs) != 1 or outputs[0].type not in ("tensor(double)", "tensor(float)"):
            answers = ", ".join(f"{output.name} {output.type}" for output in outputs)
            raise IncompatibleModel(f"the ONNX model answers {answers}, not one number per row")
        return OnnxPredictor(session)


class OnnxPredictor(Predictor):
    """A session of ONNX Runtime on one thread.

    Args:
        session: an ``onnxruntime.InferenceSession`` with the inputs of a schema and one output.
    """

    def __init__(self, session: Any) -> None:
        self._session = session
        self._inputs = [(each.name, each.type == "tensor(double)") for each in session.get_inputs()]
        self._outputs = [output.name for output in session.get_outputs()]

    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        """See ``Predictor.predict``.

        Raises:
            ModelError: ONNX Runtime fails, or does not answer one number per row.
        """
        feed = {
            name: np.asarray(columns[name], np.float64 if is_number else object).reshape(-1, 1)
            for name, is_number in self._inputs
        }
        rows = len(feed[self._inputs[0][0]])
        if rows == 0:
            return np.empty(0)
        try:
            answer = self._session.run(self._outputs, feed)[0]
        except Exception as error:  # ONNX Runtime's errors have no public common class
            raise ModelError(f"ONNX Runtime cannot predict: {_first_line(error)}") from error
        if answer.size != rows:
            raise IncompatibleModel(f"the ONNX model answers {answer.size} numbers for {rows} rows")
        return np.asarray(answer, np.float64).reshape(-1)


def _convert(model: FittedModel, schema: Schema) -> Any:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, StringTensorType

    from adapters import onnx_trees

    types = {"tensor(double)": DoubleTensorType, "tensor(string)": StringTensorType}
    functions, shapes = onnx_trees.converters()
    output = "prediction"
    while output in schema.feature_names:
        output += "_"
    proto = convert_sklearn(
        _with_columns_joined(model, schema),
        name="model",
        initial_types=[(feature.name, types[_tensor_type(feature)]([None, 1])) for feature in schema.features],
        final_types=[(output, DoubleTensorType([None, 1]))],
        target_opset=_OPSETS,
        custom_conversion_functions=functions,
        custom_shape_calculators=shapes,
    )
    onnx_trees.declare_opset(proto)
    _name_inputs(proto.graph, schema.feature_names)
    # skl2onnx lists them as they come out of a set.
    opsets = sorted(proto.opset_import, key=lambda opset: str(opset.domain))
    del proto.opset_import[:]
    proto.opset_import.extend(opsets)
    return proto


def _with_columns_joined(model: FittedModel, schema: Schema) -> Any:
    """The model, taking one tensor per feature: most converters know only a single one that holds them all."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    first = model.steps[0][1] if isinstance(model, Pipeline) else model
    if isinstance(first, ColumnTransformer) or not all(isinstance(each, Number) for each in schema.features):
        return model
    names = list(schema.feature_names)
    join = ColumnTransformer([("features", "passthrough", names)]).fit(pd.DataFrame(0.0, index=[0], columns=names))
    return Pipeline([("join", join), ("model", model)])


def _name_inputs(graph: Any, names: tuple[str, ...]) -> None:
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


def _session(data: bytes) -> Any:
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    onnxruntime.set_default_logger_severity(4)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
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
    return "tensor(double)" if isinstance(feature, Number) else "tensor(string)"


def _words(tensors: dict[str, tuple[str, Any]]) -> str:
    return ", ".join(f"{name} {kind} of width {width}" for name, (kind, width) in sorted(tensors.items()))


def _name(model: object) -> str:
    steps = getattr(model, "steps", None)
    return type(steps[-1][1]).__name__ if steps else type(model).__name__


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:_SHOWN_OF_AN_ERROR] if lines else type(error).__name__
