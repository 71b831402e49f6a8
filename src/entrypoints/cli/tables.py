"""Tables on stdout: as wide as they are for a pipe, no wider than the window on a terminal."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

#: Columns are not made narrower than this to fit a terminal.
_NARROWEST = 8

_BETWEEN = "  "


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]], wide: bool = False) -> None:
    """Print a table without lines.

    To a pipe, and with ``wide``, a row is one line however long: it can be cut, searched and copied from. On a
    terminal that is narrower, the widest columns are made narrower and their cells go on below.

    Args:
        columns: the headings.
        rows: as many cells each as there are headings.
        wide: whether to print one line a row on a terminal too.
    """
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    if not wide and sys.stdout.isatty():
        widths = fitted(widths, shutil.get_terminal_size().columns)
    for line in lines:
        for part in _wrapped(line, widths):
            print(part)


def fitted(widths: Sequence[int], available: int) -> list[int]:
    """Widths of columns that fit side by side, the widest ones cut first; none is cut below 8.

    Args:
        widths: that the cells need.
        available: characters in a line.
    """
    fit = list(widths)
    too_many = sum(fit) + len(_BETWEEN) * (len(fit) - 1) - available
    while too_many > 0:
        widest = max(fit)
        if widest <= _NARROWEST:
            break
        fit[fit.index(widest)] -= 1
        too_many -= 1
    return fit


def _wrapped(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    columns = [
        [cell] if len(cell) <= width else textwrap.wrap(cell, width, break_on_hyphens=False)
        for cell, width in zip(cells, widths, strict=True)
    ]
    height = max(map(len, columns))
    filled = [[*column, *[""] * (height - len(column))] for column in columns]
    return [
        _BETWEEN.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()
        for parts in zip(*filled, strict=True)
    ]
