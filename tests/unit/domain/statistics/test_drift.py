"""Distances of distributions by their summaries: against scipy and hand-written oracles on the raw data."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.statistics.drift import (
    Distance,
    compare_columns,
    compare_statistics,
    describe,
    distance,
    growth_p,
    population_stability_index,
)
from weighbridge.domain.statistics.significance import (
    binomial_bound,
    chi_squared_p,
    homogeneity_p,
    kolmogorov_p,
    normal_p,
    smirnov_p,
)
from weighbridge.domain.statistics.summaries import CategorySummary, summarise, summarise_column

SMALL = st.lists(st.integers(0, 20).map(float), min_size=1, max_size=120)
SAMPLES = st.one_of(SMALL, st.lists(st.floats(-100, 100), min_size=1, max_size=400))
COUNTS = st.lists(st.integers(0, 500), min_size=1, max_size=8)
LEVELS = ("a", "b", "c")
#: scipy's own, of an effective number of rows that rounds to none.
pytestmark = pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")
SCHEMA = Schema((Number("size"), Category("colour", LEVELS)), Number("cost"), "est_cost")


def column(values):
    return summarise_column(pd.Series(values))


def counted(*counts):
    return CategorySummary(sum(counts), 0, {level: n for level, n in zip("abcdefgh", counts, strict=False) if n})


def drawn(name, rows, seed):
    random = np.random.default_rng(seed)
    normal = random.normal(size=rows)
    return {"normal": normal, "heavy": np.exp(1.5 * normal), "counts": np.floor(np.abs(92 * normal))}[name]


@given(SAMPLES, SAMPLES)
def test_the_distance_is_scipys_on_the_raw_data_within_the_stated_error(before, now):
    found = distance(column(before), column(now))
    expected = stats.ks_2samp(before, now, method="asymp").statistic
    assert found.value == pytest.approx(expected, abs=found.error + 1e-12)
    assert found.error <= 0.02


@given(SMALL, SMALL)
def test_the_distance_is_scipys_exactly_where_all_values_are_kept(before, now):
    found = distance(column(before), column(now))
    expected = stats.ks_2samp(before, now, method="asymp")
    assert (found.value, found.error) == (pytest.approx(expected.statistic), 0)


@pytest.mark.parametrize("name", ["normal", "heavy", "counts"])
@pytest.mark.parametrize("rows", [200, 1000, 20_000])
@pytest.mark.parametrize("factor", [1.0, 1.1, 2.0])
def test_on_smooth_data_the_error_is_a_quarter_of_what_is_stated(name, rows, factor):
    before, now = drawn(name, rows, 1), factor * drawn(name, rows, 2)
    found = distance(column(before), column(now))
    expected = stats.ks_2samp(before, now, method="asymp")
    assert found.value == pytest.approx(expected.statistic, abs=0.005)
    assert 0 < found.error <= 0.02
    assert found.p_value == pytest.approx(
        stats.ks_2samp(before, now, method="asymp").pvalue, rel=0.5, abs=0.12 if factor == 1.0 else 1e-3
    )


@given(SAMPLES, SAMPLES)
def test_distance_and_index_do_not_know_which_came_first(before, now):
    one, other = column(before), column(now)
    assert distance(one, other) == distance(other, one)


@given(SAMPLES)
def test_a_column_does_not_differ_from_itself(values):
    drift = compare_columns("size", column(values), column(values))
    assert (drift.psi, drift.psi_p_value, drift.distance.value, drift.distance.p_value) == (0, 1, 0, 1)
    assert drift.before == drift.now
    assert (drift.new_levels, drift.lost_levels, drift.nulls) == ((), (), (0, 0))


def test_drift_grows_with_the_shift():
    before = drawn("normal", 2000, 1)
    drifts = [
        compare_columns("x", column(before), column(before + shift)) for shift in (0, 0.1, 0.2, 0.5, 1, 2, 4)
    ]
    psi, apart = [drift.psi for drift in drifts], [drift.distance.value for drift in drifts]
    assert psi == sorted(set(psi))
    assert apart == sorted(set(apart))
    p_values = [drift.distance.p_value for drift in drifts]
    assert p_values == sorted(p_values, reverse=True)
    assert apart[5] == pytest.approx(2 * stats.norm.cdf(1) - 1, abs=0.03)


@given(COUNTS, st.data())
def test_the_index_is_the_sum_over_smoothed_shares(before, data):
    now = data.draw(st.lists(st.integers(0, 500), min_size=len(before), max_size=len(before)))
    assume(sum(before) and sum(now))
    expected = 0.0
    for one, other in zip(before, now, strict=True):
        p = (one + 0.5) / (sum(before) + 0.5 * len(before))
        q = (other + 0.5) / (sum(now) + 0.5 * len(now))
        expected += (q - p) * math.log(q / p)
    found = population_stability_index(before, now)
    assert found == pytest.approx(expected, abs=1e-12)
    assert found == pytest.approx(population_stability_index(now, before), abs=1e-12)
    assert found >= -1e-12


def test_the_index_of_a_textbook_example():
    # Shares of 10, 40, 50 % become 20, 40, 40 %: 0.1 ln 2 + 0.1 ln 1.25.
    found = population_stability_index([100_000, 400_000, 500_000], [200_000, 400_000, 400_000])
    assert found == pytest.approx(0.1 * math.log(2) + 0.1 * math.log(1.25), abs=1e-4)
    assert population_stability_index([0, 0], [1, 2]) == population_stability_index([1, 2], [0, 0]) == 0


def test_a_number_is_binned_by_tenths_of_the_earlier_distribution():
    before, now = np.arange(1000.0), np.arange(500.0, 1500.0)
    drift = compare_columns("x", column(before), column(now))
    counts = [0, 0, 0, 0, 0, 100, 100, 100, 100, 600]
    assert drift.psi == pytest.approx(population_stability_index([100] * 10, counts), rel=0.02)
    assert drift.psi_p_value < 1e-150


def test_a_category_is_compared_level_by_level():
    drift = compare_columns("colour", counted(50, 30, 20), counted(60, 0, 20, 20))
    assert drift.psi == pytest.approx(population_stability_index([50, 30, 20, 0], [60, 0, 20, 20]))
    expected = stats.chi2_contingency([[50, 30, 20, 0], [60, 0, 20, 20]], correction=False).pvalue
    assert drift.distance == Distance(pytest.approx(0.3), pytest.approx(expected), 0)
    assert drift.psi_p_value == pytest.approx(expected)
    assert (drift.new_levels, drift.lost_levels) == (("d",), ("b",))
    assert drift.before == "a 0.5, b 0.3, c 0.2, 100 rows"
    assert drift.now == "a 0.6, c 0.2, d 0.2, 100 rows"


def test_nothing_is_known_of_a_column_without_rows():
    some, empty = column([1.0, 2.0]), summarise_column(pd.Series([None, None], dtype="float64"))
    for one, other in ((empty, some), (some, empty), (empty, empty)):
        assert distance(one, other) == Distance(0, 1, 0)
        drift = compare_columns("x", one, other)
        assert (drift.psi, drift.psi_p_value) == (0, 1)
        assert growth_p(one, other) == 1
    assert compare_columns("x", some, empty).nulls == (0, 1)
    assert distance(CategorySummary(0, 1, {}), counted(3)) == Distance(0, 1, 0)


def test_distributions_in_words():
    numbers = summarise_column(pd.Series([*range(101), None], dtype="float64"))
    assert describe(numbers) == (
        "median 50, quartiles 25 and 75, from 0 to 100, 101 rows, 0.0098 of all rows without a value"
    )
    assert describe(column([3.0])) == "median 3, quartiles 3 and 3, from 3 to 3, 1 row"
    assert describe(counted(1, 2, 3, 4, 5, 6)) == (
        "f 0.286, e 0.238, d 0.19, c 0.143, b 0.0952, a 0.0476, 21 rows"
    )
    assert describe(counted(1, 1, 1, 1, 1, 1, 9)) == (
        "g 0.6, a 0.0667, b 0.0667, c 0.0667, d 0.0667, e 0.0667, 1 more, 15 rows"
    )
    assert describe(CategorySummary(0, 2, {})) == "no values"


def dataset(rows, seed, shift=0.0):
    random = np.random.default_rng(seed)
    size = random.normal(size=rows) + shift
    frame = pd.DataFrame({"size": size, "colour": random.choice(LEVELS, rows), "cost": 3 * size})
    return Dataset(frame, SCHEMA)


def test_statistics_are_compared_column_by_column_the_target_last():
    before, now = summarise(dataset(500, 1)), summarise(dataset(400, 2, shift=1.0))
    drifts = compare_statistics(before, now)
    assert [drift.column for drift in drifts] == ["size", "colour", "cost"]
    for drift, one, other in zip(
        drifts, [*before.features.values(), before.target], [*now.features.values(), now.target], strict=True
    ):
        assert drift == compare_columns(drift.column, one, other)


def test_columns_that_only_one_has_or_of_another_type_are_left_out():
    before = summarise(dataset(50, 1))
    features = dict(before.features)
    changed = replace(
        before, features={"size": features["colour"], "colour": features["colour"], "new": features["size"]}
    )
    assert [drift.column for drift in compare_statistics(before, changed)] == ["colour", "cost"]
    assert [drift.column for drift in compare_statistics(changed, before)] == ["colour", "cost"]
    renamed = replace(before, target_name="price")
    assert [drift.column for drift in compare_statistics(before, renamed)] == ["size", "colour"]


@given(SAMPLES, SAMPLES)
def test_growth_is_a_one_sided_test(before, now):
    one, other = column(before), column(now)
    points = np.union1d(before, now)
    excess = max(float((np.array(before) <= point).mean() - (np.array(now) <= point).mean()) for point in points)
    error = one.gap + other.gap
    assert smirnov_p(excess + error, len(before), len(now)) <= growth_p(one, other) + 1e-12
    assert growth_p(one, other) <= smirnov_p(excess - error, len(before), len(now)) + 1e-12


def test_only_growth_counts_as_growth():
    small, large = column(drawn("normal", 300, 1)), column(drawn("normal", 300, 2) + 1)
    assert growth_p(small, large) < 1e-12
    assert growth_p(large, small) > 0.9


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
def test_the_binomial_bound_is_above_the_tail(trials, probability, data):
    successes = data.draw(st.integers(0, trials))
    bound = binomial_bound(successes, trials, probability)
    if successes <= trials * probability:
        assert bound >= stats.binom.cdf(successes, trials, probability) - 1e-9
    else:
        assert bound >= stats.binom.sf(successes - 1, trials, probability) - 1e-9
    assert bound <= 1
    assert binomial_bound(0, trials, probability) == pytest.approx((1 - probability) ** trials)
    assert binomial_bound(trials, trials, probability) == pytest.approx(probability**trials)


def test_the_binomial_bound_at_the_ends():
    assert binomial_bound(0, 0, 0.5) == 1
    assert (binomial_bound(3, 3, 1.0), binomial_bound(2, 3, 1.0)) == (1, 0)
    assert (binomial_bound(0, 3, 0.0), binomial_bound(1, 3, 0.0)) == (1, 0)
