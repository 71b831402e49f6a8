"""Rows whose predictions are known, on models whose every prediction is written down here."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import TaskError
from weighbridge.domain.evaluation.checks.check import CheckResult, run_checks
from weighbridge.domain.evaluation.checks.known_rows import KnownRow, KnownRows
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.model.fitted import FittedModel
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.training.task import TaskDefinition

FEATURES = (Number("orders", minimum=0), Category("product", ("A", "B")))
SCHEMA = Schema(FEATURES, Number("hours"), "p")
CLASSES = Schema(FEATURES, Category("speed", ("slow", "fast")), "p")
FRAME = pd.DataFrame({"orders": [1.0], "product": ["A"]})
DATASET = Dataset(FRAME.assign(hours=2.0), SCHEMA)
LABELLED = Dataset(FRAME.assign(speed="slow"), CLASSES)
NAME = "known rows are predicted as expected"
#: Named in another order than the schema's.
ROW = {"product": "B", "orders": 3}


class Answers(FittedModel):
    """Predicts what it was told to, and remembers what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = answers

    def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        self.asked = features
        return np.array(self.answers)


def test_rows_as_expected() -> None:
    model = Answers(5.0, 7.0, -1e9, 1e9)
    rows = (KnownRow(ROW, 5, 7), KnownRow({"orders": 0.5, "product": "A"}, 5, 7), KnownRow(ROW, high=0))
    check = KnownRows((*rows, KnownRow(ROW, low=0)))
    assert check.run(model, DATASET) == CheckResult(NAME, True, "all 4 rows are predicted as expected")
    assert model.asked.to_dict("list") == {"orders": [3, 0.5, 3, 3], "product": ["B", "A", "B", "B"]}
    assert list(model.asked) == ["orders", "product"]
    assert model.asked.dtypes.equals(DATASET.features.dtypes)


def test_rows_out_of_their_range_are_reported() -> None:
    expected = (KnownRow(ROW, 5, 7), KnownRow(ROW, 5, 7), KnownRow(ROW, low=5), KnownRow(ROW, high=7.25))
    assert KnownRows(expected).run(Answers(6.0, 7.5, 4.0, 8.0), DATASET) == CheckResult(
        NAME,
        False,
        "3 of 4 rows are not predicted as expected (row 2 (product B, orders 3): 7.5, expected 5 to 7; "
        "row 3 (product B, orders 3): 4, expected at least 5; "
        "row 4 (product B, orders 3): 8, expected at most 7.25)",
    )
    assert KnownRows(expected[:1]).run(Answers(math.nextafter(5, 4)), DATASET).detail == (
        "1 of 1 rows are not predicted as expected "
        "(row 1 (product B, orders 3): 4.999999999999999, expected 5 to 7)"
    )
    assert KnownRows(expected[2:]).run(Answers(math.nan, math.nan), DATASET).detail == (
        "2 of 2 rows are not predicted as expected (row 1 (product B, orders 3): nan, expected at least 5; "
        "row 2 (product B, orders 3): nan, expected at most 7.25)"
    )


def test_no_more_than_five_rows_are_shown() -> None:
    found = KnownRows((KnownRow(ROW, high=0),) * 6, "shown").run(Answers(*range(1, 7)), DATASET)
    shown = "; ".join(f"row {row} (product B, orders 3): {row}, expected at most 0" for row in range(1, 6))
    assert found == CheckResult("shown", False, f"6 of 6 rows are not predicted as expected ({shown}; ...)")


def test_labels_as_expected_and_not() -> None:
    check = KnownRows((KnownRow(ROW, label="slow"), KnownRow(ROW, label="fast")))
    assert check.run(Answers("slow", "fast"), LABELLED) == CheckResult(
        NAME, True, "all 2 rows are predicted as expected"
    )
    assert check.run(Answers("slow", "slow"), LABELLED) == CheckResult(
        NAME, False, "1 of 2 rows are not predicted as expected (row 2 (product B, orders 3): slow, expected fast)"
    )


