"""Predicting with a session of ONNX Runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from weighbridge.domain.errors import IncompatibleModel, ModelError
from weighbridge.domain.model.predictor import Predictor

if TYPE_CHECKING:
    from weighbridge.domain.model.predictor import Columns, LatencyClass

_SHOWN_OF_AN_ERROR = 300


class OnnxPredictor(Predictor):
    """A session of ONNX Runtime on one thread.

    Args:
        session: an ``onnxruntime.InferenceSession`` with the inputs of a schema and its one or two outputs.
        levels: of a category target; empty for a number.
    """

    latency_class: ClassVar[LatencyClass] = "short"

    def __init__(self, session: Any, levels: tuple[str, ...] = ()) -> None:
        self._session = session
        self._inputs = [(each.name, each.type == "tensor(double)") for each in session.get_inputs()]
        self._outputs = [output.name for output in session.get_outputs()]
        self._levels = levels

    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        """Run the session on plain columns: float64 of shape [rows], or labels as objects for a category.

        Raises:
            ModelError: ONNX Runtime fails, or does not answer one number, or one of the levels, per row.
        """
        if not self._levels:
            return np.asarray(self._run(0, columns, 1), np.float64).reshape(-1)
        labels = np.asarray(self._run(0, columns, 1), object).reshape(-1)
        strange = set(labels) - set(self._levels)
        if strange:
            raise IncompatibleModel(f"the ONNX model answers {min(strange)!r}, which is not among the levels")
        return labels

    def predict_proba(self, columns: Columns) -> np.ndarray[Any, Any]:
        """Run the session for the probabilities: float64 of shape [rows, levels].

        Raises:
            ModelError: ONNX Runtime fails, or does not answer one number per row and level; or the model
                predicts numbers.
        """
        if not self._levels:
            return super().predict_proba(columns)
        answer = self._run(1, columns, len(self._levels))
        return np.asarray(answer, np.float64).reshape(-1, len(self._levels))

    def _run(self, output: int, columns: Columns, width: int) -> Any:
        feed = {
            name: np.asarray(columns[name], np.float64 if is_number else object).reshape(-1, 1)
            for name, is_number in self._inputs
        }
        rows = len(feed[self._inputs[0][0]])
        if rows == 0:
            return np.empty(0)
        try:
            answer = self._session.run([self._outputs[output]], feed)[0]
        except Exception as error:  # ONNX Runtime's errors have no public common class
            said = f"{type(error).__name__}: {error}".splitlines()[0]
            raise ModelError(f"ONNX Runtime cannot predict: {said[:_SHOWN_OF_AN_ERROR]}") from error
        if answer.size != rows * width:
            what = "labels" if answer.dtype == object else "numbers"
            raise IncompatibleModel(f"the ONNX model answers {answer.size} {what} for {rows} rows")
        return answer
