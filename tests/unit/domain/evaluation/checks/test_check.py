"""Behavioural checks, on small models whose every prediction is written down here."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError, TaskError
from weighbridge.domain.evaluation.checks.check import (
    Check,
    CheckResult,
    Increases,
    NotAboveLargestLabel,
    NotBelow,
    run_checks,
)
from weighbridge.domain.model.fitted import FittedModel

SCHEMA = Schema(
    (Number("orders", minimum=0), Category("product", ("A", "B", "C")), Number("weight")), Number("hours"), "p"
)
DATASET = Dataset(
    pd.DataFrame(
        {
            "orders": [1.0, 2.0, 30.0, 4.0],
            "product": ["B", "A", "B", "A"],
            "weight": [5.0, 1.0, 2.0, 100.0],
            "hours": [10.0, 2.0, 8.0, 4.0],
        }
    ),
    SCHEMA,
)
RISES = Increases("orders", 100, 150, for_each="product")
RISES_NAME = "prediction increases from orders 100 to 150 for each product"


@dataclass
class Formula(FittedModel):
    """Predicts by a formula, row by row, and remembers what it was asked."""

    formula: Callable[[Any], float]
    asked: "pd.DataFrame | None" = None

    def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        self.asked = features
        return np.array([self.formula(row) for row in features.itertuples(index=False)], dtype=np.float64)


class Answers(FittedModel):
    """Predicts what it was told to, whatever it is asked."""

    def __init__(self, *answers: float) -> None:
        self.answers = answers

    def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        return np.array(self.answers, dtype=np.float64)


class Broken(FittedModel):
    """Cannot predict."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        raise self.error


def test_a_rising_prediction_increases() -> None:
    model = Formula(lambda row: row.orders * (2 if row.product == "A" else 1) + row.weight)
    assert RISES.run(model, DATASET) == CheckResult(RISES_NAME, True, "the smallest increase is 50")
    assert model.asked is not None
    # The median of the weights, for every product at both numbers of orders.
    assert model.asked.to_dict("list") == {
        "orders": [100, 150] * 3,
        "product": ["A", "A", "B", "B", "C", "C"],
        "weight": [3.5] * 6,
    }


def test_without_levels_everything_else_is_typical() -> None:
    model = Formula(lambda row: row.weight)
    check = Increases("weight", -1, 1.5)
    assert check.run(model, DATASET) == CheckResult(
        "prediction increases from weight -1 to 1.5", True, "the smallest increase is 2.5"
    )
    assert model.asked is not None
    # Two products are equally common: the first by name.
    assert model.asked.to_dict("list") == {"orders": [3.0, 3.0], "product": ["A", "A"], "weight": [-1, 1.5]}


def test_each_level_that_does_not_increase_is_named() -> None:
    assert RISES.run(Answers(1, 2, 5, 5, 7.25, 6), DATASET) == CheckResult(
        RISES_NAME, False, "the prediction does not increase for B: 5 -> 5; C: 7.25 -> 6"
    )
    assert RISES.run(Answers(1, 2, 5, math.nextafter(5, 6), 6, 7.25), DATASET).passed
    assert RISES.run(Answers(1, 2, 5, math.nan, math.nan, 5), DATASET) == CheckResult(
        RISES_NAME, False, "the prediction does not increase for B: 5 -> nan; C: nan -> 5"
    )
    assert Increases("weight", 0, 1).run(Answers(2, 1), DATASET).detail == (
        "the prediction does not increase for 2 -> 1"
    )
    assert RISES.run(Answers(1, 2, 5.000000000000001, 5, 7, math.inf), DATASET).detail == (
        "the prediction does not increase for B: 5.000000000000001 -> 5.0"
    )


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=3))
def test_an_increase_is_strict_and_of_every_level(pairs: list[tuple[int, int]]) -> None:
    found = RISES.run(Answers(*(number for pair in pairs for number in pair)), DATASET)
    assert found.passed == all(high > low for low, high in pairs)
    if found.passed:
        assert found.detail == f"the smallest increase is {min(high - low for low, high in pairs)}"
    else:
        for level, (low, high) in zip("ABC", pairs, strict=True):
            assert (f"{level}: {low} -> {high}" in found.detail) == (high <= low)


