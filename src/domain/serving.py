"""Predicting with the live release, and following it as it changes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    #: One array of shape [rows] per feature: float64 for numbers, object (of str) for categories.
    Columns: TypeAlias = Mapping[str, np.ndarray[Any, Any]]


class Predictor(Protocol):
    """A decoded model. Safe to call from several threads at once."""

    @abstractmethod
    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        """Predictions, float64 of shape [rows], for admitted columns of equal length; zero rows give zero."""
