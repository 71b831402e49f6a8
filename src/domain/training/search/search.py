"""Choosing the parameters: from a task's estimator and training rows to a fitted candidate.

A grid for a decision tree is searched by truncation (``domain.tree_search``); everything else by one of
scikit-learn's own searches (``domain.sklearn_search``). Either way the score that is reported is scikit-learn's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.plain_data import plain
from weighbridge.domain.errors import TaskError
from weighbridge.domain.registry.provenance import SearchSummary
from weighbridge.domain.training.search import sklearn_search, tree_search
from weighbridge.domain.training.search.trials import Trials

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.training.estimator import EstimatorSpec
    from weighbridge.domain.training.search.progress import SearchProgress


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fitted pipeline, and how its parameters were chosen.

    Args:
        model: fitted on every training row.
        params: those of the grid, by name, as plain data: what is none is described.
        search: how they were chosen, with scikit-learn's own score.
        trials: what the points of the search scored.
    """

    model: Pipeline
    params: Mapping[str, Any]
    search: SearchSummary
    trials: Trials = field(default_factory=Trials, compare=False)


def search(spec: EstimatorSpec, train: Dataset, seed: int, progress: SearchProgress) -> Candidate:
    """Search by cross-validation on ``train``, as the spec says, and fit the best point on all of it.

    The folds are those of scikit-learn's ``GridSearchCV(cv=folds)``. What a search draws, it draws by the seed.

    Raises:
        TaskError: the pipeline cannot be built or fitted, or the grid or the scoring does not fit it.
    """
    from sklearn.base import clone

    try:
        pipeline = spec.pipeline(seed)
        if spec.search == "grid" and tree_search.supports(pipeline, spec.grid, spec.scoring):
            kind = "tree_grid"
            found: sklearn_search.Found | tree_search.TreeSearchResult = _tree_search(
                spec, pipeline, train, progress
            )
        else:
            kind = spec.search
            found = sklearn_search.search(spec, pipeline, train, seed, progress)
        # Cloned, as each of the search's fits had its own: a value of the grid may be an estimator.
        values = {name: clone(value, safe=False) for name, value in found.params.items()}
        model = clone(pipeline).set_params(**values).fit(train.features, train.target)
    except (ValueError, TypeError) as error:
        raise TaskError(f"estimator: the pipeline cannot be searched: {error}") from error
    if not math.isfinite(found.score):
        raise TaskError(f"estimator: no point of the grid has a finite {spec.scoring} over the folds")
    params = {name: plain(value) for name, value in found.params.items()}
    summary = SearchSummary(kind, found.points, spec.folds, found.score, spec.scoring)
    return Candidate(model, params, summary, found.trials)


def fit(spec: EstimatorSpec, train: Dataset, seed: int, params: Mapping[str, Any]) -> Pipeline:
    """The pipeline with these parameters, fitted on every training row.

    Args:
        spec: gives the pipeline; and its grid, the values that are only described in ``params``.
        train: the training rows.
        seed: for the pipeline.
        params: as plain data, as a candidate and its record have them.

    Raises:
        TaskError: the pipeline cannot be built or fitted with them, or one describes a value that the grid
            does not have (any more): the whole search would have to be repeated.
    """
    from sklearn.base import clone

    try:
        values = {name: clone(_value(spec, name, value), safe=False) for name, value in params.items()}
        return spec.pipeline(seed).set_params(**values).fit(train.features, train.target)
    except (ValueError, TypeError) as error:
        raise TaskError(f"estimator: the pipeline cannot be fitted: {error}") from error


def _tree_search(
    spec: EstimatorSpec, pipeline: Pipeline, train: Dataset, progress: SearchProgress
) -> tree_search.TreeSearchResult:
    """What a search by truncation finds, on the folds of GridSearchCV."""
    from sklearn.base import is_classifier
    from sklearn.model_selection import check_cv

    folds = check_cv(spec.folds, train.target, classifier=is_classifier(pipeline))
    return tree_search.search(
        pipeline,
        spec.grid,
        train.features,
        train.target,
        list(folds.split(train.features, train.target)),
        spec.scoring,
        progress,
    )


def _value(spec: EstimatorSpec, name: str, described: Any) -> Any:
    """The value of the grid that is described so; for JSON data without one, the data itself."""
    values = spec.grid.get(name, ())
    for value in () if hasattr(values, "rvs") else values:
        if plain(value) == described and type(plain(value)) is type(described):
            return value
    if isinstance(described, dict) and "type" in described:
        raise TaskError(
            f"estimator: grid['{name}'] has no value that is {described}; repeat the whole search to find one"
        )
    return described
