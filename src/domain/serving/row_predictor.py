"""Predicting single rows: the one place where a row's prediction is checked, flagged, counted and observed."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple, cast

from weighbridge.domain.data.ranges import training_ranges
from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import NoFinitePrediction, Problem

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Row, Value
    from weighbridge.domain.model.predictor import Answer, Classification
    from weighbridge.domain.serving.decoded_model import DecodedModel
    from weighbridge.domain.serving.observer import AnswerObserver
    from weighbridge.domain.serving.telemetry import ServingTelemetry

#: What a caller is told of a row for which the model gives infinity or NaN.
NOT_FINITE = "the model has no finite prediction for this row: its numbers are too large"


class PredictedRow(NamedTuple):
    """What one row was answered.

    Args:
        answer: a finite number; for a category the label and its probabilities.
        outside: the features whose values are outside their range in training.
    """

    answer: Answer
    outside: Sequence[str]


class RowPredictor:
    """Predicts admitted rows with one model.

    ``predict`` does everything for one row. Callers that collect the rows of several requests call ``ask`` for all
    of them, on any thread, and then ``tell`` for each, on the thread that answers.

    Args:
        model: what predicts.
        telemetry: counts predictions; None where nobody reads the counts, as on the command line.
        observer: sees every answer; None for none.
    """

    def __init__(
        self,
        model: DecodedModel,
        telemetry: ServingTelemetry | None = None,
        observer: AnswerObserver | None = None,
    ) -> None:
        self.model = model
        predictor = model.predictor
        self._is_class = isinstance(model.schema.target, Category)
        self._predict_row = predictor.predict_row
        self._ask = predictor.classify_rows if self._is_class else predictor.predict_rows
        self._ranges = [(name, low, high) for name, (low, high) in training_ranges(model.release.document).items()]
        self._telemetry = telemetry
        self._observer = observer

    def predict(self, row: Row, request_id: str = "") -> PredictedRow:
        """Predict one admitted row.

        Raises:
            NoFinitePrediction: the model gives infinity or NaN; nothing is counted or observed.
            ModelError: the model fails.
        """
        answer = self._ask([row])[0] if self._is_class else self._predict_row(row)
        return self.tell(row, answer, request_id)

    def ask(self, rows: Sequence[Row]) -> Sequence[Answer]:
        """What the model gives for admitted rows, unchecked; each goes to ``tell``.

        Raises:
            ModelError: the model fails.
        """
        return self._ask(rows)

    def tell(self, row: Row, answer: Answer, request_id: str = "") -> PredictedRow:
        """Check what ``ask`` gave for a row, flag what is outside its range, count it and show it to the observer.

        Raises:
            NoFinitePrediction: it is infinity or NaN; nothing is counted or observed.
        """
        if self._is_class:
            label, probabilities = cast("Classification", answer)
            value: Value = label
            is_finite = all(map(isfinite, probabilities))
        else:
            value = answer  # type: ignore[assignment]
            is_finite = isfinite(value)  # type: ignore[arg-type]
        if not is_finite:
            raise NoFinitePrediction("the row", [Problem(NOT_FINITE)])
        outside = [name for name, low, high in self._ranges if not low <= row[name] <= high]  # type: ignore[operator]
        if self._telemetry is not None:
            self._telemetry.predicted((value,))
            if outside:
                self._telemetry.outside_training_range(outside)
        if self._observer is not None:
            self._observer.observe(self.model, row, answer, request_id)
        return PredictedRow(answer, outside)
