"""The columns of a block of CSV as cells: numbers may be texts that have not been looked at."""

from __future__ import annotations

from typing import Any

from weighbridge.adapters.tables.arrow_columns import LazyColumns
from weighbridge.adapters.tables.null_spellings import NULL_SPELLINGS
from weighbridge.domain.data.columns import Array, Cells, Encoded
from weighbridge.domain.data.schema import EXACT, Schema

_NULLS = frozenset(NULL_SPELLINGS)


class CsvColumns(LazyColumns):
    """The columns of a block, where those of numbers may be texts still."""

    def __init__(self, batch: Any, schema: Schema, numbers: set[str]) -> None:
        super().__init__(batch, schema)
        self._numbers = numbers

    def __getitem__(self, name: str) -> Cells:
        """The cells of a column; of one of numbers, numbers, and texts where they are none."""
        is_made = name in self._made
        cells = super().__getitem__(name)
        if is_made or not isinstance(cells, Encoded):
            return cells
        values = [_number(value) if name in self._numbers else value or None for value in cells.values]
        found = Encoded(_without_nothing(cells.codes, values), values)
        self._made[name] = found
        return found


def _without_nothing(codes: Array, values: list[Any]) -> Array:
    nothing = [place for place, value in enumerate(values) if value is None]
    if not nothing:
        return codes
    codes = codes.copy()
    for place in nothing:
        codes[codes == place] = -1
    return codes


def _number(text: Any) -> Any:
    """The number that a text is, nothing, or the text."""
    if not isinstance(text, str) or text in _NULLS:
        return None
    # Python also takes the underscores of its own literals, and digits of every script.
    if "_" in text or not text.isascii():
        return text
    try:
        number = float(text)
        # A whole number that would be rounded is told as it is.
        return int(text) if abs(number) >= EXACT and text.strip().lstrip("+-").isdigit() else number
    except ValueError:
        return text
