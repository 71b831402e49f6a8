"""The headline metric over the versions, as points and lines on a plane for the template to draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.registry.history import Weighing
from weighbridge.domain.registry.releases import ModelVersion

_LEFT, _RIGHT, _TOP, _BOTTOM, HEIGHT = 46, 12, 16, 30, 230

#: Values further from the error level than so many times what matters are drawn at the edge.
_FAR = 2.5

_ABSURD = 1e100


@dataclass(frozen=True, slots=True)
class Point:
    """A weighing: its centre, and its number; ``is_beyond`` when it is drawn at the edge instead."""

    x: float
    y: float
    weighing: Weighing
    value: float
    is_live: bool
    is_beyond: bool


@dataclass(frozen=True, slots=True)
class Line:
    """A level across the chart, or a tick: its height, its text, and ``warning``, ``error`` or ``tick``."""

    y: float
    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A drawing of ``width`` by ``height``, from the oldest on the left to the newest on the right."""

    width: int
    height: int
    left: int
    right: float
    bottom: float
    points: Sequence[Point]
    lines: Sequence[Line]
    ticks: Sequence[Line]
    dates: Sequence[tuple[float, str, str]]


def headline(weighings: Sequence[Weighing]) -> str | None:
    """The metric to show: the first that the newest weighing has a threshold for, else its first, if any."""
    for weighing in weighings[:1]:
        for threshold in weighing.thresholds:
            if "slice_by" not in threshold:
                return str(threshold["metric"])
        return next(iter(weighing.metrics), None)
    return None


def draw(weighings: Sequence[Weighing], live: ModelVersion | None, width: int, most: int) -> Chart | None:
    """The chart of the first ``most`` weighings, which come newest first; None when nothing can be drawn."""
    metric = headline(weighings)
    if metric is None:
        return None
    values = [(one, one.metrics.get(metric, math.nan)) for one in reversed(weighings[:most])]
    # Not a number, or none that could be drawn to scale with any other.
    shown = [(one, value) for one, value in values if abs(value) < _ABSURD]
    if not shown:
        return None
    levels = _levels(weighings[0], metric)
    least, greatest = _limits([value for _, value in shown], levels)
    ticks = _ticks(least, greatest)
    least, greatest = min(least, ticks[0]), max(greatest, ticks[-1])
    right, bottom = float(width - _RIGHT), float(HEIGHT - _BOTTOM)

    def height(value: float) -> float:
        share = (min(max(value, least), greatest) - least) / (greatest - least)
        return round(bottom - share * (bottom - _TOP), 1)

    step = (right - _LEFT) / len(shown)
    points = [
        Point(
            round(_LEFT + (place + 0.5) * step, 1),
            height(value),
            one,
            value,
            one.version == live and one.verdict is not Verdict.REJECT,
            not least <= value <= greatest,
        )
        for place, (one, value) in enumerate(shown)
    ]
    return Chart(
        width,
        HEIGHT,
        _LEFT,
        right,
        bottom,
        points,
        [Line(height(level), f"{kind} {level:g}", kind) for kind, level in levels],
        [Line(height(tick), f"{tick:g}", "tick") for tick in ticks],
        _dates(points),
    )


def _levels(newest: Weighing, metric: str) -> list[tuple[str, float]]:
    for threshold in newest.thresholds:
        if threshold["metric"] == metric and "slice_by" not in threshold:
            kinds = ("error",) if threshold["error"] == threshold["warning"] else ("warning", "error")
            return [(kind, float(threshold[kind])) for kind in kinds]
    return []


def _limits(values: Sequence[float], levels: Sequence[tuple[str, float]]) -> tuple[float, float]:
    seen = [*values, *(level for _, level in levels)]
    least, greatest = min(seen), max(seen)
    if levels:
        # The median is typical; one very bad candidate must not flatten all the others.
        error = levels[-1][1]
        matters = max(abs(sorted(values)[len(values) // 2] - error), *(abs(level - error) for _, level in levels))
        far = _FAR * (matters or max(abs(error), 1.0))
        least, greatest = max(least, error - far), min(greatest, error + far)
    if least == greatest:
        least, greatest = least - (abs(least) or 1.0) / 10, greatest + (abs(greatest) or 1.0) / 10
    return least, greatest


def _ticks(least: float, greatest: float) -> list[float]:
    rough = (greatest - least) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    first, last = math.floor(least / step + 1e-9), math.ceil(greatest / step - 1e-9)
    return [round(place * step, 12) for place in range(first, last + 1)]


def _dates(points: Sequence[Point]) -> list[tuple[float, str, str]]:
    places = {0: "start", len(points) - 1: "end"} if len(points) > 1 else {0: "middle"}
    return [
        (points[place].x, f"{points[place].weighing.version.created:%Y-%m-%d %H:%M}", anchor)
        for place, anchor in places.items()
    ]
