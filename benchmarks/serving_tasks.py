"""The shipped task with other models, for the benchmark of serving."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


def _with(regressor: Any) -> Any:
    def pipeline(seed: int) -> "Pipeline":
        made = TIME_TO_DISPATCH.estimator.pipeline(seed)
        return made.set_params(regressor=regressor(seed))

    return replace(
        TIME_TO_DISPATCH,
        estimator=replace(TIME_TO_DISPATCH.estimator, pipeline=pipeline, grid={}),
        thresholds=(Threshold("r2", error=0.1, warning=0.2),),
        checks=(),
    )


def _tree(seed: int) -> Any:
    from sklearn.tree import DecisionTreeRegressor

    return DecisionTreeRegressor(max_depth=8, min_samples_leaf=2, random_state=seed)


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestRegressor

    return RandomForestRegressor(100, max_depth=8, min_samples_leaf=2, random_state=seed)


def _neighbours(_: int) -> Any:
    from sklearn.neighbors import KNeighborsRegressor

    return KNeighborsRegressor(5)


#: One tree; a forest of a hundred; and one that ONNX does not hold exactly enough, served through skops.
TREE, FOREST, NEIGHBOURS = _with(_tree), _with(_forest), _with(_neighbours)
