"""A fitted model, as scikit-learn has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


class FittedModel(Protocol):
    """Anything fitted that predicts from a frame of a schema's features."""

    def predict(self, features: pd.DataFrame, /) -> np.ndarray[Any, Any]:
        """Predictions of shape [rows], in the target's unit; labels for a category."""


class FittedClassifier(FittedModel, Protocol):
    """A fitted model that also says how likely each class is; a classifier need not be one."""

    classes_: np.ndarray[Any, Any]

    def predict_proba(self, features: pd.DataFrame, /) -> np.ndarray[Any, Any]:
        """Probabilities of shape [rows, classes], in the order of ``classes_``."""
