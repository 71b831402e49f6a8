"""Digests of predictions, to tell whether two runs predict the same without keeping what they predict."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np


def prediction_digest(predicted: np.ndarray[Any, Any]) -> str:
    """The sha256 of predictions: of the bytes of float64 numbers, or of labels with a line for each."""
    if predicted.dtype.kind == "f":
        return hashlib.sha256(np.ascontiguousarray(predicted, "<f8").tobytes()).hexdigest()
    return hashlib.sha256("\n".join(str(label) for label in predicted).encode()).hexdigest()
