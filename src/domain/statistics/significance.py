"""How improbable a difference is between two samples of one source: p-values in closed form, without tables."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

#: Levels with fewer rows expected than this are pooled before a chi-squared test, as is customary.
LEAST_EXPECTED = 5.0


def kolmogorov_p(distance: float, rows: int, other_rows: int) -> float:
    """The p-value of a two-sample Kolmogorov-Smirnov distance, from the asymptotic distribution.

    Stephens' correction makes it good from about five rows on. With ties the true p-value is smaller than
    this one, so a test by it errs on the quiet side. No rows on either side: 1.
    """
    if rows == 0 or other_rows == 0 or distance <= 0:
        return 1.0
    root = math.sqrt(rows * other_rows / (rows + other_rows))
    scaled = (root + 0.12 + 0.11 / root) * distance
    if scaled < 1.18:
        # The same function by its other series, which is the one that converges here.
        steps = [math.exp(-((2 * k - 1) ** 2) * math.pi**2 / (8 * scaled**2)) for k in range(1, 5)]
        return min(1.0, max(0.0, 1 - math.sqrt(2 * math.pi) / scaled * math.fsum(steps)))
    terms = [math.exp(-2 * k**2 * scaled**2) for k in range(1, 5)]
    return min(1.0, 2 * (terms[0] - terms[1] + terms[2] - terms[3]))


def smirnov_p(excess: float, rows: int, other_rows: int) -> float:
    """The p-value of a one-sided two-sample distance, how far one distribution function is above the other.

    Asymptotic. No rows on either side, or no excess: 1.
    """
    if rows == 0 or other_rows == 0 or excess <= 0:
        return 1.0
    return math.exp(-2 * excess**2 * rows * other_rows / (rows + other_rows))


def chi_squared_p(statistic: float, degrees: int) -> float:
    """The upper tail of the chi-squared distribution: exact, for whole degrees of freedom; 1 for none."""
    if degrees < 1 or statistic <= 0:
        return 1.0
    half = statistic / 2
    if degrees % 2:
        terms = ((i - 0.5) * math.log(half) - math.lgamma(i + 0.5) - half for i in range(1, degrees // 2 + 1))
        return min(1.0, math.erfc(math.sqrt(half)) + sum(math.exp(term) for term in terms))
    terms = (i * math.log(half) - math.lgamma(i + 1) - half for i in range(degrees // 2))
    return min(1.0, sum(math.exp(term) for term in terms))


def homogeneity_p(counts: Sequence[float], other: Sequence[float]) -> float:
    """The p-value of the chi-squared test that two rows of counts, level by level, come from the same shares.

    Levels of which fewer than LEAST_EXPECTED rows are expected on either side count as one.
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
    return math.erfc(z / math.sqrt(2)) / 2


def binomial_bound(successes: float, trials: float, probability: float) -> float:
    """An upper bound of the chance of a count as far from what is expected, on the side where it is.

    The Chernoff bound, exp(-trials * KL(successes / trials, probability)): exact when there are no successes
    or nothing else, generous otherwise. No trials: 1.
    """
    if trials <= 0:
        return 1.0
    share = successes / trials
    if not 0 < probability < 1:
        return float(share == probability)
    divergence = 0.0
    for observed, expected in ((share, probability), (1 - share, 1 - probability)):
        if observed > 0:
            divergence += observed * math.log(observed / expected)
    return math.exp(-trials * max(divergence, 0.0))
