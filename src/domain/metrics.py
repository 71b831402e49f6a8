"""The numbers by which a model is weighed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from domain.dataset import Dataset
    from domain.estimator import FittedModel

Metrics: TypeAlias = Mapping[str, float]
_Score: TypeAlias = "Callable[[pd.Series[Any], np.ndarray[Any, Any]], float]"


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is to be read.

    Args:
        greater_is_better: its direction.
        lowest: the least value that makes sense as a threshold.
        highest: the greatest one; None for no bound.
    """

    greater_is_better: bool
    lowest: float
    highest: float | None


#: Every metric that a threshold may name. An r2 below 0 is worse than predicting the mean.
METRICS: Mapping[str, Metric] = {
    "r2": Metric(greater_is_better=True, lowest=0.0, highest=1.0),
    "mean_absolute_error": Metric(greater_is_better=False, lowest=0.0, highest=None),
    "root_mean_squared_error": Metric(greater_is_better=False, lowest=0.0, highest=None),
}


def measure(model: FittedModel, rows: Dataset) -> Metrics:
    """Score ``model`` on ``rows``: the metrics of METRICS by name, as scikit-learn defines them.

    Errors are in the target's unit. A metric that is not defined on these rows (r2 on fewer than two) is NaN;
    every one is when a prediction is not finite.
    """
    import numpy as np
    from sklearn import metrics

    predicted = model.predict(rows.features)
    if not np.isfinite(predicted).all():
        return dict.fromkeys(METRICS, math.nan)
    scores: dict[str, _Score] = {
        "r2": metrics.r2_score,
        "mean_absolute_error": metrics.mean_absolute_error,
        "root_mean_squared_error": metrics.root_mean_squared_error,
    }
    return {name: float(scores[name](rows.target, predicted)) for name in METRICS}
