"""P-values of differences between samples: those of scipy's distributions, and what they are at the ends."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from weighbridge.domain.statistics.significance import (
    binomial_p,
    chi_squared_p,
    homogeneity_p,
    kolmogorov_p,
    normal_p,
    smirnov_p,
)


@pytest.mark.parametrize("rows", [(5, 8), (50, 50), (200, 1000), (100_000, 50_000)])
@pytest.mark.parametrize("scaled", [0.3, 0.7, 1.0, 1.17, 1.19, 1.5, 2.5])
def test_p_values_of_the_distance_are_scipys(rows, scaled):
    effective = rows[0] * rows[1] / sum(rows)
    value = min(1.0, scaled / math.sqrt(effective))
    expected = stats.kstwo.sf(value, round(effective))
    assert kolmogorov_p(value, *rows) == pytest.approx(expected, rel=0.25, abs=0.02)
    if effective > 1000:
        assert kolmogorov_p(value, *rows) == pytest.approx(stats.kstwobign.sf(scaled), rel=0.02)
    assert smirnov_p(value, *rows) == pytest.approx(math.exp(-2 * effective * value**2))


def test_p_values_at_the_ends():
    assert kolmogorov_p(0, 10, 10) == kolmogorov_p(0.5, 0, 10) == kolmogorov_p(0.5, 10, 0) == 1
    assert smirnov_p(0, 10, 10) == smirnov_p(0.5, 0, 10) == smirnov_p(0.5, 10, 0) == 1
    assert kolmogorov_p(1.0, 1_000_000, 1_000_000) == 0
    assert kolmogorov_p(1e-9, 100, 100) == 1
    assert chi_squared_p(0, 3) == chi_squared_p(5, 0) == 1
    assert chi_squared_p(1e9, 7) == chi_squared_p(1e9, 8) == 0


@given(st.floats(0.001, 300), st.integers(1, 60))
def test_p_values_of_chi_squared_are_scipys(statistic, degrees):
    assert chi_squared_p(statistic, degrees) == pytest.approx(
        stats.chi2.sf(statistic, degrees), rel=1e-9, abs=1e-300
    )


@given(st.floats(-8, 8))
def test_p_values_of_the_normal_distribution_are_scipys(z):
    assert normal_p(z) == pytest.approx(stats.norm.sf(z), rel=1e-9)


@given(st.lists(st.tuples(st.integers(20, 300), st.integers(20, 300)), min_size=2, max_size=6))
def test_homogeneity_is_scipys_where_no_level_is_rare(table):
    counts, other = zip(*table, strict=True)
    smaller = min(sum(counts), sum(other)) / (sum(counts) + sum(other))
    assume(min(map(sum, table)) * smaller >= 5)
    expected = stats.chi2_contingency([counts, other], correction=False).pvalue
    assert homogeneity_p(counts, other) == pytest.approx(expected, rel=1e-6, abs=1e-300)


def test_rare_levels_are_pooled():
    pooled = stats.chi2_contingency([[100, 12], [100, 2]], correction=False).pvalue
    assert homogeneity_p([100, 4, 4, 4], [100, 1, 1, 0]) == pytest.approx(pooled)
    # Exactly five expected on either side is not rare.
    kept = stats.chi2_contingency([[80, 10, 10], [100, 0, 0]], correction=False).pvalue
    assert homogeneity_p([80, 10, 10], [100, 0, 0]) == pytest.approx(kept)
    # A level that neither has is no level.
    present = stats.chi2_contingency([[40, 20], [30, 30]], correction=False).pvalue
    assert homogeneity_p([40, 20, 0], [30, 30, 0]) == pytest.approx(present)
    # One level, rare or not, or an empty side, has nothing to differ in.
    assert homogeneity_p([4, 4], [1, 1]) == homogeneity_p([40], [30]) == homogeneity_p([0, 0], [1, 2]) == 1


@given(st.integers(1, 60), st.floats(0.01, 0.99), st.data())
def test_the_binomial_p_is_the_tail(trials, probability, data):
    successes = data.draw(st.integers(0, trials))
    found = binomial_p(successes, trials, probability)
    if successes <= trials * probability:
        assert found == pytest.approx(stats.binom.cdf(successes, trials, probability))
    else:
        assert found == pytest.approx(stats.binom.sf(successes - 1, trials, probability))
    assert binomial_p(0, trials, probability) == pytest.approx((1 - probability) ** trials)
    assert binomial_p(trials, trials, probability) == pytest.approx(probability**trials)


def test_the_binomial_p_at_the_ends():
    assert binomial_p(0, 0, 0.5) == 1
    assert (binomial_p(3, 3, 1.0), binomial_p(2, 3, 1.0)) == (1, 0)
    assert (binomial_p(0, 3, 0.0), binomial_p(1, 3, 0.0)) == (1, 0)
