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
from weighbridge.domain.statistics.column_summaries import CategorySummary, summarise_column
from weighbridge.domain.statistics.drift import (
    Distance,
    compare_columns,
    compare_statistics,
    describe,
    distance,
    growth_p,
    population_stability_index,
)
from weighbridge.domain.statistics.significance import smirnov_p
from weighbridge.domain.statistics.summaries import summarise

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
