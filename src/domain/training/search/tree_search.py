"""Grid search for decision trees: one fit per criterion, ``min_samples_leaf`` and fold scores a whole grid.

The trees for every ``max_depth`` and ``min_samples_split`` are truncations of one fully grown tree (see
``domain.tree_truncation``). With one feature these scores equal those of separate fits. With several they may
differ a little: scikit-learn breaks ties between equally good splits by its random state, which a separate fit
has used up differently by the time it reaches the same node. So the leading points are fitted afresh, the best
of them are scored again by scikit-learn's own ``cross_val_score`` on the same folds, and the best of those numbers
wins and is reported.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from weighbridge.domain.training.search.progress import SearchProgress
from weighbridge.domain.training.search.tree_grid import TreeGrid
from weighbridge.domain.training.search.tree_growth import Folds, refitted_scores, truncated_scores
from weighbridge.domain.training.search.tree_scoring import TREE_SCORERS, TreeScorer
from weighbridge.domain.training.search.tree_truncation import Array
from weighbridge.domain.training.search.trials import Trials, whole_grid

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline

#: Leading points that are scored by ``cross_val_score`` at most.
RESCORED = 5

#: Leading points whose trees alone are fitted afresh before that, to choose the RESCORED among them: at most so
#: many, and at most so many rows in all. In small data ties decide much, and such fits cost next to nothing; in
#: large data neither holds. `benchmarks/bench_tree_search.py` reports what these numbers are chosen by.
REFITTED = 60
REFITTED_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Rescored:
    """A leading point: its grid parameters, its score by truncation, and scikit-learn's own."""

    params: dict[str, Any]
    truncated: float
    score: float


@dataclass(frozen=True, slots=True)
class TreeSearchResult:
    """What a search found.

    Args:
        params: of the winner, by the grid's names.
        score: the mean of scikit-learn's ``cross_val_score`` for them on the search's folds.
        points: how many points the grid has.
        rescored: the leading points in the order in which they were scored, the winner among them.
        trials: every point's score by truncation.
    """

    params: dict[str, Any]
    score: float
    points: int
    rescored: tuple[Rescored, ...]
    trials: Trials = field(default_factory=Trials, compare=False)


def supports(pipeline: Pipeline, grid: Mapping[str, Sequence[Any]], scoring: str) -> bool:
    """Whether ``search`` can do this: else scikit-learn's own search has to.

    The pipeline's last step is exactly a DecisionTreeRegressor or DecisionTreeClassifier that considers all
    features at each split and is neither pruned nor bounded nor constrained otherwise; the grid names only
    ``criterion``, ``max_depth``, ``min_samples_split`` and ``min_samples_leaf`` of that step, with values that
    scikit-learn allows; and the scorer is one of ``tree_scoring.TREE_SCORERS`` for that kind of tree.
    """
    from sklearn.pipeline import Pipeline
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    if type(pipeline) is not Pipeline:
        return False
    scorer, tree = TREE_SCORERS.get(scoring), pipeline.steps[-1][1]
    kind = DecisionTreeClassifier if scorer is not None and scorer.classifies else DecisionTreeRegressor
    if scorer is None or type(tree) is not kind:
        return False
    if tree.splitter != "best" or tree.ccp_alpha != 0.0:
        return False
    if not (tree.max_features is None and tree.max_leaf_nodes is None and tree.monotonic_cst is None):
        return False
    # Weights by class are told by labels, and the search fits on codes of them.
    if scorer.classifies and tree.class_weight is not None and tree.class_weight != "balanced":
        return False
    return TreeGrid.of(pipeline, grid) is not None


