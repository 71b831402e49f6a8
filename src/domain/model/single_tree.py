"""Seeing the single regression tree in a fitted model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category, Number
from weighbridge.domain.model.tree_walk import MOST_NODES, LevelColumns, Part, ScaledNumber, TreeData

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.model.fitted import FittedModel


def tree_of(model: FittedModel, schema: Schema, most_nodes: int = MOST_NODES) -> TreeData | None:
    """The single regression tree that ``model`` is, behind what makes its columns; None for any other model.

    Known are numbers as they are, ``StandardScaler``, ``OneHotEncoder`` and ``OrdinalEncoder``, side by side in
    a ``ColumnTransformer`` or (numbers only) nothing at all.
    """
    from sklearn.pipeline import Pipeline
    from sklearn.tree import DecisionTreeRegressor

    steps = [step for _, step in model.steps] if isinstance(model, Pipeline) else [model]
    regressor = steps[-1]
    if not isinstance(regressor, DecisionTreeRegressor) or not isinstance(schema.target, Number):
        return None
    tree = regressor.tree_
    parts = parts_of(steps[:-1], schema)
    if parts is None or tree.n_outputs != 1 or tree.node_count > most_nodes:
        return None
    inner = tree.children_left != -1
    return TreeData(
        {feature.name: "number" if isinstance(feature, Number) else "category" for feature in schema.features},
        tuple(parts),
        [int(column) if is_inner else -1 for column, is_inner in zip(tree.feature, inner, strict=True)],
        tree.threshold.tolist(),
        tree.children_left.tolist(),
        tree.children_right.tolist(),
        tree.value.reshape(-1).tolist(),
    )


def parts_of(steps: Sequence[Any], schema: Schema) -> list[Part] | None:
    """The columns that fitted ``steps`` make of a row, as data; None where ``tree_of`` does not know them."""
    from sklearn.compose import ColumnTransformer

    if not steps:
        is_numeric = all(isinstance(feature, Number) for feature in schema.features)
        return [ScaledNumber(name) for name in schema.feature_names] if is_numeric else None
    columns = steps[0]
    if len(steps) != 1 or not isinstance(columns, ColumnTransformer) or columns.transformer_weights:
        return None
    parts: list[Part] = []
    for _, transformer, names in columns.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
            return None
        if not names:
            continue
        made = _parts_by(transformer, [schema.feature(name) for name in names])
        if made is None:
            return None
        parts += made
    return parts


def _parts_by(transformer: Any, features: Sequence[Number | Category]) -> list[Part] | None:
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler

    kind = type(transformer)
    numbers = [feature for feature in features if isinstance(feature, Number)]
    categories = [feature for feature in features if isinstance(feature, Category)]
    is_untouched = transformer == "passthrough" if kind is str else kind is FunctionTransformer
    if is_untouched and not categories and (kind is str or transformer.func is None):
        return [ScaledNumber(feature.name) for feature in numbers]
    if kind is StandardScaler and not categories:
        shifts = transformer.mean_ if transformer.with_mean else [0.0] * len(numbers)
        scales = transformer.scale_ if transformer.with_std else [1.0] * len(numbers)
        return [
            ScaledNumber(feature.name, float(shift), float(scale))
            for feature, shift, scale in zip(numbers, shifts, scales, strict=True)
        ]
    if kind not in (OneHotEncoder, OrdinalEncoder) or numbers:
        return None
    if kind is OneHotEncoder and (
        transformer.drop is not None or transformer.min_frequency is not None or transformer.max_categories
    ):
        return None
    unseen_are_zero = kind is OneHotEncoder and transformer.handle_unknown == "ignore"
    parts: list[Part] = []
    for feature, known in zip(categories, transformer.categories_, strict=True):
        places = {str(level): place for place, level in enumerate(known)}
        if not unseen_are_zero and not set(feature.levels) <= set(places):
            return None
        values: dict[str, tuple[float, ...]] = {}
        for level in feature.levels:
            place = places.get(level, -1)
            one_hot = tuple(float(place == each) for each in range(len(known)))
            values[level] = one_hot if kind is OneHotEncoder else (float(place),)
        parts.append(LevelColumns(feature.name, values))
    return parts
