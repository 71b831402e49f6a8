"""Checks of the estimator of a task that need no data."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from weighbridge.domain.data.schema import Feature
    from weighbridge.domain.training.task import TaskDefinition


def estimator_problems(task: TaskDefinition) -> list[str]:
    """Every fault of the pipeline, the grid and the scoring; each names the field and what is allowed."""
    from sklearn.pipeline import Pipeline

    problems = _scoring_problems(task.estimator.scoring, task.schema.target)
    try:
        pipeline = task.estimator.pipeline(task.split.seed)
    except Exception as error:  # it is somebody else's code
        problems.insert(0, f"estimator: the pipeline cannot be built: {say(error)}")
        return problems
    if not isinstance(pipeline, Pipeline):
        found = type(pipeline).__name__
        problems.insert(0, f"estimator: pipeline gives a {found}; allowed is a scikit-learn Pipeline")
        return problems
    return [*_kind_problems(pipeline, task.schema.target), *_grid_problems(pipeline, task), *problems]


def say(error: Exception) -> str:
    """An error of somebody else's code, in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _kind_problems(pipeline: Pipeline, target: Feature) -> list[str]:
    from sklearn.base import is_classifier, is_regressor

    category = isinstance(target, Category)
    if is_classifier(pipeline) if category else is_regressor(pipeline):
        return []
    kind, allowed = ("category", "classifier") if category else ("number", "regressor")
    last = type(pipeline.steps[-1][1]).__name__
    found = f"the pipeline ends in {last}, and the target '{target.name}' is a {kind}"
    return [f"estimator: {found}; allowed is a {allowed}"]


def _grid_problems(pipeline: Pipeline, task: TaskDefinition) -> list[str]:
    known = pipeline.get_params()
    steps = {name: step for name, step in pipeline.steps if hasattr(step, "get_params")}
    problems = []
    for name in task.estimator.grid:
        if name in known:
            continue
        step = name.partition("__")[0]
        if step in steps:
            allowed = ", ".join(f"{step}__{parameter}" for parameter in sorted(steps[step].get_params(deep=False)))
        else:
            allowed = f"the name of a step ({', '.join(steps)}), two underscores, and a parameter of it"
        problems.append(f"estimator: grid['{name}'] is no parameter of the pipeline; allowed is {allowed}")
    return problems


def _scoring_problems(scoring: str, target: Feature) -> list[str]:
    from sklearn.metrics import get_scorer_names

    fault = _fault_of_scorer(scoring, target)
    if fault is None:
        return []
    kind = "category" if isinstance(target, Category) else "number"
    fitting = [name for name in get_scorer_names() if _fault_of_scorer(name, target) is None]
    found = f"estimator: scoring {scoring!r} does not score a {kind}, which '{target.name}' is ({fault})"
    return [f"{found}; allowed are {', '.join(fitting)}"]


def _fault_of_scorer(name: str, target: Feature) -> str | None:
    """Try a scorer on a few made-up rows of the target's type: scikit-learn itself says whether it fits."""
    import numpy as np
    from sklearn.dummy import DummyClassifier, DummyRegressor
    from sklearn.metrics import get_scorer

    labels: Any
    if isinstance(target, Category):
        labels = np.array([f"level {level}" for level in target.levels * 2], dtype=object)
        dummy = DummyClassifier()
    else:
        labels, dummy = np.array([0.25, 1.5, 2.75, 4.25]), DummyRegressor()
    features = np.zeros((len(labels), 1))
    try:
        with warnings.catch_warnings(action="ignore"):
            get_scorer(name)(dummy.fit(features, labels), features, labels)
    except Exception as error:  # as above
        return say(error)
    return None
