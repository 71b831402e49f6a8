"""Turning a fitted model into bytes that are proven to predict what the model predicts."""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from weighbridge.domain.data.schema import Row
    from weighbridge.domain.model.codec import ModelCodec
    from weighbridge.domain.model.fitted import FittedClassifier, FittedModel
    from weighbridge.domain.model.predictor import Columns, Predictor

#: The greatest difference between the model and its decoded bytes: relative for numbers, absolute for
#: probabilities, which lie between 0 and 1. Labels may not differ at all.
PARITY_TOLERANCE = 1e-5

#: Predictions nearer to zero than this, in the target's unit, are compared as if they were this large.
PARITY_FLOOR = 1e-9


@dataclass(frozen=True, slots=True)
class Parity:
    """How the predictions of decoded bytes compare with the model's.

    Args:
        rows: how many were compared.
        max_relative_difference: the greatest of ``|model - decoded| / max(|model|, PARITY_FLOOR)``; for a
            category, the greatest absolute difference of two probabilities. Infinite when one is not finite.
        exact: on how many rows the two are equal to the bit; for a category, label and all probabilities.
        tolerance: the greatest difference that is accepted, itself included.
        labels_equal: for a category, on how many rows the labels are equal; None for numbers.
    """

    rows: int
    max_relative_difference: float
    exact: int
    tolerance: float = PARITY_TOLERANCE
    labels_equal: int | None = None

    @property
    def max_difference(self) -> float:
        """``max_relative_difference``, by a name that suits probabilities as well."""
        return self.max_relative_difference

    @property
    def holds(self) -> bool:
        """Whether the difference is within the tolerance and every label is equal."""
        return self.max_difference <= self.tolerance and self.labels_equal in (None, self.rows)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for records."""
        rest: dict[str, Any] = {"exact": self.exact, "tolerance": self.tolerance}
        if self.labels_equal is None:
            return {"rows": self.rows, "max_relative_difference": self.max_relative_difference, **rest}
        return {
            "rows": self.rows,
            "max_difference": self.max_difference,
            "labels_equal": self.labels_equal,
            **rest,
        }

    def __str__(self) -> str:
        if self.labels_equal is None:
            return (
                f"predictions differ from the model's by up to {self.max_difference:.3g} relative, over "
                f"{self.tolerance:g} ({self.exact} of {self.rows} rows are equal)"
            )
        return (
            f"{self.labels_equal} of {self.rows} labels are the model's, probabilities differ by up to "
            f"{self.max_difference:.3g}, {self.tolerance:g} is allowed ({self.exact} rows are equal)"
        )


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
    measure = _comparison(model, features, columns, schema)
    notes: list[str] = []
    for codec in codecs:
        try:
            data = codec.encode(model, schema)
            parity = measure(codec.decode(data, schema))
        except ModelError as error:
            notes.append(f"{codec.format}: {error}")
            continue
        if parity.holds:
            return EncodedModel(data, codec.format, hashlib.sha256(data).hexdigest(), parity, tuple(notes))
        notes.append(f"{codec.format}: {parity}")
    raise ModelError("; ".join(["no format can hold this model", *notes]))


def compare(expected: Sequence[float], decoded: Sequence[float]) -> Parity:
    """Compare the model's predictions with those of its decoded bytes.

    It needs no NumPy, so that a service can do without it.
    """
    rows = len(expected)
    if len(decoded) != rows:
        return Parity(rows, math.inf, 0)
    exact = sum(map(operator.eq, expected, decoded))
    if not (all(map(math.isfinite, expected)) and all(map(math.isfinite, decoded))):
        return Parity(rows, math.inf, exact)
    # Two finite numbers can be further apart than any float says; that is infinite, not an error.
    differences = (
        abs(one - other) / max(abs(one), PARITY_FLOOR) for one, other in zip(expected, decoded, strict=True)
    )
    return Parity(rows, max(differences, default=0.0), exact)


def compare_classes(
    expected_labels: np.ndarray[Any, Any],
    expected_probabilities: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any],
    probabilities: np.ndarray[Any, Any],
) -> Parity:
    """Compare a classifier with its decoded bytes: labels of shape [rows], probabilities of [rows, levels].

    The difference is the greatest absolute one; infinite when a shape differs or a probability is not finite.
    """
    import numpy as np

    rows = len(expected_labels)
    same = expected_labels == labels if expected_labels.shape == labels.shape else np.zeros(rows, bool)
    equal = int(np.count_nonzero(same))
    if expected_probabilities.shape != probabilities.shape:
        return Parity(rows, float("inf"), 0, labels_equal=equal)
    exact = int(np.count_nonzero(same & (expected_probabilities == probabilities).all(axis=1)))
    if not (np.isfinite(expected_probabilities).all() and np.isfinite(probabilities).all()):
        return Parity(rows, float("inf"), exact, labels_equal=equal)
    difference = float(np.abs(expected_probabilities - probabilities).max(initial=0.0))
    return Parity(rows, difference, exact, labels_equal=equal)


def class_columns(model: FittedModel, target: Category) -> np.ndarray[Any, Any]:
    """For each level its place among the classes of a classifier's probabilities; -1 for one it never saw.

    Raises:
        IncompatibleModel: the model gives no probabilities, or knows a class that is not a level.
    """
    if not (callable(getattr(model, "predict_proba", None)) and hasattr(model, "classes_")):
        raise IncompatibleModel(f"{_name(model)} gives no probabilities")
    classes = list(cast("FittedClassifier", model).classes_)
    for name in classes:
        if not target.admits(name):
            raise IncompatibleModel(
                f"{_name(model)} knows the class {name!r}; the levels of {target.name} are "
                f"{', '.join(target.levels)}"
            )
    import numpy as np

    return np.array([classes.index(level) if level in classes else -1 for level in target.levels], np.int64)


def probabilities_of(model: FittedModel, features: pd.DataFrame, target: Category) -> np.ndarray[Any, Any]:
    """A classifier's probabilities, float64 of shape [rows, levels]: 0 for a level that it never saw.

    Raises:
        IncompatibleModel: as ``class_columns``.
    """
    import numpy as np

    columns = class_columns(model, target)
    by_class = np.asarray(cast("FittedClassifier", model).predict_proba(features), np.float64)
    return np.where(columns >= 0, by_class[:, columns], 0.0)


def columns_of(frame: pd.DataFrame, schema: Schema) -> Columns:
    """The features of an admitted frame as predictors take them: float64 for numbers, str objects for categories.

    Raises:
        KeyError: a feature is not among the columns.
    """
    import numpy as np

    return {
        feature.name: frame[feature.name].to_numpy(np.float64 if isinstance(feature, Number) else object)
        for feature in schema.features
    }


def _comparison(
    model: FittedModel, features: pd.DataFrame, columns: Columns, schema: Schema
) -> Callable[[Predictor], Parity]:
    """What a predictor is measured by: its parity with the model on these rows."""
    import numpy as np

    if isinstance(schema.target, Number):
        expected = np.asarray(model.predict(features), np.float64).tolist()
        return lambda predictor: _worse(
            compare(expected, np.asarray(predictor.predict(columns), np.float64).tolist()),
            compare(expected, cast("list[float]", predictor.predict_rows(_rows_of(columns)))),
        )
    probabilities = probabilities_of(model, features, schema.target)
    labels = np.asarray(model.predict(features), object)
    return lambda predictor: compare_classes(
        labels, probabilities, predictor.predict(columns), predictor.predict_proba(columns)
    )


def _rows_of(columns: Columns) -> list[Row]:
    values = [column.tolist() for column in columns.values()]
    return [dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True)]


def _worse(first: Parity, second: Parity) -> Parity:
    """What holds for two ways to the same predictions: a format may read rows otherwise than columns."""
    difference = max(first.max_relative_difference, second.max_relative_difference)
    return replace(first, max_relative_difference=difference, exact=min(first.exact, second.exact))


def _name(model: object) -> str:
    steps = getattr(model, "steps", None)
    return type(steps[-1][1]).__name__ if steps else type(model).__name__
