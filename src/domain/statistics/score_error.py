"""How far a model's score on some rows may be off, because they are a sample."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from weighbridge.domain.errors import TaskError
from weighbridge.domain.statistics.column_summaries import NumberSummary, summarise_column

if TYPE_CHECKING:
    import pandas as pd

_Array: TypeAlias = "np.ndarray[Any, Any]"

#: Metrics that have a loss, by name.
LOSSES = ("r2", "mean_absolute_error", "root_mean_squared_error", "accuracy")
#: Resamples of the bootstrap: the standard error is good to about a twentieth of itself.
RESAMPLES = 200
#: What a loss of nothing counts as, for its logarithm to be taken.
LEAST_LOSS = 1e-12


@dataclass(frozen=True, slots=True)
class Loss:
    """What a model falls short by: 0 for a perfect one, smaller is better, comparable as a ratio.

    Args:
        value: the unexplained share for r2, the wrong share for accuracy, an error in the target's unit.
        relative_error: the standard error of ``ln(value)``: that of the value, relative to it.
    """

    value: float
    relative_error: float


def check_metric(metric: str) -> None:
    """See that ``metric`` has a loss.

    Raises:
        TaskError: it has not.
    """
    if metric not in LOSSES:
        raise TaskError(f"data rules know no metric '{metric}'; they know {', '.join(LOSSES)}")


def loss_of_score(metric: str, score: float, rows: int) -> float:
    """The loss of a score that was recorded on so many rows.

    No wrong row of n counts as half a wrong one, since the next n may have one.
    """
    loss = 1 - score if metric in ("r2", "accuracy") else score
    return max(loss, 0.5 / max(1, rows) if metric == "accuracy" else LEAST_LOSS)


def measure_loss(metric: str, target: pd.Series[Any], predicted: _Array) -> Loss:
    """The loss of predictions, and its sampling error by bootstrap over the rows, from a fixed seed.

    Args:
        metric: a name in LOSSES.
        target: of shape [rows], at least one.
        predicted: of shape [rows].
    """
    rows = len(target)
    if metric == "accuracy":
        fault, size = (np.asarray(target) != predicted).astype(np.float64), np.zeros(0)
    else:
        truth = target.to_numpy(dtype=np.float64)
        fault = np.abs(truth - predicted)
        fault = fault if metric == "mean_absolute_error" else fault**2
        size = truth - truth.mean() if metric == "r2" else np.zeros(0)
    random = np.random.default_rng(0)
    drawn = [
        math.log(_loss(metric, fault, size, np.bincount(random.integers(0, rows, rows), minlength=rows)))
        for _ in range(RESAMPLES)
    ]
    return Loss(_loss(metric, fault, size, np.ones(rows)), float(np.std(drawn)))


def summarise_errors(target: pd.Series[Any], predicted: _Array) -> NumberSummary | None:
    """The distribution of a model's absolute errors, for its record; None when the target is no number."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(target):
        return None
    errors = summarise_column(pd.Series(np.abs(target.to_numpy(dtype=np.float64) - predicted)))
    assert isinstance(errors, NumberSummary)
    return errors


def _loss(metric: str, fault: _Array, size: _Array, weights: _Array) -> float:
    # Sums, and not dot products: the time of those, and their last bits, go by how many processors BLAS has.
    total = float(weights.sum())
    mean = float((weights * fault).sum()) / total
    if metric == "r2":
        weighted = weights * size
        spread = float((weighted * size).sum()) / total - (float(weighted.sum()) / total) ** 2
        # As scikit-learn has it: of a constant target nothing is explained, unless it was hit.
        score = 1 - mean / spread if spread > 0 else float(mean == 0)
    elif metric == "accuracy":
        score = 1 - mean
    else:
        score = math.sqrt(mean) if metric == "root_mean_squared_error" else mean
    return loss_of_score(metric, score, len(weights))
