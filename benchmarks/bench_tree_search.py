"""What the search for decision trees costs and finds, against scikit-learn's GridSearchCV in the same process.

One JSON line per measurement:

- ``cpu_ratio``: CPU seconds of both over the shipped task's grid of 1620 points, pipeline and data kind. Up to
  1,000 rows GridSearchCV runs the whole grid; above, a sample of points, one for each criterion and depth with a
  leaf and a split drawn at random, whose mean stands for all points.
- ``regret``: GridSearchCV's best score minus the winner's, both scikit-learn's own, over twenty generated data
  sets of five kinds. GridSearchCV leaves out points with a split below twice the leaf, which are the same fits.
- ``peak_memory``: the process's peak before and after a search over a million rows.

Run as ``python benchmarks/bench_tree_search.py [cpu_ratio] [regret] [peak_memory]``, all three by default.
"""

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_friedman1, make_regression
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

from weighbridge.domain.training.search.progress import SearchProgress
from weighbridge.domain.training.search.tree_search import TreeSearchResult, search

LEVELS = [f"SKU00{number}" for number in range(1, 6)]
CRITERIA = ["squared_error", "absolute_error"]
DEPTHS = [*range(2, 11), None]
SIZES = list(range(2, 11))
FOLDS = 5


class Silent(SearchProgress):
    def start(self, total: int) -> None: ...
    def advance(self, steps: int, best: float | None) -> None: ...
    def finish(self) -> None: ...


def named(**axes: list) -> dict[str, list]:
    return {f"regressor__{name}": values for name, values in axes.items()}


GRID = named(criterion=CRITERIA, max_depth=DEPTHS, min_samples_split=SIZES, min_samples_leaf=SIZES)
# The same trees, each once: scikit-learn takes a split below twice the leaf as twice the leaf.
DISTINCT = [
    named(
        criterion=CRITERIA,
        max_depth=DEPTHS,
        min_samples_leaf=[leaf],
        min_samples_split=[size for size in SIZES if size > 2 * leaf] + [min(2 * leaf, 10)],
    )
    for leaf in SIZES
]


