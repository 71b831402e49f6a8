"""Columns of Arrow as the domain's cells, and the other way round."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from weighbridge.domain.data.columns import Array, Cells, Encoded
from weighbridge.domain.data.schema import EXACT, Category, Feature, Number, Schema
from weighbridge.domain.data.tables import Answered, Chunk, Output, problem_text
from weighbridge.domain.errors import DataError, Problem

#: Rows that are predicted at once.
CHUNK_ROWS = 1 << 17

#: What holds text; some writers do not mark text as text.
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)

#: What pyarrow raises for bytes that are not what they should be.
BROKEN = (pa.ArrowException, OSError, ValueError, TypeError, KeyError, OverflowError, MemoryError)


class LazyColumns(Mapping[str, Cells]):
    """The columns of a batch, made into cells when they are asked for."""

    def __init__(self, batch: Any, schema: Schema) -> None:
        self._batch, self._schema = batch, schema
        self._made: dict[str, Cells] = {}

    def __getitem__(self, name: str) -> Cells:
        """The cells of a column."""
        made = self._made.get(name)
        if made is None:
            place = self._batch.schema.get_field_index(name)
            if place < 0:
                raise KeyError(name)
            made = self._made[name] = cells_of(self._batch.column(place))
        return made

    def __iter__(self) -> Iterator[str]:
        """The names, in order."""
        return iter(self._batch.schema.names)

    def __len__(self) -> int:
        """How many columns there are."""
        return len(self._batch.schema.names)


def chunk_of(batch: Any, first_row: int, schema: Schema) -> Chunk:
    """A record batch as a chunk."""
    return Chunk(first_row, batch.num_rows, LazyColumns(batch, schema), (), batch)


def check_types(found: Any, schema: Schema, subject: str) -> None:
    """Whether the columns of an Arrow schema can be those of the features, before any of them is read.

    Raises:
        DataError: a feature's column is of a type that it cannot have, or is there twice.
    """
    problems = [
        Problem("the column is there more than once", name)
        for name, count in Counter(found.names).items()
        if count > 1
    ]
    for feature in schema.features:
        place = found.get_field_index(feature.name)
        if place >= 0 and not _can_be(found.field(place).type, feature):
            kind = found.field(place).type
            problems.append(Problem(f"the column is of the type {kind}; {feature.expectation}", feature.name))
    if problems:
        raise DataError(subject, problems)


def unreadable(what: str, error: BaseException, subject: str) -> DataError:
    """The error for bytes that are none of what they should be."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return DataError(subject, [Problem(f"no {what} can be read: {lines[0][:200]}")])


def cells_of(column: Any) -> Cells:
    """The cells of an Arrow array."""
    types = pa.types
    kind = column.type
    if types.is_decimal(kind):
        exact, column = column, column.cast(pa.float64())
        if kind.scale <= 0 and _is_beyond(column):
            return [None if value is None else int(value) for value in exact.to_pylist()]
        kind = column.type
    if types.is_string_view(kind) or types.is_binary_view(kind):
        column = column.cast(pa.large_string())
        kind = column.type
    if (
        types.is_string(kind)
        or types.is_large_string(kind)
        or types.is_binary(kind)
        or types.is_large_binary(kind)
    ):
        column = column.dictionary_encode()
    if types.is_dictionary(column.type):
        return _encoded(column)
    if column.null_count == 0 and (types.is_integer(kind) or types.is_floating(kind)):
        numbers: Array = column.to_numpy(zero_copy_only=False)
        return numbers
    listed: list[Any] = column.to_pylist()
    return listed


