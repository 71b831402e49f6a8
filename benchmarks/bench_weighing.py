"""What the rules about data catch, and how often they cry wolf, on three kinds of data.

For each kind a series of independent datasets of one source is made, and a model fitted to each, as if they had
been released one after the other. One JSON line per measurement:

- ``clean``: every dataset is compared with the one before it as the live release and eight earlier ones as
  history, all of it sound. ``raised`` is the share of runs in which any rule raised anything at its default
  levels, ``errors`` that with an error, ``by_rule`` the number of runs in which each rule did.
- ``first``: the same without a live release or a history.
- ``caught``: a fault is done to the new dataset before its model is fitted. ``raised``, ``errors`` and ``by_rule``
  as above.
- ``sizes``: CPU seconds of summary and rules, and bytes of the stored statistics.

Run as ``python benchmarks/bench_weighing.py [clean] [first] [caught] [sizes]``, all four by default.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeRegressor

from weighbridge.domain.data.dataset import Dataset, Split, SplitSpec, split
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.evaluation.metrics import measure
from weighbridge.domain.evaluation.rules.defaults import (
    DEFAULT_RULES,
    Evidence,
    Finding,
    FindingLevel,
    LiveEvidence,
    inspect_all,
)
from weighbridge.domain.statistics.score_error import summarise_errors
from weighbridge.domain.statistics.summaries import Statistics, summarise
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate

HISTORY = 8


@dataclass(frozen=True)
class Kind:
    """A source of data. ``main`` is its strongest number feature, ``category`` its category."""

    name: str
    schema: Schema
    make: Callable[[int, int], pd.DataFrame]
    main: str
    category: str
    linear: bool = False


@dataclass(frozen=True)
class Evaluated:
    """A dataset, and a model that was fitted to it."""

    dataset: Dataset
    parts: Split
    statistics: Statistics
    model: Pipeline
    metrics: dict[str, float]


def ten_features(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    numbers = random.normal(size=(rows, 8)) @ (np.eye(8) + 0.3)
    region = random.choice(["north", "east", "south", "west", "islands"], rows, p=[0.4, 0.3, 0.2, 0.07, 0.03])
    grade = random.choice(["a", "b", "c"], rows)
    frame = pd.DataFrame(numbers, columns=[f"x{number}" for number in range(8)])
    effect = 4 * numbers[:, 0] + 2 * numbers[:, 1] - numbers[:, 2] + 3 * (region == "south") + 2 * (grade == "c")
    return frame.assign(region=region, grade=grade, y=effect + random.normal(0, 1.5, rows))


def heavy_tailed(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    weight = random.lognormal(1, 1.2, rows).round(2)
    distance = np.floor(random.pareto(2.5, rows) * 100)
    carrier = random.choice(["post", "van", "air"], rows, p=[0.6, 0.3, 0.1])
    rate = np.select([carrier == "post", carrier == "van"], [1.0, 1.6], 4.0)
    cost = (2 + weight * rate + distance * 0.02) * random.lognormal(0, 0.15, rows)
    return pd.DataFrame({"weight": weight, "distance": distance, "carrier": carrier, "cost": cost})


KINDS = (
    Kind("orders", TIME_TO_DISPATCH.schema, simulate, "orders_placed", "product_code"),
    Kind(
        "ten_features",
        Schema(
            (
                *(Number(f"x{number}") for number in range(8)),
                Category("region", ("north", "east", "south", "west", "islands")),
                Category("grade", ("a", "b", "c")),
            ),
            Number("y"),
            "est_y",
        ),
        ten_features,
        "x0",
        "region",
        linear=True,
    ),
    Kind(
        "heavy_tailed",
        Schema(
            (Number("weight"), Number("distance"), Category("carrier", ("post", "van", "air"))),
            Number("cost"),
            "est_cost",
        ),
        heavy_tailed,
        "weight",
        "carrier",
    ),
)


def evaluate(kind: Kind, frame: pd.DataFrame, seed: int) -> Evaluated:
    names = [*kind.schema.feature_names, kind.schema.target.name]
    dataset = Dataset(frame[names].reset_index(drop=True).astype({kind.schema.target.name: float}), kind.schema)
    parts = split(dataset, SplitSpec(seed=seed), 5, kind.name)
    categories = [feature.name for feature in kind.schema.features if isinstance(feature, Category)]
    one_hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    tree = DecisionTreeRegressor(min_samples_leaf=5, random_state=0)
    model = Pipeline(
        [
            ("columns", ColumnTransformer([("one_hot", one_hot, categories)], remainder="passthrough")),
            ("regressor", LinearRegression() if kind.linear else tree),
        ]
    ).fit(parts.train.features, parts.train.target)
    return Evaluated(dataset, parts, summarise(dataset), model, dict(measure(model, parts.test)))


def inspect(now: Evaluated, live: Evaluated | None, history: list[Evaluated]) -> tuple[Finding, ...]:
    evidence = Evidence(
        dataset=now.dataset,
        split=now.parts,
        statistics=now.statistics,
        metrics=now.metrics,
        predicted=now.model.predict(now.parts.test.features),
        live=None
        if live is None
        else LiveEvidence(
            live.statistics,
            live.metrics,
            len(live.parts.test),
            live.model.predict(now.parts.test.features),
            summarise_errors(live.parts.test.target, live.model.predict(live.parts.test.features)),
        ),
        history=tuple(release.metrics for release in history),
    )
    return inspect_all(DEFAULT_RULES, evidence)


@dataclass(frozen=True)
class Run:
    """A sound dataset that a fault is to be done to, and what is live."""

    kind: Kind
    frame: pd.DataFrame
    live: Evaluated
    random: np.random.Generator

    @property
    def target(self) -> pd.Series:
        return self.frame[self.kind.schema.target.name]

    @property
    def main(self) -> pd.Series:
        return self.frame[self.kind.main]

    @property
    def category(self) -> pd.Series:
        return self.frame[self.kind.category]

    @property
    def levels(self) -> tuple[str, ...]:
        feature = self.kind.schema.feature(self.kind.category)
        assert isinstance(feature, Category)
        return feature.levels

    def with_target(self, values: object) -> pd.DataFrame:
        return self.frame.assign(**{self.kind.schema.target.name: values})

    def with_main(self, values: object) -> pd.DataFrame:
        return self.frame.assign(**{self.kind.main: values})


def units(run: Run) -> pd.DataFrame:
    return run.with_target(run.target * 60)


def kilograms_to_pounds(run: Run) -> pd.DataFrame:
    return run.with_target(run.target * 2.2046)


def units_of_one_level(run: Run) -> pd.DataFrame:
    return run.with_target(run.target.where(run.category != run.levels[1], run.target * 24))


def units_of_some_rows(run: Run) -> pd.DataFrame:
    return run.with_target(run.target.where(run.random.random(len(run.frame)) >= 0.2, run.target * 60))


def target_copied(run: Run) -> pd.DataFrame:
    return run.with_main(run.target * 3.6 + 1)


def target_nearly_copied(run: Run) -> pd.DataFrame:
    return run.with_main(run.target + run.random.normal(0, 0.01 * float(run.target.std()), len(run.frame)))


def rows_twice(run: Run) -> pd.DataFrame:
    return pd.concat([run.frame, run.frame.sample(frac=0.1, random_state=int(run.random.integers(1 << 30)))])


def cut_off(run: Run) -> pd.DataFrame:
    return run.frame.head(len(run.frame) // 10)


def level_lost(run: Run) -> pd.DataFrame:
    return run.frame[run.category != run.levels[2]]


def level_shrunk(run: Run) -> pd.DataFrame:
    return run.frame[(run.category != run.levels[1]) | (run.random.random(len(run.frame)) < 0.1)]


def feature_stuck(run: Run) -> pd.DataFrame:
    return run.with_main(float(run.main.median()))


def feature_stuck_halfway(run: Run) -> pd.DataFrame:
    return run.with_main(run.main.where(np.arange(len(run.frame)) < len(run.frame) // 2, float(run.main.median())))


def feature_shifted(run: Run) -> pd.DataFrame:
    return run.with_main(run.main + 0.5 * float(run.main.std()))


def join_broken(run: Run) -> pd.DataFrame:
    return run.with_main(run.random.permutation(run.main.to_numpy()))


def labels_shuffled(run: Run) -> pd.DataFrame:
    values = run.target.to_numpy(copy=True)
    for level in run.levels[:2]:
        chosen = np.flatnonzero(run.category == level)
        values[chosen] = run.random.permutation(values[chosen])
    return run.with_target(values)


def levels_swapped(run: Run) -> pd.DataFrame:
    one, other = run.levels[0], run.levels[2]
    return run.frame.assign(**{run.kind.category: run.category.replace({one: other, other: one})})


def world_changed(run: Run) -> pd.DataFrame:
    slope = float(run.target.std() / run.main.std())
    return run.with_target(run.target - 0.7 * slope * (run.main - float(run.main.mean())))


def labels_predicted(run: Run) -> pd.DataFrame:
    return run.with_target(run.live.model.predict(run.frame[list(run.kind.schema.feature_names)]))


FAULTS = (
    units,
    kilograms_to_pounds,
    units_of_one_level,
    units_of_some_rows,
    target_copied,
    target_nearly_copied,
    rows_twice,
    cut_off,
    level_lost,
    level_shrunk,
    feature_stuck,
    feature_stuck_halfway,
    feature_shifted,
    join_broken,
    labels_shuffled,
    levels_swapped,
    world_changed,
    labels_predicted,
)


def clean(kind: Kind, rows: int, runs: int) -> None:
    past: list[Evaluated] = []
    found = []
    for now in released(kind, rows, runs + HISTORY):
        if len(past) == HISTORY:
            found.append(inspect(now, past[-1], past))
        past = [*past[-HISTORY + 1 :], now]
    report(tally({"measurement": "clean", "data": kind.name, "rows": rows}, found))


def first(kind: Kind, rows: int, runs: int) -> None:
    found = [inspect(now, None, []) for now in released(kind, rows, runs)]
    report(tally({"measurement": "first", "data": kind.name, "rows": rows}, found))


def caught(kind: Kind, rows: int, runs: int) -> None:
    past = list(released(kind, rows, runs + HISTORY))
    for fault in FAULTS:
        found = []
        for run in range(runs):
            history = past[run : run + HISTORY]
            sound = kind.make(rows, 1_000_000 + run)
            frame = fault(Run(kind, sound, history[-1], np.random.default_rng((run, 1))))
            found.append(inspect(evaluate(kind, frame, run), history[-1], history))
        line = {"measurement": "caught", "data": kind.name, "rows": rows, "fault": fault.__name__}
        report(tally(line, found))


def sizes(kind: Kind, rows: int) -> None:
    now, live = evaluate(kind, kind.make(rows, 1), 1), evaluate(kind, kind.make(rows, 2), 2)
    started = time.process_time()
    summarise(now.dataset)
    summarised = time.process_time()
    inspect(now, live, [live] * HISTORY)
    line = {"measurement": "sizes", "data": kind.name, "rows": rows, "summary_cpu_seconds": summarised - started}
    line |= {"rules_cpu_seconds": time.process_time() - summarised}
    report(line | {"statistics_bytes": len(json.dumps(now.statistics.to_dict()))})


def released(kind: Kind, rows: int, count: int) -> Iterator[Evaluated]:
    return (evaluate(kind, kind.make(rows, seed), seed) for seed in range(count))


def tally(line: dict[str, object], found: list[tuple[Finding, ...]]) -> dict[str, object]:
    raised = [[finding for finding in run if finding.level is not FindingLevel.OK] for run in found]
    errors = sum(any(finding.level is FindingLevel.ERROR for finding in run) for run in raised)
    by_rule = Counter(finding.name for run in raised for finding in run)
    line |= {"runs": len(found), "raised": sum(map(bool, raised)) / len(found), "errors": errors / len(found)}
    return line | {"by_rule": dict(by_rule.most_common())}


def report(line: dict[str, object]) -> None:
    rounded = {name: round(value, 6) if isinstance(value, float) else value for name, value in line.items()}
    print(json.dumps(rounded), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measurements", nargs="*", help="clean, first, caught or sizes; all by default")
    parser.add_argument("--rows", type=int, nargs="*", default=[300, 1000, 5000], help="of clean and first")
    parser.add_argument("--runs", type=int, default=300, help="of clean and first")
    parser.add_argument("--fault-runs", type=int, default=20, help="of caught, which has 1000 rows")
    parser.add_argument("--data", nargs="*", default=[kind.name for kind in KINDS], help="which kinds")
    arguments = parser.parse_args()
    chosen = arguments.measurements or ["sizes", "clean", "first", "caught"]
    for kind in (kind for kind in KINDS if kind.name in arguments.data):
        if "sizes" in chosen:
            sizes(kind, 1_000)
            sizes(kind, 100_000)
        for rows in arguments.rows:
            if "clean" in chosen:
                clean(kind, rows, arguments.runs)
            if "first" in chosen:
                first(kind, rows, arguments.runs)
        if "caught" in chosen:
            caught(kind, 1_000, arguments.fault_runs)


if __name__ == "__main__":
    main()
