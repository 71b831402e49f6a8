"""Admitting many rows as columns, by the rules of ``Schema.admit_row``, without a data frame.

What is good is looked at by arrays; only what is at fault is looked at cell by cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np

from weighbridge.domain.data.columns import AdmittedColumns, Array, Cells, Encoded
from weighbridge.domain.data.schema import EXACT, Category, Feature, Number, Schema, fault_of
from weighbridge.domain.errors import DataError, Problem

#: How many problems a refusal lists when nobody says otherwise.
LISTED = 100


@dataclass(frozen=True, slots=True)
class Examined:
    """Rows that were looked at.

    Args:
        columns: of all rows; where a row is bad, whatever fits: NaN, or the code -1.
        good: which rows are admitted; None when all of them are.
    """

    columns: AdmittedColumns
    good: Array | None
    _first_row: int
    _cells: Mapping[str, Cells] = field(repr=False)
    _bad: Mapping[str, Array] = field(repr=False)

    @property
    def problem_count(self) -> int:
        """How many cells are bad."""
        return sum(int(bad.sum()) for bad in self._bad.values())

    def problems(self) -> Iterator[Problem]:
        """One for each bad cell, by row, then in the schema's order."""
        if self.good is None:
            return
        for place in np.flatnonzero(~self.good).tolist():
            for name, bad in self._bad.items():
                if bad[place]:
                    feature = self.columns.schema.feature(name)
                    yield _problem(feature, place + self._first_row, _cell(self._cells[name], place))

    def admitted(self) -> AdmittedColumns:
        """The rows that are good, and only those."""
        return self.columns if self.good is None else self.columns.take(self.good)


def admit_columns(
    schema: Schema, columns: Mapping[str, Cells], subject: str = "the rows", *, listed: int = LISTED
) -> AdmittedColumns:
    """Admit columns of equal length; none of their rows may be bad. No rows at all are admitted.

    Args:
        schema: of the rows.
        columns: one for each feature, in any order: arrays of shape [rows], lists, or codes and values. Numbers
            are whole or floating ones (bools are not), texts are ``str``.
        subject: what they are of, for the message.
        listed: how many problems an error lists; it says how many more there are.

    Raises:
        DataError: columns are missing, unknown or of different lengths; or cells are missing, of the wrong
            type, not finite, out of range or of an unknown category. Row 1 is the first.
    """
    examined = examine_columns(schema, columns, subject)
    if examined.good is not None:
        problems = tuple(islice(examined.problems(), listed))
        raise DataError(subject, problems, more=examined.problem_count - len(problems))
    return examined.columns


def examine_columns(
    schema: Schema,
    columns: Mapping[str, Cells],
    subject: str = "the rows",
    *,
    first_row: int = 1,
    others_allowed: bool = False,
) -> Examined:
    """Look at columns, and tell good rows from bad ones. See ``admit_columns``.

    Args:
        schema: of the rows.
        columns: as for ``admit_columns``.
        subject: what they are of, for the message.
        first_row: the number of the first row.
        others_allowed: pass over columns that are no features.

    Raises:
        DataError: columns are missing, unknown or of different lengths.
    """
    check_names(schema, columns, subject, others_allowed=others_allowed)
    lengths = {name: len(columns[name]) for name in schema.feature_names}
    rows = lengths[schema.feature_names[0]]
    if set(lengths.values()) != {rows}:
        told = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise DataError(subject, [Problem(f"the columns are not of one length: {told}")])
    admitted: dict[str, Array | Encoded] = {}
    bad: dict[str, Array] = {}
    for feature in schema.features:
        cells = columns[feature.name]
        column, good = _numbers(feature, cells) if isinstance(feature, Number) else _codes(feature, cells)
        admitted[feature.name] = column
        if not good.all():
            bad[feature.name] = ~good
    mask = ~np.logical_or.reduce(list(bad.values())) if bad else None
    return Examined(AdmittedColumns(schema, admitted, rows), mask, first_row, columns, bad)