@pytest.mark.parametrize(
    ("answers", "passed", "detail"),
    [
        ((5, 9, 7, 6), True, "the smallest is 5"),
        ((9, 5, math.nextafter(5, 6), 8), True, "the smallest is 5"),
        ((9, 4.5, 7, 6), False, "1 of 4 predictions are below 5 (row 2: 4.5)"),
        (
            (math.nextafter(5, 4), 5, 5, -math.inf),
            False,
            "2 of 4 predictions are below 5 (row 1: 4.999999999999999, row 4: -inf)",
        ),
        ((5, math.nan, 7, 6), False, "1 of 4 predictions are below 5 (row 2: nan)"),
        (
            range(-1, 6),
            False,
            "6 of 7 predictions are below 5 (row 1: -1, row 2: 0, row 3: 1, row 4: 2, row 5: 3, ...)",
        ),
        (range(5), False, "5 of 5 predictions are below 5 (row 1: 0, row 2: 1, row 3: 2, row 4: 3, row 5: 4)"),
    ],
)
def test_predictions_not_below_a_bound(answers: Any, passed: bool, detail: str) -> None:
    assert NotBelow(5).run(Answers(*answers), DATASET) == CheckResult(
        "predictions are not below 5", passed, detail
    )


@pytest.mark.parametrize(
    ("answers", "passed", "detail"),
    [
        ((5, 12.5, 7, -6), True, "the largest is 12.5, the bound 12.5"),
        ((5, 6, 7, -6), True, "the largest is 7, the bound 12.5"),
        (
            (5, math.nextafter(12.5, 13), 7, 6),
            False,
            "1 of 4 predictions are above 12.5 (row 2: 12.500000000000002)",
        ),
        (
            (13, 1, math.inf, math.nan),
            False,
            "3 of 4 predictions are above 12.5 (row 1: 13, row 3: inf, row 4: nan)",
        ),
    ],
)
def test_predictions_not_above_a_factor_of_the_largest_label(answers: Any, passed: bool, detail: str) -> None:
    assert NotAboveLargestLabel(1.25).run(Answers(*answers), DATASET) == CheckResult(
        "predictions are not above 1.25 times the largest label", passed, detail
    )


def test_bounds_are_looked_at_on_every_row_of_the_dataset() -> None:
    for check in (NotBelow(0), NotAboveLargestLabel(10)):
        model = Formula(lambda row: row.orders)
        assert check.run(model, DATASET).passed
        assert model.asked is not None
        assert model.asked.equals(DATASET.features)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no such level: C"),
        TypeError("not a float"),
        FloatingPointError("overflow"),
        ModelError("cannot be used"),
        IncompatibleModel("Picky gives no probabilities"),
    ],
)
def test_all_checks_run_and_are_reported_even_when_one_cannot(error: Exception) -> None:
    class Picky(FittedModel):
        """Cannot predict a product that it never saw."""

        def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
            if "C" in set(features["product"]):
                raise error
            return np.full(len(features), 4.0)

    found = run_checks([NotBelow(5), RISES, NotAboveLargestLabel(1)], Picky(), DATASET)
    assert found == (
        CheckResult(
            "predictions are not below 5",
            False,
            "4 of 4 predictions are below 5 (row 1: 4, row 2: 4, row 3: 4, row 4: 4)",
        ),
        CheckResult(RISES_NAME, False, f"it could not be run: {error}"),
        CheckResult("predictions are not above 1 times the largest label", True, "the largest is 4, the bound 10"),
    )


def test_a_fault_of_the_code_is_no_failed_check() -> None:
    with pytest.raises(KeyError):
        run_checks([NotBelow(0)], Broken(KeyError("a bug")), DATASET)


def test_a_task_at_fault_is_no_failed_check() -> None:
    with pytest.raises(TaskError, match="there is no feature 'colour'"):
        run_checks([Increases("weight", 0, 1, "colour")], Broken(ValueError("never asked")), DATASET)


def test_no_checks_find_nothing() -> None:
    assert run_checks([], Broken(ValueError("never asked")), DATASET) == ()


