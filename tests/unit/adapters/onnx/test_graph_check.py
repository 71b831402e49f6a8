"""Graphs that would harm whoever runs them, and those that are written here."""

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from tests.support.codec_contract import SCHEMA, fitted
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.onnx.graph_check import MOST_COLUMNS, MOST_NODES, OPERATORS, check_graph
from weighbridge.domain.errors import ModelError, ModelUnreadable

TREE = OnnxCodec().encode(fitted("tree"), SCHEMA)
LINEAR = OnnxCodec().encode(fitted("linear"), SCHEMA)


def tensor(name: str, value: Any) -> Any:
    return numpy_helper.from_array(np.asarray(value), name)


def value(name: str, kind: int = TensorProto.DOUBLE, shape: Any = (None, 1)) -> Any:
    return helper.make_tensor_value_info(name, kind, list(shape))


def model(nodes: list[Any], constants: list[Any] | None = None, functions: list[Any] | None = None) -> Any:
    graph = helper.make_graph(nodes, "g", [value("a"), value("b")], [value("y")], constants or [])
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], functions=functions or [], ir_version=8
    )


def add() -> Any:
    return helper.make_node("Add", ["a", "b"], ["y"])


def loop() -> Any:
    body = helper.make_graph(
        [helper.make_node("Identity", ["c0"], ["c1"]), helper.make_node("Add", ["x0", "x0"], ["x1"])],
        "body",
        [value("i", TensorProto.INT64, ()), value("c0", TensorProto.BOOL, ()), value("x0")],
        [value("c1", TensorProto.BOOL, ()), value("x1")],
    )
    return model(
        [helper.make_node("Loop", ["n", "t", "a"], ["y"], body=body)],
        [tensor("n", np.int64(2**62)), tensor("t", np.bool_(True))],
    )


def scan() -> Any:
    body = helper.make_graph([helper.make_node("Add", ["p", "p"], ["q"])], "body", [value("p")], [value("q")])
    return model([helper.make_node("Scan", ["a"], ["y"], body=body, num_scan_inputs=1)])


def branch() -> Any:
    part = helper.make_graph([helper.make_node("Identity", ["a"], ["z"])], "part", [], [value("z")])
    return model(
        [helper.make_node("If", ["t"], ["y"], then_branch=part, else_branch=part)], [tensor("t", np.bool_(True))]
    )


def hidden_graph() -> Any:
    # An operator that is allowed, with a graph in an attribute that it does not have.
    part = helper.make_graph([helper.make_node("Identity", ["a"], ["z"])], "part", [], [value("z")])
    node = add()
    node.attribute.append(helper.make_attribute("more", part))
    return model([node])


def function() -> Any:
    made = helper.make_function("own", "Twice", ["p"], ["q"], [helper.make_node("Add", ["p", "p"], ["q"])], [])
    return model([helper.make_node("Twice", ["a"], ["y"], domain="own")], functions=[made])


def sparse() -> Any:
    proto = model([add()])
    proto.graph.sparse_initializer.append(
        helper.make_sparse_tensor(tensor("w", [1.0]), tensor("i", np.array([2**40])), [2**41])
    )
    return proto


def external() -> Any:
    kept = tensor("b2", np.zeros((1, 1)))
    kept.ClearField("raw_data")
    kept.data_location = TensorProto.EXTERNAL
    kept.external_data.add(key="location", value="/etc/passwd")
    return model([helper.make_node("Add", ["a", "b2"], ["y"])], [kept])


def huge_dimensions() -> Any:
    kept = tensor("w", np.zeros((1, 1)))
    kept.dims[:] = [2**40, 1]
    return model([helper.make_node("Add", ["a", "w"], ["y"])], [kept])


def training() -> Any:
    proto = model([add()])
    proto.training_info.add()
    return proto


def two_graphs() -> bytes:
    return bytes(model([add()]).SerializeToString() + loop().SerializeToString())


def sized(operator: str, sizes: Any) -> Any:
    ends = tensor("ends", np.array([0.0, 1.0]))
    inputs = ["a", "n"] if operator == "Pad" else ["a", "n", "ends"]
    constants = [ends] if sizes is None else [ends, tensor("n", np.array(sizes, np.int64))]
    nodes = [helper.make_node("Cast", ["b"], ["n"], to=TensorProto.INT64)] if sizes is None else []
    return model([*nodes, helper.make_node(operator, inputs, ["y"])], constants)


