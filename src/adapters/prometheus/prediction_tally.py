"""Counting the predictions of one request's columns, on any thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

from weighbridge.adapters.prometheus.buckets import PREDICTIONS
from weighbridge.domain.serving.telemetry import Tally

if TYPE_CHECKING:
    from weighbridge.domain.data.columns import Array, Encoded


class PredictionTally(Tally):
    """Numbers by the buckets of PREDICTIONS, classes by name.

    Attributes:
        total: of all numbers.
        sizes: how many numbers are in each bucket; None before the first.
        classes: how often each was predicted.
        outside: by feature, the rows outside its range in training.
    """

    def __init__(self) -> None:
        self.total = 0.0
        self.sizes: Array | None = None
        self.classes: Counter[str] = Counter()
        self.outside: Counter[str] = Counter()

    def add(self, predicted: Array | Encoded, outside: Mapping[str, int]) -> None:
        """Count numbers by bucket, or classes by name; codes and values are counted once for each value."""
        import numpy as np

        from weighbridge.domain.data.columns import Encoded

        self.outside.update(outside)
        if isinstance(predicted, Encoded):
            values = np.asarray(predicted.values)
            counts = np.bincount(predicted.codes, minlength=len(values)).astype(np.float64)
        else:
            values, counts = predicted, np.ones(len(predicted))
        if values.dtype.kind != "f":
            for label, count in zip(values.tolist(), counts.tolist(), strict=True):
                self.classes[label] += int(count)
            return
        self.total += float(values @ counts)
        # The same buckets as ``bisect_left`` finds for a single one.
        sizes = np.bincount(np.searchsorted(PREDICTIONS, values), counts, len(PREDICTIONS) + 1)
        self.sizes = sizes if self.sizes is None else self.sizes + sizes
