"""Drawing what a figure holds, each kind in its own way."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.ticker import FixedLocator, MaxNLocator

from weighbridge.adapters.report_html.style import (
    FAINT,
    FAULT,
    HEIGHT,
    INK,
    LINES,
    PAPER,
    SMALL,
    WIDTH,
    canvas,
    fitting,
    labelled,
    room_for,
)
from weighbridge.domain.report.figures import Bars, Curves, Histogram, Limit, Points, Ranges, Strips

#: Beyond so many points hexagons are drawn.
SCATTERED = 1_000
#: Hexagons along the axis, and steps of their density.
HEXAGONS, DENSITIES = 22, 6
#: Inches for a bar or a row of another kind.
ROW = 0.2


def draw_curves(shown: Curves) -> Canvas:
    """Lines, with what is looked at shaded and what is at fault crossed."""
    several = len(shown.lines) > 1
    rows = -(-len(shown.lines) // 3) if several else 0
    figure, axes = canvas(HEIGHT + 0.16 * rows, top=0.1 + 0.16 * rows)
    if shown.span is not None:
        axes.axvspan(*shown.span, color=FAINT, alpha=0.16, linewidth=0)
    if shown.diagonal:
        axes.plot((0, 1), (0, 1), color=FAINT, linewidth=0.9, linestyle="--")
    for line, band in zip(shown.lines, shown.bands, strict=False):
        axes.fill_between(line.x, *band, color=LINES[0], alpha=0.18, linewidth=0)
    styles = ("-", "--", "-.", ":")
    for number, line in enumerate(shown.lines):
        colour, marker = LINES[number % len(LINES)], "o" if shown.dots else ""
        style = styles[number // len(LINES) % len(styles)] if len(shown.lines) > len(LINES) else "-"
        label = f"{line.label} ✗" if line.at_fault else line.label
        (drawn,) = axes.plot(
            line.x, line.y, color=colour, linestyle=style, marker=marker, markersize=3, label=label
        )
        if line.at_fault:
            drawn.set(linewidth=2.2, zorder=2.5)
    if shown.faults:
        x, y = zip(*shown.faults, strict=True)
        axes.plot(
            x, y, linestyle="", marker="X", markersize=6.5, color=FAULT, markeredgecolor=PAPER, markeredgewidth=0.6
        )
    axes.margins(x=0.02)
    if all(value.is_integer() for line in shown.lines for value in line.x):
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    labelled(axes, shown.x_label, shown.y_label)
    if several:
        _legend(axes, 3)
    return figure


def draw_histogram(shown: Histogram) -> Canvas:
    """Steps, filled; one after the other for two groups."""
    several = len(shown.groups) > 1
    figure, axes = canvas(top=0.28 if several or shown.limits else 0.1)
    edges = np.array(shown.edges)
    for (name, shares), colour, style in zip(shown.groups, (LINES[0], LINES[1]), ("-", "--"), strict=False):
        axes.stairs(100 * np.array(shares), edges, fill=True, color=colour, alpha=0.22, linewidth=0)
        axes.stairs(100 * np.array(shares), edges, color=colour, linewidth=1.2, linestyle=style, label=name)
    for limit in shown.limits:
        axes.axvline(limit.value, color=FAULT, linewidth=1.2, linestyle="--", label=limit.label)
    axes.set_ylim(bottom=0)
    axes.margins(x=0.02)
    labelled(axes, shown.x_label, "% of rows")
    if several or shown.limits:
        _legend(axes, 2)
    return figure


def draw_bars(shown: Bars) -> Canvas:
    """Horizontal bars, with spreads, limits, and a word at the end of each."""
    several = len(shown.groups) > 1
    count, groups = len(shown.labels), len(shown.groups)
    legend = 0.2 if several or shown.limits else 0.0
    room = room_for(shown.labels)
    height = 0.62 + legend + count * ROW * (1.35 if several else 1)
    figure, axes = canvas(height, left=room, bottom=0.44, top=0.1 + legend)
    thickness = 0.72 / groups
    for number, (name, values) in enumerate(shown.groups):
        places = np.arange(count) + (number - (groups - 1) / 2) * thickness
        faulty = [number == groups - 1 and at in shown.faults for at in range(count)]
        colours = [FAULT if bad else LINES[number] for bad in faulty]
        axes.barh(places, values, thickness * 0.92, color=colours, label=name, linewidth=0)
    for at, (low, high) in enumerate(shown.spreads):
        axes.plot((low, high), (at, at), color=INK, linewidth=1, solid_capstyle="butt", marker="|", markersize=4)
    for limit in shown.limits:
        _limit(axes, limit)
    axes.axvline(0, color=FAINT, linewidth=0.6)
    axes.set_ylim(count - 0.4, -0.6)
    axes.yaxis.set_major_locator(FixedLocator(list(range(count))))
    axes.set_yticklabels([fitting(label, room - 0.1) for label in shown.labels])
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    if shown.notes:
        low, high = axes.get_xlim()
        axes.set_xlim(low, high + 0.24 * (high - low))
        values = shown.groups[0][1]
        for at, note in enumerate(shown.notes):
            end = (max(0.0, values[at]), at)
            axes.annotate(note, end, (3, 0), textcoords="offset points", va="center", fontsize=SMALL, color=INK)
    labelled(axes, shown.x_label, "")
    if several or shown.limits:
        _legend(axes, 2, () if several else tuple(limit.label for limit in shown.limits))
    return figure


def draw_points(shown: Points) -> Canvas:
    """A dot for each row, or hexagons that are the denser the more rows they hold."""
    figure, axes = canvas()
    x, y = np.array(shown.x), np.array(shown.y)
    if len(x) > SCATTERED:
        _hexagons(axes, x, y)
    else:
        _dots(axes, x, y)
    if shown.diagonal:
        low, high = min(x.min(), y.min()), max(x.max(), y.max())
        axes.plot((low, high), (low, high), color=FAULT, linewidth=1, linestyle="--")
    else:
        axes.axhline(0, color=FAULT, linewidth=1, linestyle="--")
    axes.margins(0.03)
    axes.autoscale_view()
    labelled(axes, shown.x_label, shown.y_label)
    return figure


def draw_strips(shown: Strips) -> Canvas:
    """For each level the middle nine tenths as a line, the middle half as a box, the median as a mark."""
    count = len(shown.labels)
    room = room_for(shown.labels)
    figure, axes = canvas(0.62 + count * (ROW + 0.08), left=room)
    for at, (low, lower, middle, upper, high) in enumerate(shown.quantiles):
        axes.plot((low, high), (at, at), color=LINES[0], linewidth=1)
        axes.add_patch(
            Rectangle((lower, at - 0.26), upper - lower, 0.52, facecolor=LINES[0], alpha=0.45, linewidth=0)
        )
        axes.plot((middle, middle), (at - 0.32, at + 0.32), color=INK, linewidth=1.4)
    axes.axvline(0, color=FAULT, linewidth=1, linestyle="--")
    axes.set_ylim(count - 0.4, -0.6)
    axes.yaxis.set_major_locator(FixedLocator(list(range(count))))
    axes.set_yticklabels([fitting(label, room - 0.1) for label in shown.labels])
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.margins(x=0.05)
    labelled(axes, shown.x_label, "")
    return figure


def draw_ranges(shown: Ranges) -> Canvas:
    """Allowed ranges as wide lines, open where there is no bound, and predictions as dots or crosses."""
    count = len(shown.labels)
    room = room_for(shown.labels)
    figure, axes = canvas(0.62 + count * (ROW + 0.04), left=room)
    ends = [end for pair in shown.ranges for end in pair if end is not None] + list(shown.values)
    reach = 0.08 * ((max(ends) - min(ends)) or abs(max(ends)) or 1.0)
    low, high = min(ends) - reach, max(ends) + reach
    for at, ((least, greatest), value) in enumerate(zip(shown.ranges, shown.values, strict=True)):
        span = (low if least is None else least, high if greatest is None else greatest)
        axes.plot(span, (at, at), color=LINES[0], linewidth=6, alpha=0.35, solid_capstyle="butt")
        bad = at in shown.faults
        axes.plot(value, at, marker="X" if bad else "o", markersize=6 if bad else 4.5, color=FAULT if bad else INK)
    axes.set_xlim(low, high)
    axes.set_ylim(count - 0.4, -0.6)
    axes.yaxis.set_major_locator(FixedLocator(list(range(count))))
    axes.set_yticklabels([fitting(label, room - 0.1) for label in shown.labels])
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    labelled(axes, shown.x_label, "")
    return figure


def _hexagons(axes: Axes, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> None:
    made = axes.hexbin(x, y, gridsize=(HEXAGONS, int(HEXAGONS * 0.55)), mincnt=1)
    counts, corners = np.asarray(made.get_array(), float), np.asarray(made.get_paths()[0].vertices, float)
    places = np.asarray(made.get_offsets())
    made.remove()
    level = np.ceil(DENSITIES * np.sqrt(counts / counts.max())).astype(int)
    for density in range(1, DENSITIES + 1):
        outlines = [corners + place for place in places[level == density]]
        if outlines:
            codes = [Path.MOVETO, *[Path.LINETO] * (len(corners) - 2), Path.CLOSEPOLY]
            path = Path(np.concatenate(outlines), codes * len(outlines))
            axes.add_patch(PathPatch(path, facecolor=LINES[0], alpha=density / DENSITIES, linewidth=0))
    axes.update_datalim(np.column_stack([x, y]))


def _dots(axes: Axes, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> None:
    vertices = np.repeat(np.column_stack([x, y]), 2, axis=0)
    path = Path(vertices, [Path.MOVETO, Path.LINETO] * len(x))
    patch = PathPatch(path, edgecolor=LINES[0], facecolor="none", linewidth=3.2, capstyle="round", alpha=0.55)
    axes.add_patch(patch)
    axes.update_datalim(vertices)


def _limit(axes: Axes, limit: Limit) -> None:
    style = "-" if limit.label == "refuses" else "--"
    axes.axvline(limit.value, color=FAULT, linewidth=1.2, linestyle=style, label=limit.label)


def _legend(axes: Axes, columns: int, only: tuple[str, ...] = ()) -> None:
    handles, labels = axes.get_legend_handles_labels()
    kept = [(handle, label) for handle, label in zip(handles, labels, strict=True) if not only or label in only]
    room = (WIDTH - 0.5) / columns - 0.35
    axes.legend(
        [handle for handle, _ in kept],
        [fitting(label, room) for _, label in kept],
        loc="lower left",
        bbox_to_anchor=(0, 1.0),
        ncols=columns,
        borderpad=0,
        borderaxespad=0.15,
        handlelength=1.6,
        columnspacing=1.0,
        labelspacing=0.25,
    )
