"""How the names and findings of checks write numbers and what is at fault."""

import math
from collections.abc import Iterable
from itertools import islice

#: How many of the rows or values at fault a detail names.
SHOWN = 5


def exact(value: object) -> str:
    """A number in the fewest digits that identify it; anything else as Python writes it."""
    if not isinstance(value, int | float):
        return repr(value)
    try:
        short = f"{value:g}"
    except OverflowError:
        return repr(value)
    if float(short) == value:
        return short
    return repr(float(value)) if isinstance(value, float) else repr(value)


def shown(value: float | str) -> str:
    """A value of a feature: a text as it is, a number exactly."""
    return value if isinstance(value, str) else exact(value)


def change(before: float, after: float) -> str:
    """Two predictions in six digits, or in all of them where six do not tell them apart."""
    texts = f"{before:.6g}", f"{after:.6g}"
    if texts[0] == texts[1] and before != after:
        texts = repr(float(before)), repr(float(after))
    return " -> ".join(texts)


def first_few(faults: Iterable[str], count: int, separator: str = ", ") -> str:
    """The first SHOWN of ``count`` texts, and dots for any others."""
    return separator.join([*islice(faults, SHOWN), *(["..."] if count > SHOWN else [])])


def unlike(value: float, bound: float) -> str:
    """A value in six digits, or in all of them where six would write it as the bound that it is beyond."""
    short = f"{value:.6g}"
    return repr(float(value)) if short == f"{bound:.6g}" and math.isfinite(value) else short
