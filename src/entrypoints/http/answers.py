"""From the bytes of a request to the bytes of an answer, compiled once for each model."""

from __future__ import annotations

import json
import math
from concurrent.futures import Executor, ThreadPoolExecutor
from http import HTTPStatus
from typing import cast
from urllib.parse import quote

from weighbridge.domain.data.ranges import training_ranges
from weighbridge.domain.data.schema import Category, Row, Value
from weighbridge.domain.model.predictor import Classification
from weighbridge.domain.serving.service import LoadedModel, PredictionService
from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.micro_batcher import Answer, Turns
from weighbridge.entrypoints.http.schemas import request_adapter

OUTSIDE_HEADER = "X-Outside-Training-Range"


class Answers:
    """How one model answers.

    Args:
        model: what answers.
        executor: where a model is asked that takes long.

    Attributes:
        read: makes an admitted row of JSON bytes, or raises pydantic's ValidationError.
        quick: predicts a row at once, in microseconds, and always a finite number; None for a model that
            takes longer.
    """

    def __init__(self, model: LoadedModel, executor: Executor) -> None:
        self.model = model
        predictor = model.predictor
        target = model.schema.target
        self.read = request_adapter(model.schema).validator.validate_json
        self._levels = target.levels if isinstance(target, Category) else None
        self.quick = predictor.predict_row if predictor.pace == "instant" and self._levels is None else None
        predict = predictor.predict_rows if self._levels is None else predictor.classify_rows
        self._turns = Turns(predict, None if predictor.pace == "short" else executor)
        self._before = f"{{{json.dumps(model.schema.prediction)}: ".encode()
        self._after = f', "model_version": {json.dumps(model.release.version.qualified)}}}'.encode()
        self._ranges = [(name, low, high) for name, (low, high) in training_ranges(model.release.document).items()]

    async def predict(self, row: Row) -> Answer:
        """The prediction for an admitted row.

        Raises:
            RequestProblem: the model has no finite prediction for it.
            ModelError: the model fails.
        """
        if self.quick is not None:
            return self.quick(row)
        value = await self._turns.ask(row)
        numbers = value.probabilities if isinstance(value, Classification) else [value]
        if not all(math.isfinite(number) for number in numbers if isinstance(number, float)):
            detail = "the model has no finite prediction for this row: its numbers are too large"
            raise RequestProblem(HTTPStatus.UNPROCESSABLE_ENTITY, detail)
        return value

    def write(self, value: Answer) -> bytes:
        """The answer as JSON; a float as the shortest text that reads back as the same float."""
        if self._levels is None:
            return self._before + repr(value).encode() + self._after
        label, likely = cast("Classification", value)
        probabilities = json.dumps(dict(zip(self._levels, likely, strict=True)))
        return self._before + f'{json.dumps(label)}, "probabilities": {probabilities}'.encode() + self._after

    def outside(self, row: Row) -> list[str]:
        """The features whose values are outside the range that they had in training."""
        return [name for name, low, high in self._ranges if not low <= row[name] <= high]  # type: ignore[operator]


class LiveAnswers:
    """The answers of whichever model is live, compiled when it changes.

    Attributes:
        executor: where a model is asked that takes long; one thing at a time.
    """

    def __init__(self, service: PredictionService) -> None:
        self._service = service
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
        self._answers = Answers(model, self.executor)
        return self._answers


def label_or_value(answer: Answer) -> Value:
    """The prediction without its probabilities."""
    return answer.label if isinstance(answer, Classification) else answer


def names_in_header(names: list[str]) -> bytes:
    """Names of features as a header's value: separated by commas, percent-encoded where they need it."""
    return ", ".join(quote(name, safe=" ") for name in names).encode()
