"""Turning a fitted model into bytes that are proven to predict what the model predicts."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import IncompatibleModel, ModelError
from weighbridge.domain.model.parity import Parity, compare, compare_classes, worse

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from weighbridge.domain.data.schema import Row
    from weighbridge.domain.model.codec import ModelCodec
    from weighbridge.domain.model.fitted import FittedClassifier, FittedModel
    from weighbridge.domain.model.predictor import Columns, Predictor


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
        return lambda predictor: worse(
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


def _name(model: object) -> str:
    steps = getattr(model, "steps", None)
    return type(steps[-1][1]).__name__ if steps else type(model).__name__
