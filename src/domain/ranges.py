"""The ranges that features had in training."""

from collections.abc import Mapping
from typing import Any


def training_ranges(document: Mapping[str, Any]) -> dict[str, tuple[float, float]]:
    """For each number feature its least and greatest value in the dataset, both included.

    Args:
        document: a release record. It may have ``ranges`` by feature, or ``statistics`` whose ``features`` have
            ``minimum`` and ``maximum``; an older one has neither. What is something else is passed over.
    """
    found: dict[str, tuple[float, float]] = {}
    ranges, statistics = document.get("ranges"), document.get("statistics")
    if isinstance(ranges, Mapping):
        found = {name: _pair(*pair) for name, pair in ranges.items() if _is_pair(pair)}
    elif isinstance(statistics, Mapping) and isinstance(statistics.get("features"), Mapping):
        for name, column in statistics["features"].items():
            if isinstance(column, Mapping) and column.get("type") == "number" and column.get("rows") != 0:
                pair = [column.get("minimum"), column.get("maximum")]
                if _is_pair(pair):
                    found[name] = _pair(*pair)
    schema = document.get("schema")
    features = schema.get("features", ()) if isinstance(schema, Mapping) else ()
    numbers = {feature["name"] for feature in features if feature["type"] == "number"}
    return {name: pair for name, pair in found.items() if name in numbers}


def _is_pair(value: object) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(each, int | float) and not isinstance(each, bool) for each in value)
    )


def _pair(low: Any, high: Any) -> tuple[float, float]:
    return float(low), float(high)
