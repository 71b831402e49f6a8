"""The shipped task: how many hours does it take to dispatch an order?

The data, the pipeline and the three behavioural demands follow the example of a published article series on
deploying machine-learning pipelines; ``simulate`` makes data of the same kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.domain.data.dataset import SplitSpec
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.evaluation.checks.check import Increases, NotAboveLargestLabel, NotBelow
from weighbridge.domain.evaluation.comparison import NotWorseThanLive
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.evaluation.rules.defaults import DEFAULT_RULES
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.training.task import TaskDefinition

if TYPE_CHECKING:
    from collections.abc import Collection

    import pandas as pd
    from sklearn.pipeline import Pipeline

PRODUCTS = ("SKU001", "SKU002", "SKU003", "SKU004", "SKU005")


def pipeline(seed: int) -> Pipeline:
    """One-hot products beside the number of orders, into a decision tree."""
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import OneHotEncoder
    from sklearn.tree import DecisionTreeRegressor

    one_hot = OneHotEncoder(categories=[list(PRODUCTS)], sparse_output=False)
    return Pipeline(
        [
            ("features", ColumnTransformer([("one_hot", one_hot, ["product_code"])], remainder="passthrough")),
            ("regressor", DecisionTreeRegressor(random_state=seed)),
        ]
    )


TIME_TO_DISPATCH = TaskDefinition(
    name="time_to_dispatch",
    schema=Schema(
        features=(Number("orders_placed", minimum=0, unit="orders"), Category("product_code", PRODUCTS)),
        target=Number("hours_to_dispatch", unit="hours"),
        prediction="est_hours_to_dispatch",
    ),
    estimator=EstimatorSpec(
        pipeline=pipeline,
        grid={
            "regressor__criterion": ["squared_error", "absolute_error"],
            "regressor__max_depth": [*range(2, 11), None],
            "regressor__min_samples_split": list(range(2, 11)),
            "regressor__min_samples_leaf": list(range(2, 11)),
        },
        folds=5,
        scoring="r2",
    ),
    thresholds=(Threshold("r2", error=0.8, warning=0.9),),
    split=SplitSpec(test_size=0.2, stratify_by="product_code", seed=42),
    checks=(
        Increases("orders_placed", 100, 150, for_each="product_code"),
        NotBelow(0),
        NotAboveLargestLabel(1.25),
    ),
    comparisons=(NotWorseThanLive("r2", warning=0.02, error=0.1),),
    rules=DEFAULT_RULES,
)


def simulate(rows: int, seed: int, shuffled: Collection[str] = ()) -> pd.DataFrame:
    """A dataset of this task: hours rise with orders, at a rate of the product's own, under noise.

    Args:
        rows: how many, 0 or more.
        seed: the same rows and seed give the same data.
        shuffled: products whose hours are shuffled among their rows, so that nothing can be learnt of them.

    Returns:
        A frame of shape [rows, 3]: hours_to_dispatch (hours, not below 0), orders_placed (whole numbers) and
        product_code.
    """
    import numpy as np
    import pandas as pd

    random = np.random.default_rng(seed)
    product = random.integers(0, len(PRODUCTS), rows)
    orders = np.floor(np.abs(random.normal(0, 92, rows)))
    hours = np.maximum(0.0, (0.075 + 0.025 * product) * orders + random.normal(0, 1, rows))
    for name in shuffled:
        chosen = np.flatnonzero(product == PRODUCTS.index(name))
        hours[chosen] = random.permutation(hours[chosen])
    return pd.DataFrame(
        {
            "hours_to_dispatch": hours,
            "orders_placed": orders,
            "product_code": [PRODUCTS[position] for position in product],
        }
    )
