"""Comparing what is predicted with what the live release was trained on, and with the labels that came later."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import DataError
from weighbridge.domain.evaluation.rules.distribution import KolmogorovSmirnov, PopulationStability, TargetChanged
from weighbridge.domain.evaluation.rules.rule import Finding, grade, skipped
from weighbridge.domain.monitoring.labelled_metrics import weigh_by_labels
from weighbridge.domain.monitoring.monitor_report import Log, MonitorReport
from weighbridge.domain.monitoring.prediction_log import (
    REQUEST_COLUMN,
    TIME_COLUMN,
    VERSION_COLUMN,
    LoggedRows,
    files_of_window,
)
from weighbridge.domain.statistics.column_summaries import (
    CategorySummary,
    ColumnSummary,
    NumberSummary,
    column_from_dict,
    summarise_column,
)
from weighbridge.domain.statistics.drift import ColumnDrift, compare_columns, describe
from weighbridge.domain.statistics.prediction_drift import chance, unexplained_classes, unexplained_numbers
from weighbridge.domain.statistics.summaries import Statistics

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.data.dataset_reader import DatasetReader
    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.evaluation.rules.rule import Rule
    from weighbridge.domain.monitoring.prediction_log import PredictionTables
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.registry.releases import Release
    from weighbridge.domain.store.artefact_store import ArtefactStore
    from weighbridge.domain.training.task import TaskDefinition


def read_log(store: ArtefactStore, tables: PredictionTables, task: str, start: datetime, end: datetime) -> Log:
    """Read the rows that were answered from ``start`` until before ``end``.

    Raises:
        DataError: with a problem for each file that cannot be read.
    """
    files, parts, problems = 0, [], []
    for ref in files_of_window(store, task, start, end):
        try:
            rows = tables.decode(store.read(ref))
        except DataError as error:
            problems.append(error)
            continue
        files += 1
        times = rows.predictions[TIME_COLUMN]
        inside = (times >= start) & (times < end)
        if inside.any():
            # Nothing is made of the ids here, and they take the most room.
            answered = rows.predictions.drop(columns=REQUEST_COLUMN, errors="ignore")
            chosen = (one[inside].reset_index(drop=True) for one in (rows.frame, answered))
            parts.append(LoggedRows(*chosen))
    if problems:
        subject = problems[0].subject if len(problems) == 1 else "the prediction log"
        raise DataError(subject, [problem for error in problems for problem in error.problems])
    return Log(files, tuple(parts))


def monitor(
    task: TaskDefinition,
    release: Release,
    log: Log,
    start: datetime,
    end: datetime,
    store: ArtefactStore,
    reader: DatasetReader,
) -> MonitorReport:
    """Compare what the log has of a window with the live release.

    Inputs are compared whatever version answered; predictions and labels are those of the live one. The levels are
    those of the task's rules about drift and a changed target, or their usual ones where it has no such rule.

    Raises:
        StoreError: datasets cannot be listed or read.
    """
    version = str(release.version)
    if not log.rows:
        return MonitorReport(version, start, end, log)
    record = release.record
    answered = [_of_version(part, version) for part in log.parts]
    answered = [part for part in answered if len(part.predictions)]
    predicted = _concatenated([part.predictions.get("prediction") for part in answered], record.schema.target)
    drifts: tuple[ColumnDrift, ...] = ()
    findings: list[Finding] = []
    try:
        trained = Statistics.from_dict(record.statistics)
    except ValueError:
        findings.append(skipped("drift", "the live release's record has no statistics"))
    else:
        inputs = _inputs(log, record.schema, trained)
        drifts = tuple(compare_columns(name, trained.features[name], one) for name, one in inputs.items())
        logged = Statistics(log.rows, inputs, "", CategorySummary(0, 0, {}), {}, {})
        findings += [
            _rule(task, PopulationStability).compare(trained, logged),
            _rule(task, KolmogorovSmirnov).compare(trained, logged),
            _prediction_finding(_rule(task, TargetChanged), record, trained.target, predicted),
        ]
        missing = [name for name in record.schema.feature_names if name not in inputs]
        if missing:
            findings.append(skipped("inputs", f"{', '.join(missing)} not logged"))
    labels = weigh_by_labels(task, record, answered, start, store, reader)
    return MonitorReport(version, start, end, log, drifts, tuple(findings), labels)


def _rule(task: TaskDefinition, kind: type[Any]) -> Any:
    rules: Sequence[Rule] = task.rules
    return next((rule for rule in rules if isinstance(rule, kind)), kind())


def _of_version(part: LoggedRows, version: str) -> LoggedRows:
    mine = part.predictions[VERSION_COLUMN] == version
    return LoggedRows(part.frame[mine].reset_index(drop=True), part.predictions[mine].reset_index(drop=True))


def _concatenated(columns: Sequence[pd.Series[Any] | None], feature: object) -> pd.Series[Any] | None:
    """One column of several, those of another kind left out; None when there is none."""
    import pandas as pd

    is_text = isinstance(feature, Category)
    fitting = [
        one
        for one in columns
        if one is not None and pd.api.types.is_numeric_dtype(one) is not is_text and len(one)
    ]
    return pd.concat(fitting, ignore_index=True) if fitting else None


def _inputs(log: Log, schema: Schema, trained: Statistics) -> dict[str, ColumnSummary]:
    found = {}
    for feature in schema.features:
        column = _concatenated([part.frame.get(feature.name) for part in log.parts], feature)
        if column is not None and feature.name in trained.features:
            summary = summarise_column(column)
            if type(summary) is type(trained.features[feature.name]):
                found[feature.name] = summary
    return found


def _prediction_finding(
    rule: TargetChanged, record: Record, target: ColumnSummary, predicted: pd.Series[Any] | None
) -> Finding:
    name = "predictions against the training target"
    if predicted is None:
        return skipped(name, "no prediction of the live release is logged")
    found = summarise_column(predicted)
    if not found.rows or not target.rows:
        return skipped(name, "there are no values")
    # Two sides of a distribution function; every set of labels.
    sets = 2.0
    if isinstance(found, NumberSummary) and isinstance(target, NumberSummary) and record.test_errors:
        errors = column_from_dict(record.test_errors)
        assert isinstance(errors, NumberSummary)
        apart = unexplained_numbers(target, found, errors) if errors.rows else 0.0
    elif isinstance(found, CategorySummary) and isinstance(target, CategorySummary):
        accuracy = record.metrics.get("accuracy", math.nan)
        apart = unexplained_classes(target, found, accuracy if math.isfinite(accuracy) else 0.0)
        sets = 2.0 ** min(len({*target.counts, *found.counts}), 100)
    else:
        return skipped(name, "the live release's record keeps no errors")
    raised = apart if chance(apart, target.rows, found.rows, sets) < rule.alpha else 0.0
    level = grade(raised, rule.warning, rule.error)
    said = (
        f"{apart:.3g} of 1 beyond what the model's errors explain: "
        f"the target was {describe(target)}; predicted is {describe(found)}"
    )
    return Finding(name, level, said, {"beyond": apart})
