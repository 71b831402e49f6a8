"""A model as the Open Inference Protocol sees it: columns in, tensors out, and what it says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import numpy as np

from weighbridge.domain.data.column_admission import admit_columns
from weighbridge.domain.data.columns import Array, Encoded
from weighbridge.domain.data.schema import Category, Feature
from weighbridge.domain.errors import DataError
from weighbridge.domain.serving.column_predictor import ColumnPredictor, PredictedColumns
from weighbridge.domain.serving.row_predictor import NOT_FINITE
from weighbridge.entrypoints.http.answers import Answers
from weighbridge.entrypoints.http.compression import compressed, decompressed
from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.inference.documents import PREDICT, PREDICT_PROBA
from weighbridge.entrypoints.http.inference.messages import MessageProblem, read_question, write_answer

#: The protocol's names of frameworks and formats.
_PLATFORMS = {"onnx": "onnx_onnxv1", "skops": "sklearn_skops"}

#: What of a problem is repeated, in characters.
_SHOWN = 300


@dataclass(frozen=True, slots=True)
class Inference:
    """An answer.

    Args:
        body: of the response.
        header_length: where its JSON ends, when binary tensors follow it.
        encoding: how it is compressed; None for not at all.
        outside: by feature, how many rows have a value outside the range that it had in training.
    """

    body: bytes
    header_length: int | None
    encoding: str | None
    outside: Mapping[str, int]


class InferenceModel:
    """How one model answers.

    Args:
        answers: of the model.

    Attributes:
        name: of the model, which is its task's.
        version: without the task.
        is_quick: whether a few rows are predicted well within a millisecond.
    """

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self._model = model = answers.model
        self.name = model.release.version.task
        self.version = str(model.release.version)
        self.is_quick = model.predictor.latency_class != "long"
        target = model.schema.target
        self._levels = target.levels if isinstance(target, Category) else None
        self._outputs = (PREDICT,) if self._levels is None else (PREDICT, PREDICT_PROBA)

    def metadata(self) -> dict[str, Any]:
        """The protocol's metadata: every tensor with its datatype and shape; -1 stands for any number of rows."""
        target = self._model.schema.target
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
                for feature in self._model.schema.features
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

    def answer(self, body: bytes, headers: Mapping[str, str], limit: int, predictor: ColumnPredictor) -> Inference:
        """Answer a request, from the bytes of one to the bytes of the other. It may take long, and needs no loop.

        Args:
            body: as it came.
            headers: by lower-case name.
            limit: bytes of a body, once it is decompressed.
            predictor: of the model, for this request.

        Raises:
            RequestProblem: it cannot be answered; 400 but for what ``decompressed`` says.
            ModelError: the model fails.
        """
        content = decompressed(body, headers.get("content-encoding", ""), limit)
        try:
            header_length = headers.get("inference-header-content-length")
            question = read_question(content, header_length, self._model.schema, self._outputs)
            admitted = admit_columns(self._model.schema, question.columns, "the inputs")
        except MessageProblem as error:
            raise RequestProblem(HTTPStatus.BAD_REQUEST, str(error)) from None
        except DataError as error:
            raise RequestProblem(HTTPStatus.BAD_REQUEST, _in_one_line(error)) from None
        # Wanted or not, the prediction itself is made: it is what is counted.
        found = predictor.predict(admitted, probabilities=PREDICT_PROBA in question.outputs)
        written, end = write_answer(self, question, _tensors(found))
        sent, encoding = compressed(written, headers.get("accept-encoding", ""))
        return Inference(sent, end, encoding, found.outside)

    def _platform(self) -> str:
        kind = self._model.release.record.model.format
        return _PLATFORMS.get(kind, f"weighbridge_{kind}")


def _tensors(found: PredictedColumns) -> dict[str, Array]:
    """What was predicted, by the names of the outputs."""
    if found.finite is not None:
        row = int(np.argmin(found.finite)) + 1
        raise RequestProblem(HTTPStatus.BAD_REQUEST, f"row {row}: {NOT_FINITE}")
    predicted = found.predicted
    tensors = {PREDICT: predicted.plain() if isinstance(predicted, Encoded) else predicted}
    if found.probabilities is not None:
        tensors[PREDICT_PROBA] = found.probabilities
    return tensors


def _in_one_line(error: DataError) -> str:
    said = [str(problem)[:_SHOWN] for problem in error.problems]
    return "; ".join([*said, f"and {error.more:,} more problems"] if error.more else said)


def _datatype(feature: Feature) -> str:
    return "BYTES" if isinstance(feature, Category) else "FP64"
