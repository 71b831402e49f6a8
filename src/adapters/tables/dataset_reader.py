"""Tables out of bytes: CSV through pandas, Parquet through pyarrow."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from weighbridge.adapters.tables.csv_text import plain_text
from weighbridge.adapters.tables.dataset_limits import DatasetLimits, check_csv, check_names, check_shape
from weighbridge.adapters.tables.null_spellings import NULL_SPELLINGS
from weighbridge.adapters.tables.parquet_dataset import plain_numbers, read_parquet
from weighbridge.domain.data.dataset_reader import DatasetReader
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import DataError, Problem
from weighbridge.domain.store.artefacts import DATASET_SUFFIXES, dataset_suffix

if TYPE_CHECKING:
    import pandas as pd

#: Opens the text of a file, from its beginning.
_Text: TypeAlias = Callable[[], io.RawIOBase]

_WRONG_FIELDS = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


class TabularReader(DatasetReader):
    """Reads ``.csv``, also compressed as ``.csv.gz`` or ``.csv.zst``, and ``.parquet`` by the suffix of the key.

    The same rows give the same frame for the schema's columns in either format: numbers are float64 with NaN
    for nulls, categories are text with a missing value for nulls; where a Parquet file has an index of the texts
    of a category, they come as pandas' categories. A column that is something else stays what it is, for admission
    to report.

    Args:
        limits: what a dataset may have, once it is decoded.
    """

    def __init__(self, limits: DatasetLimits | None = None) -> None:
        self._limits = limits or DatasetLimits()

    def read_file(self, key: str, file: BinaryIO, schema: Schema) -> pd.DataFrame:
        """The table in a file of the suffix that ``key`` has.

        CSV is UTF-8, or UTF-16 with a byte order mark, separated by commas, with a header. Category columns
        are text whatever they look like, and only an empty cell is null; elsewhere NULL_SPELLINGS are. A row
        with fewer fields than the header ends in nulls, one with more is an error. Blank lines are skipped.
        A header alone gives a frame without rows. Columns that the schema does not name are kept. What is larger
        than the limits is a DataError before any of it is kept.
        """
        suffix = dataset_suffix(key)
        if suffix is None:
            expected = f"{', '.join(DATASET_SUFFIXES[:-1])} or {DATASET_SUFFIXES[-1]}"
            raise DataError(key, [Problem(f"not a dataset: expected a name that ends in {expected}")])
        if not file.seek(0, io.SEEK_END):
            raise DataError(key, [Problem("the dataset is empty")])
        if suffix == ".parquet":
            return read_parquet(key, file, schema, self._limits)
        return _read_csv(key, lambda: plain_text(key, file, suffix), schema, self._limits)


def _read_csv(key: str, text: _Text, schema: Schema, limits: DatasetLimits) -> pd.DataFrame:
    lines = check_csv(key, text(), limits)
    header = _header(key, text())
    check_shape(key, lines, len(header), limits)
    try:
        frame = _parsed_as_expected(text(), header, schema)
        if frame is None:
            frame = _parsed(text, header, _categories(schema))
        return plain_numbers(frame, schema)
    except ValueError as error:  # which pandas' own parser errors are
        raise DataError(key, [_parser_problem(error)]) from error


def _categories(schema: Schema) -> list[Category]:
    return [one for one in (*schema.features, schema.target) if isinstance(one, Category)]


def _parsed_as_expected(text: io.RawIOBase, header: list[str], schema: Schema) -> pd.DataFrame | None:
    """Parse numbers as numbers, which spares pandas its guesses; None when something else may be among them."""
    import warnings

    import pandas as pd

    categories = [one for one in _categories(schema) if one.name in header]
    numbers = [
        one.name for one in (*schema.features, schema.target) if isinstance(one, Number) and one.name in header
    ]
    if len(header) != len(categories) + len(numbers) or any(map(_looks_like_numbers, categories)):
        return None
    options: dict[str, Any] = {
        "na_values": {one.name: [""] for one in categories},
        "keep_default_na": False,
        "dtype": dict.fromkeys(numbers, "float64"),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # of objects, which are looked for below
        try:
            frame: pd.DataFrame = pd.read_csv(text, **options)
        except ValueError:
            return None
    texts = all(frame[one.name].dtype == "str" for one in categories)
    # Truth values have become 0 and 1.
    truths = any(frame[name].iloc[:1].isin((0, 1)).any() and frame[name].isin((0, 1)).all() for name in numbers)
    return frame if texts and not truths else None


def _parsed(text: _Text, header: list[str], categories: list[Category]) -> pd.DataFrame:
    """Parse in pieces, which is cheap, and again as a whole when that could make a difference.

    Pandas reads text fastest, and in the least memory, where it finds out by itself that it is text. Where it
    found something else in all pieces or in some, it has to be told.
    """
    import warnings

    import pandas as pd

    names = {one.name for one in categories}
    nulls = {name: [""] if name in names else list(NULL_SPELLINGS) for name in header}

    def parse(**options: Any) -> pd.DataFrame:
        parsed: pd.DataFrame = pd.read_csv(text(), na_values=nulls, keep_default_na=False, **options)
        return parsed

    texts = [one for one in categories if one.name in header]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", pd.errors.DtypeWarning)  # of objects, which are looked for below
        frame = parse(dtype={one.name: str for one in texts if _looks_like_numbers(one)})
    # Beside text, numbers or truth values of one piece become objects.
    if all(frame[one.name].dtype == "str" for one in texts) and not any(kind == "object" for kind in frame.dtypes):
        return frame
    del frame
    return parse(dtype={one.name: str for one in texts}, low_memory=False)


def _looks_like_numbers(category: Category) -> bool:
    """Whether pandas may take a column of these levels for numbers or truth values."""
    return all(level.lower() in ("true", "false") or _is_number(level) for level in category.levels)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _header(key: str, text: io.RawIOBase) -> list[str]:
    """The names in the header, checked, together with the first row, which pandas would not count.

    Raises:
        DataError: there is no header, it has a name twice, or the first row has more fields than it has.
    """
    reader = csv.reader(io.TextIOWrapper(io.BufferedReader(text), "utf-8", newline=""))
    try:
        header = _next_row(reader)
        first = _next_row(reader)
    except csv.Error as error:
        raise DataError(key, [Problem(f"no CSV can be read from line {reader.line_num}: {error}")]) from error
    if not header:
        raise DataError(key, [Problem("the dataset is empty")])
    check_names(key, header)
    if len(first) > len(header):
        raise DataError(key, [_field_problem(reader.line_num, len(first), len(header))])
    return header


def _next_row(reader: Any) -> list[str]:
    # A line of nothing but spaces is blank to pandas as well.
    return next((row for row in reader if len(row) > 1 or (row and row[0].strip(" \t"))), [])


def _parser_problem(error: ValueError) -> Problem:
    found = _WRONG_FIELDS.search(str(error))
    if found is None:
        return Problem(f"no CSV can be read: {error}")
    expected, line, saw = map(int, found.groups())
    return _field_problem(line, saw, expected)


def _field_problem(line: int, saw: int, expected: int) -> Problem:
    return Problem(f"line {line} has {saw} fields, the header has {expected}")
