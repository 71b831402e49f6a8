"""Tensors of the Open Inference Protocol: one column each, as JSON or as bytes.

What a tensor declares is believed of nothing: its shape and its length are compared with what is there before
anything is made of them. Values keep their exact meaning. JSON has one kind of number, and an FP32 tensor holds
the FP32 that is nearest to it; but a whole number that a 64-bit float cannot hold is refused, not rounded.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from weighbridge.domain.data.columns import Array, Cells, Encoded
from weighbridge.domain.data.schema import EXACT, is_rounded

#: Of numbers: how the bytes of each datatype are read.
NUMBERS: dict[str, str] = {
    "FP64": "<f8",
    "FP32": "<f4",
    "FP16": "<f2",
    **{f"INT{8 * size}": f"<i{size}" for size in (1, 2, 4, 8)},
    **{f"UINT{8 * size}": f"<u{size}" for size in (1, 2, 4, 8)},
}
#: Of texts, the only one.
TEXT = "BYTES"

#: Up to here a 64-bit float holds every whole number.
_EXACT = 2**53

_LENGTH = struct.Struct("<I")


class TensorProblem(Exception):
    """A tensor that is not what it declares; the message says why."""


def rows_of(shape: Sequence[int]) -> int:
    """How many rows a tensor of one column has.

    Raises:
        TensorProblem: the shape is neither [n] nor [n, 1].
    """
    if not (len(shape) == 1 or (len(shape) == 2 and shape[1] == 1)) or shape[0] < 0:
        shown = ", ".join(map(str, shape[:8])) + (", ..." if len(shape) > 8 else "")
        raise TensorProblem(f"the shape is [{shown[:200]}]; expected [n] or [n, 1]")
    return shape[0]


def read_json(data: memoryview[int], datatype: str, shape: Sequence[int]) -> Cells:
    """The column of a tensor whose ``data`` is JSON: flat, or nested as ``shape`` [n, 1] has it.

    Raises:
        TensorProblem: it is no such list, has another length, or a value is not of ``datatype``.
    """
    rows = rows_of(shape)
    is_nested = len(shape) == 2 and bytes(data[:64]).translate(None, b" \t\r\n").startswith(b"[[")
    if datatype == TEXT:
        texts = _decode(data, str, is_nested)
        _check_rows(len(texts), rows)
        return texts
    if NUMBERS[datatype][1] == "f":
        numbers = _decode(data, float, is_nested)
        _check_rows(len(numbers), rows)
        if any(not -EXACT < number < EXACT for number in numbers):
            _check_exact(_decode(data, int | float, is_nested))
        with np.errstate(over="ignore"):
            array = np.array(numbers, np.float64).astype(NUMBERS[datatype]).astype(np.float64, copy=False)
        if not np.isfinite(array).all():
            place = int(np.flatnonzero(~np.isfinite(array))[0])
            raise TensorProblem(f"row {place + 1}: {numbers[place]!r} is beyond {datatype}")
        return array
    whole = _decode(data, int | float, is_nested)
    _check_rows(len(whole), rows)
    return _floats(_whole_numbers(whole, datatype))


def _check_exact(numbers: Sequence[Any]) -> None:
    for row, number in enumerate(numbers, 1):
        if is_rounded(number):
            raise TensorProblem(f"row {row}: no 64-bit float, which models take, holds {number} exactly")


def read_binary(data: memoryview[int], datatype: str, shape: Sequence[int]) -> Cells:
    """The column of a tensor that is bytes; of FP64 they are not copied, where their place in memory allows it.

    Raises:
        TensorProblem: the bytes are not as many as ``shape`` has it, or a value cannot be taken as it is.
    """
    rows = rows_of(shape)
    if datatype == TEXT:
        return _texts(bytes(data), rows)
    kind = np.dtype(NUMBERS[datatype])
    if len(data) != rows * kind.itemsize:
        needed = f"{rows:,} of {datatype} are {rows * kind.itemsize:,} bytes"
        raise TensorProblem(f"the shape and the binary data disagree: {needed}, found {len(data):,}")
    # Whoever predicts may rely on how numbers usually lie in memory.
    return _floats(np.require(np.frombuffer(data, kind), requirements="A"))


def json_of(column: Array) -> list[Any]:
    """A tensor's values in row-major order, as ``data`` holds them."""
    values: list[Any] = column.reshape(-1).tolist()
    return values


def bytes_of(column: Array) -> bytes:
    """A tensor's values in row-major order: float64 as FP64, objects (of str) as BYTES."""
    if column.dtype != object:
        return column.astype("<f8", copy=False).tobytes()
    texts = column.reshape(-1).tolist()
    written = {text: _LENGTH.pack(len(text.encode())) + text.encode() for text in set(texts)}
    return b"".join(map(written.__getitem__, texts))


def datatype_of(column: Array) -> str:
    """What a column of predictions is called."""
    return TEXT if column.dtype == object else "FP64"


def _decode(data: memoryview[int], kind: Any, is_nested: bool) -> list[Any]:
    try:
        if is_nested:
            return [cell for (cell,) in msgspec.json.decode(data, type=list[tuple[kind]])]
        return msgspec.json.decode(data, type=list[kind])
    except (ValueError, RecursionError) as error:
        raise TensorProblem(str(error).replace("$", "data")) from None


def _check_rows(found: int, expected: int) -> None:
    if found != expected:
        raise TensorProblem(f"the shape and the data disagree: expected {expected:,} values, found {found:,}")


def _whole_numbers(values: Sequence[int | float], datatype: str) -> Array:
    kind = np.dtype(NUMBERS[datatype])
    least, most = np.iinfo(kind).min, np.iinfo(kind).max
    for place, value in enumerate(values):
        if isinstance(value, float) and not (value.is_integer() and abs(value) <= _EXACT):
            raise TensorProblem(f"row {place + 1}: {value!r} is no whole number that {datatype} holds exactly")
        if not least <= value <= most:
            raise TensorProblem(f"row {place + 1}: {str(value)[:50]} is beyond {datatype}")
    return np.array(values, kind)


def _floats(array: Array) -> Array:
    """Numbers as float64, each of them the same number."""
    floats = array.astype(np.float64, copy=False)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        for place in np.flatnonzero((floats >= _EXACT) | (floats <= -_EXACT)).tolist():
            if int(floats[place]) != int(array[place]):
                raise TensorProblem(
                    f"row {place + 1}: no 64-bit float, which models take, holds {int(array[place])} exactly"
                )
    return floats


def _texts(data: bytes, rows: int) -> Encoded:
    """Texts, each behind its length in four bytes."""
    size = len(data)
    if rows * _LENGTH.size > size:
        raise TensorProblem(f"the binary data ends early: {rows:,} texts do not fit in {size:,} bytes")
    codes = np.empty(rows, np.intp)
    known: dict[bytes, int] = {}
    at = 0
    for row in range(rows):
        start = at + _LENGTH.size
        end = start + _LENGTH.unpack_from(data, at)[0] if start <= size else math.inf
        if end > size:
            raise TensorProblem(f"row {row + 1}: the binary data ends before the text does")
        at = int(end)
        codes[row] = known.setdefault(data[start:at], len(known))
    if at != size:
        raise TensorProblem(f"the binary data goes on for {size - at:,} bytes after the last of {rows:,} texts")
    texts: list[str] = []
    for code, piece in enumerate(known):
        try:
            texts.append(piece.decode())
        except UnicodeDecodeError:
            row = int(np.argmax(codes == code))
            raise TensorProblem(f"row {row + 1}: the bytes are no UTF-8 text") from None
    return Encoded(codes, texts)
