"""What is kept of a dataset once it is gone: distributions of its columns, of bounded size, and no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from weighbridge.domain.statistics.association import association

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.data.dataset import Dataset

#: Points at which the distribution of a column is kept: its minimum and each percentile.
KNOTS = 101
#: Points in all for the target at each level of each category, shared out evenly.
LEVEL_KNOTS = 400
#: The fewest for one level; where that is not to be had, the levels with the most rows are kept.
FEWEST_LEVEL_KNOTS = 9


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


@dataclass(frozen=True, slots=True)
class Statistics:
    """The distributions of a dataset.

    Args:
        rows: of the dataset.
        features: by name, in the schema's order.
        target_name: the name of the target.
        target: its distribution.
        target_by_level: that of the target among the rows of each level, by category feature and level.
        association: how much of the target each feature tells by itself, as ``domain.association`` has it.
    """

    rows: int
    features: Mapping[str, ColumnSummary]
    target_name: str
    target: ColumnSummary
    target_by_level: Mapping[str, Mapping[str, ColumnSummary]]
    association: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data of finite numbers: below 100 kB, written without indentation, for 20 columns."""
        return {
            "rows": self.rows,
            "features": {name: column_to_dict(column) for name, column in self.features.items()},
            "target_name": self.target_name,
            "target": column_to_dict(self.target),
            "target_by_level": {
                feature: {level: column_to_dict(column) for level, column in levels.items()}
                for feature, levels in self.target_by_level.items()
            },
            "association": dict(self.association),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Statistics:
        """Read what ``to_dict`` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            return cls(
                rows=data["rows"],
                features={name: column_from_dict(column) for name, column in data["features"].items()},
                target_name=data["target_name"],
                target=column_from_dict(data["target"]),
                target_by_level={
                    feature: {level: column_from_dict(column) for level, column in levels.items()}
                    for feature, levels in data["target_by_level"].items()
                },
                association=dict(data["association"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the statistics cannot be read: {type(error).__name__}: {error}") from error


def summarise(dataset: Dataset) -> Statistics:
    """The statistics of ``dataset``: the same rows, in the same order, give the same ones."""
    target = dataset.target
    features = {name: summarise_column(dataset.frame[name]) for name in dataset.schema.feature_names}
    categories = [name for name, column in features.items() if isinstance(column, CategorySummary)]
    kept = _levels_kept({name: features[name] for name in categories})
    knots = max(FEWEST_LEVEL_KNOTS, min(KNOTS, LEVEL_KNOTS // max(1, len(kept))))
    by_level: dict[str, dict[str, ColumnSummary]] = {name: {} for name in categories}
    for name, level in kept:
        by_level[name][level] = summarise_column(target[dataset.frame[name] == level], knots)
    return Statistics(
        rows=len(dataset),
        features=features,
        target_name=dataset.schema.target.name,
        target=summarise_column(target),
        target_by_level=by_level,
        association={name: association(dataset.frame[name], target) for name in features},
    )


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


def _levels_kept(categories: Mapping[str, ColumnSummary]) -> list[tuple[str, str]]:
    sizes = [
        (-count, name, level)
        for name, column in categories.items()
        if isinstance(column, CategorySummary)
        for level, count in column.counts.items()
    ]
    return [(name, level) for _, name, level in sorted(sizes)[: LEVEL_KNOTS // FEWEST_LEVEL_KNOTS]]
