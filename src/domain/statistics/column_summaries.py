"""What is kept of a column once its dataset is gone: its distribution, of bounded size, and no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


#: Points at which the distribution of a column is kept: its minimum and each percentile.
KNOTS = 101


@dataclass(frozen=True, slots=True)
class NumberSummary:
    """The distribution of a number.

    The knots are quantiles of the column (values that occur in it) with their exact ranks, so ties and atoms
    are kept as they are; in between, the distribution is taken to be straight, and can be off by no more than
    ``gap``. A column with no more distinct values than knots is kept exactly.

    Args:
        rows: that have a value.
        nulls: rows that have none.
        mean: of the values, 0 when there are none; so are ``std`` (of the population), ``minimum``, ``maximum``.
        std: see ``mean``.
        minimum: see ``mean``.
        maximum: see ``mean``.
        distinct: how many different values there are.
        values: the knots, ascending.
        below: how many rows are less than each knot.
        up_to: how many rows are not greater than each knot.
    """

    rows: int
    nulls: int
    mean: float
    std: float
    minimum: float
    maximum: float
    distinct: int
    values: tuple[float, ...]
    below: tuple[int, ...]
    up_to: tuple[int, ...]

    @property
    def gap(self) -> float:
        """The greatest share of rows that lies strictly between two knots: the error of ``shares``, at most."""
        between = [low - high for low, high in zip(self.below[1:], self.up_to, strict=False)]
        return max(between, default=0) / max(self.rows, 1)

    @property
    def commonest(self) -> float:
        """The share of the commonest value, exact where it is more than one row in a hundred."""
        ties = [high - low for low, high in zip(self.below, self.up_to, strict=True)]
        return max(ties, default=0) / max(self.rows, 1)

    def quantile(self, share: float) -> float:
        """The least knot that at least ``share`` of the rows do not exceed; 0 when there are no rows."""
        if not self.rows:
            return 0.0
        # Less a hair, for 0.07 of 100 rows to be 7 and not 8.
        place = int(np.searchsorted(self.up_to, np.ceil(share * self.rows - 1e-9)))
        return self.values[min(place, len(self.values) - 1)]

    def shares(self, points: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """The shares of rows below, and up to, each of ``points``: two arrays like it. There must be rows."""
        values, below, up_to = (
            np.asarray(part, dtype=np.float64) for part in (self.values, self.below, self.up_to)
        )
        left = np.searchsorted(values, points, side="right") - 1
        start, end = np.maximum(left, 0), np.minimum(left + 1, len(values) - 1)
        # Halves, for no difference of finite numbers to be infinite.
        width = values[end] / 2 - values[start] / 2
        part = np.divide(points / 2 - values[start] / 2, width, out=np.zeros(len(points)), where=width > 0)
        between = up_to[start] + np.clip(part, 0, 1) * (below[end] - up_to[start])
        between = np.where(left < 0, 0.0, np.where(left == len(values) - 1, self.rows, between))
        at_knot = (left >= 0) & (values[start] == points)
        return (
            np.where(at_knot, below[start], between) / self.rows,
            np.where(at_knot, up_to[start], between) / self.rows,
        )


@dataclass(frozen=True, slots=True)
class CategorySummary:
    """The distribution of a category.

    Args:
        rows: that have a value.
        nulls: rows that have none.
        counts: rows by level; a level without any is not there.
    """

    rows: int
    nulls: int
    counts: Mapping[str, int]

    @property
    def distinct(self) -> int:
        """How many levels occur."""
        return len(self.counts)

    @property
    def commonest(self) -> float:
        """The share of the commonest level."""
        return max(self.counts.values(), default=0) / max(self.rows, 1)


ColumnSummary: TypeAlias = NumberSummary | CategorySummary


def summarise_column(column: pd.Series[Any], knots: int = KNOTS) -> ColumnSummary:
    """The distribution of one column: numbers by at most ``knots`` points, 2 or more, all else by counts."""
    import pandas as pd

    present = column.dropna()
    nulls = len(column) - len(present)
    if not pd.api.types.is_numeric_dtype(column):
        counts = present.astype(str).value_counts()
        return CategorySummary(
            len(present), nulls, {str(level): int(counts[level]) for level in sorted(counts.index)}
        )
    ordered = np.sort(present.to_numpy(dtype=np.float64))
    rows = len(ordered)
    if not rows:
        return NumberSummary(0, nulls, 0.0, 0.0, 0.0, 0.0, 0, (), (), ())
    points = np.unique(ordered)
    distinct = len(points)
    if distinct > knots:
        places = np.ceil(np.arange(knots) * rows / (knots - 1)).astype(np.int64) - 1
        points = np.unique(ordered[np.maximum(places, 0)])
    # In units of the greatest magnitude, for squares of finite numbers to be finite.
    scale = max(abs(float(ordered[0])), abs(float(ordered[-1]))) or 1.0
    return NumberSummary(
        rows=rows,
        nulls=nulls,
        mean=float((ordered / scale).mean()) * scale,
        std=float((ordered / scale).std()) * scale,
        minimum=float(ordered[0]),
        maximum=float(ordered[-1]),
        distinct=distinct,
        values=tuple(points.tolist()),
        below=tuple(np.searchsorted(ordered, points, side="left").tolist()),
        up_to=tuple(np.searchsorted(ordered, points, side="right").tolist()),
    )


def column_to_dict(column: ColumnSummary) -> dict[str, Any]:
    """A distribution as plain JSON data."""
    kind = "number" if isinstance(column, NumberSummary) else "category"
    fields = {name: getattr(column, name) for name in column.__dataclass_fields__}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}
    return {"type": kind, **plain}


def column_from_dict(data: Mapping[str, Any]) -> ColumnSummary:
    """Read what ``column_to_dict`` wrote.

    Raises:
        ValueError: it is something else.
    """
    try:
        match data["type"]:
            case "number":
                parts = {name: data[name] for name in NumberSummary.__dataclass_fields__}
                return NumberSummary(**parts | {name: tuple(parts[name]) for name in ("values", "below", "up_to")})
            case "category":
                return CategorySummary(data["rows"], data["nulls"], dict(data["counts"]))
            case unknown:
                raise ValueError(f"the statistics cannot be read: there is no column type {unknown!r}")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the statistics cannot be read: {type(error).__name__}: {error}") from error
