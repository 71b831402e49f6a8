"""The metrics by which a model is evaluated."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import ConfigurationError, IncompatibleModel
from weighbridge.domain.model.encoding import probabilities_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.data.schema import Feature
    from weighbridge.domain.model.fitted import FittedModel

Metrics: TypeAlias = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is to be read.

    Args:
        greater_is_better: its direction.
        lowest: the least value that makes sense as a threshold; None for no bound.
        highest: the greatest one; None for no bound.
        classes: whether it is of classes; None for a scorer that may be of either.
    """

    greater_is_better: bool
    lowest: float | None = None
    highest: float | None = None
    classes: bool | None = None


#: The metrics that are measured of every model, as its target is a number or a category. An r2 below 0 is worse
#: than predicting the mean.
METRICS: Mapping[str, Metric] = {
    "r2": Metric(greater_is_better=True, lowest=0.0, highest=1.0, classes=False),
    "mean_absolute_error": Metric(greater_is_better=False, lowest=0.0, classes=False),
    "root_mean_squared_error": Metric(greater_is_better=False, lowest=0.0, classes=False),
    "accuracy": Metric(greater_is_better=True, lowest=0.0, highest=1.0, classes=True),
    "balanced_accuracy": Metric(greater_is_better=True, lowest=0.0, highest=1.0, classes=True),
    "f1_macro": Metric(greater_is_better=True, lowest=0.0, highest=1.0, classes=True),
    "log_loss": Metric(greater_is_better=False, lowest=0.0, classes=True),
    "roc_auc": Metric(greater_is_better=True, lowest=0.0, highest=1.0, classes=True),
}


@dataclass(frozen=True, slots=True)
class Slice:
    """A metric for each level of a category.

    Args:
        metric: which, except for those that need probabilities.
        by: a category feature; or a category target, where the accuracy of a level is its recall.
        smallest: levels with fewer test rows than this are not measured.
    """

    metric: str
    by: str
    smallest: int

    def name(self, level: str) -> str:
        """What the metric of one level goes by."""
        return f"{self.metric}[{self.by}={level}]"


def metric_named(name: str) -> Metric:
    """A metric of METRICS, or any scorer of scikit-learn; of scorers greater is always better.

    Raises:
        ConfigurationError: there is neither.
    """
    if name in METRICS:
        return METRICS[name]
    from sklearn.metrics import get_scorer_names

    if name in get_scorer_names():
        return Metric(greater_is_better=True)
    raise ConfigurationError(
        f"there is no metric '{name}'; there are {', '.join(METRICS)}, and the names of scikit-learn's scorers"
    )


def measured(target: Feature) -> tuple[str, ...]:
    """The names of the metrics that are measured of every model with this target."""
    classes = isinstance(target, Category)
    return tuple(name for name, metric in METRICS.items() if metric.classes is classes)


def measure(
    model: FittedModel, rows: Dataset, scorers: Iterable[str] = (), slices: Iterable[Slice] = ()
) -> Metrics:
    """Score ``model`` on ``rows``, by the metrics of its kind of target, as scikit-learn defines them.

    Errors are in the target's unit; ``log_loss`` and ``roc_auc`` (one against the rest, averaged over classes)
    are of the probabilities. A metric that is not defined on these rows (r2 on fewer than two, roc_auc without
    every class), or for this model, is NaN; every one is when a prediction is not finite.

    Args:
        model: fitted.
        rows: at least one.
        scorers: further ones, by their scikit-learn names.
        slices: further ones, by level.
    """
    import numpy as np
    from sklearn.metrics import get_scorer

    predicted = np.asarray(model.predict(rows.features))
    truth = rows.target.to_numpy()
    found: dict[str, float] = {}
    with warnings.catch_warnings():
        # An undefined metric is NaN.
        warnings.simplefilter("ignore")
        for name in measured(rows.schema.target):
            found[name] = (
                _probability_score(name, model, rows)
                if name in ("log_loss", "roc_auc")
                else _score(name, truth, predicted)
            )
        for name in scorers:
            if name not in found:
                found[name] = _quietly(lambda name=name: get_scorer(name)(model, rows.features, rows.target))
        for piece in slices:
            scores = measure_slice(piece, rows, predicted)
            found |= {piece.name(level): score for level, score in scores.items()}
    return found


def measure_slice(piece: Slice, rows: Dataset, predicted: np.ndarray[Any, Any]) -> dict[str, float]:
    """A metric for each level of a category that has enough rows, by level; NaN where it is not defined.

    Args:
        piece: which metric, by which category.
        rows: to measure on.
        predicted: for the rows, of shape [rows].
    """
    truth = rows.target.to_numpy()
    column: pd.Series[Any] = rows.frame[piece.by]
    found = {}
    with warnings.catch_warnings():
        # An undefined metric is NaN.
        warnings.simplefilter("ignore")
        for level in sorted(column.unique()):
            chosen = (column == level).to_numpy(dtype=bool)
            if chosen.sum() >= piece.smallest:
                found[str(level)] = _score(piece.metric, truth[chosen], predicted[chosen])
    return found


def _score(name: str, truth: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]) -> float:
    import numpy as np
    from sklearn import metrics

    if METRICS[name].classes is False and not np.isfinite(predicted.astype(np.float64)).all():
        return math.nan
    scores: Mapping[str, Any] = {
        "r2": metrics.r2_score,
        "mean_absolute_error": metrics.mean_absolute_error,
        "root_mean_squared_error": metrics.root_mean_squared_error,
        "accuracy": metrics.accuracy_score,
        "balanced_accuracy": metrics.balanced_accuracy_score,
        "f1_macro": lambda truth, predicted: metrics.f1_score(truth, predicted, average="macro"),
    }
    return _quietly(lambda: scores[name](truth, predicted))


def _probability_score(name: str, model: FittedModel, rows: Dataset) -> float:
    import numpy as np
    from sklearn import metrics

    target = rows.schema.target
    assert isinstance(target, Category)
    try:
        probabilities = probabilities_of(model, rows.features, target)
    except IncompatibleModel:
        return math.nan
    if not np.isfinite(probabilities).all():
        return math.nan
    # scikit-learn wants labels in their sorted order.
    order = np.argsort(np.array(target.levels, dtype=object))
    labels = [target.levels[place] for place in order]
    probabilities = probabilities[:, order]
    truth = rows.target.to_numpy()
    if name == "log_loss":
        return _quietly(lambda: metrics.log_loss(truth, probabilities, labels=labels))
    if len(labels) == 2:
        return _quietly(lambda: metrics.roc_auc_score(truth == labels[1], probabilities[:, 1]))
    return _quietly(lambda: metrics.roc_auc_score(truth, probabilities, multi_class="ovr", labels=labels))


def _quietly(score: Any) -> float:
    try:
        return float(score())
    except (ValueError, AttributeError):
        # The second: a model has no probabilities where a scorer needs them.
        return math.nan
