"""How much of a target one feature tells by itself: Chatterjee's rank correlation."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

#: No more rows than this are looked at: chosen at random, from a fixed seed.
MOST_ROWS = 50_000


def association(feature: pd.Series[Any], target: pd.Series[Any]) -> float:
    """Chatterjee's xi (2021): 0 for independence, 1 when the target is a function of the feature.

    Rows are put in the feature's order, equal values at random, and neighbours' targets are compared: by the
    distance of their ranks for a number, by being the same for a category. It depends on no unit and on no
    shape of the relation. For a normal pair of correlation rho it is
    ``3 / pi * arcsin((1 + rho**2) / 2) - 1 / 2``: an r2 of 0.9 makes 0.70, 0.99 makes 0.90, 0.999 makes 0.97.
    The finite-sample maximum is divided out, so that a monotone function makes exactly 1 in any number of
    rows. Below 0 is chance. Fewer than three rows, or a constant target: 0.
    """
    import pandas as pd

    shuffled = np.random.default_rng(0).permutation(len(target))[:MOST_ROWS]
    if len(shuffled) < 3:
        return 0.0
    ordered = shuffled[np.argsort(pd.factorize(feature, sort=True)[0][shuffled], kind="stable")]
    codes, distinct = pd.factorize(target, sort=True)
    numeric = pd.api.types.is_numeric_dtype(target)
    codes = codes[ordered]
    counts = np.bincount(codes, minlength=len(distinct)).astype(np.float64)
    rows = len(codes)
    if numeric:
        ranks = (np.cumsum(counts) - (counts - 1) / 2)[codes]
        neighbours = float(np.abs(np.diff(ranks)).mean())
        by_rank = np.sort(ranks)
        anyone = float(((2 * np.arange(rows) - rows + 1) * by_rank).sum()) * 2 / rows / (rows - 1)
        least = float(by_rank[-1] - by_rank[0]) / (rows - 1)
    else:
        neighbours = float((np.diff(codes) != 0).mean())
        anyone = 1 - float((counts * (counts - 1)).sum()) / rows / (rows - 1)
        least = float((counts > 0).sum() - 1) / (rows - 1)
    if anyone <= least:
        return 0.0
    return (anyone - neighbours) / (anyone - least)


def association_error(rows: int, differ: float, numeric: bool) -> float:
    """The standard error of ``association`` over resamples, at most.

    For a number without ties it is ``sqrt(0.4 / rows)`` under independence (Chatterjee), peaks near
    ``sqrt(0.55 / rows)`` for a middling relation, and falls to nothing for a perfect one. Ties, and classes,
    leave fewer rows that count: a cautious bound grows with the chance of a tie.

    Args:
        rows: of the dataset.
        differ: the chance that two rows have different targets, ties of a number included.
        numeric: whether the target is a number.
    """
    variance = 0.6 / max(differ, 1e-9) ** 2 if numeric else 2 / max(differ, 1e-9)
    return math.sqrt(variance / max(1, min(rows, MOST_ROWS)))