BOMBS: dict[str, tuple[Callable[[], Any], str]] = {
    "a loop": (loop, "Loop"),
    "a scan": (scan, "Scan"),
    "a branch": (branch, "If"),
    "a graph in an attribute": (hidden_graph, "the field 6 in its attribute of Add"),
    "a function": (function, "the field 25 in its model"),
    "a sparse tensor": (sparse, "the field 15 in its graph"),
    "another file": (external, "in other files"),
    "dimensions that are not there": (huge_dimensions, "dimensions are too many or too large"),
    "a training": (training, "the field 20 in its model"),
    "two graphs": (two_graphs, "2 graphs instead of one"),
    "no graph": (lambda: b"\x08\x08", "0 graphs instead of one"),
    "a number of another domain": (
        lambda: model([helper.make_node("Foo", ["a"], ["y"], domain="evil")]),
        r"'evil\.Foo', which is not allowed",
    ),
    "Microsoft's operators": (
        lambda: model([helper.make_node("CDist", ["a", "b"], ["y"], domain="com.microsoft")]),
        r"'com\.microsoft\.CDist', which is not allowed",
    ),
    "one-hot columns without end": (lambda: sized("OneHot", [2**40]), "a OneHot whose size"),
    "one-hot columns by the data": (lambda: sized("OneHot", None), "a OneHot whose size"),
    "padding without end": (lambda: sized("Pad", [0, 0, 0, MOST_COLUMNS + 1]), "a Pad whose size"),
    "padding by the data": (lambda: sized("Pad", None), "a Pad whose size"),
    "too many nodes": (lambda: model([add()] * (MOST_NODES + 1)), "50,001 nodes; 50,000 are allowed"),
    "two constants of a name": (lambda: model([add()], [tensor("w", [1.0])] * 2), "two constants of the name 'w'"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_what_harms_whoever_runs_it_is_refused_before_it_is_given_to_the_runtime(name: str) -> None:
    made, words = BOMBS[name]
    found = made()
    data = found if isinstance(found, bytes) else found.SerializeToString()
    with pytest.raises(ModelUnreadable, match=words):
        OnnxCodec().decode(data, SCHEMA)


SIZED_BY_DATA = (
    "Bernoulli",
    "Compress",
    "ConstantOfShape",
    "Einsum",
    "Expand",
    "EyeLike",
    "GridSample",
    "NonZero",
    "RandomNormal",
    "RandomUniformLike",
    "Range",
    "Resize",
    "SequenceConstruct",
    "StringSplit",
    "Tile",
    "Transpose",
    "Unique",
    "Upsample",
)


@pytest.mark.parametrize("operator", SIZED_BY_DATA)
def test_no_operator_makes_much_of_little(operator: str) -> None:
    with pytest.raises(ModelUnreadable, match=f"the operator '{operator}', which is not allowed"):
        check_graph(model([helper.make_node(operator, ["a"], ["y"])]).SerializeToString())


def test_every_operator_on_the_list_exists() -> None:
    for domain, operators in OPERATORS.items():
        for operator in operators:
            assert onnx.defs.has(
                operator, 18 if domain in ("", "ai.onnx") else 5, "" if domain == "ai.onnx" else domain
            )


def test_sizes_that_stand_in_the_file_are_taken() -> None:
    check_graph(sized("Pad", [0, 0, 0, MOST_COLUMNS]).SerializeToString())
    check_graph(sized("OneHot", [3]).SerializeToString())


@given(place=st.integers(0, len(LINEAR) - 1), byte=st.integers(0, 255), data=st.sampled_from([TREE, LINEAR]))
def test_a_file_with_a_changed_byte_is_a_model_or_one_of_our_errors(place: int, byte: int, data: bytes) -> None:
    changed = bytearray(data)
    changed[place % len(data)] = byte
    try:
        check_graph(bytes(changed))
    except ModelError:
        return


@given(size=st.integers(0, len(TREE) - 1))
def test_a_file_that_was_cut_off_is_unreadable(size: int) -> None:
    with pytest.raises(ModelError):
        OnnxCodec().decode(TREE[:size], SCHEMA)