def search(
    pipeline: Pipeline,
    grid: Mapping[str, Sequence[Any]],
    features: pd.DataFrame,
    target: pd.Series[Any],
    folds: Folds,
    scoring: str,
    progress: SearchProgress,
) -> TreeSearchResult:
    """Find the best point of a grid that ``supports`` accepts.

    Equal scores go to the simpler tree: the smaller ``max_depth`` (None is the greatest), then the larger
    ``min_samples_leaf``, then the larger ``min_samples_split``, then the earlier point in the order of
    scikit-learn's ParameterGrid. The same arguments give the same answer if the pipeline's random states are
    fixed. NaN, where scikit-learn has no score, is worse than any score.

    Args:
        pipeline: not fitted, and left so; everything before its last step is fitted once per fold.
        grid: values by parameter, as ``Pipeline.set_params`` names them; what it leaves out stays as it is.
        features: of shape [rows, features].
        target: of shape [rows].
        folds: for each fold the positions of its training and of its test rows, at least one of each.
        scoring: one of ``tree_scoring.TREE_SCORERS``.
        progress: is told of points as their trees have been grown and truncated; one step is a point. The
            best score is known from the last fold on.

    Raises:
        ValueError: ``supports`` says no, or scikit-learn does not take the data (infinite values, a target
            of the wrong kind).
    """
    points = TreeGrid.of(pipeline, grid)
    if points is None or not supports(pipeline, grid, scoring):
        raise ValueError("the tree search does not support this pipeline, grid and scoring")
    progress.start(points.points)
    try:
        scorer = TREE_SCORERS[scoring]
        truncated = truncated_scores(pipeline, points, features, target, folds, scorer, progress)
        leaders = _leaders(truncated, points, folds, scorer, _refits(len(features)))
        if len(leaders) > RESCORED:
            scores = refitted_scores(pipeline, points, leaders, features, target, folds, scorer)
            refitted = dict(zip(leaders, scores.tolist(), strict=True))
            leaders = sorted(leaders, key=lambda point: _rank(refitted[point], points, point, folds))[:RESCORED]
        rescored: dict[int, Rescored] = {}
        for point in leaders:
            params = points.params(point)
            score = _cross_val_score(pipeline, params, features, target, folds, scoring)
            rescored[point] = Rescored(params, float(truncated[point]), score)
            winner = min(rescored, key=lambda point: _rank(rescored[point].score, points, point, folds))
            best = rescored[winner]
            progress.advance(0, None if np.isnan(best.score) else best.score)
    finally:
        progress.finish()
    trials = whole_grid(points.axes, truncated)
    return TreeSearchResult(best.params, best.score, points.points, tuple(rescored.values()), trials)


def _refits(rows: int) -> int:
    return max(RESCORED, min(REFITTED, REFITTED_ROWS // max(1, rows)))


def _leaders(truncated: Array, grid: TreeGrid, folds: Folds, scorer: TreeScorer, limit: int) -> list[int]:
    """The points worth another look, best first; of points that are the very same fits only the simplest."""
    order = sorted(range(grid.points), key=lambda point: _rank(float(truncated[point]), grid, point, folds))
    leaders: dict[Hashable, int] = {}
    for point in order:
        if leaders and not scorer.leads(truncated[point], truncated[order[0]]):
            break
        leaders.setdefault(grid.identity(point, [len(train) for train, _ in folds]), point)
        if len(leaders) == limit:
            break
    return list(leaders.values())


def _rank(score: float, grid: TreeGrid, point: int, folds: Folds) -> tuple[float, ...]:
    """Smaller for the better point: the greater score (NaN is the least), then the simpler tree."""
    rows = sum(len(part) for part in folds[0])
    return (np.inf if np.isnan(score) else -score, *grid.simplicity(point, rows))


def _cross_val_score(
    pipeline: Pipeline,
    params: dict[str, Any],
    features: pd.DataFrame,
    target: pd.Series[Any],
    folds: Folds,
    scoring: str,
) -> float:
    from sklearn.base import clone
    from sklearn.model_selection import cross_val_score

    candidate = clone(pipeline).set_params(**params)
    return float(cross_val_score(candidate, features, target, scoring=scoring, cv=folds).mean())
