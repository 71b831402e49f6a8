"""Sessions of ONNX Runtime over files whose graph was checked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category, Number
from weighbridge.domain.errors import IncompatibleModel, ModelUnreadable

if TYPE_CHECKING:
    from weighbridge.adapters.onnx.predictor import OnnxPredictor
    from weighbridge.domain.data.schema import Schema

#: The key of a model's metadata under which a classifier has the levels of its probabilities, as a JSON list.
LEVELS_KEY = "levels"

#: The types of a file's inputs, by the kinds of features.
TENSOR_TYPES = {"number": "tensor(double)", "category": "tensor(string)"}

_SHOWN_OF_AN_ERROR = 300


def predictor_of(data: bytes, schema: Schema) -> OnnxPredictor:
    """A predictor with a session of its own; the caller has checked the graph.

    Raises:
        ModelUnreadable: ONNX Runtime cannot read the bytes.
        IncompatibleModel: the inputs or outputs are not those of the schema.
    """
    from weighbridge.adapters.onnx.predictor import OnnxPredictor

    session = _session(data)
    found = {
        each.name: (each.type, each.shape[-1] if len(each.shape) == 2 else None) for each in session.get_inputs()
    }
    check_inputs(found, schema)
    outputs = [(output.name, output.type, output.shape) for output in session.get_outputs()]
    levels = _levels(session, outputs, schema.target) if isinstance(schema.target, Category) else ()
    if not levels and (len(outputs) != 1 or outputs[0][1] not in ("tensor(double)", "tensor(float)")):
        answers = ", ".join(f"{name} {kind}" for name, kind, _ in outputs)
        raise IncompatibleModel(f"the ONNX model answers {answers}, not one number per row")
    return OnnxPredictor(session, levels)


def check_inputs(found: Mapping[str, tuple[str, Any]], schema: Schema) -> None:
    """Compare a model's inputs, as type and width by name, with a schema's features.

    Raises:
        IncompatibleModel: they differ.
    """
    expected = {
        feature.name: (TENSOR_TYPES["number" if isinstance(feature, Number) else "category"], 1)
        for feature in schema.features
    }
    if found != expected:
        raise IncompatibleModel(f"the ONNX model takes {_words(found)}, the schema has {_words(expected)}")


def first_line(error: Exception) -> str:
    """The type and the first line of an error of a vendor, cut to what fits a message."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:_SHOWN_OF_AN_ERROR] if lines else type(error).__name__


def _levels(session: Any, outputs: list[tuple[str, str, Any]], target: Category) -> tuple[str, ...]:
    """The levels of the target, when a session answers with labels and with a probability for each of them."""
    found = session.get_modelmeta().custom_metadata_map.get(LEVELS_KEY)
    kinds = [(kind, shape[1:]) for _, kind, shape in outputs]
    expected = [("tensor(string)", []), ("tensor(double)", [len(target.levels)])]
    if kinds != expected:
        answers = ", ".join(f"{name} {kind} {shape}" for name, kind, shape in outputs)
        raise IncompatibleModel(
            f"the ONNX model answers {answers}, not one label and {len(target.levels)} probabilities per row"
        )
    try:
        known = found is not None and json.loads(found) == list(target.levels)
    except (ValueError, RecursionError):
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
    except Exception as error:  # ONNX Runtime's errors have no public common class
        raise ModelUnreadable(f"no ONNX model can be read: {first_line(error)}") from error


def _words(tensors: Mapping[str, tuple[str, Any]]) -> str:
    return ", ".join(f"{name} {kind} of width {width}" for name, (kind, width) in sorted(tensors.items()))
