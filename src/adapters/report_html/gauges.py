"""Drawing metrics against their thresholds: all on one scale of three zones."""

from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle

from weighbridge.adapters.report_html.style import (
    FAULT,
    FINE,
    INK,
    LINES,
    PAPER,
    SMALL,
    TEXT,
    WARNED,
    WIDTH,
    fitting,
)
from weighbridge.domain.report.figures import Gauge

#: The ends of the scale, on which 0 is the error level and 1 the warning level.
LOWEST, HIGHEST = -1.0, 2.2
#: Inches for one gauge, and for the names of the zones.
ROW, HEAD = 0.62, 0.24
_ZONES = ((LOWEST, 0.0, FAULT, "refused"), (0.0, 1.0, WARNED, "warning"), (1.0, HIGHEST, FINE, "released"))


def draw_gauges(gauges: tuple[Gauge, ...]) -> Canvas:
    """A bar for each number over the zones, and a diamond for the live model's."""
    height = HEAD + ROW * len(gauges) + 0.05
    figure = Canvas(figsize=(WIDTH, height))
    axes = figure.add_axes((0.03, 0, 0.94, 1))
    axes.set_xlim(LOWEST, HIGHEST)
    axes.set_ylim(height, 0)
    axes.set_axis_off()
    for low, high, _, name in _ZONES:
        axes.text((low + high) / 2, HEAD - 0.08, name, ha="center", fontsize=SMALL, color=INK)
    for number, gauge in enumerate(gauges):
        _gauge(axes, gauge, HEAD + ROW * number)
    return figure


def _gauge(axes, gauge: Gauge, top: float) -> None:  # type: ignore[no-untyped-def]
    middle = top + 0.30
    for low, high, colour, _ in _ZONES:
        axes.add_patch(
            Rectangle((low, middle - 0.09), high - low, 0.18, facecolor=colour, alpha=0.32, linewidth=0)
        )
    place, live = _within(gauge.place), gauge.live_place
    axes.add_patch(Rectangle((LOWEST, middle - 0.045), place - LOWEST, 0.09, facecolor=INK, linewidth=0))
    if place != gauge.place:
        axes.plot(
            place, middle, marker=">" if gauge.place > HIGHEST else "<", color=INK, markersize=6, clip_on=False
        )
    axes.text(LOWEST, top + 0.15, fitting(gauge.label, 2.2), fontsize=TEXT, color=INK)
    axes.text(HIGHEST, top + 0.15, gauge.shown, fontsize=TEXT, color=INK, ha="right", fontweight="bold")
    for level, text in ((0.0, gauge.error_shown), (1.0, gauge.warning_shown)):
        axes.text(level, middle + 0.21, text, ha="center", fontsize=SMALL, color=INK)
    if live is not None:
        # Two that are off the scale are not to hide each other.
        both_off = place != gauge.place and _within(live) != live and (live > HIGHEST) == (gauge.place > HIGHEST)
        aside = (0.12 if live < LOWEST else -0.12) if both_off else 0.0
        axes.plot(
            _within(live) + aside,
            middle,
            marker="D",
            markersize=5.5,
            color=LINES[4],
            markeredgecolor=PAPER,
            clip_on=False,
        )
        axes.text(HIGHEST, middle + 0.21, f"◆ live {gauge.live_shown}", ha="right", fontsize=SMALL, color=INK)


def _within(place: float) -> float:
    return min(max(place, LOWEST + 0.03), HIGHEST - 0.03)
