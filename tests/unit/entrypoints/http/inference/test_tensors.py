"""Tensors hold what they declare, exactly, or are refused."""

import json
import math
import struct

import msgspec
import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from weighbridge.domain.data.columns import Cells, Encoded
from weighbridge.entrypoints.http.inference.tensors import (
    NUMBERS,
    TensorProblem,
    bytes_of,
    datatype_of,
    json_of,
    read_binary,
    read_json,
    rows_of,
)

WHOLE = [name for name in NUMBERS if "INT" in name]
FINITE = st.floats(allow_nan=False, allow_infinity=False)


def plain(column: Cells) -> list[object]:
    if isinstance(column, Encoded):
        return column.plain().tolist() if len(column) else []
    return column.tolist() if isinstance(column, np.ndarray) else list(column)


def of_json(values: object, datatype: str = "FP64", shape: list[int] | None = None) -> list[object]:
    text = values if isinstance(values, bytes) else json.dumps(values).encode()
    return plain(read_json(memoryview(text), datatype, shape or [len(values)]))  # type: ignore[arg-type]


def of_bytes(data: bytes, datatype: str, shape: list[int]) -> list[object]:
    return plain(read_binary(memoryview(data), datatype, shape))


@given(st.lists(st.integers() | st.integers(-2, 3), max_size=4))
def test_a_shape_is_n_or_n_by_one(shape: list[int]) -> None:
    if len(shape) in (1, 2) and shape[0] >= 0 and shape[1:] in ([], [1]):
        assert rows_of(shape) == shape[0]
    else:
        with pytest.raises(TensorProblem, match=r"expected \[n\] or \[n, 1\]"):
            rows_of(shape)


@given(st.lists(FINITE), st.booleans())
@example([5e-324, -0.0, 1.7976931348623157e308], True)
def test_fp64_comes_through_to_the_bit(values: list[float], is_column: bool) -> None:
    shape = [len(values), 1] if is_column else [len(values)]
    data = struct.pack(f"<{len(values)}d", *values)
    nested = [[value] for value in values] if is_column else values
    for found in (of_bytes(data, "FP64", shape), of_json(values, "FP64", shape), of_json(nested, "FP64", shape)):
        assert struct.pack(f"<{len(found)}d", *found) == data


@given(st.sampled_from(["FP32", "FP16"]), st.lists(FINITE | st.floats(-1000, 1000), min_size=1))
def test_shorter_floats_are_the_nearest_ones_or_refused(datatype: str, values: list[float]) -> None:
    kind = np.dtype(NUMBERS[datatype])
    with np.errstate(over="ignore"):
        nearest = np.array(values).astype(kind)
    if np.isfinite(nearest).all():
        assert of_json(values, datatype) == nearest.astype(np.float64).tolist()
    else:
        row = int(np.flatnonzero(~np.isfinite(nearest))[0]) + 1
        with pytest.raises(TensorProblem, match=rf"row {row}: .* is beyond {datatype}"):
            of_json(values, datatype)
    assert of_bytes(nearest.tobytes(), datatype, [len(values)]) == nearest.astype(np.float64).tolist()


def test_what_is_not_finite_is_read_for_admission_to_refuse() -> None:
    data = struct.pack("<3f", math.inf, -math.inf, 1)
    assert of_bytes(data, "FP32", [3]) == [math.inf, -math.inf, 1.0]
    (found,) = of_bytes(struct.pack("<d", math.nan), "FP64", [1])
    assert math.isnan(found)  # type: ignore[arg-type]


@given(st.sampled_from(WHOLE), st.integers() | st.integers(-(2**64), 2**64) | st.integers(2**53 - 3, 2**53 + 3))
@example("INT64", 2**53 + 1)
@example("INT64", -(2**53) - 1)
@example("UINT64", 2**64 - 1)
def test_whole_numbers_are_exact_or_refused(datatype: str, value: int) -> None:
    kind = np.dtype(NUMBERS[datatype])
    in_range = np.iinfo(kind).min <= value <= np.iinfo(kind).max
    if in_range and int(float(value)) == value:
        assert of_json([0, value], datatype) == [0.0, float(value)]
    else:
        with pytest.raises(TensorProblem, match="row 2: "):
            of_json([0, value], datatype)
    assume(in_range)
    data = np.array([0, value], kind).tobytes()
    if int(float(value)) == value:
        assert of_bytes(data, datatype, [2]) == [0.0, float(value)]
    else:
        with pytest.raises(
            TensorProblem, match=rf"row 2: no 64-bit float, which models take, holds {value} exactly"
        ):
            of_bytes(data, datatype, [2])


def test_clients_that_write_whole_numbers_with_a_point_are_understood() -> None:
    assert of_json([1.0, 2, 9007199254740992.0], "INT64") == [1.0, 2.0, 2.0**53]
    for value in (0.5, 9007199254740994.0, 1e300):
        with pytest.raises(TensorProblem, match=r"row 1: .* is no whole number that INT64 holds exactly"):
            of_json([value], "INT64")


TEXTS = st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=6)


