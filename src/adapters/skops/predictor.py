"""Predicting with a scikit-learn model."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from weighbridge.adapters.skops.arrays import array_model
from weighbridge.domain.data.schema import Category, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError
from weighbridge.domain.model.encoding import class_columns
from weighbridge.domain.model.predictor import Predictor

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.model.fitted import FittedModel
    from weighbridge.domain.model.predictor import Columns

_SHOWN_OF_AN_ERROR = 300


class SkopsPredictor(Predictor):
    """A scikit-learn model; on bare arrays where it answers the same to them, else behind a data frame.

    Args:
        model: fitted on frames of the schema's features.
        schema: gives the order of the columns and, for a category, of the probabilities.
    """

    def __init__(self, model: FittedModel, schema: Schema) -> None:
        self._names = schema.feature_names
        self._target = schema.target
        self._model: Any = model
        #: What the model is asked with.
        self._form: Callable[[Columns], Any] = self._frame
        quicker = array_model(model, schema, self._frame)
        if quicker is not None:
            self._model, self._form = quicker, dict
        self._places = class_columns(model, schema.target) if isinstance(schema.target, Category) else None

    @property
    def needs_frames(self) -> bool:
        """Whether a data frame is made for each call."""
        return self._form == self._frame

    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        """Ask scikit-learn for plain columns: float64 of shape [rows], or labels as objects for a category.

        Raises:
            ModelError: scikit-learn fails, or does not answer one number or label per row.
        """
        kind, what = (object, "labels") if self._places is not None else (np.float64, "numbers")
        rows = len(columns[self._names[0]])
        if not rows:
            return np.empty(0, kind)
        answer = self._ask("predict", columns, kind)
        if answer.size != rows:
            raise IncompatibleModel(f"the skops model answers {answer.size} {what} for {rows} rows")
        return answer.reshape(-1)

    def predict_proba(self, columns: Columns) -> np.ndarray[Any, Any]:
        """Ask scikit-learn for probabilities, in the order of the target's levels: float64 of [rows, levels].

        Raises:
            ModelError: scikit-learn fails, or the model predicts numbers.
        """
        if self._places is None or not isinstance(self._target, Category):
            return super().predict_proba(columns)
        if not len(columns[self._names[0]]):
            return np.empty((0, len(self._target.levels)))
        by_class = self._ask("predict_proba", columns, np.float64)
        return np.where(self._places >= 0, by_class[:, self._places], 0.0)

    def _ask(self, what: str, columns: Columns, kind: type) -> np.ndarray[Any, Any]:
        try:
            return np.asarray(getattr(self._model, what)(self._form(columns)), kind)
        except Exception as error:  # an estimator raises whatever it likes
            said = f"{type(error).__name__}: {error}".strip().splitlines()[0]
            raise ModelError(f"scikit-learn cannot predict: {said[:_SHOWN_OF_AN_ERROR]}") from error

    def _frame(self, columns: Columns) -> pd.DataFrame:
        import pandas as pd

        return pd.DataFrame({name: columns[name] for name in self._names})
