"""Turning a fitted model into bytes that are proven to predict what the model predicts."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from domain.errors import ModelError
from domain.schema import Number, Schema

if TYPE_CHECKING:
    import pandas as pd

    from domain.estimator import FittedModel
    from domain.ports import ModelCodec
    from domain.serving import Columns

#: The greatest relative difference between the model and its decoded bytes.
PARITY_TOLERANCE = 1e-5

#: Predictions nearer to zero than this, in the target's unit, are compared as if they were this large.
PARITY_FLOOR = 1e-9


@dataclass(frozen=True, slots=True)
class Parity:
    """How the predictions of decoded bytes compare with the model's.

    Args:
        rows: how many were compared.
        max_relative_difference: the greatest of ``|model - decoded| / max(|model|, PARITY_FLOOR)``; infinite
            when a prediction is not finite.
        exact: on how many rows the two are equal to the bit.
        tolerance: the greatest difference that is accepted, itself included.
    """

    rows: int
    max_relative_difference: float
    exact: int
    tolerance: float = PARITY_TOLERANCE

    @property
    def holds(self) -> bool:
        """Whether the difference is within the tolerance."""
        return self.max_relative_difference <= self.tolerance

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for records."""
        return {
            "rows": self.rows,
            "max_relative_difference": self.max_relative_difference,
            "exact": self.exact,
            "tolerance": self.tolerance,
        }


@dataclass(frozen=True, slots=True)
class EncodedModel:
    """A model's bytes, verified.

    Args:
        data: the bytes.
        format: the codec that wrote them and reads them.
        sha256: of the bytes, in hex.
        parity: what was measured.
        notes: why the codecs that were preferred to this one were not taken, one line for each.
    """

    data: bytes
    format: str
    sha256: str
    parity: Parity
    notes: tuple[str, ...] = ()


def encode_with_parity(
    codecs: Sequence[ModelCodec], model: FittedModel, schema: Schema, frame: pd.DataFrame
) -> EncodedModel:
    """Encode with the first codec whose bytes, decoded again, predict what the model predicts.

    Args:
        codecs: in order of preference.
        model: fitted on frames of the schema's features.
        schema: of the model.
        frame: admitted rows, at least one, on which to compare; columns beside the features are ignored.

    Raises:
        ModelError: no codec can, with every codec's reason; or there are no rows.
    """
    if not len(frame):
        raise ModelError("there are no rows on which to compare a model with its bytes")
    features = frame[list(schema.feature_names)]
    columns = columns_of(features, schema)
    expected = np.asarray(model.predict(features), np.float64)
    notes: list[str] = []
    for codec in codecs:
        try:
            data = codec.encode(model, schema)
            parity = compare(expected, codec.decode(data, schema).predict(columns))
        except ModelError as error:
            notes.append(f"{codec.format}: {error}")
            continue
        if parity.holds:
            return EncodedModel(data, codec.format, hashlib.sha256(data).hexdigest(), parity, tuple(notes))
        notes.append(
            f"{codec.format}: predictions differ from the model's by up to "
            f"{parity.max_relative_difference:.3g} relative, over {parity.tolerance:g} ({parity.exact} of "
            f"{parity.rows} rows are equal)"
        )
    raise ModelError("; ".join(["no format can hold this model", *notes]))


def compare(expected: np.ndarray[Any, Any], decoded: np.ndarray[Any, Any]) -> Parity:
    """Compare the model's predictions with those of its decoded bytes; both of shape [rows]."""
    rows = len(expected)
    exact = int(np.count_nonzero(expected == decoded)) if expected.shape == decoded.shape else 0
    if expected.shape != decoded.shape or not (np.isfinite(expected).all() and np.isfinite(decoded).all()):
        return Parity(rows, float("inf"), exact)
    # Two finite numbers can be further apart than any float says; that is infinite, not an error.
    with np.errstate(over="ignore"):
        differences = np.abs(expected - decoded) / np.maximum(np.abs(expected), PARITY_FLOOR)
    return Parity(rows, float(differences.max(initial=0.0)), exact)


def columns_of(frame: pd.DataFrame, schema: Schema) -> Columns:
    """The features of an admitted frame as predictors take them: float64 for numbers, str objects for categories.

    Raises:
        KeyError: a feature is not among the columns.
    """
    return {
        feature.name: frame[feature.name].to_numpy(np.float64 if isinstance(feature, Number) else object)
        for feature in schema.features
    }
