"""What is recorded of a run, as one JSON document.

The same document is the release record, the record of a refusal, and what ``train --json`` prints. Its
layout carries a ``schema_version``; fields that a reader does not know are no fault.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from weighbridge.domain.data.schema import Row, Schema, Value
from weighbridge.domain.errors import TaskError
from weighbridge.domain.evaluation.checks.check import CheckResult
from weighbridge.domain.evaluation.gate import GateDecision, Verdict
from weighbridge.domain.evaluation.reason import read_reasons
from weighbridge.domain.evaluation.rules.rule import Finding, FindingLevel

#: The layout of the record. In layout 1 the reasons of a decision were texts.
RECORD_SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """Where a run's data came from; enough to fetch the very same bytes again."""

    key: str
    sha256: str
    size: int
    revision: str
    version_id: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class CodeSource:
    """Which code ran: the revision it was built from, and the released version of the software."""

    revision: str
    version: str


@dataclass(frozen=True, slots=True)
class SearchSummary:
    """How the parameters were chosen.

    Args:
        kind: of search: ``tree_grid``, ``grid``, ``random`` or ``halving``.
        points: combinations tried.
        folds: of the cross-validation.
        score: scikit-learn's mean score of the chosen combination over the folds; with halving, on the rows of
            its last round.
        scoring: the name of that score.
    """

    kind: str
    points: int
    folds: int
    score: float
    scoring: str


