"""One column of a JSON table: an array of cells, decoded straight into its type where it is as it should be."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any, Literal

import msgspec
import numpy as np

from weighbridge.adapters.tables.json_pieces import AFTER_NUMBER, AFTER_TEXT, SPACE, cut, loads, strict
from weighbridge.domain.data.columns import Array, Cells, Encoded
from weighbridge.domain.data.schema import EXACT, Category, Feature


def json_column(text: bytes, feature: Feature | None, subject: str) -> Cells | None:
    """The cells of a JSON array; None when it is none."""
    if not text.startswith(b"["):
        return None
    inner = text[1:-1]
    if not inner.strip(SPACE):
        return []
    quick = None if feature is None else _quick_column(feature)
    if quick is None:
        return _cells(loads(text, subject))
    boundary = AFTER_TEXT if isinstance(feature, Category) else AFTER_NUMBER
    parts: list[Cells] = []
    try:
        for piece in cut(inner, boundary):
            array = b"[%b]" % piece
            try:
                part = quick(array)
            except (ValueError, RecursionError):
                part = _cells(strict(array))
            if not len(part):
                raise ValueError("a value is missing")
            parts.append(part)
    except (ValueError, RecursionError):
        return _cells(loads(text, subject))
    return _joined(parts)


def _quick_column(feature: Feature) -> Callable[[bytes], Cells]:
    decode = msgspec.json.Decoder(list[cell_type(feature)]).decode  # type: ignore[misc]
    if isinstance(feature, Category):

        def codes(array: bytes) -> Cells:
            cells = decode(array)
            return encoded(iter(cells), len(cells), feature)

        return codes

    def numbers(array: bytes) -> Cells:
        return floats(decode(array))

    return numbers


def floats(cells: Collection[float]) -> Array:
    """Floats that were decoded of JSON; ValueError where one of them may have been a whole number, and rounded."""
    found = np.fromiter(cells, np.float64, len(cells))
    if len(found) and max(-found.min(), found.max()) >= EXACT:
        raise ValueError("a number has to be read exactly")
    return found


def encoded(cells: Iterator[Any], count: int, feature: Category) -> Encoded:
    """So many texts as codes; KeyError when one is no level of the feature."""
    places = {level: place for place, level in enumerate(feature.levels)}
    return Encoded(np.fromiter(map(places.__getitem__, cells), np.intp, count), feature.levels)


def _joined(parts: list[Cells]) -> Cells:
    arrays = [part for part in parts if isinstance(part, np.ndarray)]
    if len(arrays) == len(parts):
        return np.concatenate(arrays)
    encoded = [part for part in parts if isinstance(part, Encoded)]
    if len(encoded) == len(parts):
        return Encoded(np.concatenate([part.codes for part in encoded]), encoded[0].values)
    cells: list[Any] = []
    for part in parts:
        cells += part.plain().tolist() if isinstance(part, Encoded) else list(part)
    return cells


def part_of(cells: Cells, start: int, end: int) -> Cells:
    """The cells of some rows, from ``start`` to before ``end``."""
    return Encoded(cells.codes[start:end], cells.values) if isinstance(cells, Encoded) else cells[start:end]


def _cells(values: Any) -> list[Any]:
    assert isinstance(values, list)
    return values


def cell_type(feature: Feature) -> Any:
    """What msgspec decodes a cell of the feature as."""
    return Literal[feature.levels] if isinstance(feature, Category) else float
