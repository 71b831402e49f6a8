"""The metrics of logged predictions, once later datasets have their labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.data.schema import Category
from weighbridge.domain.evaluation.metrics import METRICS, Metrics, measure
from weighbridge.domain.evaluation.rules.rule import Finding, FindingLevel
from weighbridge.domain.monitoring.labels import datasets_since, find_labels
from weighbridge.domain.monitoring.prediction_log import LoggedRows, probability_columns

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from weighbridge.domain.data.dataset_reader import DatasetReader
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.store.artefact_store import ArtefactStore
    from weighbridge.domain.training.task import TaskDefinition

#: Fewer labelled rows than this are not evaluated.
LEAST_LABELLED = 30


@dataclass(frozen=True, slots=True)
class LabelReport:
    """What the labels in later datasets say about the predictions.

    Args:
        problem: why nothing was weighed; empty when it was.
        datasets: that were looked at.
        passed_over: keys of datasets that could not be read, and why.
        labelled: rows of the live release for which there is a label.
        ambiguous: those for which there are several that differ.
        unlabelled: those for which there is none.
        metrics: on the labelled rows.
        findings: of the thresholds that are not kept.
        not_weighed: metrics with thresholds that a log cannot give.
    """

    problem: str = ""
    datasets: int = 0
    passed_over: tuple[tuple[str, str], ...] = ()
    labelled: int = 0
    ambiguous: int = 0
    unlabelled: int = 0
    metrics: Metrics | None = None
    findings: tuple[Finding, ...] = ()
    not_weighed: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As plain data; a metric that is not a finite number becomes null."""
        metrics = self.metrics or {}
        return {
            "problem": self.problem,
            "datasets": self.datasets,
            "passed_over": [{"key": key, "problem": problem} for key, problem in self.passed_over],
            "labelled": self.labelled,
            "ambiguous": self.ambiguous,
            "unlabelled": self.unlabelled,
            "metrics": {name: value if math.isfinite(value) else None for name, value in metrics.items()},
            "not_weighed": list(self.not_weighed),
        }


def weigh_by_labels(
    task: TaskDefinition,
    record: Record,
    answered: Sequence[LoggedRows],
    start: datetime,
    store: ArtefactStore,
    reader: DatasetReader,
) -> LabelReport:
    """Look for the labels of what the live release predicted, and evaluate it by the task's thresholds.

    Args:
        task: ``join`` says by which columns.
        record: of the live release.
        answered: by the live release.
        start: datasets taken before this are not looked at.
        store: where datasets are.
        reader: of datasets.

    Raises:
        StoreError: datasets cannot be listed or read.
    """
    import pandas as pd

    if not task.join:
        return LabelReport("the task names no columns to join by")
    schema = record.schema
    fitting = [
        part for part in answered if {*task.join} <= {*part.frame.columns} and "prediction" in part.predictions
    ]
    if not fitting:
        return LabelReport("no row of the live release is logged with the columns to join by and its prediction")
    if schema.fingerprint != task.schema.fingerprint:
        return LabelReport("the task's schema is not that of the live release")
    datasets, bad = datasets_since(store, reader, schema, task.name, start)
    rows = pd.concat([part.frame for part in fitting], ignore_index=True)
    predictions = pd.concat([part.predictions for part in fitting], ignore_index=True)
    found = find_labels(rows, datasets, task.join, schema)
    report = {
        "datasets": len(datasets) + len(bad),
        "passed_over": tuple(bad),
        "labelled": len(found.labels),
        "ambiguous": found.ambiguous,
        "unlabelled": found.unlabelled,
    }
    if len(found.labels) < LEAST_LABELLED:
        return LabelReport(f"fewer than {LEAST_LABELLED} rows have a label", **report)  # type: ignore[arg-type]
    labelled = rows.loc[found.places].reset_index(drop=True).reindex(columns=list(schema.feature_names))
    labelled[schema.target.name] = found.labels
    metrics = _measure(task, Dataset(labelled, schema), predictions.loc[found.places], set(rows.columns))
    findings, not_weighed = _evaluate(task, metrics, {*rows.columns, schema.target.name})
    return LabelReport(
        **report,  # type: ignore[arg-type]
        metrics=metrics,
        findings=tuple(findings),
        not_weighed=tuple(not_weighed),
    )


@dataclass(frozen=True, slots=True)
class _Answers:
    """Stands in for a model that predicts what was logged, for the rows that it is asked for."""

    predicted: np.ndarray[Any, Any]
    likely: np.ndarray[Any, Any]
    classes_: np.ndarray[Any, Any]

    def predict(self, _: Any) -> np.ndarray[Any, Any]:
        return self.predicted

    def predict_proba(self, _: Any) -> np.ndarray[Any, Any]:
        return self.likely


def _measure(task: TaskDefinition, rows: Dataset, predictions: pd.DataFrame, logged: set[str]) -> Metrics:
    import numpy as np

    target = rows.schema.target
    likely = np.full((len(rows), 0), math.nan)
    classes = np.array([], dtype=object)
    predicted = predictions["prediction"].to_numpy(
        dtype=np.float64 if not isinstance(target, Category) else object
    )
    if isinstance(target, Category):
        likely = predictions[list(probability_columns(rows.schema))].to_numpy(dtype=np.float64)
        classes = np.array(target.levels, dtype=object)
        rows = Dataset(rows.frame.astype({target.name: "object"}), rows.schema)
    slices = [one.slice for one in task.thresholds if one.slice is not None]
    seen = [one for one in slices if one.by in {*logged, target.name}]
    return measure(_Answers(predicted, likely, classes), rows, slices=seen)


def _evaluate(task: TaskDefinition, metrics: Metrics, known: set[str]) -> tuple[list[Finding], list[str]]:
    findings, not_weighed = [], []
    for threshold in task.thresholds:
        if threshold.metric not in METRICS:
            not_weighed.append(threshold.metric)
            continue
        if threshold.slice_by is not None and threshold.slice_by not in known:
            not_weighed.append(f"{threshold.metric} by {threshold.slice_by}")
            continue
        for reason in threshold.evaluate_all(metrics):
            numbers = {threshold.metric: metrics.get(threshold.metric, math.nan)}
            finite = {name: value for name, value in numbers.items() if math.isfinite(value)}
            level = FindingLevel(reason.severity)
            findings.append(Finding("labels that came later", level, reason.text, finite))
    return findings, not_weighed
