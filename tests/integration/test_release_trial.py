"""Releases that are tried in a process of its own: whatever the bytes do there, here it is one of our errors."""

import os
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.support.clocks import START
from tests.support.codec_contract import SCHEMA, fitted, frame_of
from tests.support.registry_contract import make_record
from weighbridge.adapters.child_process.trial import ChildProcessTrial
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.domain.errors import IncompatibleModel, ModelUnreadable
from weighbridge.domain.registry.provenance import GoldenRow
from weighbridge.domain.registry.releases import ModelVersion, Release

ROWS: list[dict[str, Any]] = frame_of(3).to_dict("records")  # type: ignore[assignment]


def release_of(data: bytes, model_format: str, predictions: list[float]) -> Release:
    made = make_record(data, START)
    golden = tuple(GoldenRow(row, value) for row, value in zip(ROWS, predictions, strict=True))
    model = replace(made.model, format=model_format)
    record = replace(made, model=model, schema=SCHEMA, golden=golden)
    return Release(ModelVersion.parse(record.task, record.version), record, record.to_dict())


@pytest.mark.parametrize("codec", [OnnxCodec(), SkopsCodec()], ids=lambda codec: codec.format)
def test_a_model_that_predicts_its_golden_rows_passes(codec: Any) -> None:
    model = fitted("linear")
    data = codec.encode(model, SCHEMA)
    expected = model.predict(frame_of(3)).tolist()
    ChildProcessTrial().run(release_of(data, codec.format, expected), data)
    with pytest.raises(IncompatibleModel, match="fails its golden rows: off by"):
        ChildProcessTrial().run(release_of(data, codec.format, [value + 1 for value in expected]), data)


@pytest.mark.parametrize("model_format", ["onnx", "skops"])
def test_what_is_no_model_is_unreadable(model_format: str) -> None:
    with pytest.raises(ModelUnreadable, match=f"no {model_format.replace('onnx', 'ONNX')} model can be read"):
        ChildProcessTrial().run(release_of(b"nothing", model_format, [1.0, 2.0, 3.0]), b"nothing")


def hungry(rows: int) -> bytes:
    """A graph of allowed operators whose product of two columns is as large as the square of their rows."""
    columns = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, [None, 1]) for name in ("orders_placed",)]
    columns.append(helper.make_tensor_value_info("product_code", TensorProto.STRING, [None, 1]))
    columns.append(helper.make_tensor_value_info("weight of it", TensorProto.DOUBLE, [None, 1]))
    down, across = np.ones((rows, 1)), np.ones((1, rows))
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["down", "across"], ["all"]),
            helper.make_node("ReduceSum", ["all"], ["sum"], keepdims=0),
            helper.make_node("Add", ["orders_placed", "sum"], ["y"]),
        ],
        "g",
        columns,
        [helper.make_tensor_value_info("y", TensorProto.DOUBLE, [None, 1])],
        [numpy_helper.from_array(down, "down"), numpy_helper.from_array(across, "across")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    return bytes(model.SerializeToString())


def test_a_model_that_takes_gigabytes_takes_them_there_and_not_here() -> None:
    data = hungry(60_000)  # 29 GB
    with pytest.raises(ModelUnreadable):
        ChildProcessTrial(memory=1 << 30).run(release_of(data, "onnx", [1.0, 2.0, 3.0]), data)


def test_a_model_that_takes_its_time_is_given_up() -> None:
    data = OnnxCodec().encode(fitted("linear"), SCHEMA)
    with pytest.raises(ModelUnreadable, match=r"its own, which took longer than 0\.001 s; it is not loaded"):
        ChildProcessTrial(seconds=0.001).run(release_of(data, "onnx", [1.0, 2.0, 3.0]), data)


def test_a_process_that_ends_by_itself_is_a_refusal() -> None:
    data = OnnxCodec().encode(fitted("linear"), SCHEMA)
    with pytest.raises(ModelUnreadable, match=r"of its own, which (was ended by|ended with|needed)"):
        ChildProcessTrial(memory=1).run(release_of(data, "onnx", [1.0, 2.0, 3.0]), data)


def test_no_secret_of_this_process_is_given_to_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from weighbridge.adapters.child_process import trial

    monkeypatch.setenv("WEIGHBRIDGE_API_KEYS", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    found = trial.environment()
    assert "secret" not in found.values()
    assert found["PATH"] == os.environ["PATH"]
