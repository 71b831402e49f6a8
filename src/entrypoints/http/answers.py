"""From the bytes of a request to the bytes of an answer, compiled once for each model."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import Executor, ThreadPoolExecutor
from http import HTTPStatus
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

from weighbridge.domain.data.schema import Category, Row
from weighbridge.domain.errors import NoFinitePrediction
from weighbridge.domain.model.predictor import Answer, Classification
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.row_predictor import NOT_FINITE, PredictedRow, RowPredictor
from weighbridge.domain.serving.service import LoadedModel, PredictionService
from weighbridge.domain.serving.telemetry import ServingTelemetry
from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.micro_batcher import MicroBatcher
from weighbridge.entrypoints.http.row_reading import RowReader

if TYPE_CHECKING:
    from weighbridge.domain.serving.column_predictor import ColumnPredictor

OUTSIDE_HEADER = "X-Outside-Training-Range"


class Answers:
    """How one model answers: JSON in, JSON out, and the domain's predictors between them.

    Args:
        model: what answers.
        executor: where a model is asked that takes long.
        telemetry: counts predictions.
        observer: sees every row that is answered, but those of batches; None for none.

    Attributes:
        read: makes an admitted row of JSON bytes, or raises pydantic's ValidationError.
        is_instant: whether ``predict_now`` takes only microseconds.
        predict_now: ``RowPredictor.predict``.
    """

    def __init__(
        self,
        model: LoadedModel,
        executor: Executor,
        telemetry: ServingTelemetry,
        observer: AnswerObserver | None = None,
    ) -> None:
        self.model = model
        self._telemetry, self._observer = telemetry, observer
        latency, target = model.predictor.latency_class, model.schema.target
        self.read = RowReader(model.schema)
        self._levels = target.levels if isinstance(target, Category) else None
        self._rows = RowPredictor(model, telemetry, observer)
        self.predict_now = self._rows.predict
        self.is_instant = latency == "instant" and self._levels is None
        self._batcher = MicroBatcher(self._rows.ask, None if latency == "short" else executor)
        self._before = f"{{{json.dumps(model.schema.prediction)}: ".encode()
        self._after = f', "model_version": {json.dumps(model.release.version.qualified)}}}'.encode()

    async def predict(self, row: Row, request_id: str) -> PredictedRow:
        """Predict an admitted row; rows of other requests that wait meanwhile are predicted by the same call.

        Raises:
            RequestProblem: 422, the model has no finite prediction for it.
            ModelError: the model fails.
        """
        try:
            if self.is_instant:
                return self.predict_now(row, request_id)
            return self._rows.tell(row, await self._batcher.ask(row), request_id)
        except NoFinitePrediction:
            raise RequestProblem(HTTPStatus.UNPROCESSABLE_ENTITY, NOT_FINITE) from None

    def columns(self, *, is_observed: bool) -> ColumnPredictor:
        """What predicts the rows of one request as columns; ``is_observed`` has its rows shown to the observer."""
        # It needs NumPy, which a service of single rows can do without.
        from weighbridge.domain.serving.column_predictor import ColumnPredictor

        return ColumnPredictor(self.model, self._telemetry, self._observer if is_observed else None)

    def write(self, value: Answer) -> bytes:
        """The answer as JSON; a float as the shortest text that reads back as the same float."""
        if self._levels is None:
            return self._before + repr(value).encode() + self._after
        label, likely = cast("Classification", value)
        probabilities = json.dumps(dict(zip(self._levels, likely, strict=True)))
        return self._before + f'{json.dumps(label)}, "probabilities": {probabilities}'.encode() + self._after


class LiveAnswers:
    """The answers of whichever model is live, compiled when it changes.

    Args:
        service: holds the live model.
        telemetry: counts predictions.
        observer: sees every row that is answered, but those of batches; None for none.

    Attributes:
        executor: where a model is asked that takes long; one thing at a time.
    """

    def __init__(
        self, service: PredictionService, telemetry: ServingTelemetry, observer: AnswerObserver | None = None
    ) -> None:
        self._service = service
        self._telemetry, self._observer = telemetry, observer
        self.executor = ThreadPoolExecutor(1, thread_name_prefix="predict")
        self._answers: Answers | None = None

    def close(self) -> None:
        """Predict no more."""
        self.executor.shutdown(wait=False, cancel_futures=True)

    def now(self) -> Answers | None:
        """The answers of the live model; None while there is none."""
        model = self._service.loaded
        answers = self._answers
        if model is None or (answers is not None and answers.model is model):
            return answers
        self._answers = Answers(model, self.executor, self._telemetry, self._observer)
        return self._answers

    def required(self) -> Answers:
        """The answers of the live model.

        Raises:
            RequestProblem: 503, no model is loaded yet.
        """
        answers = self.now()
        if answers is None:
            detail = self._service.problem or f"no model of {self._service.task} is loaded yet"
            raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "10"})
        return answers


def names_in_header(names: Iterable[str]) -> bytes:
    """Names of features as a header's value: separated by commas, percent-encoded where they need it."""
    return ", ".join(quote(name, safe=" ") for name in names).encode()
