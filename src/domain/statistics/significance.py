"""How improbable a difference is between two samples of one source: p-values, by scipy's special functions.

``scipy.special`` is imported by the functions that use it: whoever only names a rule does not wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

#: Levels with fewer rows expected than this are pooled before a chi-squared test (Cochran 1954).
LEAST_EXPECTED = 5.0


def kolmogorov_p(distance: float, rows: int, other_rows: int) -> float:
    """The p-value of a two-sample Kolmogorov-Smirnov distance, from the asymptotic distribution.

    Stephens' correction (1970) makes it good from about five rows on. With ties the true p-value is smaller than
    this one, so a test by it is conservative. No rows on either side: 1.
    """
    from scipy.special import kolmogorov

    if rows == 0 or other_rows == 0 or distance <= 0:
        return 1.0
    root = math.sqrt(rows * other_rows / (rows + other_rows))
    return float(kolmogorov((root + 0.12 + 0.11 / root) * distance))


def smirnov_p(excess: float, rows: int, other_rows: int) -> float:
    """The p-value of a one-sided two-sample distance, how far one distribution function is above the other.

    Asymptotic (Smirnov 1939). No rows on either side, or no excess: 1.
    """
    if rows == 0 or other_rows == 0 or excess <= 0:
        return 1.0
    return math.exp(-2 * excess**2 * rows * other_rows / (rows + other_rows))


def chi_squared_p(statistic: float, degrees: int) -> float:
    """The upper tail of the chi-squared distribution; 1 for no degrees of freedom."""
    from scipy.special import chdtrc

    return 1.0 if degrees < 1 or statistic <= 0 else float(chdtrc(degrees, statistic))


def homogeneity_p(counts: Sequence[float], other: Sequence[float]) -> float:
    """The p-value of Pearson's chi-squared test that two rows of counts, by level, come from the same shares.

    Levels of which fewer than LEAST_EXPECTED rows are expected on either side count as one. No rows on either
    side: 1.
    """
    table = np.array([counts, other], dtype=np.float64)
    totals = table.sum(axis=1)
    if not (totals > 0).all():
        return 1.0
    rare = table.sum(axis=0) * totals.min() / totals.sum() < LEAST_EXPECTED
    if rare.any():
        table = np.hstack((table[:, ~rare], table[:, rare].sum(axis=1, keepdims=True)))
        table = table[:, table.sum(axis=0) > 0]
    expected = np.outer(totals, table.sum(axis=0)) / totals.sum()
    return chi_squared_p(float(((table - expected) ** 2 / expected).sum()), table.shape[1] - 1)


def normal_p(z: float) -> float:
    """The upper tail of the standard normal distribution."""
    from scipy.special import ndtr

    return float(ndtr(-z))


def binomial_p(successes: int, trials: int, probability: float) -> float:
    """The chance of a count as far from what is expected, or farther, on the side where it is: exact.

    No trials: 1.
    """
    from scipy.special import bdtr, bdtrc

    if trials <= 0:
        return 1.0
    if not 0 < probability < 1:
        return float(successes == trials * probability)
    if successes > trials * probability:
        return float(bdtrc(successes - 1, trials, probability)) if successes else 1.0
    return float(bdtr(successes, trials, probability))
