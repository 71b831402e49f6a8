"""The shipped task: what it is made of, and the data that it is shown with."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.domain.data.admission import admit
from weighbridge.domain.data.dataset import SplitSpec, split
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import DataError
from weighbridge.domain.evaluation.checks.check import Increases, NotAboveLargestLabel, NotBelow, run_checks
from weighbridge.domain.evaluation.gate import Threshold, Verdict, decide
from weighbridge.domain.evaluation.metrics import measure
from weighbridge.domain.tasks.time_to_dispatch import PRODUCTS, TIME_TO_DISPATCH, pipeline, simulate

seeds = st.integers(0, 2**32)
sizes = st.integers(1, 200)


def test_what_it_predicts_and_from_what() -> None:
    assert PRODUCTS == ("SKU001", "SKU002", "SKU003", "SKU004", "SKU005")
    assert TIME_TO_DISPATCH.name == "time_to_dispatch"
    assert TIME_TO_DISPATCH.schema == Schema(
        (Number("orders_placed", minimum=0), Category("product_code", PRODUCTS)),
        Number("hours_to_dispatch"),
        "est_hours_to_dispatch",
    )


def test_what_it_demands() -> None:
    assert TIME_TO_DISPATCH.thresholds == (Threshold("r2", error=0.8, warning=0.9),)
    assert TIME_TO_DISPATCH.split == SplitSpec(0.2, "product_code", 42)
    assert TIME_TO_DISPATCH.checks == (
        Increases("orders_placed", 100, 150, for_each="product_code"),
        NotBelow(0),
        NotAboveLargestLabel(1.25),
    )


def test_what_it_searches() -> None:
    estimator = TIME_TO_DISPATCH.estimator
    assert estimator.points == 1620
    assert (estimator.folds, estimator.scoring) == (5, "r2")
    assert {name: list(values) for name, values in estimator.grid.items()} == {
        "regressor__criterion": ["squared_error", "absolute_error"],
        "regressor__max_depth": [2, 3, 4, 5, 6, 7, 8, 9, 10, None],
        "regressor__min_samples_split": [2, 3, 4, 5, 6, 7, 8, 9, 10],
        "regressor__min_samples_leaf": [2, 3, 4, 5, 6, 7, 8, 9, 10],
    }
    params = estimator.pipeline(7).get_params()
    assert set(estimator.grid) <= set(params)
    assert params["regressor__random_state"] == 7
    assert type(params["regressor"]).__name__ == "DecisionTreeRegressor"
    assert params["features__one_hot__categories"] == [list(PRODUCTS)]


def test_each_pipeline_is_a_new_one() -> None:
    assert pipeline(1) is not pipeline(1)
    assert pipeline(1).steps[-1][1] is not pipeline(1).steps[-1][1]


@given(sizes, seeds)
def test_simulated_data_is_admitted(rows: int, seed: int) -> None:
    frame = simulate(rows, seed)
    assert list(frame.columns) == ["hours_to_dispatch", "orders_placed", "product_code"]
    assert len(admit(frame, TIME_TO_DISPATCH.schema, "a")) == rows
    assert (frame["hours_to_dispatch"] >= 0).all()
    assert (frame["orders_placed"] % 1 == 0).all()


def test_no_rows_are_simulated_and_refused() -> None:
    frame = simulate(0, 1)
    assert frame.shape == (0, 3)
    with pytest.raises(DataError, match="there are no rows"):
        admit(frame, TIME_TO_DISPATCH.schema, "a")


@given(sizes, seeds, st.sets(st.sampled_from(PRODUCTS)))
def test_the_same_seed_gives_the_same_data(rows: int, seed: int, shuffled: set[str]) -> None:
    chosen = sorted(shuffled)
    pd.testing.assert_frame_equal(simulate(rows, seed, chosen), simulate(rows, seed, chosen), check_exact=True)


def test_another_seed_gives_other_data() -> None:
    assert not simulate(20, 1).equals(simulate(20, 2))


@given(sizes, seeds, st.lists(st.sampled_from(PRODUCTS), unique=True))
def test_shuffling_permutes_the_hours_of_the_named_products_only(
    rows: int, seed: int, shuffled: list[str]
) -> None:
    good, bad = simulate(rows, seed), simulate(rows, seed, shuffled)
    assert bad[["orders_placed", "product_code"]].equals(good[["orders_placed", "product_code"]])
    for product in PRODUCTS:
        before = good.loc[good["product_code"] == product, "hours_to_dispatch"]
        after = bad.loc[bad["product_code"] == product, "hours_to_dispatch"]
        assert sorted(before) == sorted(after)
        if product not in shuffled:
            assert before.equals(after)


def test_shuffling_leaves_nothing_to_learn() -> None:
    good, bad = simulate(2000, 3), simulate(2000, 3, ["SKU002"])
    for frame, low, high in ((good, 0.9, 1.0), (bad, -0.1, 0.1)):
        rows = frame[frame["product_code"] == "SKU002"]
        correlation = np.corrcoef(rows["orders_placed"], rows["hours_to_dispatch"])[0, 1]
        assert low < correlation < high


@pytest.mark.parametrize(("shuffled", "verdict"), [((), Verdict.RELEASE), (PRODUCTS[3:], Verdict.REJECT)])
def test_its_demands_tell_good_data_from_bad(shuffled: tuple[str, ...], verdict: Verdict) -> None:
    task = replace(TIME_TO_DISPATCH, checks=TIME_TO_DISPATCH.checks)
    dataset = admit(simulate(1000, 0, shuffled), task.schema, "a")
    parts = split(dataset, task.split, task.estimator.folds, "a")
    model = task.estimator.pipeline(task.split.seed).set_params(regressor__min_samples_leaf=5)
    model.fit(parts.train.features, parts.train.target)
    checks = run_checks(task.checks, model, dataset)
    decision = decide(measure(model, parts.test), task.thresholds, checks)
    assert decision.verdict == verdict
    assert [check.name for check in checks] == [
        "prediction increases from orders_placed 100 to 150 for each product_code",
        "predictions are not below 0",
        "predictions are not above 1.25 times the largest label",
    ]
