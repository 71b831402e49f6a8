"""The first section of a report: the metrics against their thresholds, beside those of the live model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from weighbridge.domain.errors import ModelError
from weighbridge.domain.evaluation.metrics import METRICS, Metrics, measure, metric_named
from weighbridge.domain.report.figures import Figure, Gauge
from weighbridge.domain.report.shapes import Section, Table
from weighbridge.domain.report.wording import counted, rounded, short, unit_of_metric

if TYPE_CHECKING:
    from weighbridge.domain.evaluation.gate import Threshold
    from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate

#: Gauges in the figure; the worst are shown when there are more.
GAUGES = 12


def verdict_section(evaluated: EvaluatedCandidate) -> Section:
    """Every metric; those that have thresholds as bars on one scale."""
    theirs = _live_metrics(evaluated)
    gauges = [*_thresholds(evaluated, theirs), *_comparisons(evaluated)]
    left_out = len(gauges) - GAUGES
    if left_out > 0:
        kept = sorted(gauges, key=lambda gauge: gauge.place)[:GAUGES]
        gauges = [gauge for gauge in gauges if gauge in kept]
    live = evaluated.evaluation.live
    compared = f"Beside it: the live model, {live.version}, on the same rows." if live.metrics else ""
    lead = [f"Measured on {counted(len(evaluated.parts.test), 'test row')} that no model was fitted on.", compared]
    if not live.metrics and live.note:
        lead.append(f"No live model to compare with: {live.note}.")
    described = "; ".join(
        f"{gauge.label} is {gauge.shown}, error level {gauge.error_shown}, warning level {gauge.warning_shown}"
        + (f", live model {gauge.live_shown}" if gauge.live_shown else "")
        for gauge in gauges
    )
    note = "Each bar is on the scale of its own two levels."
    figure = Figure(
        "Metrics against their thresholds",
        f"Bars on one scale of three zones: refused, warning, released. {described}.",
        note + (f" The worst {GAUGES}; {left_out} more are in the table." if left_out > 0 else ""),
        gauges=tuple(gauges),
    )
    return Section("metrics", "Metrics", tuple(filter(None, lead)), (figure,), (_table(evaluated, theirs),))


def _thresholds(evaluated: EvaluatedCandidate, theirs: Metrics) -> list[Gauge]:
    found = []
    for threshold in evaluated.task.thresholds:
        unit = unit_of_metric(threshold.metric, evaluated.task.schema)
        for name, value in _measured(threshold, evaluated):
            if not math.isfinite(value):
                continue
            live = theirs.get(name, math.nan)
            known = math.isfinite(live)
            found.append(
                Gauge(
                    short(name),
                    rounded(value, unit),
                    _place(value, threshold),
                    rounded(live, unit) if known else "",
                    _place(live, threshold) if known else None,
                    rounded(threshold.error),
                    rounded(threshold.warning),
                )
            )
    return found


def _live_metrics(evaluated: EvaluatedCandidate) -> Metrics:
    """What the live model scores on the same rows: further scorers and slices too, where thresholds name any."""
    known, model = evaluated.evaluation.live.metrics, evaluated.live.model
    slices = [one.slice for one in evaluated.task.thresholds if one.slice is not None]
    scorers = [one.metric for one in evaluated.task.thresholds if one.metric not in METRICS]
    if model is None or not known or not (slices or scorers):
        return known
    try:
        return measure(model, evaluated.parts.test, scorers, slices)
    except (ModelError, ValueError, TypeError, AttributeError):
        return known


def _measured(threshold: Threshold, evaluated: EvaluatedCandidate) -> list[tuple[str, float]]:
    metrics = evaluated.evaluation.metrics
    if threshold.slice is None:
        return [(threshold.metric, metrics.get(threshold.metric, math.nan))]
    stem = threshold.slice.name("")[:-1]
    return [(name, value) for name, value in metrics.items() if name.startswith(stem)]


def _place(value: float, threshold: Threshold) -> float:
    """0 at the error level, 1 at the warning level; of two equal levels, just beyond either."""
    width = threshold.warning - threshold.error
    if width:
        return (value - threshold.error) / width
    better = (value - threshold.error) * (1 if metric_named(threshold.metric).greater_is_better else -1)
    return better / (abs(threshold.error) * 0.1 or 0.1) + (1 if better >= 0 else 0)


def _comparisons(evaluated: EvaluatedCandidate) -> list[Gauge]:
    """By how much the candidate is worse than the live model, where both levels are set."""
    ours, theirs = evaluated.evaluation.metrics, evaluated.evaluation.live.metrics
    found = []
    for one in evaluated.task.comparisons:
        a, b = ours.get(one.metric, math.nan), theirs.get(one.metric, math.nan)
        if one.error is None or one.warning is None or not math.isfinite(a - b):
            continue
        worse = b - a if metric_named(one.metric).greater_is_better else a - b
        width = one.error - one.warning or (one.error * 0.1 or 0.1)
        unit = unit_of_metric(one.metric, evaluated.task.schema)
        found.append(
            Gauge(
                f"{one.metric} against the live model",
                f"{'worse' if worse > 0 else 'better'} by {rounded(abs(worse), unit, 3)}",
                (one.error - worse) / width,
                "",
                None,
                f"worse by {rounded(one.error)}",
                f"by {rounded(one.warning)}",
            )
        )
    return found


def _table(evaluated: EvaluatedCandidate, live: Metrics) -> Table:
    weighing, schema = evaluated.evaluation, evaluated.task.schema
    levels: dict[str, Threshold] = {}
    for threshold in evaluated.task.thresholds:
        levels |= {name: threshold for name, _ in _measured(threshold, evaluated)}
    rows = []
    for name in dict.fromkeys([*levels, *weighing.metrics]):
        unit = unit_of_metric(name.partition("[")[0], schema)
        level = levels.get(name)
        theirs = live.get(name)
        side = "" if level is None else "below" if metric_named(level.metric).greater_is_better else "above"
        rows.append(
            (
                short(name),
                rounded(weighing.metrics.get(name), unit),
                "none" if theirs is None else rounded(theirs, unit),
                "none" if level is None else f"{side} {rounded(level.warning)}",
                "none" if level is None else f"{side} {rounded(level.error)}",
            )
        )
    columns = ("Metric", "This model", "Live model", "Warns", "Refuses")
    return Table("Every metric, on the test rows", columns, tuple(rows))
