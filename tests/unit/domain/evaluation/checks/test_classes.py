"""Checks of classes, on small models whose every prediction is written down here."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import TaskError
from weighbridge.domain.evaluation.checks.check import Check, CheckResult, run_checks
from weighbridge.domain.evaluation.checks.classes import EveryClassPredicted, ProbabilityIncreases
from weighbridge.domain.model.fitted import FittedClassifier, FittedModel

FEATURES = (Number("orders", minimum=0), Category("product", ("A", "B", "C")), Number("weight"))
SCHEMA = Schema(FEATURES, Category("speed", ("slow", "fast", "late")), "p")
DATASET = Dataset(
    pd.DataFrame(
        {
            "orders": [1.0, 2.0, 30.0, 4.0],
            "product": ["B", "A", "B", "A"],
            "weight": [5.0, 1.0, 2.0, 100.0],
            "speed": ["slow", "fast", "slow", "fast"],
        }
    ),
    SCHEMA,
)
RISES = ProbabilityIncreases("fast", "orders", 100, 150, for_each="product")
RISES_NAME = "probability of fast increases from orders 100 to 150 for each product"


class Labels(FittedModel):
    """Predicts the labels that it was told to, and gives no probabilities."""

    def __init__(self, *labels: str) -> None:
        self.labels = labels

    def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        return np.array(self.labels)


@dataclass
class Likely(FittedClassifier):
    """Gives one class a probability by a formula, and the rest of it to another."""

    formula: Callable[[Any], float]
    classes_: "np.ndarray[Any, Any]" = field(default_factory=lambda: np.array(["fast", "slow"]))
    asked: "pd.DataFrame | None" = None

    def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        return self.classes_[self.predict_proba(features).argmax(axis=1)]

    def predict_proba(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        self.asked = features
        first = np.array([self.formula(row) for row in features.itertuples(index=False)], dtype=np.float64)
        return np.column_stack([first, 1 - first])


def labelled(*labels: str) -> Dataset:
    frame = pd.DataFrame({"orders": 1.0, "product": "A", "weight": 1.0, "speed": list(labels)})
    return Dataset(frame, SCHEMA)


def test_every_class_that_occurs_is_predicted() -> None:
    # Nothing in the dataset is late, so nothing need be.
    assert EveryClassPredicted().run(Labels("fast", "slow", "fast", "fast"), DATASET) == CheckResult(
        "every class is predicted", True, "the one predicted least is slow, for 1 of 4 rows"
    )
    # Once is enough, right or wrong; of equals the first level.
    assert EveryClassPredicted().run(Labels("fast", "slow", "late", "late"), DATASET) == CheckResult(
        "every class is predicted", True, "the one predicted least is slow, for 1 of 4 rows"
    )


def test_classes_that_never_are_predicted_are_named_with_their_rows() -> None:
    assert EveryClassPredicted().run(Labels(*["fast"] * 4), DATASET) == CheckResult(
        "every class is predicted",
        False,
        "1 of 2 classes are never predicted (slow: row 1 as fast, row 3 as fast)",
    )
    assert EveryClassPredicted().run(
        Labels("late", "slow", "late", "slow"), labelled("fast", "late", "fast", "late")
    ) == (
        CheckResult(
            "every class is predicted",
            False,
            "1 of 2 classes are never predicted (fast: row 1 as late, row 3 as late)",
        )
    )
    shown = ", ".join(f"row {row} as late" for row in range(1, 6))
    seven = EveryClassPredicted().run(Labels(*["late"] * 7), labelled(*["slow"] * 6, "fast"))
    assert seven.detail == f"2 of 2 classes are never predicted (slow: {shown}, ...; fast: row 7 as late)"
    six = EveryClassPredicted().run(Labels(*["late"] * 6), labelled(*["slow"] * 5, "fast"))
    assert six.detail == f"2 of 2 classes are never predicted (slow: {shown}; fast: row 6 as late)"


@given(st.lists(st.tuples(*[st.sampled_from(["slow", "fast", "late"])] * 2), min_size=1, max_size=8))
def test_what_is_predicted_covers_what_occurs(rows: list[tuple[str, str]]) -> None:
    dataset = labelled(*(label for label, _ in rows))
    found = EveryClassPredicted().run(Labels(*(predicted for _, predicted in rows)), dataset)
    missing = {label for label, _ in rows} - {predicted for _, predicted in rows}
    assert found.passed == (not missing)
    assert {level for level in ("slow", "fast", "late") if f"{level}: row" in found.detail} == missing


def test_a_rising_probability() -> None:
    model = Likely(lambda row: row.orders / (1000 if row.product == "A" else 200))
    assert RISES.run(model, DATASET) == CheckResult(RISES_NAME, True, "the smallest increase is 0.05")
    assert model.asked is not None
    assert model.asked.to_dict("list") == {
        "orders": [100, 150] * 3,
        "product": ["A", "A", "B", "B", "C", "C"],
        "weight": [3.5] * 6,
    }


def test_each_level_at_which_the_probability_does_not_rise_is_named() -> None:
    model = Likely(lambda row: {"A": row.orders / 200, "B": 0.5, "C": 0.5 - row.orders / 1000}[row.product])
    assert RISES.run(model, DATASET) == CheckResult(
        RISES_NAME, False, "the probability of fast does not increase for B: 0.5 -> 0.5; C: 0.4 -> 0.35"
    )
    # What one class gains the other loses.
    assert ProbabilityIncreases("slow", "orders", 100, 150, "product").run(model, DATASET).detail == (
        "the probability of slow does not increase for A: 0.5 -> 0.25; B: 0.5 -> 0.5"
    )
    assert ProbabilityIncreases("slow", "weight", 0, 1).run(Likely(lambda row: row.weight), DATASET).detail == (
        "the probability of slow does not increase for 1 -> 0"
    )
    assert not ProbabilityIncreases("fast", "weight", 0, 1).run(Likely(lambda row: math.nan), DATASET).passed


def test_the_columns_of_a_model_are_found_by_its_classes() -> None:
    swapped = Likely(lambda row: row.orders / 200, np.array(["late", "fast"], dtype=object))
    rising, falling = (
        ProbabilityIncreases(label, "orders", 0, 100).run(swapped, DATASET) for label in ("late", "fast")
    )
    assert rising.passed
    assert falling.detail == "the probability of fast does not increase for 1 -> 0.5"
    # A class that the model never saw is never likely.
    assert ProbabilityIncreases("slow", "orders", 0, 100).run(swapped, DATASET).detail == (
        "the probability of slow does not increase for 0 -> 0"
    )


def test_a_model_without_probabilities_has_failed() -> None:
    model = Labels("fast", "slow", "fast", "slow")
    assert run_checks([RISES, EveryClassPredicted()], model, DATASET) == (
        CheckResult(RISES_NAME, False, "it could not be run: Labels gives no probabilities"),
        CheckResult("every class is predicted", True, "the one predicted least is slow, for 2 of 4 rows"),
    )
    strange = Likely(lambda row: 0.5, np.array(["fast", "blue"], dtype=object))
    assert run_checks([RISES], strange, DATASET) == (
        CheckResult(
            RISES_NAME,
            False,
            "it could not be run: Likely knows the class 'blue'; the levels of speed are slow, fast, late",
        ),
    )


def test_fitted_classifiers() -> None:
    random = np.random.default_rng(5)
    frame = pd.DataFrame({"x": random.normal(size=300)})
    frame["y"] = np.where(frame["x"] + random.normal(0, 0.1, 300) > 0, "up", "down")
    dataset = Dataset(frame, Schema((Number("x"),), Category("y", ("up", "down")), "p"))
    checks = [
        EveryClassPredicted(),
        ProbabilityIncreases("up", "x", -1, 1),
        ProbabilityIncreases("down", "x", -1, 1),
    ]
    with_probabilities = make_pipeline(LogisticRegression()).fit(dataset.features, dataset.target)
    assert [found.passed for found in run_checks(checks, with_probabilities, dataset)] == [True, True, False]
    without = make_pipeline(LinearSVC()).fit(dataset.features, dataset.target)
    found = run_checks(checks, without, dataset)
    assert [each.passed for each in found] == [True, False, False]
    assert found[1].detail == "it could not be run: LinearSVC gives no probabilities"


@pytest.mark.parametrize("check", [EveryClassPredicted(), RISES, ProbabilityIncreases("late", "weight", -1, 0)])
def test_checks_that_fit_categories_only(check: Check) -> None:
    check.validate(SCHEMA)
    with pytest.raises(TaskError) as caught:
        check.validate(Schema(FEATURES, Number("hours"), "p"))
    assert str(caught.value) == (
        f"check '{check.name}': the target 'hours' is a number; this check is for categories"
    )


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (ProbabilityIncreases("blue", "orders", 1, 2), "'blue' is not allowed; expected one of slow, fast, late"),
        (ProbabilityIncreases("fast", "product", 1, 2), "'product' is not a number feature"),
        (ProbabilityIncreases("fast", "orders", -1, 2), "-1 is not allowed; expected a number not below 0"),
        (ProbabilityIncreases("fast", "orders", 2, 2), "low must be less than high"),
        (ProbabilityIncreases("fast", "orders", 3, 2), "low must be less than high"),
        (ProbabilityIncreases("fast", "orders", 1, 2, "weight"), "'weight' is not a category feature"),
    ],
)
def test_checks_that_do_not_fit(check: Check, message: str) -> None:
    with pytest.raises(TaskError) as caught:
        check.validate(SCHEMA)
    assert str(caught.value) == f"check '{check.name}': {message}"


def test_different_checks_have_different_names() -> None:
    checks = [
        ProbabilityIncreases(label, feature, low, high, each)
        for label in ("slow", "fast")
        for feature in ("orders", "weight")
        for low in (0, 0.10000001)
        for high in (1, 2)
        for each in (None, "product")
    ]
    assert len({check.name for check in checks}) == len(checks)
