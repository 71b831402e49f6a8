"""Rows and columns are predicted, checked, flagged, counted and observed alike."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START, SettableClock
from tests.support.registry_contract import make_record, version_of
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.domain.data.column_admission import admit_columns
from weighbridge.domain.data.schema import Category, Number, Row, Schema
from weighbridge.domain.errors import NoFinitePrediction
from weighbridge.domain.model.predictor import Answer, Classification, Columns, Predictor
from weighbridge.domain.registry.releases import Release
from weighbridge.domain.serving.column_predictor import ColumnPredictor
from weighbridge.domain.serving.decoded_model import DecodedModel
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.row_predictor import NOT_FINITE, PredictedRow, RowPredictor

LEVELS = ("low", "high")
FEATURES = (Number("x"), Category("kind", ("a", "b")))
NUMBERS = Schema(FEATURES, Number("hours"), "est_hours")
CLASSES = Schema(FEATURES, Category("size", LEVELS), "est_size")
#: In training, x was from -1 to 1.
STATISTICS = {"features": {"x": {"type": "number", "rows": 2, "minimum": -1.0, "maximum": 1.0}}}
#: The model has no finite prediction from here on.
TOO_LARGE = 100.0

Rows = list[dict[str, Any]]
ROWS: st.SearchStrategy[Rows] = st.lists(
    st.fixed_dictionaries(
        {
            "x": st.floats(-2, 2) | st.sampled_from([-1.0, 1.0, 99.0, TOO_LARGE]),
            "kind": st.sampled_from(["a", "b"]),
        }
    ),
    max_size=30,
)


class Doubling(Predictor):
    """Answers twice ``x``, or whether it is above 0; infinity or NaN for what is too large."""

    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        x = columns["x"]
        return np.where(x < TOO_LARGE, 2 * x, np.inf)

    def predict_proba(self, columns: Columns) -> np.ndarray[Any, Any]:
        x = columns["x"]
        high = np.where(x < TOO_LARGE, (x > 0).astype(np.float64), np.nan)
        return np.column_stack([1 - high, high])


class Labelling(Doubling):
    """The same for a category."""

    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        return np.array(LEVELS, object)[(columns["x"] > 0).astype(int)]


class Notes(AnswerObserver):
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[DecodedModel, Row, Answer, str]] = []

    def start(self) -> None:
        """Nothing to start."""

    def observe(self, model: DecodedModel, row: Row, answer: Answer, request_id: str) -> None:
        self.seen.append((model, row, answer, request_id))

    def stop(self) -> None:
        """Nothing to stop."""


def model_of(schema: Schema) -> DecodedModel:
    record = replace(make_record(b"model", START), schema=schema)
    release = Release(version_of(record), record, {**record.to_dict(), "statistics": STATISTICS})
    return DecodedModel(release, Doubling() if isinstance(schema.target, Number) else Labelling())


def counting() -> PrometheusTelemetry:
    return PrometheusTelemetry(SharedCounters(private_memory()), SettableClock())


def by_row(model: DecodedModel, rows: Sequence[Row], telemetry: PrometheusTelemetry, notes: Notes) -> list[Any]:
    """What each row is answered; None for a row without a finite prediction."""
    predictor = RowPredictor(model, telemetry, notes)
    found: list[Any] = []
    for row in rows:
        try:
            found.append(predictor.predict(row, "id"))
        except NoFinitePrediction:
            found.append(None)
    return found


@pytest.mark.parametrize("schema", [NUMBERS, CLASSES], ids=["number", "category"])
@given(ROWS, st.integers(1, 7))
def test_rows_and_columns_come_to_the_same(schema: Schema, rows: Rows, size: int) -> None:
    model = model_of(schema)
    one, many = (counting(), Notes()), (counting(), Notes())
    expected = by_row(model, rows, *one)
    predictor = ColumnPredictor(model, *many)
    found: list[Any] = []
    outside = 0
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        columns = {name: [row[name] for row in part] for name in schema.feature_names}
        answered = predictor.predict(admit_columns(schema, columns))
        values = np.asarray(answered.predicted).tolist()
        if answered.probabilities is not None:
            values = [Classification(*each) for each in zip(values, answered.probabilities.tolist(), strict=True)]
        finite = [True] * len(part) if answered.finite is None else answered.finite.tolist()
        found += [value if is_finite else None for value, is_finite in zip(values, finite, strict=True)]
        outside += answered.outside.get("x", 0)
    assert found == [None if each is None else each.answer for each in expected]
    assert outside == sum(bool(each.outside) for each in expected if each is not None)
    assert many[0].figures().rows == 0
    assert many[1].seen == []
    list(predictor.tell("id"))
    assert many[1].seen == one[1].seen
    assert [place for place, row in enumerate(rows) if row["x"] >= TOO_LARGE] == [
        place for place, each in enumerate(expected) if each is None
    ]
    assert many[0].figures() == one[0].figures()


@pytest.mark.parametrize("schema", [NUMBERS, CLASSES], ids=["number", "category"])
@given(rows=ROWS)
def test_rows_that_were_asked_together_are_answered_as_one_by_one(schema: Schema, rows: Rows) -> None:
    model = model_of(schema)
    one, together = (counting(), Notes()), (counting(), Notes())
    expected = by_row(model, rows, *one)
    predictor = RowPredictor(model, *together)
    for row, answer, each in zip(rows, predictor.ask(rows), expected, strict=True):
        if each is None:
            with pytest.raises(NoFinitePrediction) as caught:
                predictor.tell(row, answer, "id")
            assert str(caught.value) == f"the row: 1 problem\n  {NOT_FINITE}"
        else:
            assert predictor.tell(row, answer, "id") == each
    assert together[1].seen == one[1].seen
    assert together[0].figures() == one[0].figures()


@pytest.mark.parametrize(("x", "outside"), [(1.0, []), (-1.0, []), (math.nextafter(1, 2), ["x"]), (-3.0, ["x"])])
def test_a_range_includes_its_ends(x: float, outside: list[str]) -> None:
    telemetry = counting()
    row: Row = {"x": x, "kind": "a"}
    assert RowPredictor(model_of(NUMBERS), telemetry).predict(row) == PredictedRow(2 * x, outside)
    assert telemetry.figures().outside == dict.fromkeys(outside, 1)


def test_nothing_needs_to_be_counted_or_observed() -> None:
    model = model_of(NUMBERS)
    assert RowPredictor(model).predict({"x": 0.5, "kind": "b"}).answer == 1.0
    predictor = ColumnPredictor(model)
    columns = admit_columns(NUMBERS, {"x": [0.5, 3.0], "kind": ["a", "b"]})
    found = predictor.predict(columns)
    assert (np.asarray(found.predicted).tolist(), found.probabilities, found.finite) == ([1.0, 6.0], None, None)
    assert found.outside == {"x": 1}
    assert list(predictor.tell()) == []


def test_a_model_is_not_asked_for_no_rows() -> None:
    for schema, shapes in ((NUMBERS, [(0,), None]), (CLASSES, [(0,), (0, 2)])):
        empty = admit_columns(schema, {"x": [], "kind": []})
        found = ColumnPredictor(DecodedModel(model_of(schema).release, Silent())).predict(empty)
        likely = found.probabilities
        assert [np.shape(found.predicted), None if likely is None else likely.shape] == shapes
        assert (found.finite, found.outside) == (None, {})


class Silent(Predictor):
    """A model that must not be asked."""

    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        raise AssertionError(f"asked for {columns}")


def test_the_caller_gets_a_turn_after_each_thousand_observed_rows() -> None:
    notes = Notes()
    predictor = ColumnPredictor(model_of(NUMBERS), None, notes)
    predictor.predict(admit_columns(NUMBERS, {"x": [0.0] * 2500, "kind": ["a"] * 2500}))
    assert [len(notes.seen) for _ in predictor.tell("id")] == [1000, 2000]
    assert len(notes.seen) == 2500


def test_probabilities_are_only_made_when_they_are_wanted_or_observed() -> None:
    columns = admit_columns(CLASSES, {"x": [1.0], "kind": ["a"]})
    model = model_of(CLASSES)
    assert ColumnPredictor(model).predict(columns, probabilities=False).probabilities is None
    for predictor, is_wanted in ((ColumnPredictor(model), True), (ColumnPredictor(model, None, Notes()), False)):
        likely = predictor.predict(columns, probabilities=is_wanted).probabilities
        assert likely is not None
        assert likely.tolist() == [[0.0, 1.0]]