def orders(rows: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(seed)
    product = random.integers(0, 5, rows)
    placed = np.floor(np.abs(random.normal(0, 92, rows)))
    hours = np.maximum(0, (0.075 + 0.025 * product) * placed + random.normal(size=rows))
    return pd.DataFrame({"product_code": np.array(LEVELS)[product], "orders_placed": placed}), pd.Series(hours)


def small_integers(rows: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(seed)
    columns = random.integers(0, 6, (rows, 6)).astype(float)
    noise = 2 * random.normal(size=rows)
    return pd.DataFrame(columns), pd.Series(columns[:, 0] * columns[:, 1] - 3 * (columns[:, 2] > 3) + noise)


def levels_and_flags(rows: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(seed)
    level, flags = random.integers(0, 8, rows), random.integers(0, 2, (rows, 2))
    count = np.floor(random.exponential(50, rows))
    target = np.sqrt(count) * (1 + level) + 3 * flags[:, 1] + 3 * random.normal(size=rows)
    return pd.DataFrame(np.hstack((np.eye(8)[level], count[:, None], flags))), pd.Series(target)


def friedman(rows: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    features, target = make_friedman1(rows, noise=1.0, random_state=seed)
    return pd.DataFrame(features), pd.Series(target)


def linear(rows: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    features, target = make_regression(rows, 8, n_informative=4, noise=20.0, random_state=seed)
    return pd.DataFrame(features.round(1)), pd.Series(target)


def pipeline(features: pd.DataFrame) -> Pipeline:
    tree = DecisionTreeRegressor(random_state=42)
    if "product_code" not in features:
        return Pipeline([("regressor", tree)])
    one_hot = OneHotEncoder(categories=[LEVELS], sparse_output=False)
    columns = ColumnTransformer([("one_hot", one_hot, ["product_code"])], remainder="passthrough")
    return Pipeline([("features", columns), ("regressor", tree)])


def by_truncation(
    features: pd.DataFrame, target: pd.Series, grid: dict[str, list]
) -> tuple[TreeSearchResult, float]:
    folds = list(KFold(FOLDS).split(features))
    before = time.process_time()
    result = search(pipeline(features), grid, features, target, folds, "r2", Silent())
    return result, time.process_time() - before


def by_grid_search(features: pd.DataFrame, target: pd.Series, grid: object) -> tuple[GridSearchCV, float]:
    before = time.process_time()
    every = GridSearchCV(pipeline(features), grid, cv=FOLDS, scoring="r2", refit=False).fit(features, target)
    return every, time.process_time() - before


def cpu_ratio(rows: int) -> None:
    by_truncation(*orders(100, 0), GRID)  # imports and first calls are nobody's cost
    features, target = orders(rows, 7)
    result, seconds = by_truncation(features, target, GRID)
    line = {"measurement": "cpu_ratio", "rows": rows, "points": result.points, "search_cpu_seconds": seconds}
    if rows <= 1000:
        every, whole = by_grid_search(features, target, GRID)
        line |= {"grid_search_points": result.points, "regret": float(every.best_score_) - result.score}
    else:
        random = np.random.default_rng(0)
        sample = [
            named(
                criterion=[criterion],
                max_depth=[depth],
                min_samples_leaf=[int(random.choice(SIZES))],
                min_samples_split=[int(random.choice(SIZES))],
            )
            for criterion in CRITERIA
            for depth in DEPTHS
        ]
        _, sampled = by_grid_search(features, target, sample)
        whole = sampled / len(sample) * result.points
        line |= {"grid_search_points": len(sample)}
    line |= {"grid_search_cpu_seconds": whole, "ratio": whole / seconds, "score": result.score}
    line |= {"truncation_error": max(abs(point.truncated - point.score) for point in result.rescored)}
    report(line)


def regret() -> None:
    found = []
    for kind in (orders, small_integers, levels_and_flags, friedman, linear):
        for seed, rows in enumerate((400, 600, 800, 1000)):
            features, target = kind(rows, seed)
            result, _ = by_truncation(features, target, GRID)
            every, _ = by_grid_search(features, target, DISTINCT)
            found.append(float(every.best_score_) - result.score)
            place = next(at for at, point in enumerate(result.rescored) if point.score == result.score)
            line = {"measurement": "regret_of", "data": kind.__name__, "rows": rows, "seed": seed}
            report(line | {"regret": found[-1], "score": result.score, "winner_was_rescored_as": place + 1})
    quantiles = dict(zip(("median", "p90", "max"), np.quantile(found, [0.5, 0.9, 1.0]).tolist(), strict=True))
    zero = sum(value <= 1e-12 for value in found)
    report({"measurement": "regret", "data_sets": len(found), "zero": zero, **quantiles})


def peak_memory(rows: int) -> None:
    features, target = orders(rows, 7)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    _, seconds = by_truncation(
        features, target, GRID | named(criterion=["squared_error"], min_samples_leaf=[2, 10])
    )
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = {"measurement": "peak_memory", "rows": rows, "points": 180, "search_cpu_seconds": seconds}
    report(line | {"before_mb": before / 1024, "after_mb": after / 1024})


def report(line: dict[str, object]) -> None:
    rounded = {name: round(value, 6) if isinstance(value, float) else value for name, value in line.items()}
    print(json.dumps(rounded), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements", nargs="*", help="cpu_ratio, regret or peak_memory; all by default")
    parser.add_argument("--rows", type=int, nargs="*", default=[1_000, 10_000, 100_000], help="of cpu_ratio")
    arguments = parser.parse_args()
    chosen = arguments.measurements or ["peak_memory", "cpu_ratio", "regret"]
    if "peak_memory" in chosen:
        peak_memory(1_000_000)
    if "cpu_ratio" in chosen:
        for rows in arguments.rows:
            cpu_ratio(rows)
    if "regret" in chosen:
        regret()


if __name__ == "__main__":
    main()
