"""How a report writes numbers and names: rounded, with units, for people."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from weighbridge.domain.data.schema import Category

if TYPE_CHECKING:
    from collections.abc import Iterable

    from weighbridge.domain.data.schema import Feature, Schema

#: The characters of a name that a figure or a table has room for.
ROOM = 40


def rounded(value: float | None, unit: str = "", digits: int = 4) -> str:
    """A number in so many digits that count, with its unit; thousands are set apart."""
    if value is None or not math.isfinite(value):
        return "undefined"
    value += 0.0
    if value == 0 or 1e-4 <= abs(value) < 1e7:
        places = 0 if value == 0 else max(0, digits - 1 - math.floor(math.log10(abs(value))))
        text = f"{value:,.{places}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    else:
        text = f"{value:.{digits - 1}e}"
    return f"{text} {unit}" if unit else text


def short(text: str, room: int = ROOM) -> str:
    """A name as it can be shown anywhere: without what cannot be printed, and cut to so many characters."""
    printable = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return printable if len(printable) <= room else f"{printable[: room - 1]}…"


def unit_of(feature: Feature) -> str:
    """The unit of a number; empty for a category."""
    return "" if isinstance(feature, Category) else feature.unit


def titled(feature: Feature) -> str:
    """A column's name with its unit, for an axis."""
    return named(feature.name, unit_of(feature))


def named(name: str, unit: str) -> str:
    """A name with a unit, for an axis."""
    return f"{short(name)} ({unit})" if unit else short(name)


def unit_of_metric(metric: str, schema: Schema) -> str:
    """The unit of a metric: that of the target for errors, else none."""
    return unit_of(schema.target) if metric in ("mean_absolute_error", "root_mean_squared_error") else ""


def counted(count: int, one: str, many: str = "") -> str:
    """A count with its noun."""
    return f"1 {one}" if count == 1 else f"{count:,} {many or one + 's'}"


def listed(texts: Iterable[str], limit: int = 5) -> str:
    """The first few of some texts, and how many more there are."""
    every = list(texts)
    more = f" and {len(every) - limit} more" if len(every) > limit else ""
    return ", ".join(every[:limit]) + more
