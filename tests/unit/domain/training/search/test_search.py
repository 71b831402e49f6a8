"""Searches: each kind finds what scikit-learn's own finds, tells how far it is, and is recorded as plain data."""

import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from joblib import parallel_config
from lightgbm import LGBMRegressor
from scipy.stats import loguniform, randint
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import Lasso, Ridge
from sklearn.model_selection import GridSearchCV, HalvingGridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor
from threadpoolctl import threadpool_limits

from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.errors import TaskError
from weighbridge.domain.model.encoding import encode_with_parity
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.training.search.progress import SearchProgress
from weighbridge.domain.training.search.search import fit, search

SEED = 42
SCHEMA = TIME_TO_DISPATCH.schema


def dataset(rows: int = 200) -> Dataset:
    return Dataset(simulate(rows, 7)[[*SCHEMA.feature_names, SCHEMA.target.name]], SCHEMA)


TRAIN = dataset()


def pipeline(estimator: Callable[[int], Any]) -> Callable[[int], Pipeline]:
    def make(seed: int) -> Pipeline:
        columns = make_column_transformer(
            (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["product_code"]),
            ("passthrough", ["orders_placed"]),
        )
        return Pipeline([("columns", columns), ("model", estimator(seed))])

    return make


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for each other over a handful of rows cost more than they bring."""
    with threadpool_limits(1):
        yield


ridge = pipeline(lambda seed: Ridge(random_state=seed))
forest = pipeline(lambda seed: RandomForestRegressor(5, random_state=seed, n_jobs=1))
boosting = pipeline(lambda seed: HistGradientBoostingRegressor(max_iter=4, random_state=seed))
tree = pipeline(lambda seed: DecisionTreeRegressor(random_state=seed))
lightgbm = pipeline(lambda seed: LGBMRegressor(n_estimators=5, random_state=seed, n_jobs=1, verbose=-1))


def constant() -> Pipeline:
    """A model that looks at nothing: hundreds of fits of it cost little."""
    return Pipeline([("model", DummyRegressor(strategy="constant", constant=0.0))])


ALPHAS = {"model__alpha": [0.01, 100.0, 1.0], "model__fit_intercept": [True, False]}


class Watcher(SearchProgress):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.totals: list[int] = []
        self.told: list[tuple[int, float | None]] = []
        self.finished = 0

    def start(self, total: int) -> None:
        self.totals.append(total)

    def advance(self, steps: int, best: float | None) -> None:
        self.told.append((steps, best))

    def finish(self) -> None:
        self.finished += 1


def own_search(spec: EstimatorSpec) -> Any:
    """What scikit-learn does by itself, refitted."""
    options: dict[str, Any] = {"scoring": spec.scoring, "cv": spec.folds}
    match spec.search:
        case "grid":
            made = GridSearchCV(spec.pipeline(SEED), spec.grid, **options)
        case "random":
            made = RandomizedSearchCV(
                spec.pipeline(SEED), spec.grid, n_iter=spec.iterations, random_state=SEED, **options
            )
        case "halving":
            made = HalvingGridSearchCV(spec.pipeline(SEED), spec.grid, random_state=SEED, **options)
    with warnings.catch_warnings(action="ignore"):  # of more draws than there are points
        return made.fit(TRAIN.features, TRAIN.target)


SPECS = {
    "grid of a linear model": EstimatorSpec(ridge, ALPHAS),
    "grid by another score": EstimatorSpec(ridge, ALPHAS, folds=3, scoring="neg_mean_absolute_error"),
    "no grid": EstimatorSpec(ridge),
    "random, of lists": EstimatorSpec(ridge, ALPHAS, folds=3, search="random", iterations=4),
    "random, more than there are": EstimatorSpec(ridge, ALPHAS, folds=3, search="random", iterations=7),
    "random, of a distribution": EstimatorSpec(
        ridge, {"model__alpha": loguniform(1e-3, 1e3)}, folds=3, search="random", iterations=5
    ),
    "halving of a linear model": EstimatorSpec(ridge, ALPHAS, folds=3, search="halving"),
    "grid of a forest": EstimatorSpec(forest, {"model__max_depth": [2, 9, 5]}, folds=3),
    "random forests": EstimatorSpec(
        forest, {"model__max_depth": randint(1, 12)}, folds=3, search="random", iterations=3
    ),
    "halving of boosting": EstimatorSpec(
        boosting, {"model__max_leaf_nodes": [2, 4, 8, 16]}, folds=3, search="halving"
    ),
    "grid of LightGBM": EstimatorSpec(lightgbm, {"model__num_leaves": [3, 15, 7]}, folds=3),
    "random trees": EstimatorSpec(
        tree, {"model__max_depth": [2, 4, 8, None]}, folds=3, search="random", iterations=3
    ),
    "halving of trees": EstimatorSpec(
        tree, {"model__max_depth": [2, 3, 4, 5, 6, 7, 8, 9, 10, None]}, folds=3, search="halving"
    ),
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_search_finds_what_scikit_learn_s_own_finds(spec: EstimatorSpec) -> None:
    watcher = Watcher()
    found, expected = search(spec, TRAIN, SEED, watcher), own_search(spec)
    assert found.params == expected.best_params_
    assert found.search.score == expected.best_score_
    assert np.array_equal(found.model.predict(TRAIN.features), expected.predict(TRAIN.features))
    evaluations = len(expected.cv_results_["params"])
    points = expected.n_candidates_[0] if spec.search == "halving" else evaluations
    assert (found.search.kind, found.search.points, spec.points) == (spec.search, points, points)
    assert (found.search.folds, found.search.scoring) == (spec.folds, spec.scoring)
    # Few points and one process: it tells of each, with the best score of its round until then.
    assert (watcher.totals, watcher.finished) == ([evaluations], 1)
    scores = expected.cv_results_["mean_test_score"]
    rounds = np.asarray(expected.cv_results_.get("iter", np.zeros(evaluations)))
    best = [scores[: end + 1][rounds[: end + 1] == rounds[end]].max() for end in range(evaluations)]
    assert watcher.told == [(1, score) for score in best]


def test_a_grid_of_trees_alone_is_searched_by_truncation() -> None:
    spec = EstimatorSpec(tree, {"model__max_depth": [2, 4, 8]})
    assert search(spec, TRAIN, SEED, Watcher()).search.kind == "tree_grid"


@pytest.mark.parametrize(
    ("jobs", "points", "steps"),
    [
        (1, 3, [1, 1, 1]),
        (1, 100, [1] * 100),
        (1, 101, [2] * 50 + [1]),
        (3, 20, [6, 6, 6, 2]),
        (3, 6, [6]),
    ],
)
def test_points_are_asked_for_some_at_a_time(jobs: int, points: int, steps: list[int]) -> None:
    constants = [float(value) for value in range(1, points + 1)]
    spec = EstimatorSpec(lambda seed: constant(), {"model__constant": constants}, folds=2)
    watcher = Watcher()
    with parallel_config(backend="threading", n_jobs=jobs):
        found = search(spec, dataset(40), SEED, watcher)
    assert (watcher.totals, [steps for steps, _ in watcher.told]) == ([points], steps)
    bests = [best for _, best in watcher.told if best is not None]
    assert bests == sorted(bests)
    assert (len(bests), bests[-1]) == (len(steps), found.search.score)


@pytest.mark.filterwarnings("ignore")
def test_where_no_point_has_a_score_none_is_told() -> None:
    watcher = Watcher()
    # Three rows in two folds: r2 of a single row is not defined.
    with pytest.raises(TaskError, match="no point of the grid has a finite r2 over the folds"):
        search(EstimatorSpec(ridge, {"model__alpha": [1.0, 2.0]}, folds=2), dataset(3), SEED, watcher)
    assert watcher.told == [(1, None), (1, None)]


def test_a_search_that_fails_is_finished_too() -> None:
    watcher = Watcher()
    with pytest.raises(TaskError, match=r"the pipeline cannot be searched: .*alpha"):
        search(EstimatorSpec(ridge, {"model__alpha": [1.0, -1.0]}), TRAIN, SEED, watcher)
    assert (watcher.totals, watcher.finished) == ([2], 1)
    assert [steps for steps, _ in watcher.told] == [1]


def test_what_is_drawn_comes_from_the_seed() -> None:
    spec = SPECS["random, of a distribution"]
    first, again, other = (search(spec, TRAIN, seed, Watcher()).params for seed in (1, 1, 2))
    assert first == again != other


OBJECTS = EstimatorSpec(
    pipeline(lambda seed: Ridge()),
    {"model": [Lasso(alpha=50.0), Ridge(alpha=0.5), Ridge(alpha=1e6)]},
)


def test_parameters_are_plain_data_from_which_the_model_can_be_fitted_again() -> None:
    spec = EstimatorSpec(
        ridge, {"model__alpha": np.array([0.5, 7.0]), "model__max_iter": [np.int64(9)]}, scoring="r2"
    )
    for each in (spec, OBJECTS, SPECS["random, of a distribution"], SPECS["random forests"]):
        found = search(each, TRAIN, SEED, Watcher())
        recorded = json.loads(json.dumps(found.params, allow_nan=False))
        assert recorded == found.params
        assert repr(recorded) == repr(found.params)
        fitted = fit(each, TRAIN, SEED, recorded)
        assert np.array_equal(fitted.predict(TRAIN.features), found.model.predict(TRAIN.features))
    assert search(OBJECTS, TRAIN, SEED, Watcher()).params["model"]["params"]["alpha"] == 0.5
    # The grid's own objects are left as they were.
    assert not any(hasattr(value, "coef_") for value in OBJECTS.grid["model"])


def test_a_description_that_the_grid_has_no_longer_cannot_be_fitted() -> None:
    recorded = search(OBJECTS, TRAIN, SEED, Watcher()).params
    smaller = EstimatorSpec(OBJECTS.pipeline, {"model": OBJECTS.grid["model"][:1]})
    with pytest.raises(TaskError, match=r"grid\['model'\] has no value that is .*Ridge.*repeat the whole search"):
        fit(smaller, TRAIN, SEED, recorded)


def test_a_flag_is_not_taken_for_a_number() -> None:
    spec = EstimatorSpec(ridge, {"model__fit_intercept": [1, True]})
    assert fit(spec, TRAIN, SEED, {"model__fit_intercept": True}).get_params()["model__fit_intercept"] is True


def test_lightgbm_is_kept_as_skops_to_the_last_bit() -> None:
    model = search(SPECS["grid of LightGBM"], TRAIN, SEED, Watcher()).model
    encoded = encode_with_parity([OnnxCodec(), SkopsCodec()], model, SCHEMA, TRAIN.features)
    assert (encoded.format, encoded.parity.max_relative_difference) == ("skops", 0.0)
    (note,) = encoded.notes
    assert note.startswith("onnx: LGBMRegressor does not convert to ONNX")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"search": "bayes"}, "estimator: search is 'bayes'; allowed are grid, random, halving"),
        ({"iterations": 0}, "estimator: iterations is 0; allowed is a whole number, at least 1"),
        ({"iterations": 2.0}, "estimator: iterations is 2.0; allowed is a whole number, at least 1"),
        ({"iterations": True}, "estimator: iterations is True; allowed is a whole number, at least 1"),
        ({"grid": {"a": []}, "search": "random"}, "estimator: grid['a'] must be a non-empty list of values"),
        (
            {"grid": {"a": randint(1, 3)}},
            "estimator: grid['a'] is a distribution, which only search='random' draws from; "
            "for search='grid' a non-empty list of values is allowed",
        ),
        (
            {"grid": {"a": randint(1, 3)}, "search": "halving"},
            "estimator: grid['a'] is a distribution, which only search='random' draws from; "
            "for search='halving' a non-empty list of values is allowed",
        ),
    ],
)
def test_a_spec_that_cannot_be_searched(given: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError) as caught:
        EstimatorSpec(ridge, **given)
    assert str(caught.value) == message


@given(st.lists(st.integers(1, 5), max_size=4), st.integers(1, 40), st.booleans())
def test_how_many_points_there_are(sizes: list[int], iterations: int, distribution: bool) -> None:
    grid: dict[str, Any] = {f"a{place}": list(range(size)) for place, size in enumerate(sizes)}
    combinations = int(np.prod(sizes, dtype=int))
    for kind in ("grid", "halving"):
        assert EstimatorSpec(ridge, grid, search=kind, iterations=iterations).points == combinations
    if distribution:
        grid["b"] = randint(0, 9)
    drawn = EstimatorSpec(ridge, grid, search="random", iterations=iterations)
    assert drawn.points == (iterations if distribution else min(iterations, combinations))
    first = {f"a{place}": 0 for place in range(len(sizes))}
    drawn_first = drawn.first_point(3)
    assert {name: value for name, value in drawn_first.items() if name != "b"} == first
    assert drawn_first == drawn.first_point(3)
    assert set(drawn_first) == set(grid)