@given(st.integers(-3, 3), st.integers(-3, 3), st.integers(-3, 3))
def test_both_ends_of_a_range_are_in_it(low: int, high: int, prediction: int) -> None:
    low, high = min(low, high), max(low, high)
    model = Answers(float(prediction))
    assert KnownRows((KnownRow(ROW, low, high),)).run(model, DATASET).passed == (low <= prediction <= high)
    assert KnownRows((KnownRow(ROW, low=low),)).run(model, DATASET).passed == (low <= prediction)
    assert KnownRows((KnownRow(ROW, high=high),)).run(model, DATASET).passed == (prediction <= high)


def test_a_model_that_answers_otherwise_has_failed() -> None:
    (found,) = run_checks([KnownRows((KnownRow(ROW, 5, 7),))], Answers("slow"), DATASET)
    assert found == CheckResult(NAME, False, "it could not be run: could not convert string to float: 'slow'")
    (found,) = run_checks([KnownRows((KnownRow(ROW, 5, 7),))], Answers(5.0, 6.0), DATASET)
    assert not found.passed
    assert found.detail.startswith("it could not be run: ")


BOUNDS = "low, high or both must be given, as finite numbers in order"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (KnownRow({"orders": 3, "product": "B"}), BOUNDS),
        (KnownRow(ROW, 7, 5), BOUNDS),
        (KnownRow(ROW, math.nan, 5), BOUNDS),
        (KnownRow(ROW, low=-math.inf), BOUNDS),
        (KnownRow(ROW, 5, math.inf), BOUNDS),
        (KnownRow(ROW, high="7"), BOUNDS),  # type: ignore[arg-type]
        (
            KnownRow(ROW, label="slow"),
            "it names a label; the target is a number, of which it has to name low, high or both",
        ),
        (KnownRow({"orders": 3}, 5, 7), "column 'product': missing; expected one of A, B"),
        (
            KnownRow({"orders": -1, "product": "D"}, 5, 7),
            (
                "column 'orders': expected a number not below 0, found -1; "
                "column 'product': expected one of A, B, found 'D'"
            ),
        ),
    ],
)
def test_rows_that_do_not_fit(row: KnownRow, problem: str) -> None:
    fits = KnownRow(ROW, 5, 5)
    KnownRows((fits,)).validate(SCHEMA)
    with pytest.raises(TaskError) as caught:
        KnownRows((fits, row), "mine").validate(SCHEMA)
    assert str(caught.value) == f"check 'mine': row 2: {problem}"


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        (KnownRow(ROW), "the label is None; expected one of slow, fast"),
        (KnownRow(ROW, label="medium"), "the label is 'medium'; expected one of slow, fast"),
        (
            KnownRow(ROW, low=5, label="slow"),
            "it names a range; the target is a category, of which it has to name a label",
        ),
        (
            KnownRow(ROW, high=5, label="slow"),
            "it names a range; the target is a category, of which it has to name a label",
        ),
    ],
)
def test_labels_that_do_not_fit(row: KnownRow, problem: str) -> None:
    KnownRows((KnownRow(ROW, label="fast"),)).validate(CLASSES)
    with pytest.raises(TaskError) as caught:
        KnownRows((row,)).validate(CLASSES)
    assert str(caught.value) == f"check '{NAME}': row 1: {problem}"


def test_no_rows_are_no_check() -> None:
    with pytest.raises(TaskError) as caught:
        KnownRows(()).validate(SCHEMA)
    assert str(caught.value) == f"check '{NAME}': rows is empty; name at least one"


def test_lists_of_a_task_are_told_apart_by_name() -> None:
    def pipeline(seed: int) -> Any:
        from sklearn.dummy import DummyRegressor
        from sklearn.pipeline import make_pipeline

        return make_pipeline(DummyRegressor())

    def task(*checks: KnownRows) -> TaskDefinition:
        return TaskDefinition(
            "known", SCHEMA, EstimatorSpec(pipeline), (Threshold("r2", 0.1, 0.2),), checks=checks
        )

    rows = (KnownRow(ROW, 5, 7),)
    described = task(KnownRows(rows), KnownRows(rows, "others")).describe()["checks"]
    assert [check["name"] for check in described] == [NAME, "others"]
    assert described[0]["rows"] == [
        {
            "type": "KnownRow",
            "inputs": ROW,
            "low": 5,
            "high": 7,
            "label": None,
        }
    ]
    with pytest.raises(TaskError, match="checks: one name stands twice"):
        task(KnownRows(rows), KnownRows(rows))
