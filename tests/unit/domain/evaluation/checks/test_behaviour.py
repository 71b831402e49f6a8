"""Monotone and Invariant, on small models whose every prediction is written down here."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier

from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import TaskError
from weighbridge.domain.evaluation.checks.behaviour import Invariant, Monotone
from weighbridge.domain.evaluation.checks.check import Check, CheckResult, run_checks
from weighbridge.domain.model.fitted import FittedModel

SCHEMA = Schema(
    (Number("orders", minimum=0), Category("product", ("A", "B", "C")), Number("weight")), Number("hours"), "p"
)
CLASSES = Schema(SCHEMA.features, Category("speed", ("slow", "fast")), "p")
FRAME = pd.DataFrame(
    {
        "orders": [1.0, 2.0, 30.0, 4.0],
        "product": ["B", "A", "B", "A"],
        "weight": [5.0, 1.0, 2.0, 100.0],
    }
)
DATASET = Dataset(FRAME.assign(hours=[10.0, 2.0, 8.0, 4.0]), SCHEMA)
LABELLED = Dataset(FRAME.assign(speed=["slow", "fast", "slow", "fast"]), CLASSES)
GRID = Monotone("orders", (0, 10, 20), for_each="product")
GRID_NAME = "prediction is increasing over orders 0, 10, 20 for each product"


@dataclass
class Formula(FittedModel):
    """Predicts by a formula, row by row, and remembers what it was asked."""

    formula: Callable[[Any], Any]
    asked: list[pd.DataFrame] = field(default_factory=list)

    def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        self.asked.append(features)
        return np.array([self.formula(row) for row in features.itertuples(index=False)])


class Answers(FittedModel):
    """Predicts what it was told to, whatever it is asked."""

    def __init__(self, *answers: float) -> None:
        self.answers = answers

    def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        return np.array(self.answers, dtype=np.float64)


def test_a_monotone_prediction_is_asked_for_along_the_grid_at_every_level() -> None:
    model = Formula(lambda row: row.orders * (2 if row.product == "A" else 0.5) + row.weight)
    assert GRID.run(model, DATASET) == CheckResult(GRID_NAME, True, "the smallest rise is 5")
    (asked,) = model.asked
    # The median of the weights, for every product at every number of orders.
    assert asked.to_dict("list") == {
        "orders": [0, 10, 20] * 3,
        "product": ["A"] * 3 + ["B"] * 3 + ["C"] * 3,
        "weight": [3.5] * 9,
    }
    assert asked["orders"].dtype == np.float64


def test_without_levels_everything_but_the_grid_is_typical() -> None:
    model = Formula(lambda row: -row.weight)
    check = Monotone("weight", (-1, 0.1, 2.5), direction="decreasing", strict=True)
    assert check.run(model, DATASET) == CheckResult(
        "prediction is strictly decreasing over weight -1, 0.1, 2.5", True, "the smallest fall is 1.1"
    )
    (asked,) = model.asked
    assert asked.to_dict("list") == {"orders": [3.0] * 3, "product": ["A"] * 3, "weight": [-1, 0.1, 2.5]}
    assert Monotone("weight", (-1, 0.1, 2.5)).run(model, DATASET) == CheckResult(
        "prediction is increasing over weight -1, 0.1, 2.5",
        False,
        "2 of 2 steps break it (1 -> -0.1 from -1 to 0.1; -0.1 -> -2.5 from 0.1 to 2.5)",
    )


def test_each_step_that_turns_is_named() -> None:
    answers = Answers(1, 2, 3, 5, 5, 4.5, 9, 8, 9)
    assert GRID.run(answers, DATASET) == CheckResult(
        GRID_NAME, False, "2 of 6 steps break it (B: 5 -> 4.5 from 10 to 20; C: 9 -> 8 from 0 to 10)"
    )
    falling = Monotone("orders", (0, 10, 20), "product", "decreasing").run(answers, DATASET)
    assert falling.detail == (
        "3 of 6 steps break it (A: 1 -> 2 from 0 to 10; A: 2 -> 3 from 10 to 20; C: 8 -> 9 from 10 to 20)"
    )
    strictly = Monotone("orders", (0, 10, 20), "product", strict=True).run(answers, DATASET)
    assert strictly.detail == (
        "3 of 6 steps break it (B: 5 -> 5 from 0 to 10; B: 5 -> 4.5 from 10 to 20; C: 9 -> 8 from 0 to 10)"
    )


def test_the_smallest_step_down_is_seen() -> None:
    check = Monotone("weight", (0, 1))
    assert check.run(Answers(5, math.nextafter(5, 4)), DATASET).detail == (
        "1 of 1 steps break it (5.0 -> 4.999999999999999 from 0 to 1)"
    )
    assert check.run(Answers(5, 5), DATASET).detail == "the smallest rise is 0"
    assert Monotone("weight", (0, 1), direction="decreasing").run(Answers(5, 5), DATASET).detail == (
        "the smallest fall is 0"
    )


@pytest.mark.parametrize(
    "answers", [(1, math.nan), (math.nan, 1), (1, math.inf), (-math.inf, 1), (math.inf, math.inf)]
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_prediction_that_is_not_finite_is_at_fault(answers: tuple[float, float], strict: bool) -> None:
    low, high = answers
    found = Monotone("weight", (0, 1), strict=strict).run(Answers(low, high), DATASET)
    assert not found.passed
    assert found.detail == f"1 of 1 steps break it ({low:g} -> {high:g} from 0 to 1)"


def test_no_more_than_five_steps_are_shown() -> None:
    found = Monotone("weight", tuple(range(7))).run(Answers(*range(7, 0, -1)), DATASET)
    steps = "; ".join(f"{7 - step} -> {6 - step} from {step} to {step + 1}" for step in range(5))
    assert found.detail == f"6 of 6 steps break it ({steps}; ...)"
    found = Monotone("weight", tuple(range(6))).run(Answers(*range(7, 1, -1)), DATASET)
    assert found.detail == f"5 of 5 steps break it ({steps})"


@given(
    st.lists(st.integers(-3, 3), min_size=6, max_size=6),
    st.sampled_from(["increasing", "decreasing"]),
    st.booleans(),
)
def test_monotone_is_of_every_step_at_every_level(answers: list[int], direction: Any, strict: bool) -> None:
    schema = Schema((Number("x"), Category("c", ("A", "B"))), Number("y"), "p")
    dataset = Dataset(pd.DataFrame({"x": [1.0], "c": ["A"], "y": [0.0]}), schema)
    found = Monotone("x", (1, 2, 3), "c", direction, strict).run(Answers(*answers), dataset)
    sign = 1 if direction == "increasing" else -1
    moves = [sign * (answers[at + 1] - answers[at]) for at in (0, 1, 3, 4)]
    broken = sum(move <= 0 if strict else move < 0 for move in moves)
    assert found.passed == (broken == 0)
    if broken:
        assert found.detail.startswith(f"{broken} of 4 steps break it (")
    else:
        assert found.detail == f"the smallest {'rise' if sign > 0 else 'fall'} is {min(moves)}"


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (Monotone("colour", (1, 2)), "there is no feature 'colour'; there are orders, product, weight"),
        (Monotone("product", (1, 2)), "'product' is not a number feature"),
        (Monotone("weight", (1, 2), "orders"), "'orders' is not a category feature"),
        (Monotone("orders", (1, -1)), "-1 is not allowed; expected a number not below 0"),
        (Monotone("orders", (1, math.nan)), "nan is not allowed; expected a number not below 0"),
        (Monotone("orders", (1, "2")), "'2' is not allowed; expected a number not below 0"),  # type: ignore[arg-type]
        (Monotone("orders", ()), "values must be at least two, each greater than the one before"),
        (Monotone("orders", (1,)), "values must be at least two, each greater than the one before"),
        (Monotone("orders", (1, 2, 2)), "values must be at least two, each greater than the one before"),
        (Monotone("orders", (2, 1, 3)), "values must be at least two, each greater than the one before"),
        (
            Monotone("orders", (1, 2), direction="up"),  # type: ignore[arg-type]
            "the direction is 'up'; there are increasing and decreasing",
        ),
        (Invariant("colour"), "there is no feature 'colour'; there are orders, product, weight"),
        (Invariant("orders", -0.5), "the tolerance must be a finite number not below 0"),
        (Invariant("orders", math.inf), "the tolerance must be a finite number not below 0"),
        (Invariant("orders", math.nan), "the tolerance must be a finite number not below 0"),
        (Invariant("orders", rows=0), "rows must be a whole number not below 1"),
        (Invariant("orders", rows=1.5), "rows must be a whole number not below 1"),  # type: ignore[arg-type]
        (Invariant("orders", rows=True), "rows must be a whole number not below 1"),
    ],
)
def test_checks_that_do_not_fit(check: Check, message: str) -> None:
    with pytest.raises(TaskError) as caught:
        check.validate(SCHEMA)
    assert str(caught.value) in (f"check '{check.name}': {message}", message)
    assert (str(caught.value) == message) == message.startswith("there is no feature")


@pytest.mark.parametrize(
    "check", [Monotone("weight", (0, 1)), Monotone("orders", (0, 5e-324, 1), "product"), GRID]
)
def test_monotone_checks_that_fit_numbers_only(check: Check) -> None:
    check.validate(SCHEMA)
    with pytest.raises(TaskError) as caught:
        check.validate(CLASSES)
    assert str(caught.value) == (
        f"check '{check.name}': the target 'speed' is a category; this check is for numbers"
    )


def test_different_checks_have_different_names() -> None:
    checks = [
        *(
            Monotone("orders", values, each, direction, strict)  # type: ignore[arg-type]
            for values in ((0, 1), (0, 2), (0, 1, 2), (0, 1.0000000001), (0, 1.0000000002))
            for each in (None, "product")
            for direction in ("increasing", "decreasing")
            for strict in (False, True)
        ),
        *(
            Invariant(feature, tolerance, rows)
            for feature in ("orders", "weight")
            for tolerance in (0, 1.0000000001, 1.0000000002)
            for rows in (1_000_000, 1_000_001)
        ),
    ]
    assert len({check.name for check in checks}) == len(checks)


def test_a_feature_that_does_not_matter() -> None:
    model = Formula(lambda row: row.orders)
    assert Invariant("product").run(model, DATASET) == CheckResult(
        "predictions for 100 rows do not change with product",
        True,
        "8 replacements in 4 rows change a prediction by at most 0",
    )
    rows, replaced = model.asked
    assert rows.equals(DATASET.features)
    # Every level but the row's own.
    assert replaced.to_dict("list") == {
        "orders": [1, 1, 2, 2, 30, 30, 4, 4],
        "product": ["A", "C", "B", "C", "A", "C", "B", "C"],
        "weight": [5, 5, 1, 1, 2, 2, 100, 100],
    }
    assert replaced.dtypes.equals(DATASET.features.dtypes)


def test_a_feature_that_matters_names_rows_and_values() -> None:
    model = Formula(lambda row: row.orders + {"A": 0, "B": 0.5, "C": 2}[row.product])
    assert Invariant("product", tolerance=0.5).run(model, DATASET) == CheckResult(
        "predictions for 100 rows do not change with product by more than 0.5",
        False,
        "4 of 8 replacements in 4 rows change the prediction (row 1: 1.5 -> 3 with C for B; "
        "row 2: 2 -> 4 with C for A; row 3: 30.5 -> 32 with C for B; row 4: 4 -> 6 with C for A)",
    )
    assert Invariant("product", tolerance=1.9).run(model, DATASET).detail.startswith("2 of 8 replacements")
    assert Invariant("product", tolerance=2).run(model, DATASET) == CheckResult(
        "predictions for 100 rows do not change with product by more than 2",
        True,
        "8 replacements in 4 rows change a prediction by at most 2",
    )
    assert Invariant("product").run(model, DATASET).detail == (
        "8 of 8 replacements in 4 rows change the prediction (row 1: 1.5 -> 1 with A for B; "
        "row 1: 1.5 -> 3 with C for B; row 2: 2 -> 2.5 with B for A; row 2: 2 -> 4 with C for A; "
        "row 3: 30.5 -> 30 with A for B; ...)"
    )


def test_a_number_is_replaced_by_quantiles_that_occur() -> None:
    model = Formula(lambda row: max(row.orders, 4))
    found = Invariant("orders", rows=1).run(model, DATASET)
    rows, replaced = model.asked
    own = float(rows["orders"].iloc[0])
    assert sorted([own, *replaced["orders"]]) == [1, 2, 4, 30]
    assert own not in set(replaced["orders"])
    assert found.name == "predictions for 1 rows do not change with orders"
    assert not found.passed
    # Of many rows: the least, nine deciles and the greatest, whatever the order of the rows.
    many = pd.DataFrame({"orders": np.random.default_rng(1).permutation(1001) + 0.5})
    schema = Schema((Number("orders"),), Number("hours"), "p")
    model = Formula(lambda row: 1.0)
    assert Invariant("orders", rows=1001).run(model, Dataset(many.assign(hours=1.0), schema)).passed
    assert sorted(set(model.asked[1]["orders"])) == [
        0.5, 100.5, 200.5, 300.5, 400.5, 500.5, 600.5, 700.5, 800.5, 900.5, 1000.5,
    ]  # fmt: skip


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_predictions_that_are_not_finite_are_a_change(wrong: float) -> None:
    model = Formula(lambda row: wrong if row.product == "C" else 1.0)
    found = Invariant("product", tolerance=1e300).run(model, DATASET)
    assert not found.passed
    assert found.detail.startswith(f"4 of 8 replacements in 4 rows change the prediction (row 1: 1 -> {wrong}")
    assert not Invariant("product").run(Formula(lambda row: wrong), DATASET).passed


def test_labels_must_stay_the_same() -> None:
    steady = Formula(lambda row: "slow" if row.orders > 3 else "fast")
    assert Invariant("product").run(steady, LABELLED) == CheckResult(
        "predictions for 100 rows do not change with product", True, "8 replacements in 4 rows change no label"
    )
    moved = Formula(lambda row: "slow" if row.product == "C" and row.orders > 3 else "fast")
    assert Invariant("product").run(moved, LABELLED) == CheckResult(
        "predictions for 100 rows do not change with product",
        False,
        "2 of 8 replacements in 4 rows change the prediction (row 3: fast -> slow with C for B; "
        "row 4: fast -> slow with C for A)",
    )
    assert Invariant("orders").run(moved, LABELLED).detail == "12 replacements in 4 rows change no label"
    assert Invariant("weight", rows=4).run(
        Formula(lambda row: "slow" if row.weight >= 100 else "fast"), LABELLED
    ).detail == (
        "6 of 12 replacements in 4 rows change the prediction (row 1: fast -> slow with 100 for 5; "
        "row 2: fast -> slow with 100 for 1; row 3: fast -> slow with 100 for 2; "
        "row 4: slow -> fast with 1 for 100; row 4: slow -> fast with 2 for 100; ...)"
    )


def test_a_tolerance_is_for_numbers() -> None:
    Invariant("product").validate(CLASSES)
    Invariant("product", 0.5, 1).validate(SCHEMA)
    with pytest.raises(TaskError) as caught:
        Invariant("product", 0.5).validate(CLASSES)
    assert str(caught.value) == (
        "check 'predictions for 100 rows do not change with product by more than 0.5': the tolerance must be 0, "
        "as labels are equal or they are not"
    )


@pytest.mark.parametrize(
    ("feature", "alone"),
    [(Category("one", ("A",)), "the level A"), (Number("one", 2.5, 2.5), "the value 2.5")],
)
def test_what_has_one_value_cannot_be_replaced(feature: Category | Number, alone: str) -> None:
    schema = Schema((feature,), Number("hours"), "p")
    with pytest.raises(TaskError) as caught:
        Invariant("one").validate(schema)
    assert str(caught.value) == (
        "check 'predictions for 100 rows do not change with one': "
        f"'one' has only {alone}, which nothing can replace"
    )
    for fits in (
        Category("one", ("A", "B")),
        Number("one", 2.5, 2.6),
        Number("one", 2.5),
        Number("one", None, 2.5),
    ):
        Invariant("one").validate(Schema((fits,), Number("hours"), "p"))


def test_a_number_that_is_constant_in_the_dataset_is_told() -> None:
    constant = Dataset(DATASET.frame.assign(weight=7.0), SCHEMA)
    assert Invariant("weight").run(Formula(lambda row: math.nan), constant) == CheckResult(
        "predictions for 100 rows do not change with weight",
        True,
        "weight has one value in the dataset; nothing replaces it",
    )


@given(st.integers(1, 60), st.integers(1, 60))
def test_the_rows_tried_are_a_fixed_sample(rows: int, wanted: int) -> None:
    frame = pd.DataFrame({"x": np.arange(rows, dtype=np.float64), "c": "A", "y": 0.0})
    schema = Schema((Number("x"), Category("c", ("A", "B"))), Number("y"), "p")
    # The row that is at fault is told by its number in the dataset, counted from 1.
    model = Formula(lambda row: row.x if row.c == "A" else -1.0)
    check = Invariant("c", rows=wanted)
    found = check.run(model, Dataset(frame, schema))
    asked = model.asked[0]["x"].tolist()
    assert len(asked) == min(rows, wanted)
    assert asked == sorted(set(asked))
    assert f"row {int(asked[0]) + 1}: {int(asked[0])} -> -1 with B for A" in found.detail
    again = Formula(model.formula)
    # An index that is not the position changes nothing.
    shifted = Dataset(frame.set_axis(range(5, rows + 5)), schema)
    assert check.run(again, shifted) == found
    assert again.asked[0]["x"].tolist() == asked


def test_the_sample_is_spread_over_the_dataset() -> None:
    frame = pd.DataFrame({"x": np.arange(1000.0), "c": "A", "y": 0.0})
    schema = Schema((Number("x"), Category("c", ("A", "B"))), Number("y"), "p")
    model = Formula(lambda row: 0.0)
    Invariant("c", rows=200).run(model, Dataset(frame, schema))
    counts, _ = np.histogram(model.asked[0]["x"], bins=4, range=(0, 1000))
    assert counts.sum() == 200
    assert counts.min() > 30


def test_a_fitted_regression() -> None:
    random = np.random.default_rng(3)
    frame = pd.DataFrame({"x": random.normal(size=200), "noise": random.normal(size=200)})
    frame["y"] = 3 * frame["x"]
    dataset = Dataset(frame, Schema((Number("x"), Number("noise")), Number("y"), "p"))
    model = make_pipeline(LinearRegression()).fit(dataset.features, dataset.target)
    checks = [
        Monotone("x", (-2, -1, 0, 1, 2), strict=True),
        Monotone("x", (-2, 2), direction="decreasing"),
        Invariant("noise", tolerance=1e-9),
        Invariant("x", tolerance=0.01),
    ]
    assert [found.passed for found in run_checks(checks, model, dataset)] == [True, False, True, False]


def test_a_fitted_classifier() -> None:
    random = np.random.default_rng(4)
    frame = pd.DataFrame({"x": random.normal(size=200), "noise": random.normal(size=200)})
    frame["y"] = np.where(frame["x"] > 0.5, "fast", "slow")
    dataset = Dataset(frame, Schema((Number("x"), Number("noise")), Category("y", ("slow", "fast")), "p"))
    model = make_pipeline(DecisionTreeClassifier(random_state=0)).fit(dataset.features, dataset.target)
    ignores, heeds = run_checks([Invariant("noise"), Invariant("x")], model, dataset)
    assert ignores.passed
    assert ignores.detail.endswith(" replacements in 100 rows change no label")
    assert not heeds.passed
