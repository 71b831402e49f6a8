"""Growing trees on the folds of a cross-validation, and what they score on each fold's test rows.

What comes before the tree in the pipeline is fitted once per fold. Only one fold's matrices are held at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from weighbridge.domain.training.search.progress import SearchProgress
from weighbridge.domain.training.search.tree_grid import TreeGrid
from weighbridge.domain.training.search.tree_scoring import TreeScorer
from weighbridge.domain.training.search.tree_truncation import UNBOUNDED, Array

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

#: For each fold the positions of its training and of its test rows.
Folds: TypeAlias = Sequence[tuple[Array, Array]]


def truncated_scores(
    pipeline: Pipeline,
    grid: TreeGrid,
    features: pd.DataFrame,
    target: pd.Series[Any],
    folds: Folds,
    scorer: TreeScorer,
    progress: SearchProgress,
) -> Array:
    """Scores by truncation, of shape [points]: the mean over the folds, as scikit-learn's scorer counts.

    One tree is fitted per criterion, ``min_samples_leaf`` and fold. See ``tree_search.search`` for arguments
    and errors.
    """
    answers = _answers(target, scorer)
    limits, shape = grid.limits, grid.shape
    families = shape[0] * shape[2] * len(folds)
    scores = np.empty((len(folds), *shape))
    grown, reported, best = 0, 0, -np.inf
    # Fold by fold, so that only one fold's matrices are held.
    for fold, (train, test) in enumerate(folds):
        training, testing = _matrices(pipeline, features, target, train, test)
        for place, criterion in enumerate(grid.criteria):
            for index, leaf in enumerate(grid.leaves):
                splits, where = np.unique(grid.effective_splits(leaf, len(train)), return_inverse=True)
                model = _tree(
                    pipeline,
                    criterion=criterion,
                    max_depth=None if limits.max() == UNBOUNDED else int(limits.max()),
                    min_samples_leaf=leaf,
                    min_samples_split=int(splits[0]),
                )
                model.fit(training, answers[train])
                table = scorer.scores(model, testing, answers[test], limits, splits)
                scores[fold, place, :, index] = table[:, where]
                if fold == len(folds) - 1:
                    known = scores[:, place, :, index].mean(axis=0)
                    best = max(best, float(np.nan_to_num(known, nan=-np.inf).max()))
                grown += 1
                done = grid.points * grown // families
                progress.advance(done - reported, best if best > -np.inf else None)
                reported = done
    means: Array = scores.mean(axis=0).ravel()
    return means


def refitted_scores(
    pipeline: Pipeline,
    grid: TreeGrid,
    points: Sequence[int],
    features: pd.DataFrame,
    target: pd.Series[Any],
    folds: Folds,
    scorer: TreeScorer,
) -> Array:
    """Scores of some points, in their order, each from a fresh fit of the tree alone on every fold.

    They are what ``cross_val_score`` says of the same points, but for the order in which numbers are added up.
    """
    answers = _answers(target, scorer)
    scores = np.empty((len(folds), len(points)))
    whole = np.array([UNBOUNDED])
    for fold, (train, test) in enumerate(folds):
        training, testing = _matrices(pipeline, features, target, train, test)
        for place, point in enumerate(points):
            model = _tree(pipeline, **grid.values(point)).fit(training, answers[train])
            scores[fold, place] = scorer.scores(model, testing, answers[test], whole, np.array([2])).item()
    means: Array = scores.mean(axis=0)
    return means


def _answers(target: pd.Series[Any], scorer: TreeScorer) -> Array:
    """The target as trees are fitted on it here: floats, or the places of labels among all labels in order."""
    answers = np.asarray(target)
    return np.unique(answers, return_inverse=True)[1] if scorer.classifies else answers.astype(np.float64)


def _matrices(
    pipeline: Pipeline, features: pd.DataFrame, target: pd.Series[Any], train: Array, test: Array
) -> tuple[Any, Any]:
    """A fold's training and test rows as the tree takes them."""
    from sklearn.base import clone
    from sklearn.utils import check_array

    training, testing = features.iloc[train], features.iloc[test]
    if len(pipeline.steps) > 1:
        preparation = clone(pipeline[:-1])
        training = preparation.fit_transform(training, target.iloc[train])
        testing = preparation.transform(testing)
    # Whether values may be missing or infinite is for the tree to say.
    checks = {"dtype": np.float32, "ensure_all_finite": False}
    training = check_array(training, accept_sparse="csc", **checks)
    return training, check_array(testing, accept_sparse="csr", **checks)


def _tree(pipeline: Pipeline, **params: Any) -> Any:
    """The pipeline's tree with other parameters, not fitted."""
    from sklearn.base import clone

    return clone(pipeline.steps[-1][1]).set_params(**params)