def answers(answered: Answered, output: Output) -> dict[str, Any]:
    """The columns that come behind those of the input; null in bad rows."""
    rows = len(answered.prediction)
    mask = None
    if answered.problems:
        mask = np.zeros(rows, bool)
        mask[list(answered.problems)] = True
    found = {output.prediction: _predictions(answered.prediction, output, mask)}
    if answered.probabilities is not None:
        for place, name in enumerate(output.added_columns()[1 : 1 + len(output.levels)]):
            found[name] = pa.array(np.ascontiguousarray(answered.probabilities[:, place]), mask=mask)
    if output.skips:
        texts: list[str | None] = [None] * rows
        for place, problems in answered.problems.items():
            texts[place] = problem_text(problems)
        found[output.added_columns()[-1]] = pa.array(texts, pa.string())
    return found


def echoed(chunk: Chunk, schema: Schema) -> dict[str, Any]:
    """The columns of the input: as they came, where Arrow read them; a cell of another type is null."""
    features = {feature.name: feature for feature in schema.features}
    found = {}
    for name in chunk.columns:
        feature = features.get(name)
        if isinstance(chunk.source, pa.RecordBatch):
            column = chunk.source.column(name)
            is_text = pa.types.is_dictionary(column.type) and pa.types.is_string(column.type.value_type)
            if not (isinstance(feature, Number) and is_text):
                found[name] = column
                continue
        found[name] = _array(chunk.columns[name], feature)
    return found


def _is_beyond(column: Any) -> bool:
    values = column.to_numpy(zero_copy_only=False)
    return bool((np.abs(values) >= EXACT).any())


def _can_be(kind: Any, feature: Feature) -> bool:
    types = pa.types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if isinstance(feature, Number):
        return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind))
    return any(test(kind) for test in (*_TEXTS, types.is_string_view))


def _encoded(column: Any) -> Encoded:
    if len(column.dictionary) > len(column):
        # Only those values that these rows have.
        column = column.dictionary.take(column.indices).dictionary_encode()
    codes: Any = column.indices
    values = column.dictionary
    if codes.null_count:
        codes = codes.cast(pa.int64()).fill_null(-1)
    return Encoded(codes.to_numpy(zero_copy_only=False), _values(values))


def _values(values: Any) -> list[Any]:
    """Python's values; bytes for text that is not UTF-8."""
    if pa.types.is_decimal(values.type):
        values = values.cast(pa.float64())
    elif any(test(values.type) for test in _TEXTS):
        try:
            values = values.cast(pa.large_binary()).cast(pa.large_string())
        except pa.ArrowInvalid:
            values = values.cast(pa.large_binary())
    listed: list[Any] = values.to_pylist()
    return listed


def _predictions(predicted: Array | Encoded, output: Output, mask: Array | None) -> Any:
    if not output.levels:
        return pa.array(predicted.plain() if isinstance(predicted, Encoded) else predicted, mask=mask)
    plain = predicted.plain() if isinstance(predicted, Encoded) else predicted
    places = {level: place for place, level in enumerate(output.levels)}
    codes = np.array([places[label] for label in plain.tolist()], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes, mask=mask), pa.array(output.levels, pa.string()))


def _array(cells: Cells, feature: Feature | None) -> Any:
    if isinstance(feature, Category):
        values = list(cells.values) if isinstance(cells, Encoded) else list(cells)
        texts = pa.array([value if isinstance(value, str) else None for value in values], pa.string())
        codes = cells.codes if isinstance(cells, Encoded) else np.arange(len(values))
        indices = pa.array(codes.astype(np.int32), mask=codes < 0)
        return texts.take(indices)
    if isinstance(feature, Number):
        if isinstance(cells, Encoded):
            return _numbers(list(cells.values)).take(pa.array(cells.codes, mask=cells.codes < 0))
        return pa.array(cells.astype(np.float64)) if isinstance(cells, np.ndarray) else _numbers(list(cells))
    plain = list(cells.plain()) if isinstance(cells, Encoded) else list(cells)
    return pa.array(plain)


def _numbers(values: list[Any]) -> Any:
    # What is no number, or none that a float can hold, has no place here.
    kept = [
        float(value) if type(value) is float or (type(value) is int and abs(value) <= 2**1023) else None
        for value in values
    ]
    return pa.array(kept, pa.float64())
