"""Choosing the parameters: from a task's estimator and training rows to a fitted candidate.

A grid for a decision tree is searched by truncation (``domain.tree_search``); everything else by
scikit-learn's own search. Either way the score that is reported is scikit-learn's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from domain import tree_search
from domain.errors import TaskError
from domain.provenance import SearchSummary

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

    from domain.dataset import Dataset
    from domain.estimator import EstimatorSpec
    from domain.ports import SearchProgress

    Folds = list[tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fitted pipeline, and how its parameters were chosen.

    Args:
        model: fitted on every training row.
        params: those of the grid, by name.
        search: how they were chosen, with scikit-learn's own score.
    """

    model: Pipeline
    params: Mapping[str, Any]
    search: SearchSummary


def search(spec: EstimatorSpec, train: Dataset, seed: int, progress: SearchProgress) -> Candidate:
    """Search the grid by cross-validation on ``train`` and fit the best point on all of it.

    The folds are those of scikit-learn's ``GridSearchCV(cv=folds)``.

    Raises:
        TaskError: the pipeline cannot be built or fitted, or the grid or the scoring does not fit it.
    """
    from sklearn.base import clone, is_classifier
    from sklearn.metrics import get_scorer
    from sklearn.model_selection import check_cv

    try:
        pipeline = spec.pipeline(seed)
        scorer = get_scorer(spec.scoring)
        folds = list(
            check_cv(spec.folds, train.target, classifier=is_classifier(pipeline)).split(
                train.features, train.target
            )
        )
        if tree_search.supports(pipeline, spec.grid, spec.scoring):
            found = tree_search.search(
                pipeline, spec.grid, train.features, train.target, folds, spec.scoring, progress
            )
            kind, params, score = "tree_grid", found.params, found.score
        else:
            kind, (params, score) = "grid", _grid_search(spec, pipeline, scorer, train, folds, progress)
        model = clone(pipeline).set_params(**params).fit(train.features, train.target)
    except (ValueError, TypeError) as error:
        raise TaskError(f"estimator: the pipeline cannot be searched: {error}") from error
    if not math.isfinite(score):
        raise TaskError(f"estimator: no point of the grid has a finite {spec.scoring} over the folds")
    params = {name: value.item() if isinstance(value, np.generic) else value for name, value in params.items()}
    return Candidate(model, params, SearchSummary(kind, spec.points, spec.folds, score, spec.scoring))


def fit(spec: EstimatorSpec, train: Dataset, seed: int, params: Mapping[str, Any]) -> Pipeline:
    """The pipeline with these parameters, fitted on every training row.

    Raises:
        TaskError: the pipeline cannot be built or fitted with them.
    """
    try:
        return spec.pipeline(seed).set_params(**params).fit(train.features, train.target)
    except (ValueError, TypeError) as error:
        raise TaskError(f"estimator: the pipeline cannot be fitted: {error}") from error


def _grid_search(
    spec: EstimatorSpec,
    pipeline: Pipeline,
    scorer: Callable[..., float],
    train: Dataset,
    folds: Folds,
    progress: SearchProgress,
) -> tuple[dict[str, Any], float]:
    """Search with GridSearchCV: of equally good points the first in the grid's order wins.

    An empty grid is a grid of one point, which is scored by the same folds.
    """
    from sklearn.model_selection import GridSearchCV

    scores: list[float] = []
    best: float | None = None

    def watched(model: Any, features: Any, target: Any) -> float:
        # GridSearchCV scores one point on all its folds, then the next.
        nonlocal best
        score = float(scorer(model, features, target))
        scores.append(score)
        if len(scores) == len(folds):
            mean = sum(scores) / len(folds)
            best = mean if best is None else max(best, mean)
            scores.clear()
            progress.advance(1, best)
        return score

    progress.start(spec.points)
    try:
        found = GridSearchCV(
            pipeline,
            {name: list(values) for name, values in spec.grid.items()},
            scoring=watched,
            cv=folds,
            refit=False,
            error_score="raise",
        ).fit(train.features, train.target)
    finally:
        progress.finish()
    return dict(found.best_params_), float(found.best_score_)
