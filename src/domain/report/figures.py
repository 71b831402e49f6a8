"""The figures of a report as plain data of finite numbers, whoever draws them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gauge:
    """A number against its two thresholds, on a scale where 0 is the error level and 1 the warning level.

    Args:
        label: of the number.
        shown: the number in words.
        place: where it is on the scale.
        live_shown: the live model's number in words; empty when there is none.
        live_place: where that is; None when there is none.
        error_shown: the error level in words.
        warning_shown: the warning level in words.
    """

    label: str
    shown: str
    place: float
    live_shown: str
    live_place: float | None
    error_shown: str
    warning_shown: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points, of shape [points] each; one that is at fault stands out."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    at_fault: bool = False


@dataclass(frozen=True, slots=True)
class Curves:
    """Lines over a common axis.

    Args:
        x_label: of the axis, with its unit.
        y_label: of the other.
        lines: in the order of their colours.
        span: the part of the axis that is looked at; None for all of it.
        faults: points (x, y) that are marked.
        diagonal: whether the line of x = y is there to compare with.
        dots: whether the points are few, and shown themselves.
        bands: for each line the lower and upper bounds, of shape [points]; empty for none.
    """

    x_label: str
    y_label: str
    lines: tuple[Curve, ...]
    span: tuple[float, float] | None = None
    faults: tuple[tuple[float, float], ...] = ()
    diagonal: bool = False
    dots: bool = False
    bands: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class Limit:
    """A value that is not to be passed, drawn across a figure."""

    value: float
    label: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of rows by bins of one axis, for one or two groups.

    Args:
        x_label: of the axis, with its unit.
        edges: of the bins, one more than there are shares.
        groups: names, and the share of the group's rows in each bin.
        limits: across the axis.
    """

    x_label: str
    edges: tuple[float, ...]
    groups: tuple[tuple[str, tuple[float, ...]], ...]
    limits: tuple[Limit, ...] = ()


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars, one or two for each label.

    Args:
        x_label: of the numbers.
        labels: from the top down.
        groups: names, and a number for each label.
        spreads: the lowest and highest number for each label of the first group; empty for none.
        faults: the places of labels that stand out.
        limits: across the axis.
        notes: a word at the end of each bar of the first group; empty for none.
    """

    x_label: str
    labels: tuple[str, ...]
    groups: tuple[tuple[str, tuple[float, ...]], ...]
    spreads: tuple[tuple[float, float], ...] = ()
    faults: tuple[int, ...] = ()
    limits: tuple[Limit, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Points:
    """One point for each row; many are drawn as hexagons, the darker the more.

    Args:
        x_label: of the axis, with its unit.
        y_label: of the other.
        x: of shape [rows].
        y: of shape [rows].
        diagonal: whether the line of x = y is there to compare with; else that of y = 0.
    """

    x_label: str
    y_label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    diagonal: bool = False


@dataclass(frozen=True, slots=True)
class Strips:
    """The distribution of a number at each level of a category.

    Args:
        x_label: of the number, with its unit.
        labels: from the top down.
        quantiles: for each the 5th, 25th, 50th, 75th and 95th percentile.
    """

    x_label: str
    labels: tuple[str, ...]
    quantiles: tuple[tuple[float, float, float, float, float], ...]


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges that numbers have to be in, and the numbers.

    Args:
        x_label: of the numbers, with their unit.
        labels: from the top down.
        ranges: the least and the greatest number allowed; None for no bound.
        values: the numbers.
        faults: the places of those that are outside.
    """

    x_label: str
    labels: tuple[str, ...]
    ranges: tuple[tuple[float | None, float | None], ...]
    values: tuple[float, ...]
    faults: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Grid:
    """Numbers in rows and columns, as colours.

    Args:
        x_label: of the columns.
        y_label: of the rows.
        columns: their names.
        rows: their names, from the top down.
        values: of shape [rows, columns]; None where there is none.
        lowest: the number of the lightest or darkest colour.
        highest: that of the other end.
        marked: the row and column that stand out; None for none.
        texts: written into the cells, of shape [rows, columns]; empty for none.
        scale_label: what the colours say.
    """

    x_label: str
    y_label: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    lowest: float
    highest: float
    marked: tuple[int, int] | None = None
    texts: tuple[tuple[str, ...], ...] = ()
    scale_label: str = ""


@dataclass(frozen=True, slots=True)
class Figure:
    """A report with its words; exactly one kind of content is there.

    Args:
        title: a few words above it.
        description: what can be seen, for those who do not see it.
        note: what is to be said below it, such as what was left out; empty for nothing.
    """

    title: str
    description: str
    note: str = ""
    gauges: tuple[Gauge, ...] | None = None
    curves: Curves | None = None
    histogram: Histogram | None = None
    bars: Bars | None = None
    points: Points | None = None
    strips: Strips | None = None
    ranges: Ranges | None = None
    grid: Grid | None = None
