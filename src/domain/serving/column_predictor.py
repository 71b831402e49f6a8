"""Predicting columns: the one place where many rows' predictions are checked, flagged, counted and observed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from weighbridge.domain.data.columns import Encoded
from weighbridge.domain.data.ranges import training_ranges
from weighbridge.domain.data.schema import Category
from weighbridge.domain.model.predictor import Classification

if TYPE_CHECKING:
    from weighbridge.domain.data.columns import AdmittedColumns, Array
    from weighbridge.domain.data.schema import Row
    from weighbridge.domain.model.predictor import Answer
    from weighbridge.domain.serving.decoded_model import DecodedModel
    from weighbridge.domain.serving.observer import AnswerObserver
    from weighbridge.domain.serving.telemetry import ServingTelemetry

#: An observer is shown so many rows before ``tell`` gives its caller a turn.
_ROWS_A_TURN = 1000


@dataclass(frozen=True, slots=True)
class PredictedColumns:
    """What admitted columns were answered.

    Args:
        predicted: of shape [rows]: float64 for a number, object (of str) for a category; or codes of such values.
        probabilities: float64 of shape [rows, levels]; None for a number, and where nobody asked for them.
        finite: of shape [rows], whether the model has a finite prediction; None when it has one for every row. A
            row without one is neither counted nor observed.
        outside: for each number feature that has such rows, how many of those with a finite prediction have a
            value outside its range in training.
    """

    predicted: Array | Encoded
    probabilities: Array | None
    finite: Array | None
    outside: Mapping[str, int]


class ColumnPredictor:
    """Predicts the columns of one request, or of one file, with one model.

    ``predict`` may be called any number of times, on one thread at a time; then ``tell``, once, on the thread that
    answers. Without ``tell``, as for a request that is refused, nothing is counted or observed.

    Args:
        model: what predicts.
        telemetry: counts predictions; None where nobody reads the counts, as on the command line.
        observer: sees every answer, which is kept until ``tell``; None for none.
    """

    def __init__(
        self,
        model: DecodedModel,
        telemetry: ServingTelemetry | None = None,
        observer: AnswerObserver | None = None,
    ) -> None:
        self.model = model
        target = model.schema.target
        self._levels = target.levels if isinstance(target, Category) else None
        self._ranges = training_ranges(model.release.document)
        self._telemetry = telemetry
        self._tally = None if telemetry is None else telemetry.tally()
        self._observer = observer
        self._observed: list[tuple[Row, Answer]] = []

    def predict(self, columns: AdmittedColumns, *, probabilities: bool = True) -> PredictedColumns:
        """Predict admitted columns; no rows give none, and the model is not asked.

        Args:
            columns: of the model's schema.
            probabilities: whether those of a category are wanted; a number has none.

        Raises:
            ModelError: the model fails.
        """
        predicted, likely = self._ask(columns, probabilities or self._observer is not None)
        finite = _finite(predicted, likely)
        good, given, given_likely = columns, predicted, likely
        if finite is not None:
            good = columns.take(finite)
            given = predicted.take(finite) if isinstance(predicted, Encoded) else predicted[finite]
            given_likely = None if likely is None else likely[finite]
        outside = _outside(good, self._ranges)
        if self._tally is not None:
            self._tally.add(given, outside)
        if self._observer is not None:
            self._observed += zip(_rows(good), _answers(given, given_likely), strict=True)
        return PredictedColumns(predicted, likely, finite, outside)

    def tell(self, request_id: str = "") -> Iterator[None]:
        """Count what was predicted and show it to the observer.

        Yields:
            now and then, so that an event loop can see to other requests. It has to be iterated to its end.
        """
        if self._telemetry is not None and self._tally is not None:
            self._telemetry.count(self._tally)
        if self._observer is not None:
            for place, (row, answer) in enumerate(self._observed, 1):
                self._observer.observe(self.model, row, answer, request_id)
                if place % _ROWS_A_TURN == 0:
                    yield

    def _ask(self, columns: AdmittedColumns, probabilities: bool) -> tuple[Array | Encoded, Array | None]:
        predictor, levels = self.model.predictor, self._levels
        if not columns.rows:
            if levels is None:
                return np.empty(0), None
            return np.empty(0, object), np.empty((0, len(levels))) if probabilities else None
        predicted = predictor.predict_columns(columns)
        wants = probabilities and levels is not None
        return predicted, predictor.predict_proba(columns.plain()) if wants else None


def _finite(predicted: Array | Encoded, likely: Array | None) -> Array | None:
    """Which rows have a finite prediction; None when all of them have."""
    if likely is not None:
        finite = np.isfinite(likely).all(axis=1)
    elif isinstance(predicted, Encoded):
        values = np.asarray(predicted.values)
        # A value that no row has does no harm.
        if values.dtype.kind != "f" or np.isfinite(values).all():
            return None
        finite = np.isfinite(values)[predicted.codes]
    elif predicted.dtype.kind != "f":
        return None
    else:
        finite = np.isfinite(predicted)
    return None if finite.all() else np.asarray(finite)


def _outside(columns: AdmittedColumns, ranges: Mapping[str, tuple[float, float]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, (low, high) in ranges.items():
        values = columns.columns.get(name)
        if not isinstance(values, np.ndarray) or not len(values):
            continue
        if values.min() < low or values.max() > high:
            found[name] = int(((values < low) | (values > high)).sum())
    return found


def _rows(columns: AdmittedColumns) -> Iterator[Row]:
    names = list(columns.columns)
    values = (column.tolist() for column in columns.plain().values())
    return (dict(zip(names, row, strict=True)) for row in zip(*values, strict=True))


def _answers(predicted: Array | Encoded, likely: Array | None) -> list[Answer]:
    plain: list[Answer] = (predicted.plain() if isinstance(predicted, Encoded) else predicted).tolist()
    if likely is None:
        return plain
    return [Classification(str(label), each) for label, each in zip(plain, likely.tolist(), strict=True)]
