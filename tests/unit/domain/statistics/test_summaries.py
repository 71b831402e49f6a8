"""What is kept of a dataset: against the raw columns."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.statistics.association import MOST_ROWS, association, association_error
from weighbridge.domain.statistics.column_summaries import (
    KNOTS,
    CategorySummary,
    NumberSummary,
    column_from_dict,
    column_to_dict,
    summarise_column,
)
from weighbridge.domain.statistics.summaries import FEWEST_LEVEL_KNOTS, LEVEL_KNOTS, Statistics, summarise
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate

FINITE = st.floats(allow_nan=False, allow_infinity=False)
# Few values, so that ties are frequent, and any value, so that none is too large.
COLUMNS = st.one_of(
    st.lists(st.integers(0, 9).map(float), min_size=1, max_size=200),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=400),
    st.lists(FINITE, min_size=1, max_size=50),
)
LEVELS = ("a", "b", "c")


def orders(rows, seed):
    frame = simulate(rows, seed)
    names = [*TIME_TO_DISPATCH.schema.feature_names, TIME_TO_DISPATCH.schema.target.name]
    return Dataset(frame[names], TIME_TO_DISPATCH.schema)


def classes(rows, seed):
    random = np.random.default_rng(seed)
    size = random.normal(size=rows)
    colour = random.choice(LEVELS, rows)
    kind = np.where(size + 0.3 * random.normal(size=rows) > 0, "big", "small")
    schema = Schema((Number("size"), Category("colour", LEVELS)), Category("kind", ("big", "small")), "est_kind")
    return Dataset(pd.DataFrame({"size": size, "colour": colour, "kind": kind}), schema)


@given(COLUMNS, st.integers(2, 40))
def test_knots_are_values_of_the_column_with_their_exact_ranks(values, knots):
    summary = summarise_column(pd.Series(values), knots)
    assert isinstance(summary, NumberSummary)
    assert set(summary.values) <= set(values)
    assert len(summary.values) <= knots
    assert list(summary.values) == sorted(set(summary.values))
    assert summary.values[0] == summary.minimum == min(values)
    assert summary.values[-1] == summary.maximum == max(values)
    assert (summary.rows, summary.nulls, summary.distinct) == (len(values), 0, len(set(values)))
    assert summary.below == tuple(sum(other < value for other in values) for value in summary.values)
    assert summary.up_to == tuple(sum(other <= value for other in values) for value in summary.values)
    assert summary.gap <= 1 / (knots - 1)
    if len(set(values)) <= knots:
        assert summary.values == tuple(sorted(set(values)))
        assert summary.gap == 0


@given(COLUMNS, st.lists(FINITE, min_size=1, max_size=20), st.integers(2, 40))
def test_shares_are_those_of_the_rows_within_the_stated_gap(values, points, knots):
    summary = summarise_column(pd.Series(values), knots)
    column, where = np.array(values), np.array([*points, *values[:20]])
    below, up_to = summary.shares(where)
    for place, point in enumerate(where):
        assert below[place] == pytest.approx((column < point).mean(), abs=summary.gap + 1e-12)
        assert up_to[place] == pytest.approx((column <= point).mean(), abs=summary.gap + 1e-12)
    ordered = np.sort(where)
    for shares in summary.shares(ordered):
        assert (np.diff(shares) >= -1e-12).all()


@given(COLUMNS)
def test_percentiles_are_the_least_values_that_enough_rows_do_not_exceed(values):
    summary = summarise_column(pd.Series(values))
    for percent in range(0, 101, 5):
        expected = min(v for v in values if 100 * sum(other <= v for other in values) >= percent * len(values))
        assert summary.quantile(percent / 100) == expected


@given(COLUMNS)
def test_moments_are_those_of_the_values_and_always_finite(values):
    summary = summarise_column(pd.Series(values))
    scale = max(map(abs, values)) or 1.0
    scaled = [value / scale for value in values]
    assert summary.mean / scale == pytest.approx(math.fsum(scaled) / len(values), abs=1e-12)
    assert summary.std / scale == pytest.approx(np.std(scaled), abs=1e-12)
    assert math.isfinite(summary.mean)
    assert math.isfinite(summary.std)
    commonest = max(values.count(value) for value in set(values)) / len(values)
    assert summary.commonest <= commonest
    if commonest > 0.01:
        assert summary.commonest == commonest


def test_numbers_as_large_as_can_be_have_finite_statistics():
    summary = summarise_column(pd.Series([-1.7e308, 1.7e308] * 100))
    assert (summary.mean, summary.std) == (0.0, 1.7e308)
    assert summary.shares(np.array([0.0, 1.7e308]))[0].tolist() == [0.5, 0.5]


def test_a_point_between_two_knots_is_on_the_straight_line():
    summary = summarise_column(pd.Series(np.arange(101.0)), 2)
    assert summary.values == (0.0, 100.0)
    below, up_to = summary.shares(np.array([-1.0, 0.0, 50.0, 100.0, 101.0]))
    assert (below * 101).tolist() == pytest.approx([0, 0, 50.5, 100, 101])
    assert (up_to * 101).tolist() == pytest.approx([0, 1, 50.5, 101, 101])


def test_rows_without_a_value_are_counted_apart():
    assert summarise_column(pd.Series([2.0, None, 4.0])) == NumberSummary(
        2, 1, 3.0, 1.0, 2.0, 4.0, 2, (2.0, 4.0), (0, 1), (1, 2)
    )
    assert summarise_column(pd.Series(["b", None, "a", "b"], dtype="str")) == CategorySummary(
        3, 1, {"a": 1, "b": 2}
    )
    empty = summarise_column(pd.Series([None, None], dtype="float64"))
    assert empty == NumberSummary(0, 2, 0.0, 0.0, 0.0, 0.0, 0, (), (), ())
    assert (empty.quantile(0.5), empty.gap, empty.commonest) == (0.0, 0.0, 0.0)


def test_a_category_knows_its_commonest_level():
    summary = summarise_column(pd.Series(["b", "a", "b", "c"], dtype="str"))
    assert (summary.distinct, summary.commonest) == (3, 0.5)
    assert CategorySummary(0, 3, {}).commonest == 0


@pytest.mark.parametrize("dataset", [orders(500, 1), classes(300, 2)], ids=["number", "category"])
def test_statistics_cover_every_column_and_the_target_at_each_level(dataset):
    statistics = summarise(dataset)
    schema = dataset.schema
    assert statistics.rows == len(dataset)
    assert list(statistics.features) == list(schema.feature_names)
    for name in schema.feature_names:
        assert statistics.features[name] == summarise_column(dataset.frame[name])
        assert statistics.association[name] == association(dataset.frame[name], dataset.target)
    assert (statistics.target_name, statistics.target) == (schema.target.name, summarise_column(dataset.target))
    categories = [feature for feature in schema.features if isinstance(feature, Category)]
    assert set(statistics.target_by_level) == {feature.name for feature in categories}
    for feature in categories:
        for level in feature.levels:
            chosen = dataset.target[dataset.frame[feature.name] == level]
            knots = min(KNOTS, LEVEL_KNOTS // len(feature.levels))
            assert statistics.target_by_level[feature.name][level] == summarise_column(chosen, knots)


@pytest.mark.parametrize("dataset", [orders(200, 3), classes(50, 4)], ids=["number", "category"])
def test_statistics_survive_json(dataset):
    statistics = summarise(dataset)
    text = json.dumps(statistics.to_dict(), allow_nan=False)
    assert Statistics.from_dict(json.loads(text)) == statistics


@pytest.mark.parametrize(
    "change", [{"features": [1]}, {"features": {"a": 1}}, {"target": {}}, {"target": {"type": "text"}}]
)
def test_what_is_no_statistics_is_refused(change):
    data = summarise(orders(20, 1)).to_dict()
    with pytest.raises(ValueError, match="the statistics cannot be read"):
        Statistics.from_dict(data | change)
    del data["rows"]
    with pytest.raises(ValueError, match="the statistics cannot be read: KeyError: 'rows'"):
        Statistics.from_dict(data)


def test_one_column_survives_json_too():
    for column in (summarise_column(pd.Series([1.5, 2.0])), summarise_column(pd.Series(["a", "b"], dtype="str"))):
        assert column_from_dict(json.loads(json.dumps(column_to_dict(column)))) == column


def test_twenty_columns_of_many_rows_take_less_than_100_kb_and_no_row_is_kept():
    random = np.random.default_rng(0)
    numbers = {f"number_{place}": random.normal(size=20_000) for place in range(15)}
    levels = tuple(f"level {level}" for level in range(20))
    texts = {f"text_{place}": random.choice(levels, 20_000) for place in range(5)}
    features = [Number(name) for name in numbers]
    features += [Category(name, levels) for name in texts]
    frame = pd.DataFrame(numbers | texts).assign(y=random.normal(size=20_000))
    statistics = summarise(Dataset(frame, Schema(tuple(features), Number("y"), "est_y")))
    assert len(json.dumps(statistics.to_dict())) < 100_000


def test_of_too_many_levels_those_with_the_most_rows_are_kept():
    levels = [f"level {place:03}" for place in range(60)]
    column = [level for place, level in enumerate(levels) for _ in range(place + 1)]
    schema = Schema((Category("level", tuple(levels)),), Number("y"), "est_y")
    frame = pd.DataFrame({"level": column, "y": np.arange(len(column), dtype=float)})
    kept = summarise(Dataset(frame, schema)).target_by_level["level"]
    assert set(kept) == set(levels[-(LEVEL_KNOTS // FEWEST_LEVEL_KNOTS) :])
    assert {len(column.values) for column in kept.values()} == {FEWEST_LEVEL_KNOTS}


@given(st.permutations(range(12)), st.sampled_from([1.0, -3.0]))
def test_a_monotone_function_has_an_association_of_one(order, slope):
    feature = pd.Series(order, dtype=float)
    assert association(feature, slope * feature**3 + 1) == 1


@given(st.lists(st.floats(-5, 5), min_size=3, max_size=60, unique=True), st.integers(0, 1000))
def test_association_is_chatterjees_xi_over_its_greatest_value(values, seed):
    target = np.random.default_rng(seed).permutation(len(values)) + 1.0
    ranks = target[np.argsort(values)]
    rows = len(values)
    xi = 1 - 3 * np.abs(np.diff(ranks)).sum() / (rows**2 - 1)
    assert association(pd.Series(values), pd.Series(target)) == pytest.approx(xi / ((rows - 2) / (rows + 1)))


@pytest.mark.parametrize("r2", [0.0, 0.5, 0.9, 0.99])
def test_association_of_a_normal_pair_is_what_theory_gives(r2):
    random = np.random.default_rng(5)
    feature = random.normal(size=20_000)
    target = math.sqrt(r2) * feature + math.sqrt(1 - r2) * random.normal(size=20_000)
    expected = 3 / math.pi * math.asin((1 + r2) / 2) - 0.5
    found = association(pd.Series(feature), pd.Series(target))
    assert found == pytest.approx(expected, abs=3 * association_error(20_000, 1.0, numeric=True))


def test_association_sees_functions_of_any_shape_and_classes():
    feature = pd.Series(np.linspace(-3, 3, 2000))
    assert association(feature, np.sin(3 * feature)) > 0.98
    assert association(feature, pd.Series(np.where(feature**2 < 2, "in", "out"))) == pytest.approx(1, abs=0.01)
    assert association(pd.Series(np.where(feature < 0, "low", "high")), feature) == pytest.approx(0.5, abs=0.05)


def test_nothing_can_be_associated_with_a_constant_or_with_two_rows():
    varied, constant = pd.Series([1.0, 2.0, 3.0, 4.0]), pd.Series([5.0] * 4)
    assert association(varied, constant) == 0
    assert association(varied, constant.astype(str)) == 0
    assert association(varied[:2], varied[:2]) == 0
    assert association(varied[:3], varied[:3]) == 1


def test_equal_values_are_in_no_order_of_their_own():
    rows = 4000
    for target in (pd.Series(np.arange(rows, dtype=float)), pd.Series(["a"] * (rows // 2) + ["b"] * (rows // 2))):
        assert abs(association(pd.Series([1.0] * rows), target)) < 4 * association_error(rows, 0.5, numeric=False)


def test_the_error_of_an_association_shrinks_with_rows_up_to_those_looked_at():
    assert association_error(600, 1.0, numeric=True) == pytest.approx(math.sqrt(0.001))
    assert association_error(600, 0.5, numeric=True) == pytest.approx(math.sqrt(0.004))
    assert association_error(400, 0.5, numeric=False) == pytest.approx(0.1)
    assert association_error(10 * MOST_ROWS, 1.0, True) == association_error(MOST_ROWS, 1.0, True)


@pytest.mark.parametrize("r2", [0.0, 0.2, 0.5, 0.8])
def test_the_stated_error_of_an_association_is_not_exceeded_over_resamples(r2):
    random = np.random.default_rng(7)
    found = []
    for _ in range(200):
        feature = random.normal(size=200)
        target = math.sqrt(r2) * feature + math.sqrt(1 - r2) * random.normal(size=200)
        found.append(association(pd.Series(feature), pd.Series(target)))
    assert np.std(found) < association_error(200, 1.0, numeric=True)
