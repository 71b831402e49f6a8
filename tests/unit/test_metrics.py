"""What is measured, against the formulas of the textbook."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.dataset import Dataset
from domain.estimator import FittedModel
from domain.metrics import METRICS, measure
from domain.schema import Number, Schema

SCHEMA = Schema((Number("x"),), Number("y"), "p")

numbers = st.integers(-1000, 1000).map(lambda quarters: quarters / 4)


class Answers(FittedModel):
    """Predicts what it was told to, and remembers what it was asked."""

    def __init__(self, *answers: float) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        self.asked = list(features.columns)
        return np.array(self.answers, dtype=np.float64)


def rows(*labels: float) -> Dataset:
    frame = pd.DataFrame({"x": np.arange(len(labels), dtype=np.float64), "y": np.array(labels, dtype=np.float64)})
    return Dataset(frame, SCHEMA)


NUMBERS = ("r2", "mean_absolute_error", "root_mean_squared_error")


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=20))
def test_the_metrics_are_those_of_the_textbook(pairs: list[tuple[float, float]]) -> None:
    labels, answers = zip(*pairs, strict=True)
    mean = math.fsum(labels) / len(labels)
    total = math.fsum((label - mean) ** 2 for label in labels)
    assume(total > 0)
    errors = [label - answer for label, answer in pairs]
    squares = math.fsum(error**2 for error in errors)
    model = Answers(*answers)
    assert measure(model, rows(*labels)) == pytest.approx(
        {
            "r2": 1 - squares / total,
            "mean_absolute_error": math.fsum(map(abs, errors)) / len(pairs),
            "root_mean_squared_error": math.sqrt(squares / len(pairs)),
        },
        rel=1e-9,
        abs=1e-9,
    )
    assert model.asked == ["x"]


def test_a_perfect_model() -> None:
    assert measure(Answers(1, 2, 3), rows(1, 2, 3)) == {
        "r2": 1.0,
        "mean_absolute_error": 0.0,
        "root_mean_squared_error": 0.0,
    }


def test_a_metric_that_is_not_defined_is_nan() -> None:
    found = measure(Answers(3), rows(1))
    assert math.isnan(found["r2"])
    assert (found["mean_absolute_error"], found["root_mean_squared_error"]) == (2.0, 2.0)


@pytest.mark.parametrize("answer", [math.nan, math.inf, -math.inf])
def test_no_metric_is_defined_on_predictions_that_are_not_finite(answer: float) -> None:
    found = measure(Answers(1, answer, 3), rows(1, 2, 3))
    assert list(found) == list(NUMBERS)
    assert all(math.isnan(value) for value in found.values())


def test_every_metric_can_be_a_threshold_and_has_its_direction() -> None:
    found = measure(Answers(1, 2), rows(1, 3))
    assert tuple(found) == NUMBERS
    assert all(type(value) is float for value in found.values())
    worse = measure(Answers(1, 0), rows(1, 3))
    for name in NUMBERS:
        assert (found[name] > worse[name]) == METRICS[name].greater_is_better
