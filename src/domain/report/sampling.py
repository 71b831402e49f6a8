"""Samples of rows for figures, and arrays as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.model.fitted import FittedModel

Array: TypeAlias = "np.ndarray[Any, Any]"

#: Beyond so many rows a figure shows a sample of so many.
SAMPLE_ROWS = 5_000
#: Rows that are predicted at a time: the peak of memory is not raised by looking at all of them.
CHUNK_ROWS = 20_000


def sampled(rows: int, wanted: int = SAMPLE_ROWS) -> Array:
    """The positions of ``wanted`` rows in ascending order, or of all; the same for the same numbers."""
    if rows <= wanted:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, wanted, replace=False))


def sample_note(rows: int, wanted: int = SAMPLE_ROWS) -> str:
    """A note about what ``sampled`` gives."""
    return f"All {rows:,} test rows." if rows <= wanted else f"A sample of {wanted:,} of {rows:,} test rows."


def predict_in_chunks(model: FittedModel, features: pd.DataFrame) -> Array:
    """Predictions of shape [rows], a part of the rows at a time."""
    parts = [
        np.asarray(model.predict(features.iloc[start : start + CHUNK_ROWS]))
        for start in range(0, len(features), CHUNK_ROWS)
    ]
    return np.concatenate(parts)


def floats(values: Array) -> tuple[float, ...]:
    """Numbers as plain data."""
    return tuple(np.asarray(values, np.float64).tolist())
