"""What a service has counted since its start, as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of all processes of a service.

    Args:
        bounds: the upper bounds of the buckets of latencies, in seconds, ascending; the last bucket has none.
        answered: for each method, route and status the number of requests in each bucket.
        rows: predicted.
        outside: for each feature the rows that were predicted outside its range in training.
    """

    bounds: Sequence[float]
    answered: Mapping[tuple[str, str, int], Sequence[float]]
    rows: float
    outside: Mapping[str, float]


def quantile(bounds: Sequence[float], counts: Sequence[float], share: float) -> float | None:
    """The value below which a share of what was counted lies, as evenly spread within its bucket.

    Args:
        bounds: the upper bounds of all buckets but the last.
        counts: in each bucket.
        share: from 0 to 1.

    Returns:
        None when nothing was counted; the greatest bound for what lies beyond it.
    """
    total = sum(counts)
    if not total:
        return None
    wanted = share * total
    for place, reached in enumerate(accumulate(counts)):
        if reached >= wanted and counts[place]:
            if place == len(bounds):
                break
            low = bounds[place - 1] if place else 0.0
            return low + (bounds[place] - low) * (wanted - (reached - counts[place])) / counts[place]
    return bounds[-1]