def check_names(
    schema: Schema, names: Iterable[str], subject: str = "the rows", *, others_allowed: bool = False
) -> None:
    """Whether these columns are those of the schema.

    Raises:
        DataError: some are missing; or unknown, if others are not allowed.
    """
    found = list(names)
    known, there = set(schema.feature_names), set(found)
    problems = [
        Problem(f"the column is missing; {feature.expectation}", feature.name)
        for feature in schema.features
        if feature.name not in there
    ]
    if not others_allowed:
        told = f"there are {', '.join(schema.feature_names)}"
        problems += [Problem(f"unknown column; {told}", name) for name in found if name not in known]
    if problems:
        raise DataError(subject, problems[:LISTED], len(problems[LISTED:]))


def _numbers(feature: Number, cells: Cells) -> tuple[Array, Array]:
    """The cells as float64, and which of them are admitted."""
    if isinstance(cells, Encoded):
        values, good = _numbers(feature, cells.values)
        # What is nothing has the last place, where nothing is.
        return np.append(values, np.nan)[cells.codes], np.append(good, False)[cells.codes]
    array = _typed(cells)
    if array is None:
        plain = cells.tolist() if isinstance(cells, np.ndarray) else cells
        found = [feature.admits(cell) for cell in plain]
        admitted = [float(cell) if good else np.nan for cell, good in zip(plain, found, strict=True)]
        return np.array(admitted, np.float64), np.array(found, bool)
    with np.errstate(over="ignore"):
        floats = array.astype(np.float64, copy=False)
    if not len(floats):
        return floats, np.empty(0, bool)
    low, high = floats.min(), floats.max()
    # Either is NaN when any cell is.
    if np.isfinite(low) and np.isfinite(high) and feature.admits(float(low)) and feature.admits(float(high)):
        return floats, np.broadcast_to(np.True_, len(floats))
    good = np.isfinite(floats)
    if feature.minimum is not None:
        good &= floats >= feature.minimum
    if feature.maximum is not None:
        good &= floats <= feature.maximum
    return np.where(good, floats, np.nan), good


def _typed(cells: Array | Sequence[Any]) -> Array | None:
    """The cells as an array of numbers, where each is a number, and none is a whole one that would be rounded."""
    if isinstance(cells, np.ndarray) and cells.dtype != object:
        if cells.dtype.kind == "f":
            return cells
        if cells.dtype.kind not in "iu":
            return None
        return None if len(cells) and (cells.max() > EXACT or cells.min() < -EXACT) else cells
    kinds = set(map(type, cells))
    if not kinds <= {float, int}:
        return None
    try:
        array = np.array(cells, np.float64)
    except OverflowError:
        return None
    # An int that is rounded is at least that large as a float, too.
    return None if int in kinds and (np.abs(array) >= EXACT).any() else array


def _codes(feature: Category, cells: Cells) -> tuple[Encoded, Array]:
    """The cells as places among the levels, and which of them are admitted."""
    places = {level: place for place, level in enumerate(feature.levels)}
    if isinstance(cells, Encoded):
        known = np.array([_place(places, value) for value in cells.values] + [-1], np.intp)
        codes = known[cells.codes]
    else:
        codes = np.array(_places(places, cells.tolist() if isinstance(cells, np.ndarray) else cells), np.intp)
    return Encoded(codes, feature.levels), codes >= 0


def _places(places: Mapping[str, int], cells: Sequence[Any]) -> list[int]:
    try:
        # Nothing equals a text but a text.
        return [places.get(cell, -1) for cell in cells]
    except TypeError:
        return [_place(places, cell) for cell in cells]


def _place(places: Mapping[str, int], cell: Any) -> int:
    return places.get(cell, -1) if isinstance(cell, str) else -1


def _cell(cells: Cells, place: int) -> object:
    if isinstance(cells, Encoded):
        code = int(cells.codes[place])
        return None if code < 0 else _cell(cells.values, code)
    cell = cells[place]
    return cell.item() if isinstance(cell, np.generic) else cell


def _problem(feature: Feature, row: int, value: object) -> Problem:
    message = fault_of(feature, value)
    return Problem(f"{message}, found nothing" if value is None else message, feature.name, row, value)
