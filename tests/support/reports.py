"""Evaluated candidates with their reports, built once per process: a regression with hostile names, classes."""

from dataclasses import dataclass, replace
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from tests.support.clocks import SettableClock
from weighbridge.domain import workflow
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.evaluation.checks.behaviour import Invariant, Monotone
from weighbridge.domain.evaluation.checks.check import Increases, NotAboveLargestLabel, NotBelow
from weighbridge.domain.evaluation.checks.classes import EveryClassPredicted, ProbabilityIncreases
from weighbridge.domain.evaluation.checks.known_rows import KnownRow, KnownRows
from weighbridge.domain.evaluation.comparison import NotWorseThanLive
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.evaluation.rules.defaults import default_rules
from weighbridge.domain.report.renderer import ReportRenderer
from weighbridge.domain.report.shapes import Report
from weighbridge.domain.report.writing import Reports
from weighbridge.domain.store.artefacts import REPORTS
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.training.task import TaskDefinition
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.settings import load_settings

HOSTILE = "<script>alert('x')</script>"
LEVELS = ("a & b", '"><img src=x>', "$x^2$", "c|d")


class RecordingRenderer(ReportRenderer):
    """Keeps the reports, and renders what it is given instead."""

    def __init__(self, data: bytes = b"<html>", problem: Exception | None = None) -> None:
        self.reports: list[Report] = []
        self._data = data
        self._problem = problem

    def render(self, report: Report) -> bytes:
        self.reports.append(report)
        if self._problem is not None:
            raise self._problem
        return self._data


@dataclass(frozen=True)
class EvaluatedCandidate:
    """A report, with the record that it stands beside."""

    report: Report
    document: dict[str, Any]


def tree(seed: int) -> Pipeline:
    one_hot = OneHotEncoder(categories=[list(LEVELS)], sparse_output=False)
    columns = ColumnTransformer([("one_hot", one_hot, ["kind"])], remainder="passthrough")
    return Pipeline([("features", columns), ("tree", DecisionTreeRegressor(random_state=seed))])


def logistic(seed: int) -> Pipeline:
    return Pipeline([("scale", StandardScaler()), ("classifier", LogisticRegression(random_state=seed))])


NUMBERS = TaskDefinition(
    name="numbers",
    schema=Schema(
        (Number(HOSTILE, minimum=0, unit="kg"), Number("noise"), Category("kind", LEVELS)),
        Number("cost & <b>price</b>", unit="EUR"),
        "price",
    ),
    estimator=EstimatorSpec(
        tree,
        {"tree__max_depth": [2, 4, None], "tree__min_samples_leaf": [2, 5], "tree__min_samples_split": [2, 9]},
        2,
    ),
    thresholds=(
        Threshold("r2", 0.5, 0.9999),
        Threshold("mean_absolute_error", 50, 40),
        Threshold("r2", 0.1, 0.2, slice_by="kind", smallest=5),
    ),
    checks=(
        Increases(HOSTILE, 10, 80, for_each="kind"),
        Monotone(HOSTILE, (10, 50, 90), direction="decreasing", for_each="kind"),
        NotBelow(1e6),
        NotAboveLargestLabel(1.25),
        Invariant("noise", tolerance=0.001, rows=20),
        KnownRows((KnownRow({HOSTILE: 50, "noise": 0, "kind": "c|d"}, low=1e6),)),
    ),
    comparisons=(NotWorseThanLive("r2", 0.02, 0.1),),
    rules=default_rules("r2"),
)

CLASSES = TaskDefinition(
    name="classes",
    schema=Schema((Number("x"), Number("y")), Category("label", ("low", "middle", "high")), "predicted"),
    estimator=EstimatorSpec(logistic, {"classifier__C": [0.1, 1.0]}, 2, "accuracy"),
    thresholds=(Threshold("accuracy", 0.1, 0.2), Threshold("log_loss", 9, 8)),
    checks=(EveryClassPredicted(), ProbabilityIncreases("high", "x", -1, 1)),
)


def numbers(rows: int, seed: int, factor: float = 1.0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    weight, kind = random.uniform(0, 100, rows), random.integers(0, len(LEVELS), rows)
    noise = random.normal(0, 1, rows)
    cost = factor * weight * (1 + kind) + noise
    frame = {HOSTILE: weight, "noise": noise, "kind": [LEVELS[place] for place in kind]}
    return pd.DataFrame(frame | {"cost & <b>price</b>": cost})


def classes(rows: int, seed: int) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    x, y = random.normal(0, 1, rows), random.normal(0, 1, rows)
    places = np.digitize(x + random.normal(0, 0.3, rows), (-0.5, 0.5))
    return pd.DataFrame({"x": x, "y": y, "label": [("low", "middle", "high")[place] for place in places]})


@cache
def released_regression() -> EvaluatedCandidate:
    """Released: nothing was live."""
    return _regressions()[0]


@cache
def refused_regression() -> EvaluatedCandidate:
    """Refused, against a live model."""
    return _regressions()[1]


@cache
def released_classification() -> EvaluatedCandidate:
    """Released."""
    return _train_on_each(CLASSES, [classes(300, 1)])[0]


@cache
def _regressions() -> list[EvaluatedCandidate]:
    passing = replace(NUMBERS, checks=NUMBERS.checks[:1])
    return _train_on_each(passing, [numbers(300, 1), numbers(1200, 2, factor=3.0)], last=NUMBERS)


def _train_on_each(
    task: TaskDefinition, frames: list[pd.DataFrame], last: TaskDefinition | None = None
) -> list[EvaluatedCandidate]:
    """Train on each frame in turn, on the last by another definition."""
    container, clock, kept = wire(load_settings({"store": "memory://"})), SettableClock(), RecordingRenderer()
    container.clock.override(clock)
    ports = replace(container.ports(), reports=Reports(kept, " --store ./here"))
    found = []
    for number, frame in enumerate(frames):
        clock.advance(86_400)
        workflow.put_dataset(task, ".csv", BytesIO(frame.to_csv(index=False).encode()), clock.now(), ports)
        definition = last if last is not None and number == len(frames) - 1 else task
        result = workflow.train_and_release(definition, ports)
        assert [ref.key for ref in ports.store.list(f"{REPORTS}/")][-1] == result.document["report"]["key"]
        found.append(EvaluatedCandidate(kept.reports[-1], result.document))
    return found
