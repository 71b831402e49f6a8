"""Evaluating a candidate: every metric, check, comparison and rule first, then the decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from weighbridge.domain.errors import ModelError
from weighbridge.domain.evaluation.checks.check import CheckResult, run_checks
from weighbridge.domain.evaluation.comparison import LiveScores
from weighbridge.domain.evaluation.gate import GateDecision, decide
from weighbridge.domain.evaluation.metrics import METRICS, Metrics, measure
from weighbridge.domain.evaluation.reason import Source
from weighbridge.domain.evaluation.rules.defaults import inspect_all
from weighbridge.domain.evaluation.rules.rule import Evidence, Finding, LiveEvidence
from weighbridge.domain.statistics.column_summaries import NumberSummary, column_from_dict
from weighbridge.domain.statistics.score_error import summarise_errors
from weighbridge.domain.statistics.summaries import Statistics, summarise
from weighbridge.domain.training.live_model import LiveModel
from weighbridge.domain.training.worst_slices import name_worst_slices

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset import Dataset, Split
    from weighbridge.domain.model.fitted import FittedModel
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.training.search.search import Candidate
    from weighbridge.domain.training.task import TaskDefinition


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was found of a candidate, and the decision.

    Args:
        metrics: on the test rows.
        checks: what each check found.
        live: the live model's scores on the same rows.
        findings: what each rule about data found.
        statistics: of the dataset.
        test_errors: the distribution of absolute errors on the test rows; None for a category target.
        predicted: for the test rows.
        decision: the verdict, and every reason.
    """

    metrics: Metrics
    checks: tuple[CheckResult, ...]
    live: LiveScores
    findings: tuple[Finding, ...]
    statistics: Statistics
    test_errors: NumberSummary | None
    predicted: np.ndarray[Any, Any]
    decision: GateDecision


@dataclass(frozen=True, slots=True)
class EvaluatedCandidate:
    """A candidate with its evaluation, and everything that it was evaluated with.

    Args:
        task: what it is for.
        candidate: the fitted model, and its search.
        dataset: every valid row.
        parts: the split of the dataset.
        live: the live model.
        evaluation: what was found, and the decision.
    """

    task: TaskDefinition
    candidate: Candidate
    dataset: Dataset
    parts: Split
    live: LiveModel
    evaluation: Evaluation


def evaluate(
    task: TaskDefinition,
    model: FittedModel,
    dataset: Dataset,
    parts: Split,
    live: LiveModel,
    history: Sequence[Metrics],
    accepted: Mapping[str, str] = MappingProxyType({}),
) -> Evaluation:
    """Evaluate a fitted candidate.

    Args:
        task: says what it has to achieve.
        model: the candidate.
        dataset: every valid row.
        parts: its split; scores are of the test rows.
        live: the live model; what is missing of it blocks nothing.
        history: the metrics of earlier releases.
        accepted: why a reason is accepted for this training, by its name.
    """
    scorers = [threshold.metric for threshold in task.thresholds if threshold.metric not in METRICS]
    slices = [threshold.slice for threshold in task.thresholds if threshold.slice is not None]
    metrics = measure(model, parts.test, scorers, slices)
    checks = run_checks(task.checks, model, dataset)
    live, scores = _live_scores(live, parts.test)
    statistics = summarise(dataset)
    predicted = np.asarray(model.predict(parts.test.features))
    evidence = Evidence(
        dataset,
        parts,
        statistics,
        metrics,
        predicted,
        _live_evidence(live, parts.test),
        tuple(history),
    )
    findings = inspect_all(task.rules, evidence)
    compared = [comparison.evaluate(metrics, scores.metrics) for comparison in task.comparisons]
    comparisons = [reason for reason in compared if reason is not None]
    decision = decide(metrics, task.thresholds, checks, comparisons, findings, accepted)
    required = {
        Source.THRESHOLD: {one.metric: one.warning for one in task.thresholds if one.slice is None},
        Source.COMPARISON: scores.metrics,
    }
    return Evaluation(
        metrics,
        checks,
        scores,
        findings,
        statistics,
        summarise_errors(parts.test.target, predicted),
        predicted,
        name_worst_slices(decision, metrics, parts.test, predicted, required),
    )


def _live_scores(live: LiveModel, test: Dataset) -> tuple[LiveModel, LiveScores]:
    version = None if live.version is None else str(live.version)
    if live.model is not None:
        try:
            return live, LiveScores(version, measure(live.model, test))
        except ModelError as error:
            live = replace(live, model=None, note=f"the live model {version} cannot predict these rows: {error}")
    return live, LiveScores(version, note=live.note)


def _live_evidence(live: LiveModel, test: Dataset) -> LiveEvidence | None:
    record = live.record
    if record is None:
        return None
    # With another schema columns can be compared, a column that is gone above all, but no predictions.
    comparable = record.schema.fingerprint == test.schema.fingerprint
    return LiveEvidence(
        statistics=_recorded_statistics(record),
        metrics=record.metrics,
        test_rows=int(record.training.split.get("test_rows", 0)),
        predicted=None if live.model is None else np.asarray(live.model.predict(test.features)),
        errors=_recorded_errors(record) if comparable else None,
    )


def _recorded_statistics(record: Record) -> Statistics | None:
    try:
        return Statistics.from_dict(record.statistics) if record.statistics else None
    except ValueError:
        return None


def _recorded_errors(record: Record) -> NumberSummary | None:
    if record.test_errors is None:
        return None
    try:
        errors = column_from_dict(record.test_errors)
    except ValueError:
        return None
    return errors if isinstance(errors, NumberSummary) else None
