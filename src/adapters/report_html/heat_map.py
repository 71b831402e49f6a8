"""Drawing a grid of numbers as coloured cells."""

import matplotlib as mpl
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator

from weighbridge.adapters.report_html.style import CHARACTER, FAULT, SMALL, WIDTH, brief, canvas, fitting, labelled
from weighbridge.domain.report.figures import Grid


def draw_grid(shown: Grid) -> Canvas:
    """Coloured cells with a scale, or with their texts."""
    rows, columns = len(shown.rows), len(shown.columns)
    room = max(0.5, min(1.3, 0.36 + CHARACTER * max(map(len, shown.rows))))
    scale = 0.0 if shown.texts else 0.62
    cell = (WIDTH - room - 0.12 - scale) / columns
    slanted = max(map(len, shown.columns)) * CHARACTER * 0.9 > cell
    below = 0.42 + (min(1.0, CHARACTER * max(map(len, shown.columns))) if slanted else 0.08)
    height = 0.1 + below + max(1.0, rows * max(0.17, min(cell, 0.42 if rows < 5 else 0.3)))
    figure, axes = canvas(height, left=room, right=0.12 + scale, bottom=below)
    values = np.array([[np.nan if value is None else value for value in line] for line in shown.values])
    colours = mpl.colormaps["viridis"]
    span = (shown.highest - shown.lowest) or 1.0
    for row, column in np.argwhere(np.isfinite(values)).tolist():
        part = float(np.clip((values[row, column] - shown.lowest) / span, 0, 1))
        # A little over its neighbours, which are drawn later: no seams.
        axes.add_patch(
            Rectangle((column, row), 1.03, 1.03, facecolor=to_hex(colours(round(part, 2))), linewidth=0)
        )
        if shown.texts:
            ink = "#ffffff" if part < 0.62 else "#000000"
            axes.text(
                column + 0.5,
                row + 0.5,
                shown.texts[row][column],
                color=ink,
                ha="center",
                va="center",
                fontsize=SMALL,
            )
    if shown.marked is not None:
        row, column = shown.marked
        frame = Rectangle(
            (column, row), 1, 1, facecolor="none", edgecolor="#ffffff", linewidth=3, clip_on=False, zorder=3
        )
        axes.add_patch(frame)
        frame = Rectangle(
            (column, row), 1, 1, facecolor="none", edgecolor=FAULT, linewidth=1.8, clip_on=False, zorder=4
        )
        axes.add_patch(frame)
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.xaxis.set_major_locator(FixedLocator([at + 0.5 for at in range(columns)]))
    axes.yaxis.set_major_locator(FixedLocator([at + 0.5 for at in range(rows)]))
    axes.set_xticklabels(
        [fitting(name, 1.0) for name in shown.columns], rotation=90 if slanted else 0, va="top", ha="center"
    )
    axes.set_yticklabels([fitting(name, room - 0.3) for name in shown.rows])
    for side in axes.spines.values():
        side.set_visible(False)
    labelled(axes, shown.x_label, shown.y_label)
    if scale:
        _scale(figure, shown, below, height)
    return figure


def _scale(figure: Canvas, shown: Grid, below: float, height: float) -> None:
    axes = figure.add_axes(((WIDTH - 0.56) / WIDTH, below / height, 0.1 / WIDTH, (height - below - 0.1) / height))
    colours = mpl.colormaps["viridis"]
    for step in range(16):
        axes.add_patch(
            Rectangle((0, step / 16), 1, 1 / 16 + 0.002, facecolor=to_hex(colours((step + 0.5) / 16)), linewidth=0)
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.xaxis.set_major_locator(NullLocator())
    axes.yaxis.tick_right()
    axes.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    span = shown.highest - shown.lowest
    axes.set_yticklabels([brief(shown.lowest + part * span) for part in (0, 0.5, 1)])
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)
