"""A scikit-learn model without the data frame in front of it.

Most of what a prediction for one row costs is the frame, and the ``ColumnTransformer`` that takes it apart again.
A transformer that was fitted on columns of a frame answers the same to the bare values. Whether it does is tried
out before it is believed.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from weighbridge.domain.data.schema import Category, Number, Schema

if TYPE_CHECKING:
    from weighbridge.domain.model.fitted import FittedModel
    from weighbridge.domain.model.predictor import Columns

#: How many rows are tried out; they are tried one by one as well.
_TRIED = 12
#: Of which numbers, as far as the schema admits them.
_NUMBERS = (0.0, 1.0, 0.5, -1.0, 3.75, 10.0, 100.0, -250.25, 12345.678, 1e-9, 1e6, 1e12)


class _NamesStay(Exception):
    """An estimator does not forget the names of its columns."""


class ArrayModel:
    """Predicts from columns what a model predicts from frames.

    Args:
        prepare: from columns to the array that ``last`` takes.
        last: the last step.
    """

    def __init__(self, prepare: Callable[[Columns], Any], last: Any) -> None:
        self._prepare = prepare
        self._last = last

    def predict(self, columns: Columns) -> Any:
        """Numbers or labels, as the model gives them."""
        return self._last.predict(self._prepare(columns))

    def predict_proba(self, columns: Columns) -> Any:
        """Probabilities of the model's own classes."""
        return self._last.predict_proba(self._prepare(columns))


def array_model(model: FittedModel, schema: Schema, frame_of: Callable[[Columns], Any]) -> ArrayModel | None:
    """``model`` on bare arrays; None where it needs a frame, or is not seen to answer the same to the bit.

    Args:
        model: fitted on frames of the schema's features.
        schema: of the rows.
        frame_of: makes a frame of columns.
    """
    steps = _steps_of(model)
    try:
        prepare = _preparation(steps[:-1], schema)
        last = _without_names(steps[-1])
    except _NamesStay:
        return None
    if prepare is None:
        return None
    found = ArrayModel(prepare, last)
    names = ("predict", "predict_proba") if isinstance(schema.target, Category) else ("predict",)
    try:
        for columns in _examples(schema):
            frame = frame_of(columns)
            for name in names:
                expected, given = getattr(model, name)(frame), getattr(found, name)(columns)
                if not _are_same(np.asarray(expected), np.asarray(given)):
                    return None
    except Exception:
        return None
    return found


def _steps_of(model: FittedModel) -> list[Any]:
    from sklearn.pipeline import Pipeline

    if not isinstance(model, Pipeline):
        return [model]
    return [step for _, step in model.steps if step is not None and not isinstance(step, str)]


def _preparation(steps: Sequence[Any], schema: Schema) -> Callable[[Columns], Any] | None:
    """From columns to what follows after ``steps``; None where that takes a frame."""
    from sklearn.compose import ColumnTransformer

    if steps and type(steps[0]) is ColumnTransformer:
        first, rest = _parts(steps[0], schema), list(steps[1:])
    else:
        first, rest = _block(schema.feature_names, schema), [_without_names(step) for step in steps]
    if first is None:
        return None

    def prepare(columns: Columns) -> Any:
        values = first(columns)
        for step in rest:
            values = step.transform(values)
        return values

    return prepare


def _parts(columns: Any, schema: Schema) -> Callable[[Columns], Any] | None:
    """What a ColumnTransformer does, on arrays."""
    if columns.transformer_weights or columns.sparse_output_ or hasattr(columns, "_sklearn_output_config"):
        return None
    parts: list[tuple[Callable[[Columns], Any], Any]] = []
    for _, transformer, names in columns.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            return None
        if names:
            block = _block(names, schema)
            if block is None:
                return None
            parts.append((block, None if isinstance(transformer, str) else _without_names(transformer)))

    def transformed(found: Columns) -> Any:
        made = [block(found) if step is None else step.transform(block(found)) for block, step in parts]
        return np.hstack([part.toarray() if hasattr(part, "toarray") else part for part in made])

    return transformed if parts else None


def _block(names: Sequence[str], schema: Schema) -> Callable[[Columns], Any] | None:
    """Columns of one kind side by side, of shape [rows, columns]; None where they are of two kinds."""
    kinds = {type(schema.feature(name)) for name in names}
    if len(kinds) != 1:
        return None
    dtype = np.float64 if kinds == {Number} else object
    if len(names) == 1:
        name = names[0]
        return lambda columns: np.asarray(columns[name], dtype).reshape(-1, 1)
    return lambda columns: np.column_stack([np.asarray(columns[name], dtype) for name in names])


def _without_names(estimator: Any) -> Any:
    """A copy that does not know the names of the columns that it was fitted on, and so does not miss them.

    Raises:
        _NamesStay: it keeps them elsewhere, and would complain of each array.
    """
    from sklearn.pipeline import Pipeline

    bare = copy.copy(estimator)
    vars(bare).pop("feature_names_in_", None)
    if type(bare) is Pipeline:
        bare.steps = [(name, _without_names(step)) for name, step in bare.steps]
    if hasattr(bare, "feature_names_in_"):
        raise _NamesStay
    return bare


def _examples(schema: Schema) -> list[Columns]:
    """Admitted rows, all together and one by one."""
    columns: dict[str, np.ndarray[Any, Any]] = {}
    for place, feature in enumerate(schema.features):
        if isinstance(feature, Category):
            values: list[Any] = [feature.levels[(place + row) % len(feature.levels)] for row in range(_TRIED)]
        else:
            likely = [feature.minimum, feature.maximum, *_NUMBERS]
            admitted = [float(value) for value in likely if value is not None and feature.admits(value)]
            values = [admitted[(place + row) % len(admitted)] for row in range(_TRIED)]
        columns[feature.name] = np.array(values, object if isinstance(feature, Category) else np.float64)
    alone = [{name: column[row : row + 1] for name, column in columns.items()} for row in range(_TRIED)]
    return [columns, *alone]


def _are_same(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    """Whether two arrays are equal to the bit."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return one.tolist() == other.tolist() if one.dtype == object else one.tobytes() == other.tobytes()