@pytest.mark.parametrize(
    "check",
    [
        RISES,
        Increases("orders", 0, 5e-324),
        Increases("weight", -1, 0),
        NotBelow(-5),
        NotBelow(0),
        NotAboveLargestLabel(5e-324),
    ],
)
def test_checks_that_fit(check: Check) -> None:
    check.validate(SCHEMA)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (Increases("colour", 1, 2), "there is no feature 'colour'; there are orders, product, weight"),
        (Increases("hours", 1, 2), "there is no feature 'hours'; there are orders, product, weight"),
        (Increases("weight", 1, 2, "colour"), "there is no feature 'colour'; there are orders, product, weight"),
        (
            Increases("product", 1, 2),
            "check 'prediction increases from product 1 to 2': 'product' is not a number feature",
        ),
        (
            Increases("weight", 1, 2, "orders"),
            "check 'prediction increases from weight 1 to 2 for each orders': 'orders' is not a category feature",
        ),
        (
            Increases("orders", -1, 2),
            "check 'prediction increases from orders -1 to 2': -1 is not allowed; expected a number not below 0",
        ),
        (
            Increases("orders", 1, math.inf),
            "check 'prediction increases from orders 1 to inf': inf is not allowed; expected a number not below 0",
        ),
        (Increases("orders", 2, 2), "check 'prediction increases from orders 2 to 2': low must be less than high"),
        (Increases("orders", 3, 2), "check 'prediction increases from orders 3 to 2': low must be less than high"),
        (
            Increases("orders", 0, 10**400),
            f"check 'prediction increases from orders 0 to {10**400}': {10**400} is not allowed; "
            "expected a number not below 0",
        ),
        (
            Increases("orders", "few", 2),  # type: ignore[arg-type]
            (
                "check 'prediction increases from orders 'few' to 2': 'few' is not allowed; expected a number "
                "not below 0"
            ),
        ),
        (NotBelow("0"), "check 'predictions are not below '0'': the bound must be a finite number"),  # type: ignore[arg-type]
        (NotBelow(math.nan), "check 'predictions are not below nan': the bound must be a finite number"),
        (NotBelow(-math.inf), "check 'predictions are not below -inf': the bound must be a finite number"),
        (
            NotAboveLargestLabel(0),
            (
                "check 'predictions are not above 0 times the largest label': the factor must be a finite "
                "number greater than 0"
            ),
        ),
        (
            NotAboveLargestLabel(math.nan),
            (
                "check 'predictions are not above nan times the largest label': the factor must be a finite "
                "number greater than 0"
            ),
        ),
        (
            NotAboveLargestLabel(math.inf),
            (
                "check 'predictions are not above inf times the largest label': the factor must be a finite "
                "number greater than 0"
            ),
        ),
    ],
)
def test_checks_that_do_not_fit(check: Check, message: str) -> None:
    with pytest.raises(TaskError) as caught:
        check.validate(SCHEMA)
    assert str(caught.value) == message


@pytest.mark.parametrize("check", [Increases("orders", 1, 2), NotBelow(0), NotAboveLargestLabel(2)])
def test_checks_of_numbers_refuse_a_category_as_the_target(check: Check) -> None:
    schema = Schema(SCHEMA.features, Category("speed", ("slow", "fast")), "p")
    with pytest.raises(TaskError) as caught:
        check.validate(schema)
    assert str(caught.value) == (
        f"check '{check.name}': the target 'speed' is a category; this check is for numbers"
    )


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_checks_of_different_numbers_have_different_names(one: float, other: float) -> None:
    for make in (NotBelow, NotAboveLargestLabel, lambda high: Increases("orders", 0, high)):
        assert (make(one).name == make(other).name) == (one == other or repr(one) == repr(other))


@given(
    st.lists(st.integers(-9, 9), min_size=1, max_size=12),
    st.integers(-9, 9),
)
def test_bounds_report_the_first_rows_at_fault(answers: list[int], bound: int) -> None:
    found = NotBelow(bound).run(Answers(*answers), DATASET)
    faults = [f"row {row}: {answer}" for row, answer in enumerate(answers, 1) if answer < bound]
    shown = ", ".join(faults[:5] + ["..."] * (len(faults) > 5))
    assert found.passed == (not faults)
    assert found.detail == (
        f"{len(faults)} of {len(answers)} predictions are below {bound} ({shown})"
        if faults
        else f"the smallest is {min(answers)}"
    )
