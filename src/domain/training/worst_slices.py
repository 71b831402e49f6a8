"""Which rows are to blame for a score: the levels of a category on which the candidate does worst."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category
from weighbridge.domain.evaluation.metrics import METRICS, Metrics, Slice, measure_slice
from weighbridge.domain.evaluation.reason import Reason, Source

if TYPE_CHECKING:
    import numpy as np

    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.evaluation.gate import GateDecision

#: Levels that a reason names, and categories that are looked at: the first among the features.
LEVELS, CATEGORIES = 3, 3
#: A level has at least this share of the test rows, and between so many rows.
SHARE, FEWEST, ENOUGH = 0.02, 2, 30


def name_worst_slices(
    decision: GateDecision,
    metrics: Metrics,
    test: Dataset,
    predicted: np.ndarray[Any, Any],
    required: Mapping[Source, Metrics],
) -> GateDecision:
    """Add the worst levels to each reason about a metric of all rows.

    Those are levels that are worse than all rows together, or than what is required of all rows: one very bad
    level can make the score of all rows worse than that of another bad level.

    Metrics of probabilities, and scorers of scikit-learn, are not measured by level.

    Args:
        decision: of the gate.
        metrics: of the candidate, on the test rows.
        test: the test rows.
        predicted: for the test rows, of shape [rows].
        required: by what a reason comes from, what each metric of all rows has to reach; a metric that is not in
            it, or is NaN, has nothing to reach.
    """
    reasons = (_named(one, metrics, test, predicted, required) for one in decision.reasons)
    return replace(decision, reasons=tuple(reasons))


def _named(
    reason: Reason,
    metrics: Metrics,
    test: Dataset,
    predicted: np.ndarray[Any, Any],
    required: Mapping[Source, Metrics],
) -> Reason:
    metric = reason.name.partition(" ")[0]
    if reason.source not in (Source.THRESHOLD, Source.COMPARISON) or not _has_slices(metric, metrics):
        return reason
    smallest = int(min(max(SHARE * len(test), FEWEST), ENOUGH))
    categories = [one.name for one in test.schema.features if isinstance(one, Category)][:CATEGORIES]
    # A level that all rows have is no part of them.
    categories = [name for name in categories if test.frame[name].nunique() > 1]
    slices = (Slice(metric, name, smallest) for name in categories)
    limits = (metrics[metric], required.get(reason.source, {}).get(metric, math.nan))
    texts = [text for piece in slices if (text := _worst(piece, limits, test, predicted))]
    return replace(reason, text=f"{reason.text}; worst slices: {'; '.join(texts)}") if texts else reason


def _has_slices(metric: str, metrics: Metrics) -> bool:
    is_measured = metric in METRICS and metric not in ("log_loss", "roc_auc")
    return is_measured and math.isfinite(metrics.get(metric, math.nan))


def _worst(piece: Slice, limits: Sequence[float], test: Dataset, predicted: np.ndarray[Any, Any]) -> str:
    sign = 1 if METRICS[piece.metric].greater_is_better else -1
    scores = measure_slice(piece, test, predicted)
    worse = sorted(
        (sign * score, level)
        for level, score in scores.items()
        if any(sign * score < sign * limit for limit in limits)
    )
    levels = [f"{level} ({sign * score:.4g})" for score, level in worse[:LEVELS]]
    return f"{piece.by} {', '.join(levels)}" if levels else ""
