"""The ranges that features had in training."""

from collections.abc import Mapping
from typing import Any, TypeGuard


def training_ranges(document: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """For each number feature its least and greatest value in the dataset, both included.

    Args:
        document: a release record. Its ``statistics`` have the ``minimum`` and ``maximum`` of each feature; an
            older record has none. What is something else is skipped.
    """
    statistics = document.get("statistics")
    features = statistics.get("features") if isinstance(statistics, Mapping) else None
    found: dict[str, tuple[float, float]] = {}
    for name, column in features.items() if isinstance(features, Mapping) else ():
        if isinstance(column, Mapping) and column.get("type") == "number" and column.get("rows") != 0:
            low, high = column.get("minimum"), column.get("maximum")
            if _is_number(low) and _is_number(high):
                found[name] = (float(low), float(high))
    return found


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)