@given(TEXTS)
def test_texts_come_through_both_ways(texts: list[str]) -> None:
    column = np.empty(len(texts), object)
    column[:] = texts
    assert datatype_of(column) == "BYTES"
    assert of_bytes(bytes_of(column), "BYTES", [len(texts)]) == texts
    assert of_json(msgspec.json.encode(json_of(column)), "BYTES", [len(texts)]) == texts


@given(TEXTS.filter(bool), st.data())
def test_texts_that_are_cut_off_or_go_on_are_refused(texts: list[str], data: st.DataObject) -> None:
    column = np.empty(len(texts), object)
    column[:] = texts
    whole = bytes_of(column)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(TensorProblem, match=r"ends early|ends before the text does"):
        of_bytes(whole[:cut], "BYTES", [len(texts)])
    with pytest.raises(TensorProblem, match="goes on for 1 bytes"):
        of_bytes(whole + b"\0", "BYTES", [len(texts)])


def test_bytes_that_are_no_text_are_named_by_row() -> None:
    data = b"".join(struct.pack("<I", len(piece)) + piece for piece in (b"a", b"\xc3", b"a", b"\xff"))
    with pytest.raises(TensorProblem, match=r"^row 2: the bytes are no UTF-8 text$"):
        of_bytes(data, "BYTES", [4])


@given(st.sampled_from([*NUMBERS, "BYTES"]), st.binary(max_size=40), st.integers(0, 12) | st.integers(0, 10**30))
def test_any_bytes_are_read_or_refused(datatype: str, data: bytes, rows: int) -> None:
    try:
        column = read_binary(memoryview(data), datatype, [rows])
    except TensorProblem:
        return
    assert len(column) == rows
    if datatype != "BYTES":
        assert len(data) == rows * np.dtype(NUMBERS[datatype]).itemsize


@pytest.mark.parametrize("kind", [*NUMBERS, "BYTES"])
@pytest.mark.parametrize(
    "text",
    [
        b"null", b"1", b'"1"', b"{}", b"[null]", b"[true]", b"[[]]", b"[[1]]", b"[[1, 2]]", b"[[[1]]]", b"[1, 2]",
        b"[]", b"[NaN]", b"[Infinity]", b"[1e400]", b"[1",
        b"[" * 100_000, b'["\xff"]', b'["\\ud800"]', b"[{}]", b"[1,]",
    ],
)  # fmt: skip
def test_data_that_is_no_flat_list_of_the_kind_and_length_is_refused(text: bytes, kind: str) -> None:
    with pytest.raises(TensorProblem):
        of_json(text, kind, [1])


def test_a_column_may_be_nested_once_and_only_when_its_shape_is() -> None:
    assert of_json(b" [ [1], [2] ]", "FP64", [2, 1]) == [1.0, 2.0]
    assert of_json(b'[["a"], ["b"]]', "BYTES", [2, 1]) == ["a", "b"]
    for text in (b"[[1], 2]", b"[[1], [2, 3]]", b"[[1], []]", b"[[[1]], [[2]]]", b"[1, [2]]"):
        with pytest.raises(TensorProblem):
            of_json(text, "FP64", [2, 1])


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        (b"[1, null]", "FP64", "Expected `float`, got `null` - at `data[1]`"),
        (b'[1, "2"]', "INT8", "Expected `int | float`, got `str` - at `data[1]`"),
        (b"[1]", "FP64", "the shape and the data disagree: expected 2 values, found 1"),
        (b"[1, 128]", "INT8", "row 2: 128 is beyond INT8"),
        (b"[1, -1]", "UINT8", "row 2: -1 is beyond UINT8"),
    ],
)
def test_problems_say_where_and_what(text: bytes, kind: str, said: str) -> None:
    with pytest.raises(TensorProblem) as caught:
        of_json(text, kind, [2])
    assert str(caught.value) == said


def test_binary_data_of_another_length_is_refused() -> None:
    with pytest.raises(TensorProblem) as caught:
        of_bytes(bytes(15), "FP64", [2])
    assert str(caught.value) == ("the shape and the binary data disagree: 2 of FP64 are 16 bytes, found 15")


def test_columns_of_fp64_are_not_copied_where_they_lie_well() -> None:
    whole = np.arange(6, dtype=np.float64)
    column = read_binary(memoryview(whole).cast("B")[16:], "FP64", [4])
    assert isinstance(column, np.ndarray)
    assert np.shares_memory(column, whole)
    odd = read_binary(memoryview(b"abc" + whole.tobytes())[3:], "FP64", [6])
    assert isinstance(odd, np.ndarray)
    assert odd.flags.aligned
    assert odd.tolist() == whole.tolist()


def test_answers_are_written_row_by_row() -> None:
    table = np.array([[0.25, 0.75], [1.0, 0.0]])
    assert datatype_of(table) == "FP64"
    assert json_of(table) == [0.25, 0.75, 1.0, 0.0]
    assert bytes_of(table) == struct.pack("<4d", 0.25, 0.75, 1, 0)
    assert bytes_of(np.array(["a", "éa"], object)) == b"\1\0\0\0a\3\0\0\0\xc3\xa9a"
