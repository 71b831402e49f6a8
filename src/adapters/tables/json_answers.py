"""Predictions of tables as JSON: floats are the shortest texts that read back as the same floats."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import msgspec
import numpy as np

from weighbridge.domain.data.columns import Array, Cells, Encoded
from weighbridge.domain.data.tables import Answered, Chunk, Output, TableWriter, problem_document, problem_text
from weighbridge.domain.errors import shown


class JsonWriter(TableWriter):
    """One document: ``{"predictions": ..., "model_version": ...}``.

    The predictions are an array of objects, or an object of arrays. Where bad rows are skipped, ``rows`` has the
    numbers of those that were predicted, and ``errors`` what is wrong with the others.

    Args:
        file: to write to.
        output: what to write.
        is_columns: an object of arrays is written.
    """

    def __init__(self, file: BinaryIO, output: Output, *, is_columns: bool) -> None:
        self._file, self._output, self._is_columns = file, output, is_columns
        self._texts = _Texts(output)
        self._columns: dict[str, list[bytes]] = {}
        self._numbers: list[bytes] = []
        self._errors: list[bytes] = []
        self._is_first = True
        if not is_columns:
            file.write(b'{"predictions": [')

    def write(self, chunk: Chunk, answered: Answered) -> None:
        """Write the answers of a chunk as objects; columns are kept until the end."""
        good = None
        if answered.problems:
            mask = np.ones(chunk.rows, bool)
            mask[list(answered.problems)] = False
            good = np.flatnonzero(mask)
        if self._output.skips:
            places = np.arange(chunk.rows) if good is None else good
            if len(places):
                self._numbers.append(_inner((places + chunk.first_row).tolist()))
            self._errors += [
                _dumps(one) for row in answered.problems.values() for one in map(problem_document, row)
            ]
        columns = self._texts.columns(chunk, answered, good)
        if self._is_columns:
            for name, texts in columns.items():
                self._columns.setdefault(name, []).append(b",".join(texts))
            return
        rows = b", ".join(_objects(columns))
        if rows:
            self._file.write(rows if self._is_first else b", " + rows)
            self._is_first = False

    def finish(self) -> None:
        """Write the end of the document, and the columns of an object of arrays."""
        write = self._file.write
        if self._is_columns:
            write(b'{"predictions": {')
            columns = self._columns or {name: [b""] for name in self._texts.answers}
            for place, (name, parts) in enumerate(columns.items()):
                write(b"%b%b: [%b]" % (b", " if place else b"", _dumps(name), b",".join(filter(None, parts))))
            write(b"}")
        else:
            write(b"]")
        if self._output.skips:
            write(b', "rows": [%b], "errors": [' % b",".join(self._numbers))
            write(b", ".join(self._errors))
            write(b"]")
        write(b', "model_version": %b}' % _dumps(self._output.model_version))


class NdjsonWriter(TableWriter):
    """An object in each line; where bad rows are skipped, theirs has ``row`` and ``problem`` and nothing else.

    Args:
        file: to write to.
        output: what to write.
    """

    def __init__(self, file: BinaryIO, output: Output) -> None:
        self._file = file
        self._texts = _Texts(output)

    def write(self, chunk: Chunk, answered: Answered) -> None:
        """Write a line for each row of the chunk."""
        lines = list(_objects(self._texts.columns(chunk, answered, None)))
        for place, problems in answered.problems.items():
            number = chunk.first_row + place
            lines[place] = _dumps({"row": number, "problem": problem_text(problems)})
        if lines:
            self._file.write(b"\n".join(lines) + b"\n")

    def finish(self) -> None:
        """Nothing stands at the end."""


class _Texts:
    """The columns of answers as JSON texts."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self.answers = (output.prediction, *(("probabilities",) if output.levels else ()))
        self._known: tuple[Any, list[bytes]] = (None, [])

    def columns(self, chunk: Chunk, answered: Answered, places: Array | None) -> dict[str, list[bytes]]:
        """A text for each row, or for each of some places, by column."""
        found: dict[str, list[bytes]] = {}
        if self._output.echo:
            found = {name: _texts(_taken(cells, places)) for name, cells in chunk.columns.items()}
        found[self._output.prediction] = self._predictions(_taken(answered.prediction, places))
        if answered.probabilities is not None:
            likely = answered.probabilities if places is None else answered.probabilities[places]
            by_level = {level: _texts(likely[:, place]) for place, level in enumerate(self._output.levels)}
            found["probabilities"] = list(_objects(by_level))
        return found

    def _predictions(self, cells: Cells) -> list[bytes]:
        if not isinstance(cells, Encoded):
            return _texts(cells)
        # The values of a tree are the same in every chunk.
        if self._known[0] is not cells.values:
            self._known = cells.values, _texts(np.asarray(cells.values))
        return _gathered(self._known[1], cells.codes)


def _objects(columns: Mapping[str, Sequence[bytes]]) -> Iterator[bytes]:
    names = ", ".join(f"{json.dumps(name)}: ".replace("%", "%%") + "%b" for name in columns)
    template = f"{{{names}}}".encode()
    return (template % row for row in zip(*columns.values(), strict=True))


def _texts(cells: Cells) -> list[bytes]:
    if isinstance(cells, Encoded):
        return _gathered(_texts(cells.values), cells.codes)
    values = cells.tolist() if isinstance(cells, np.ndarray) else list(cells)
    if set(map(type, values)) <= {int, float}:
        try:
            return _inner(values).split(b",") if values else []
        except (ValueError, OverflowError):  # a whole number of very many digits
            pass
    return [_any(value) for value in values]


def _gathered(texts: Iterable[bytes], codes: Array) -> list[bytes]:
    listed = [*texts, b"null"]
    every = np.empty(len(listed), object)
    every[:] = listed
    return every[codes].tolist()  # type: ignore[no-any-return]


def _taken(cells: Cells, places: Array | None) -> Cells:
    if places is None:
        return cells
    if isinstance(cells, Encoded):
        return cells.take(places)
    if isinstance(cells, np.ndarray):
        return cells[places]
    return [cells[place] for place in places.tolist()]


def _inner(numbers: list[Any]) -> bytes:
    # What is not finite becomes null.
    return msgspec.json.encode(numbers)[1:-1]


def _any(value: object) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return _dumps(shown(value))


def _dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8", "replace")
