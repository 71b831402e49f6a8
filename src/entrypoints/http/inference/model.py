"""A model as the Open Inference Protocol sees it: columns in, tensors out, and what it says of itself."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np

from weighbridge.domain.data.column_admission import admit_columns
from weighbridge.domain.data.columns import AdmittedColumns, Array, Encoded
from weighbridge.domain.data.ranges import training_ranges
from weighbridge.domain.data.schema import Category, Feature, Row
from weighbridge.domain.errors import DataError
from weighbridge.domain.model.predictor import Classification
from weighbridge.domain.serving.service import LoadedModel
from weighbridge.domain.serving.telemetry import Tally
from weighbridge.entrypoints.http.compression import compressed, decompressed
from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.inference.documents import PREDICT, PREDICT_PROBA
from weighbridge.entrypoints.http.inference.messages import MessageProblem, read_question, write_answer
from weighbridge.entrypoints.http.micro_batcher import Answer

#: The protocol's names of frameworks and formats.
_PLATFORMS = {"onnx": "onnx_onnxv1", "skops": "sklearn_skops"}

#: What of a problem is repeated, in characters.
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Inference:
    """An answer, and what is to be told of it.

    Args:
        body: of the response.
        header_length: where its JSON ends, when binary tensors follow it.
        encoding: how it is compressed; None for not at all.
        outside: by feature, how many rows have a value outside the range that it had in training.
        observed: the rows, and what was answered; empty when nobody observes them.
    """

    body: bytes
    header_length: int | None
    encoding: str | None
    outside: Mapping[str, int]
    observed: Sequence[tuple[Row, Answer]]


class InferenceModel:
    """How one model answers.

    Args:
        model: what answers.

    Attributes:
        name: of the model, which is its task's.
        version: without the task.
        is_quick: whether a few rows are predicted well within a millisecond.
    """

    def __init__(self, model: LoadedModel) -> None:
        self.model = model
        self.name = model.release.version.task
        self.version = str(model.release.version)
        self.is_quick = model.predictor.pace != "long"
        target = model.schema.target
        self._levels = target.levels if isinstance(target, Category) else None
        self._kind = np.float64 if self._levels is None else object
        self._outputs = (PREDICT,) if self._levels is None else (PREDICT, PREDICT_PROBA)
        self._ranges = training_ranges(model.release.document)

    def metadata(self) -> dict[str, Any]:
        """The protocol's metadata: every tensor with its datatype and shape; -1 stands for any number of rows."""
        target = self.model.schema.target
        outputs: list[dict[str, Any]] = [{"name": PREDICT, "datatype": _datatype(target), "shape": [-1]}]
        if self._levels is not None:
            outputs.append(
                {
                    "name": PREDICT_PROBA,
                    "datatype": "FP64",
                    "shape": [-1, len(self._levels)],
                    "parameters": {"levels": list(self._levels)},
                }
            )
        return {
            "name": self.name,
            "versions": [self.version],
            "platform": self._platform(),
            "inputs": [
                {"name": feature.name, "datatype": _datatype(feature), "shape": [-1]}
                for feature in self.model.schema.features
            ],
            "outputs": outputs,
        }

    def config(self) -> dict[str, Any]:
        """The model configuration extension's view of the same."""

        def tensors(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
            names = {"BYTES": "TYPE_STRING", "FP64": "TYPE_FP64"}
            return [
                {"name": tensor["name"], "data_type": names[tensor["datatype"]], "dims": tensor["shape"]}
                for tensor in given
            ]

        metadata = self.metadata()
        return {
            "name": self.name,
            "platform": self._platform(),
            "max_batch_size": 0,
            "version_policy": {"latest": {"num_versions": 1}},
            "input": tensors(metadata["inputs"]),
            "output": tensors(metadata["outputs"]),
        }

    def answer(
        self, body: bytes, headers: Mapping[str, str], limit: int, tally: Tally, is_observed: bool
    ) -> Inference:
        """Answer a request, from the bytes of one to the bytes of the other. It may take long, and needs no loop.

        Args:
            body: as it came.
            headers: by lower-case name.
            limit: bytes of a body, once it is decompressed.
            tally: counts what is predicted.
            is_observed: whether somebody sees the rows that were answered.

        Raises:
            RequestProblem: it cannot be answered; 400 but for what ``decompressed`` says.
            ModelError: the model fails.
        """
        content = decompressed(body, headers.get("content-encoding", ""), limit)
        try:
            header_length = headers.get("inference-header-content-length")
            question = read_question(content, header_length, self.model.schema, self._outputs)
            admitted = admit_columns(self.model.schema, question.columns, "the inputs")
        except MessageProblem as error:
            raise RequestProblem(HTTPStatus.BAD_REQUEST, str(error)) from None
        except DataError as error:
            raise RequestProblem(HTTPStatus.BAD_REQUEST, _in_one_line(error)) from None
        asked = {*question.outputs, *(self._outputs if is_observed else ())}
        answers = self._predict(admitted, asked)
        written, end = write_answer(self, question, answers)
        sent, encoding = compressed(written, headers.get("accept-encoding", ""))
        outside = self._outside(admitted)
        tally.add(answers[PREDICT], outside)
        return Inference(sent, end, encoding, outside, _observed(admitted, answers) if is_observed else [])

    def _predict(self, admitted: AdmittedColumns, asked: Container[str]) -> dict[str, Array]:
        predictor = self.model.predictor
        # Asked for or not: what is predicted is counted.
        predicted = predictor.predict_columns(admitted) if admitted.rows else np.empty(0, self._kind)
        answers = {PREDICT: predicted.plain() if isinstance(predicted, Encoded) else predicted}
        if PREDICT_PROBA in asked and self._levels is not None:
            empty = np.empty((0, len(self._levels)))
            answers[PREDICT_PROBA] = predictor.predict_proba(admitted.plain()) if admitted.rows else empty
        for array in answers.values():
            _refuse_what_is_not_finite(array)
        return answers

    def _outside(self, admitted: AdmittedColumns) -> dict[str, int]:
        found: dict[str, int] = {}
        for name, (low, high) in self._ranges.items():
            column = admitted.columns[name]
            values = column.plain() if isinstance(column, Encoded) else column
            count = int(((values < low) | (values > high)).sum())
            if count:
                found[name] = count
        return found

    def _platform(self) -> str:
        kind = self.model.release.record.model.format
        return _PLATFORMS.get(kind, f"weighbridge_{kind}")


def _refuse_what_is_not_finite(answer: Array) -> None:
    if answer.dtype == object or np.isfinite(answer).all():
        return
    row = int(np.argwhere(~np.isfinite(answer))[0][0]) + 1
    detail = f"row {row}: the model has no finite prediction for it: its numbers are too large"
    raise RequestProblem(HTTPStatus.BAD_REQUEST, detail)


def _observed(admitted: AdmittedColumns, answers: Mapping[str, Array]) -> list[tuple[Row, Answer]]:
    names = list(admitted.columns)
    rows = zip(*(column.tolist() for column in admitted.plain().values()), strict=True)
    predicted: list[Answer] = answers[PREDICT].tolist()
    if PREDICT_PROBA in answers:
        likely = answers[PREDICT_PROBA].tolist()
        predicted = [Classification(str(label), each) for label, each in zip(predicted, likely, strict=True)]
    return [(dict(zip(names, row, strict=True)), answer) for row, answer in zip(rows, predicted, strict=True)]


def _in_one_line(error: DataError) -> str:
    said = [str(problem)[:_SHOWN] for problem in error.problems]
    return "; ".join([*said, f"and {error.more:,} more problems"] if error.more else said)


def _datatype(feature: Feature) -> str:
    return "BYTES" if isinstance(feature, Category) else "FP64"
