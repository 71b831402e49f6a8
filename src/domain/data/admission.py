"""Validating a frame: from an untrusted table to a dataset that keeps the schema's promises."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.data.schema import Category, Feature, Number
from weighbridge.domain.errors import DataError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from weighbridge.domain.data.schema import Schema


#: How pandas names columns without a name: in CSV, and in Parquet.
_INDEX = re.compile(r"|Unnamed: \d+|__index_level_\d+__")


def admit(frame: pd.DataFrame, schema: Schema, subject: str) -> Dataset:
    """The dataset in ``frame``, when it has the schema's columns and nothing but admissible values.

    The order of the columns does not matter. Numbers come out as float64, categories as text, rows numbered
    from zero in the order in which they came. Text is never taken for a number, nor a bool; in a column that
    mixes numbers and text, as a CSV file can, only the cells that are not numbers are at fault.

    Args:
        frame: of shape [rows, columns], as a reader gave it.
        schema: what is expected.
        subject: what the frame was read from, for the message.

    Raises:
        DataError: with every problem: missing and unexpected columns, no rows at all, and each cell that is
            null, of the wrong type, not finite, out of range or of an unknown category. Row 1 is the first
            row below the header.
    """
    expected: tuple[Feature, ...] = (*schema.features, schema.target)
    names = [feature.name for feature in expected]
    problems = [
        Problem(f"the column is missing; {feature.expectation}", feature.name)
        for feature in expected
        if feature.name not in frame.columns
    ]
    problems += [Problem(_unexpected(str(name), names), str(name)) for name in frame.columns if name not in names]
    problems += [
        Problem("the column is there more than once", str(name))
        for name in frame.columns[frame.columns.duplicated()].unique()
    ]
    if not len(frame):
        problems.append(Problem("there are no rows"))
    if problems:
        frame = frame.loc[:, ~frame.columns.duplicated()]
    columns: dict[str, pd.Series[Any]] = {}
    for feature in expected:
        if feature.name in frame.columns:
            series = frame[feature.name].reset_index(drop=True)
            if isinstance(feature, Category):
                columns[feature.name], found = _texts(series, feature)
                problems += found
            else:
                columns[feature.name], found = _numbers(series, feature)
                problems += found
    if problems:
        raise DataError(subject, problems)
    # Nothing is copied that need not be: the columns are those of the untrusted frame, until somebody writes.
    return Dataset(pd.DataFrame(columns, copy=False), schema)


def _unexpected(name: str, names: list[str]) -> str:
    if _INDEX.fullmatch(name):
        return "the column has no name, as an index has that was written with the rows; leave it out (index=False)"
    return f"the column is not part of the task, which has {', '.join(names)}"


def _texts(series: pd.Series[Any], feature: Category) -> tuple[pd.Series[Any], list[Problem]]:
    if isinstance(series.dtype, pd.CategoricalDtype):
        levels, codes = series.cat.categories, series.cat.codes.to_numpy()
        if set(levels) <= set(feature.levels) and codes.min(initial=0) >= 0:
            # A few levels are looked at, and not each cell.
            return pd.Series(levels.array.take(codes), dtype=str, copy=False), []
        series = series.astype("str" if levels.dtype == "str" else object)
    bad = ~series.isin(feature.levels).to_numpy(dtype=bool)
    return series.astype(str), list(_cell_problems(series, bad, feature))


def _numbers(series: pd.Series[Any], feature: Number) -> tuple[pd.Series[Any], list[Problem]]:
    values = _values(series, feature)
    if series.dtype == np.float64 and _are_within(values, feature):
        return series, []
    good = np.isfinite(values)
    if _is_text(series):
        null = series.isna().to_numpy(dtype=bool)
        if not np.isnan(values[~null]).any():
            nulls = _cell_problems(series, null, feature)
            return series, [Problem("the column is text; expected numbers", feature.name), *nulls]
    if feature.minimum is not None:
        good &= values >= feature.minimum
    if feature.maximum is not None:
        good &= values <= feature.maximum
    admitted = series if series.dtype == np.float64 else pd.Series(values, copy=False)
    return admitted, list(_cell_problems(series, ~good, feature))


def _are_within(values: np.ndarray[Any, Any], feature: Number) -> bool:
    """Whether none of the numbers is at fault, as their extremes tell: both are NaN when any number is."""
    return len(values) > 0 and feature.admits(float(values.min())) and feature.admits(float(values.max()))


def _values(series: pd.Series[Any], feature: Number) -> np.ndarray[Any, Any]:
    """The cells as float64; NaN for whatever is not a number, which dates, durations and bools are not."""
    types = pd.api.types
    if types.is_integer_dtype(series) or types.is_float_dtype(series):
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    if _is_text(series):
        return np.array([_parse(cell) for cell in series], dtype=np.float64)
    cells = (cell.item() if isinstance(cell, np.number) else cell for cell in series)
    return np.array([cell if feature.admits(cell) else np.nan for cell in cells], dtype=np.float64)


def _is_text(series: pd.Series[Any]) -> bool:
    if series.dtype.kind in "iufcbmM":
        return False
    present = series[series.notna()]
    return len(present) > 0 and all(isinstance(cell, str) for cell in present)


def _parse(cell: object) -> float:
    # Python also takes the underscores of its own literals.
    if not isinstance(cell, str) or "_" in cell:
        return np.nan
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _cell_problems(series: pd.Series[Any], bad: np.ndarray[Any, Any], feature: Feature) -> Iterator[Problem]:
    if not bad.any():
        return
    null = series.isna().to_numpy(dtype=bool)
    for position in np.flatnonzero(bad):
        if null[position]:
            yield Problem(f"{feature.expectation}, found nothing", feature.name, int(position) + 1, None)
        else:
            cell = series.iloc[position]
            value = cell.item() if isinstance(cell, np.generic) else cell
            yield Problem(feature.expectation, feature.name, int(position) + 1, value)
