"""The gate: from metrics and checks to a verdict with every reason for it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.evaluation.checks.check import CheckResult
from weighbridge.domain.evaluation.metrics import METRICS, Metrics, Slice, metric_named
from weighbridge.domain.evaluation.rules.rule import Finding, FindingLevel


class Verdict(StrEnum):
    """What becomes of a candidate."""

    RELEASE = "release"
    RELEASE_WITH_WARNING = "release_with_warning"
    REJECT = "reject"


_FINDING_VERDICTS = {
    FindingLevel.ERROR: Verdict.REJECT,
    FindingLevel.WARNING: Verdict.RELEASE_WITH_WARNING,
}


@dataclass(frozen=True, slots=True)
class Threshold:
    """Two levels of one metric.

    A value on the bad side of ``error`` refuses; one from there to ``warning`` accepts with a warning; one
    that reaches ``warning`` accepts. A value that equals a level has reached it. Where smaller is better, as
    for errors, all of it is mirrored.

    Args:
        metric: a name in ``metrics.METRICS``, or of a scikit-learn scorer.
        error: in the metric's unit.
        warning: in the metric's unit, at least as demanding as ``error``.
        slice_by: evaluate the metric of each level of this category instead: a feature, or a category target,
            where the accuracy of a level is its recall. Only for metrics that need no probabilities.
        smallest: levels with fewer test rows than this are skipped.
    """

    metric: str
    error: float
    warning: float
    slice_by: str | None = None
    smallest: int = 30

    def __post_init__(self) -> None:
        metric = metric_named(self.metric)
        for level, value in (("error", self.error), ("warning", self.warning)):
            below = metric.lowest is not None and value < metric.lowest
            beyond = metric.highest is not None and value > metric.highest
            if not math.isfinite(value) or below or beyond:
                lower = "" if metric.lowest is None else f": from {metric.lowest:g}"
                upper = "" if metric.highest is None else f" to {metric.highest:g}"
                raise ConfigurationError(
                    f"the {level} threshold of {self.metric} is {value:g}, out of its range{lower}{upper}"
                )
        if self.slice_by is not None and (self.metric not in METRICS or self.metric in ("log_loss", "roc_auc")):
            raise ConfigurationError(f"the metric {self.metric} cannot be sliced by '{self.slice_by}'")
        if self.smallest < 2:
            raise ConfigurationError(
                f"the smallest slice of {self.metric} is {self.smallest}; it must be at least 2"
            )
        if self._falls_short(self.warning, self.error):
            raise ConfigurationError(
                f"the warning threshold of {self.metric}, {self.warning:g}, is out of order: it must be at "
                f"least as demanding as the error threshold, {self.error:g}"
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for records; how it is sliced only when it is."""
        document: dict[str, Any] = {"metric": self.metric, "error": self.error, "warning": self.warning}
        if self.slice_by is not None:
            document |= {"slice_by": self.slice_by, "smallest": self.smallest}
        return document

    @property
    def slice(self) -> Slice | None:
        """What has to be measured by level; None when the metric is of all rows."""
        return None if self.slice_by is None else Slice(self.metric, self.slice_by, self.smallest)

    def evaluate_all(self, metrics: Metrics) -> list[tuple[Verdict, str | None]]:
        """``evaluate`` the metric or, when sliced, that of every measured level; a missing metric is NaN."""
        if self.slice is None:
            return [self.evaluate(metrics.get(self.metric, math.nan))]
        levels = [name for name in metrics if name.startswith(self.slice.name("")[:-1])]
        return [self.evaluate(metrics[name], name) for name in levels]

    def evaluate(self, value: float, name: str | None = None) -> tuple[Verdict, str | None]:
        """What ``value`` means, and the reason unless it is a plain release. NaN refuses.

        Args:
            value: of the metric.
            name: what the reason calls the metric.
        """
        name = name or self.metric
        if not math.isfinite(value):
            return Verdict.REJECT, f"{name} is not a finite number"
        if self._falls_short(value, self.error):
            return Verdict.REJECT, f"{name} {self._reason(value, 'error', self.error)}"
        if self._falls_short(value, self.warning):
            return Verdict.RELEASE_WITH_WARNING, f"{name} {self._reason(value, 'warning', self.warning)}"
        return Verdict.RELEASE, None

    def _reason(self, value: float, name: str, level: float) -> str:
        side = "below" if metric_named(self.metric).greater_is_better else "above"
        # Six digits, unless they would put the value on the level or past it.
        shown = f"{value:.6g}" if self._falls_short(float(f"{value:.6g}"), level) else repr(float(value))
        exactly = f"{level:g}" if float(f"{level:g}") == level else repr(float(level))
        return f"{shown} is {side} its {name} threshold {exactly}"

    def _falls_short(self, value: float, level: float) -> bool:
        return value < level if metric_named(self.metric).greater_is_better else value > level


@dataclass(frozen=True, slots=True)
class GateDecision:
    """The verdict, and every reason against the candidate; no reasons for a plain release."""

    verdict: Verdict
    reasons: tuple[str, ...]


def decide(
    metrics: Metrics,
    thresholds: Iterable[Threshold],
    checks: Sequence[CheckResult],
    comparisons: Iterable[tuple[Verdict, str | None]] = (),
    findings: Iterable[Finding] = (),
) -> GateDecision:
    """Evaluate everything, then decide: the worst single verdict wins, and no reason is left out.

    Args:
        metrics: the candidate's.
        thresholds: of the task.
        checks: each failed one refuses.
        comparisons: with the live model, already evaluated.
        findings: of the rules about data; an error refuses, a warning warns.
    """
    found = [one for threshold in thresholds for one in threshold.evaluate_all(metrics)]
    found += comparisons
    found += [
        (_FINDING_VERDICTS[finding.level], f"rule '{finding.name}': {finding.detail}")
        for finding in findings
        if finding.level is not FindingLevel.OK
    ]
    found += [
        (Verdict.REJECT, f"check '{check.name}' failed: {check.detail}") for check in checks if not check.passed
    ]
    verdicts = {verdict for verdict, _ in found}
    reasons = tuple(reason for _, reason in found if reason is not None)
    for verdict in (Verdict.REJECT, Verdict.RELEASE_WITH_WARNING):
        if verdict in verdicts:
            return GateDecision(verdict, reasons)
    return GateDecision(Verdict.RELEASE, reasons)
