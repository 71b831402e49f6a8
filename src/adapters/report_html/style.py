"""How figures look: sizes, and colours that the page's own style sheet gives for light and for dark."""

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

#: Stand-ins that become custom properties of CSS once drawn, see ``svg.compact``.
INK, FAINT, GRID = "#010101", "#010102", "#010103"
LINES = tuple(f"#0202{number:02d}" for number in range(1, 9))
FAULT, WARNED, FINE = "#010104", "#010105", "#010106"
PAPER = "#010107"
PROPERTIES = {
    INK: "ink", FAINT: "faint", GRID: "grid", FAULT: "fault", WARNED: "warned", FINE: "fine", PAPER: "paper",
    **{colour: f"c{number}" for number, colour in enumerate(LINES, 1)},
}  # fmt: skip

#: Inches; drawn at 72 points each. A page makes them as wide as its columns.
WIDTH, HEIGHT = 3.7, 2.5
TEXT, SMALL = 8.0, 7.0
#: The width of a character, in inches, at the size of TEXT.
CHARACTER = 0.058

mpl.rcParams.update(
    {
        "svg.fonttype": "none",
        "svg.hashsalt": "weighbridge",
        "path.simplify": False,
        "text.parse_math": False,
        "font.size": TEXT,
        "axes.labelsize": TEXT,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "legend.fontsize": SMALL,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "axes.linewidth": 0.6,
        "xtick.major.width": 0.6,
        "ytick.major.width": 0.6,
        "xtick.major.size": 2.5,
        "ytick.major.size": 2.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.5,
        "lines.linewidth": 1.4,
        "legend.frameon": False,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
    }
)


def canvas(
    height: float = HEIGHT, left: float = 0.56, right: float = 0.12, bottom: float = 0.44, top: float = 0.1
) -> tuple[Figure, Axes]:
    """A figure with one pair of axes; all in inches."""
    figure = Figure(figsize=(WIDTH, height))
    box = (left / WIDTH, bottom / height, (WIDTH - left - right) / WIDTH, (height - bottom - top) / height)
    axes = figure.add_axes(box)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
        axis.set_major_formatter(FuncFormatter(lambda value, _: brief(value)))
    return figure, axes


def brief(value: float) -> str:
    """A number for a tick: six characters at most, as far as it can be."""
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size * (10 if size == 1e3 else 1):
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}" if abs(value) >= 1e-3 or value == 0 else f"{value:.0e}"


def room_for(labels: tuple[str, ...]) -> float:
    """The width that names on the left need, in inches."""
    return min(1.75, max(0.5, 0.2 + CHARACTER * max(map(len, labels), default=0)))


def fitting(label: str, inches: float) -> str:
    """A label cut to what fits; its unit stays."""
    room = max(4, int(inches / CHARACTER))
    if len(label) <= room:
        return label
    name, opening, unit = label.rpartition(" (")
    tail = f"{opening}{unit}" if opening and len(unit) < room // 2 else ""
    return f"{(name if tail else label)[: room - 1 - len(tail)]}…{tail}"


def labelled(axes: Axes, x_label: str, y_label: str) -> None:
    """Label both axes, cut to what fits; an empty label of the second leaves it bare."""
    box = axes.get_position()
    figure_width, figure_height = axes.figure.get_size_inches()  # type: ignore[union-attr]
    axes.set_xlabel(fitting(x_label, box.width * figure_width + 0.2), labelpad=3)
    if y_label:
        axes.set_ylabel(fitting(y_label, box.height * figure_height + 0.3), labelpad=3)
