"""How one dataset's distributions differ from another's, by what was kept of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from weighbridge.domain.statistics.column_summaries import CategorySummary, ColumnSummary, NumberSummary
from weighbridge.domain.statistics.significance import homogeneity_p, kolmogorov_p, smirnov_p
from weighbridge.domain.statistics.summaries import Statistics

#: Bins of the population stability index of a number: tenths of the earlier distribution.
BINS = 10
#: Levels that a distribution's description names.
LEVELS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two distributions are apart.

    Args:
        value: from 0 to 1: the Kolmogorov-Smirnov distance of numbers, the total variation of categories. Either
            way the greatest difference that there is in the share of some set of values.
        p_value: the chance of one as great, or greater, between two samples of one source.
        error: by how much ``value`` can be off, because only parts of the distributions were kept.
    """

    value: float
    p_value: float
    error: float


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """How a column differs.

    Args:
        column: its name.
        psi: the population stability index: over tenths of the earlier distribution, or over levels.
        psi_p_value: the chance of shares that differ as much in two samples of one source.
        distance: see ``Distance``.
        nulls: the share of rows without a value, before and now.
        new_levels: those of a category that did not occur before.
        lost_levels: those that no longer occur.
        before: the earlier distribution in words.
        now: the present one in words.
    """

    column: str
    psi: float
    psi_p_value: float
    distance: Distance
    nulls: tuple[float, float]
    new_levels: tuple[str, ...]
    lost_levels: tuple[str, ...]
    before: str
    now: str


def compare_statistics(before: Statistics, now: Statistics) -> tuple[ColumnDrift, ...]:
    """Compare column by column: the features in the order of ``now``, then the target.

    Columns that only one of them has, or that changed between number and category, are left out.
    """
    pairs = [(name, before.features.get(name), column) for name, column in now.features.items()]
    if before.target_name == now.target_name:
        pairs.append((now.target_name, before.target, now.target))
    return tuple(
        compare_columns(name, earlier, column)
        for name, earlier, column in pairs
        if earlier is not None and type(earlier) is type(column)
    )


def compare_columns(name: str, before: ColumnSummary, now: ColumnSummary) -> ColumnDrift:
    """Compare two distributions of one column; both numbers or both categories."""
    earlier, later = _binned(before, now)
    levels = set(before.counts if isinstance(before, CategorySummary) else ())
    present = set(now.counts if isinstance(now, CategorySummary) else ())
    return ColumnDrift(
        column=name,
        psi=population_stability_index(earlier, later),
        psi_p_value=homogeneity_p(earlier, later),
        distance=distance(before, now),
        nulls=(_null_share(before), _null_share(now)),
        new_levels=tuple(sorted(present - levels)),
        lost_levels=tuple(sorted(levels - present)),
        before=describe(before),
        now=describe(now),
    )


def distance(before: ColumnSummary, now: ColumnSummary) -> Distance:
    """How far two distributions of one kind are apart; nothing is known, so 0, of one that has no rows."""
    if not before.rows or not now.rows:
        return Distance(0.0, 1.0, 0.0)
    if isinstance(before, NumberSummary) and isinstance(now, NumberSummary):
        value = float(np.abs(_differences(before, now)).max())
        return Distance(value, kolmogorov_p(value, before.rows, now.rows), before.gap + now.gap)
    earlier, later = _binned(before, now)
    value = sum(abs(a / before.rows - b / now.rows) for a, b in zip(earlier, later, strict=True)) / 2
    return Distance(value, homogeneity_p(earlier, later), 0.0)


def measure_of(column: ColumnSummary) -> str:
    """What ``distance`` measures of such a column."""
    return "KS distance" if isinstance(column, NumberSummary) else "total variation"


def growth_p(before: NumberSummary, now: NumberSummary) -> float:
    """The chance that values seem to have grown as much as they do, in two samples of one source."""
    if not before.rows or not now.rows:
        return 1.0
    excess = float(_differences(before, now).max())
    return smirnov_p(excess, before.rows, now.rows)


def population_stability_index(before: list[float], now: list[float]) -> float:
    """The sum over bins of ``(now - before) * ln(now / before)``, as shares: symmetric, and 0 when they are equal.

    Half a row is added to each bin, for empty ones to count as nearly empty. Convention takes 0.1 for a
    change and 0.25 for a great one. No rows on either side: 0.
    """
    if not sum(before) or not sum(now):
        return 0.0
    total, other = (sum(counts) + len(counts) / 2 for counts in (before, now))
    shares = [((a + 0.5) / total, (b + 0.5) / other) for a, b in zip(before, now, strict=True)]
    return sum((b - a) * math.log(b / a) for a, b in shares)


def describe(column: ColumnSummary) -> str:
    """A distribution in words."""
    if not column.rows:
        return "no values"
    nulls = f", {_null_share(column):.3g} of all rows without a value" if column.nulls else ""
    if isinstance(column, NumberSummary):
        low, middle, high = (column.quantile(share) for share in (0.25, 0.5, 0.75))
        return (
            f"median {middle:.6g}, quartiles {low:.6g} and {high:.6g}, from {column.minimum:.6g} to "
            f"{column.maximum:.6g}, {_rows(column.rows)}{nulls}"
        )
    by_size = sorted(column.counts.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{level} {count / column.rows:.3g}" for level, count in by_size[:LEVELS_SHOWN]]
    more = [f"{len(by_size) - LEVELS_SHOWN} more"] if len(by_size) > LEVELS_SHOWN else []
    return f"{', '.join(shown + more)}, {_rows(column.rows)}{nulls}"


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _null_share(column: ColumnSummary) -> float:
    return column.nulls / max(1, column.rows + column.nulls)


def _differences(before: NumberSummary, now: NumberSummary) -> np.ndarray[Any, Any]:
    """By how much the earlier distribution function is above the later one, wherever that can be greatest."""
    # Both are straight between the knots of either, so no difference between knots is greater than at them.
    points = np.union1d(before.values, now.values)
    pairs = zip(before.shares(points), now.shares(points), strict=True)
    return np.concatenate([earlier - later for earlier, later in pairs])


def _binned(before: ColumnSummary, now: ColumnSummary) -> tuple[list[float], list[float]]:
    """Rows per bin of either, in the same bins."""
    if isinstance(before, NumberSummary) and isinstance(now, NumberSummary):
        edges = np.unique([before.quantile(part / BINS) for part in range(1, BINS)])
        return _bin_rows(before, edges), _bin_rows(now, edges)
    assert isinstance(before, CategorySummary)
    assert isinstance(now, CategorySummary)
    levels = sorted({*before.counts, *now.counts})
    return [before.counts.get(level, 0) for level in levels], [now.counts.get(level, 0) for level in levels]


def _bin_rows(column: NumberSummary, edges: np.ndarray[Any, Any]) -> list[float]:
    if not column.rows:
        return [0.0] * (len(edges) + 1)
    up_to = column.shares(edges)[1] * column.rows
    return [float(rows) for rows in np.diff(up_to, prepend=0.0, append=column.rows)]
