"""scikit-learn's own searches, watched as they go on.

They evaluate as they always do; only they are asked for a few points at a time, so that how far a search has
come is known here, in the process that started it, wherever the fits are done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, floor, log
from typing import TYPE_CHECKING, Any

import numpy as np

from weighbridge.domain.training.search.trials import Trials, listed_points

if TYPE_CHECKING:
    from collections.abc import Callable

    from sklearn.pipeline import Pipeline

    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.training.estimator import EstimatorSpec
    from weighbridge.domain.training.search.progress import SearchProgress

    Results = Mapping[str, Any]

#: Points that are asked for at a time, for each fit that can go on at once: at the end of each time some wait for
#: the last.
_POINTS_PER_JOB = 2

#: At how many times at most: scikit-learn goes over all results after each.
_TIMES = 100


@dataclass(frozen=True, slots=True)
class Found:
    """What a search chose.

    Args:
        params: by the grid's names, as they are in the grid or were drawn.
        score: scikit-learn's mean score of them over the folds.
        points: how many were tried.
        trials: what each of them scored, in the last round that it was in.
    """

    params: dict[str, Any]
    score: float
    points: int
    trials: Trials


def search(spec: EstimatorSpec, pipeline: Pipeline, train: Dataset, seed: int, progress: SearchProgress) -> Found:
    """Search as ``spec.search`` says; of equally good points the first wins, as scikit-learn has it.

    Fits go wherever ``joblib.parallel_config`` says, one after another when nobody has said anything. An empty
    grid is a grid of one point.

    Raises:
        ValueError, TypeError: from scikit-learn, when a point cannot be fitted or scored.
    """
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - importing it is the switch
    from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV

    kinds = {"grid": GridSearchCV, "random": RandomizedSearchCV, "halving": HalvingGridSearchCV}
    options: dict[str, Any] = {"scoring": spec.scoring, "cv": spec.folds, "refit": False, "error_score": "raise"}
    if spec.search == "random":
        options |= {"n_iter": spec.points}
    if spec.search != "grid":
        options |= {"random_state": seed}
    grid = {name: values if hasattr(values, "rvs") else list(values) for name, values in spec.grid.items()}
    watched = type("Watched", (_Watched, kinds[spec.search]), {"progress": progress})
    try:
        found = watched(pipeline, grid, **options).fit(train.features, train.target)
    finally:
        progress.finish()
    trials = listed_points(found.cv_results_["params"], found.cv_results_["mean_test_score"])
    return Found(dict(found.best_params_), float(found.best_score_), found.asked, trials)


class _Watched:
    """Over one of scikit-learn's searches: asks for its points in turn and tells of them."""

    progress: SearchProgress
    #: Points of the first round; only halving has more rounds.
    asked = 0

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers are handed the search with each fit, and make no use of it; they need not have our code.
        return object, ()

    def _run_search(self, evaluate_candidates: Callable[..., Results], callback_ctx: object = None) -> None:
        from joblib import effective_n_jobs

        # scikit-learn passes contexts for callbacks from 1.9 on; we have no callbacks.
        contexts = {} if callback_ctx is None else {"callback_ctx": callback_ctx}

        def evaluate(
            candidates: Iterable[Mapping[str, Any]],
            cv: object = None,
            more_results: Mapping[str, list[Any]] | None = None,
            **_: object,
        ) -> Results:
            points = list(candidates)
            if not self.asked:
                self.asked = len(points)
                self.progress.start(self._steps(len(points)))
            jobs = effective_n_jobs(None)
            size = max(1 if jobs == 1 else _POINTS_PER_JOB * jobs, ceil(len(points) / _TIMES))
            results: Results = {}
            for start in range(0, len(points), size):
                some = slice(start, start + size)
                more = more_results and {name: values[some] for name, values in more_results.items()}
                results = evaluate_candidates(points[some], cv, more_results=more)
                scores = results["mean_test_score"][-len(points[: some.stop]) :]
                best = None if np.isnan(scores).all() else float(np.nanmax(scores))
                self.progress.advance(len(points[some]), best)
            return results

        # Of the class that this is mixed into.
        super()._run_search(evaluate, **contexts)  # type: ignore[misc]

    def _steps(self, points: int) -> int:
        """How many points the search evaluates in all its rounds, as scikit-learn's halving counts them."""
        if not hasattr(self, "factor"):
            return points
        possible = floor(log(self.max_resources_ // self.min_resources_, self.factor))  # type: ignore[attr-defined]
        steps = points
        for _ in range(min(possible, floor(log(points, self.factor)))):
            points = ceil(points / self.factor)
            steps += points
        return steps