@dataclass(frozen=True, slots=True)
class Training:
    """What was fitted, and how.

    Args:
        estimator: the class of the pipeline's last step.
        params: the parameters that the search chose, as plain data: what is none, an estimator say, is described.
        search: how they were chosen.
        seed: of the split and of the estimator.
        split: the spec of the split, and the rows on either side.
        seconds: of search, fit and evaluation.
    """

    estimator: str
    params: Mapping[str, Any]
    search: SearchSummary
    seed: int
    split: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class ModelFile:
    """The encoded model.

    Args:
        key: where its bytes are; None when the candidate was refused and they were not kept.
        format: which codec reads them.
        sha256: of the bytes.
        size: in bytes.
        parity: how its predictions compare with the fitted model's, and why other formats were skipped.
    """

    key: str | None
    format: str
    sha256: str
    size: int
    parity: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class GoldenRow:
    """A row and the prediction that the fitted model made for it, to try a decoded model on.

    ``probabilities`` are by level, for a category; None for a number.
    """

    inputs: Row
    prediction: Value
    probabilities: Mapping[str, float] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data; no probabilities for a number."""
        document: dict[str, Any] = {"inputs": self.inputs, "prediction": self.prediction}
        return document if self.probabilities is None else document | {"probabilities": dict(self.probabilities)}


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that is known of one training run and its outcome.

    Args:
        task: its name.
        version: of the model.
        created_at: when the model was encoded.
        dataset: what it was trained and evaluated on.
        code: what trained it.
        libraries: versions by name.
        training: how it was trained.
        metrics: on the test rows.
        checks: what each check found.
        decision: the verdict, and every reason.
        model: its bytes.
        schema: of the task.
        golden: rows to try a decoded model on.
        thresholds: that its metrics were held against.
        task_fingerprint: of the task's whole definition.
        statistics: summaries of the dataset's columns, for later data to be compared with; never rows.
        test_errors: the distribution of its absolute errors on the test rows.
        findings: what each rule about data found.
        comparison: with the model that was live then, on the same rows.
        test_predictions: a digest of its predictions on the test rows.
        phases: seconds and peak memory by phase.
        run_id: of the run that made it, as its logs and traces have it; empty when it has none.
        after_promotion: the last entry of the log of promotions when the training began; empty when there was
            none, None where version 0.1 wrote the record.
        report: where the report of the evaluation is, or why there is none, and the findings that stand in it
            alone; None when none was asked for.
    """

    task: str
    version: str
    created_at: datetime
    dataset: DatasetSource
    code: CodeSource
    libraries: Mapping[str, str]
    training: Training
    metrics: Mapping[str, float]
    checks: tuple[CheckResult, ...]
    decision: GateDecision
    model: ModelFile
    schema: Schema
    golden: tuple[GoldenRow, ...]
    thresholds: Sequence[Mapping[str, Any]] = field(default=())
    task_fingerprint: str = ""
    statistics: Mapping[str, Any] = field(default_factory=dict)
    test_errors: Mapping[str, Any] | None = None
    findings: tuple[Finding, ...] = ()
    comparison: Mapping[str, Any] = field(default_factory=dict)
    test_predictions: str = ""
    phases: Sequence[Mapping[str, Any]] = field(default=())
    run_id: str = ""
    after_promotion: str | None = None
    report: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data; a metric that is not a finite number becomes null."""
        return {
            "schema_version": RECORD_SCHEMA_VERSION,
            "task": self.task,
            "version": self.version,
            "created_at": self.created_at.astimezone(UTC).isoformat().replace("+00:00", "Z"),
            "run_id": self.run_id,
            "dataset": asdict(self.dataset),
            "code": asdict(self.code),
            "libraries": dict(self.libraries),
            "training": asdict(self.training),
            "metrics": {name: value if math.isfinite(value) else None for name, value in self.metrics.items()},
            "thresholds": [dict(threshold) for threshold in self.thresholds],
            "checks": [asdict(check) for check in self.checks],
            "decision": self.decision.to_dict(),
            "model": asdict(self.model),
            "schema": self.schema.to_dict() | {"fingerprint": self.schema.fingerprint},
            "golden": [row.to_dict() for row in self.golden],
            "task_fingerprint": self.task_fingerprint,
            "after_promotion": self.after_promotion,
            "comparison": dict(self.comparison),
            "findings": [
                {"name": one.name, "level": str(one.level), "detail": one.detail, "numbers": dict(one.numbers)}
                for one in self.findings
            ],
            "phases": [dict(phase) for phase in self.phases],
            "report": None if self.report is None else dict(self.report),
            "test_predictions": self.test_predictions,
            "test_errors": self.test_errors,
            "statistics": dict(self.statistics),
        }

    def to_json(self) -> bytes:
        """As the bytes that are stored: UTF-8, indented for people."""
        return (json.dumps(self.to_dict(), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Record:
        """Read what ``to_dict`` wrote; unknown fields are ignored.

        Raises:
            ValueError: a field is missing or of another type, the layout is a later one, or the schema is
                not the one that the record's own fingerprint names.
        """
        try:
            if data["schema_version"] > RECORD_SCHEMA_VERSION:
                raise ValueError(f"the record has the later layout {data['schema_version']}")
            record = cls(
                task=data["task"],
                version=data["version"],
                created_at=datetime.fromisoformat(data["created_at"]),
                dataset=_known(DatasetSource, data["dataset"]),
                code=_known(CodeSource, data["code"]),
                libraries=data["libraries"],
                training=_known(
                    Training,
                    {**data["training"], "search": _known(SearchSummary, data["training"]["search"])},
                ),
                metrics={
                    name: math.nan if value is None else float(value) for name, value in data["metrics"].items()
                },
                checks=tuple(_known(CheckResult, check) for check in data["checks"]),
                decision=GateDecision(Verdict(data["decision"]["verdict"]), read_reasons(data)),
                model=_known(ModelFile, data["model"]),
                schema=Schema.from_dict(data["schema"]),
                golden=tuple(
                    GoldenRow(row["inputs"], row["prediction"], row.get("probabilities")) for row in data["golden"]
                ),
                thresholds=tuple(data.get("thresholds", ())),
                task_fingerprint=data.get("task_fingerprint", ""),
                statistics=data.get("statistics", {}),
                test_errors=data.get("test_errors"),
                findings=tuple(
                    Finding(one["name"], FindingLevel(one["level"]), one["detail"], one["numbers"])
                    for one in data.get("findings", ())
                ),
                comparison=data.get("comparison", {}),
                test_predictions=data.get("test_predictions", ""),
                phases=tuple(data.get("phases", ())),
                run_id=data.get("run_id", ""),
                after_promotion=data.get("after_promotion"),
                report=data.get("report"),
            )
            fingerprint = data["schema"].get("fingerprint")
        except (KeyError, TypeError, AttributeError, OverflowError, TaskError) as error:
            raise ValueError(f"the record cannot be read: {type(error).__name__}: {error}") from error
        if record.created_at.tzinfo is None:
            raise ValueError("the record's created_at has no zone")
        if fingerprint is not None and fingerprint != record.schema.fingerprint:
            raise ValueError("the record's schema is not the one that its fingerprint names")
        return record


def _known(kind: type[Any], data: Mapping[str, Any]) -> Any:
    return kind(**{name: data[name] for name in kind.__dataclass_fields__})
