"""What is fitted and how it is searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from domain.errors import TaskError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sklearn.pipeline import Pipeline


class FittedModel(Protocol):
    """Anything fitted that predicts from a frame of a schema's features."""

    def predict(self, features: pd.DataFrame, /) -> np.ndarray[Any, Any]:
        """Predictions of shape [rows], in the target's unit; labels for a category."""


class FittedClassifier(FittedModel, Protocol):
    """A fitted model that also says how likely each class is; a classifier need not be one."""

    classes_: np.ndarray[Any, Any]

    def predict_proba(self, features: pd.DataFrame, /) -> np.ndarray[Any, Any]:
        """Probabilities of shape [rows, classes], in the order of ``classes_``."""


@dataclass(frozen=True, slots=True)
class EstimatorSpec:
    """One stock scikit-learn Pipeline and the grid over which it is searched.

    Args:
        pipeline: makes a fresh, unfitted pipeline that takes the schema's features as named columns. It sets
            its own random states, from the seed that it is given.
        grid: values to try by parameter, named as ``Pipeline.set_params`` takes them; empty to fit the
            pipeline as it is.
        folds: of the cross-validation, at least 2.
        scoring: a scikit-learn scorer's name.
    """

    pipeline: Callable[[int], Pipeline]
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    folds: int = 5
    scoring: str = "r2"

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise TaskError(f"estimator: folds is {self.folds}; cross-validation needs at least 2")
        for name, values in self.grid.items():
            if isinstance(values, str) or not hasattr(values, "__len__") or not len(values):
                raise TaskError(f"estimator: grid['{name}'] must be a non-empty list of values")

    @property
    def points(self) -> int:
        """How many combinations the grid has."""
        count = 1
        for values in self.grid.values():
            count *= len(values)
        return count
