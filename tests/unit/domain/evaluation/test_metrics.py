"""What is measured, against the formulas of the textbook."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn import metrics
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.svm import LinearSVC

from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.evaluation.metrics import METRICS, Metric, Slice, measure, measured, metric_named
from weighbridge.domain.model.fitted import FittedModel

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


# Classes

#: Not in their sorted order.
LEVELS = ("violet", "amber", "red")
CLASSES = ("accuracy", "balanced_accuracy", "f1_macro", "log_loss", "roc_auc")


class Classifier(FittedModel):
    """Knows some classes, and answers the likeliest by the probabilities that it was given."""

    def __init__(self, classes: tuple[str, ...], likely: "np.ndarray[Any, Any]") -> None:
        self.classes_ = np.array(classes, dtype=object)
        self.likely = likely

    def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        return self.classes_[self.likely.argmax(axis=1)]

    def predict_proba(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
        return self.likely


def coloured(labels: "list[str] | tuple[str, ...]", levels: tuple[str, ...] = LEVELS) -> Dataset:
    schema = Schema((Number("x"), Category("shape", ("round", "square"))), Category("colour", levels), "p")
    frame = pd.DataFrame({"x": np.arange(len(labels), dtype=np.float64), "shape": "round", "colour": labels})
    return Dataset(frame.astype({"shape": "str", "colour": "str"}), schema)


@st.composite
def classified(draw: st.DrawFn, levels: tuple[str, ...]) -> tuple[list[str], "np.ndarray[Any, Any]"]:
    """Labels, each level among them, and probabilities in the order of the levels."""
    labels = [*levels, *draw(st.lists(st.sampled_from(levels), max_size=12))]
    weights = st.lists(st.integers(1, 20), min_size=len(levels), max_size=len(levels))
    likely = np.array([draw(weights) for _ in labels], dtype=np.float64)
    return draw(st.permutations(labels)), likely / likely.sum(axis=1, keepdims=True)


@given(classified(LEVELS), st.permutations(range(3)))
def test_the_metrics_of_classes_are_scikit_learns(
    case: tuple[list[str], "np.ndarray[Any, Any]"], order: list[int]
) -> None:
    labels, likely = case
    # The model has its classes in an order of its own.
    model = Classifier(tuple(LEVELS[place] for place in order), likely[:, order])
    predicted = model.predict(pd.DataFrame())
    in_order = likely[:, [1, 2, 0]]
    expected = {
        "accuracy": metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "f1_macro": metrics.f1_score(labels, predicted, average="macro"),
        "log_loss": metrics.log_loss(labels, in_order, labels=["amber", "red", "violet"]),
        "roc_auc": metrics.roc_auc_score(labels, in_order, multi_class="ovr"),
    }
    found = measure(model, coloured(labels))
    assert tuple(found) == CLASSES
    assert found == expected


@given(classified(("yes", "no")))
def test_the_metrics_of_two_classes_are_scikit_learns(
    case: tuple[list[str], "np.ndarray[Any, Any]"],
) -> None:
    labels, likely = case
    model = Classifier(("yes", "no"), likely)
    found = measure(model, coloured(labels, ("yes", "no")))
    truth = np.array(labels) == "yes"
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(truth, likely[:, 0]), abs=1e-12)
    # By hand: the share of pairs that are in the right order, ties half.
    pairs = [(one, other) for one in likely[truth, 0] for other in likely[~truth, 0]]
    right = sum((one > other) + 0.5 * (one == other) for one, other in pairs)
    assert found["roc_auc"] == pytest.approx(right / len(pairs))
    logs = [math.log(row[0 if label == "yes" else 1]) for label, row in zip(labels, likely, strict=True)]
    assert found["log_loss"] == pytest.approx(-math.fsum(logs) / len(logs))


def test_metrics_of_classes_by_a_model_of_scikit_learn() -> None:
    random = np.random.default_rng(1)
    frame = pd.DataFrame({"x": random.normal(size=90), "shape": "round"})
    labels = np.array(LEVELS)[np.digitize(frame["x"] + random.normal(0, 0.5, 90), [-0.5, 0.5])]
    rows = coloured(labels.tolist())
    rows.frame["x"] = frame["x"]
    model = LogisticRegression().fit(frame[["x"]], labels)

    class OnlyX(Classifier):
        def __init__(self) -> None:
            super().__init__(tuple(model.classes_), model.predict_proba(frame[["x"]]))

    found = measure(OnlyX(), rows)
    assert found["accuracy"] == model.score(frame[["x"]], labels)
    for name, scorer in (("log_loss", "neg_log_loss"), ("roc_auc", "roc_auc_ovr")):
        score = metrics.get_scorer(scorer)(model, frame[["x"]], labels)
        assert found[name] == pytest.approx(-score if name == "log_loss" else score, rel=1e-12)


def test_a_level_that_the_model_never_saw_has_no_probability() -> None:
    likely = np.array([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [0.125, 0.875]])
    model = Classifier(("amber", "red"), likely)
    labels = ["amber", "red", "violet", "red"]
    found = measure(model, coloured(labels))
    padded = np.column_stack([likely, np.zeros(4)])
    expected = metrics.log_loss(labels, padded, labels=["amber", "red", "violet"])
    assert found["log_loss"] == expected
    assert math.isfinite(expected)
    assert found["roc_auc"] == metrics.roc_auc_score(labels, padded, multi_class="ovr")


@pytest.mark.parametrize("levels", [LEVELS, ("yes", "no")])
def test_roc_auc_without_every_class_is_nan(levels: tuple[str, ...]) -> None:
    share = 1 / len(levels)
    model = Classifier(levels, np.full((4, len(levels)), share))
    missing = [levels[0]] * 4
    found = measure(model, coloured(missing, levels))
    assert math.isnan(found["roc_auc"])
    assert found["log_loss"] == pytest.approx(-math.log(share))
    assert found["accuracy"] == 1.0


def test_a_model_without_probabilities_has_none_of_their_metrics() -> None:
    class Labels(FittedModel):
        def predict(self, features: pd.DataFrame, /) -> "np.ndarray[Any, Any]":
            return np.array(["red", "amber"], dtype=object)

    found = measure(Labels(), coloured(["red", "violet"]))
    assert tuple(found) == CLASSES
    assert (math.isnan(found["log_loss"]), math.isnan(found["roc_auc"])) == (True, True)
    assert (found["accuracy"], found["balanced_accuracy"]) == (0.5, 0.5)


@pytest.mark.parametrize("strange", [math.nan, math.inf])
def test_probabilities_that_are_not_finite_give_no_metric(strange: float) -> None:
    likely = np.array([[0.5, 0.25, 0.25], [strange, 0.5, 0.5]])
    found = measure(Classifier(LEVELS, likely), coloured(["violet", "amber"]))
    assert (math.isnan(found["log_loss"]), math.isnan(found["roc_auc"])) == (True, True)


def test_a_model_that_knows_a_class_which_is_no_level_has_no_probabilities() -> None:
    model = Classifier(("violet", "green"), np.array([[0.75, 0.25], [0.25, 0.75]]))
    found = measure(model, coloured(["violet", "amber"]))
    assert math.isnan(found["log_loss"])
    assert found["accuracy"] == 0.5


# Slices


@given(
    st.lists(st.tuples(st.sampled_from("abc"), numbers, numbers), min_size=2, max_size=20),
    st.integers(2, 6),
    st.sampled_from(NUMBERS),
)
def test_a_slice_is_the_metric_of_its_rows_alone(
    given_rows: list[tuple[str, float, float]], smallest: int, name: str
) -> None:
    levels, labels, answers = zip(*given_rows, strict=True)
    schema = Schema((Number("x"), Category("kind", ("c", "b", "a"))), Number("y"), "p")
    frame = pd.DataFrame({"x": 0.0, "kind": list(levels), "y": np.array(labels, np.float64)})
    found = measure(Answers(*answers), Dataset(frame, schema), slices=[Slice(name, "kind", smallest)])
    counts = {level: levels.count(level) for level in sorted(set(levels))}
    large = [level for level, count in counts.items() if count >= smallest]
    assert list(found) == [*NUMBERS, *(f"{name}[kind={level}]" for level in large)]
    for level in large:
        chosen = [place for place, kind in enumerate(levels) if kind == level]
        alone = measure(Answers(*(answers[place] for place in chosen)), rows(*(labels[place] for place in chosen)))
        assert found[f"{name}[kind={level}]"] == alone[name]


def test_the_accuracy_of_a_level_of_the_target_is_its_recall() -> None:
    labels = ["violet", "violet", "violet", "red", "red", "red", "amber"]
    likely = np.eye(3)[[0, 0, 2, 2, 2, 0, 1]]
    model = Classifier(LEVELS, likely)
    found = measure(
        model, coloured(labels), slices=[Slice("accuracy", "colour", 1), Slice("f1_macro", "shape", 7)]
    )
    recall = metrics.recall_score(labels, model.predict(pd.DataFrame()), labels=list(LEVELS), average=None)
    assert [found[f"accuracy[colour={level}]"] for level in LEVELS] == recall.tolist()
    assert found["f1_macro[shape=round]"] == found["f1_macro"]
    assert len(found) == 5 + 3 + 1


def test_a_slice_whose_predictions_are_not_finite_is_nan_and_one_too_small_is_not_there() -> None:
    schema = Schema((Number("x"), Category("kind", ("a", "b", "c"))), Number("y"), "p")
    frame = pd.DataFrame({"x": 0.0, "kind": list("aabbc"), "y": [1.0, 2.0, 3.0, 4.0, 5.0]})
    model = Answers(1, math.nan, 3, 5, 5)
    found = measure(model, Dataset(frame, schema), slices=[Slice("mean_absolute_error", "kind", 2)])
    assert math.isnan(found["mean_absolute_error"])
    assert math.isnan(found["mean_absolute_error[kind=a]"])
    assert found["mean_absolute_error[kind=b]"] == 0.5
    assert "mean_absolute_error[kind=c]" not in found


# Scorers of scikit-learn


def test_further_metrics_are_scikit_learns_scorers() -> None:
    features = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    model = LinearRegression().fit(features, [0.0, 2.0, 3.0])
    found = measure(model, rows(0, 2, 3), ["neg_max_error", "r2", "explained_variance"])
    assert list(found) == [*NUMBERS, "neg_max_error", "explained_variance"]
    assert found["neg_max_error"] == metrics.get_scorer("neg_max_error")(model, features, [0.0, 2.0, 3.0])
    assert found["explained_variance"] == pytest.approx(found["r2"])
    assert all(type(value) is float for value in found.values())


def test_a_scorer_that_is_not_defined_is_nan() -> None:
    features = pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    labels = ["red", "amber", "red", "amber"]
    schema = Schema((Number("x"),), Category("colour", ("red", "amber")), "p")
    test = Dataset(features.assign(colour=labels), schema)
    model = LinearSVC().fit(features, labels)
    found = measure(model, test, ["neg_brier_score", "precision", "f1_weighted"])
    # It has no probabilities; and no label of these is the positive one.
    assert (math.isnan(found["neg_brier_score"]), math.isnan(found["precision"])) == (True, True)
    assert found["f1_weighted"] == metrics.f1_score(labels, model.predict(features), average="weighted")


def test_a_metric_by_its_name() -> None:
    assert metric_named("log_loss") is METRICS["log_loss"]
    assert metric_named("neg_max_error") == Metric(True, None, None, None)
    with pytest.raises(ConfigurationError) as caught:
        metric_named("max_error")
    assert str(caught.value) == (
        f"there is no metric 'max_error'; there are {', '.join(METRICS)}, and the names of scikit-learn's scorers"
    )


def test_what_is_measured_goes_by_the_target() -> None:
    assert measured(Number("y")) == NUMBERS
    assert measured(Category("y", ("a", "b"))) == CLASSES
    assert {*NUMBERS, *CLASSES} == set(METRICS)
    # A better model is better by each of them.
    likely = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.5, 0.25, 0.25], [0.25, 0.25, 0.5]])
    labels = ["violet", "amber", "red", "red"]
    better, worse = likely.copy(), likely
    better[2] = [0.125, 0.125, 0.75]
    one, other = (measure(Classifier(LEVELS, each), coloured(labels)) for each in (better, worse))
    for name in CLASSES:
        assert (one[name] > other[name]) == METRICS[name].greater_is_better
        assert one[name] != other[name]
