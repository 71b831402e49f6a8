"""Whether predictions are distributed as the target was, as far as a model's own errors leave that open.

Predictions are never distributed as the target is: they leave its noise out. But a model whose errors are at most
e for all but a share s of the rows predicts up to x for no greater share of them than have a target up to x + e,
and s. What goes beyond that is no work of the errors that the model was known for.
"""

from __future__ import annotations

import numpy as np

from weighbridge.domain.statistics.column_summaries import CategorySummary, NumberSummary
from weighbridge.domain.statistics.significance import smirnov_p

#: The shares of the errors that are looked at: each is a bound of its own, and all of them hold.
SHARES = (0.5, 0.75, 0.9, 0.95, 0.99, 1.0)


def unexplained_numbers(target: NumberSummary, predicted: NumberSummary, errors: NumberSummary) -> float:
    """By how much the distribution of predictions is beyond what errors explain, from 0 to 1.

    Args:
        target: in the training data; with rows, like the others.
        predicted: what is compared.
        errors: the absolute errors that the model is known for.
    """
    worst = 0.0
    for share in SHARES:
        error = errors.quantile(share)
        # More by a hair, for sums to reach what they are to equal.
        error += 1e-9 * (abs(error) + max(abs(target.minimum), abs(target.maximum)))
        known = np.asarray(target.values)
        points = np.unique(np.concatenate([np.asarray(predicted.values), known - error, known + error]))
        for found, up, down in zip(
            predicted.shares(points), target.shares(points + error), target.shares(points - error), strict=True
        ):
            beyond = max(float((found - up).max()), float((down - found).max()))
            worst = max(worst, beyond - (1 - share))
    return worst


def unexplained_classes(target: CategorySummary, predicted: CategorySummary, accuracy: float) -> float:
    """The same for labels: the total variation beyond the share that the model is known to get wrong."""
    levels = {*target.counts, *predicted.counts}
    apart = sum(
        abs(target.counts.get(level, 0) / target.rows - predicted.counts.get(level, 0) / predicted.rows)
        for level in levels
    )
    return max(0.0, apart / 2 - (1 - accuracy))


def chance(unexplained: float, rows: int, other_rows: int, sets: float) -> float:
    """An upper bound of the chance of as much between two samples of sources for which the bound just holds.

    Args:
        unexplained: the distance beyond the bound.
        rows: of one sample.
        other_rows: of the other.
        sets: how many differences of shares were looked at, beyond those of one distribution function.
    """
    return min(1.0, sets * smirnov_p(unexplained, rows, other_rows))
