"""Comparing what is predicted with what the live release was trained on, and with the labels that came later."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import DataError
from weighbridge.domain.evaluation.rules.distribution import KolmogorovSmirnov, PopulationStability, TargetChanged
from weighbridge.domain.evaluation.rules.rule import Finding, FindingLevel, grade, skipped
from weighbridge.domain.monitoring.labelled_metrics import LabelReport, weigh_by_labels
from weighbridge.domain.monitoring.prediction_log import (
    REQUEST_COLUMN,
    TIME_COLUMN,
    VERSION_COLUMN,
    LoggedRows,
    files_of_window,
)
from weighbridge.domain.statistics.drift import ColumnDrift, compare_columns, describe
from weighbridge.domain.statistics.prediction_drift import chance, unexplained_classes, unexplained_numbers
from weighbridge.domain.statistics.summaries import (
    CategorySummary,
    ColumnSummary,
    NumberSummary,
    Statistics,
    column_from_dict,
    summarise_column,
)

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


@dataclass(frozen=True, slots=True)
class Log:
    """What the log has of a window.

    Args:
        files: that were read.
        parts: their rows of the window.
    """

    files: int
    parts: tuple[LoggedRows, ...]

    @property
    def versions(self) -> Mapping[str, int]:
        """How many rows each version answered, newest version first."""
        counts: Counter[str] = Counter()
        for part in self.parts:
            counts.update(part.predictions[VERSION_COLUMN])
        return dict(sorted(counts.items(), reverse=True))

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(len(part.predictions) for part in self.parts)


@dataclass(frozen=True, slots=True)
class MonitorReport:
    """What was found in a window.

    Args:
        version: the live release, with which all is compared.
        start: of the window.
        end: of the window.
        log: what was answered in it.
        drifts: column by column, of the inputs that are logged.
        findings: of what was compared, whatever their level.
        labels: see ``LabelReport``; None when nothing was logged.
    """

    version: str
    start: datetime
    end: datetime
    log: Log
    drifts: tuple[ColumnDrift, ...] = ()
    findings: tuple[Finding, ...] = ()
    labels: LabelReport | None = None

    @property
    def every_finding(self) -> tuple[Finding, ...]:
        """Those about distributions, then those about labels."""
        return (*self.findings, *(self.labels.findings if self.labels else ()))

    @property
    def level(self) -> FindingLevel:
        """The worst there is."""
        levels = {finding.level for finding in self.every_finding}
        by_severity = (FindingLevel.ERROR, FindingLevel.WARNING)
        return next((level for level in by_severity if level in levels), FindingLevel.OK)

    def reasons(self, level: FindingLevel) -> list[str]:
        """The findings of one level, in words."""
        return [f"{one.name}: {one.detail}" for one in self.every_finding if one.level is level]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data of finite numbers."""
        return {
            "version": self.version,
            "from": _time(self.start),
            "to": _time(self.end),
            "files": self.log.files,
            "rows": self.log.rows,
            "rows_by_version": dict(self.log.versions),
            "level": str(self.level),
            "reasons": self.reasons(FindingLevel.ERROR),
            "warnings": self.reasons(FindingLevel.WARNING),
            "columns": [
                {
                    "column": one.column,
                    "population_stability_index": one.psi,
                    "distance": one.distance.value,
                    "p_value": one.distance.p_value,
                    "trained_on": one.before,
                    "logged": one.now,
                }
                for one in self.drifts
            ],
            "findings": [
                {"name": one.name, "level": str(one.level), "detail": one.detail, "numbers": dict(one.numbers)}
                for one in self.every_finding
            ],
            "labels": self.labels.to_dict() if self.labels else None,
        }


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


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


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
