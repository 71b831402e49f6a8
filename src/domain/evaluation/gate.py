"""The gate: from metrics and checks to a verdict with every reason for it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.evaluation.checks.check import CheckResult
from weighbridge.domain.evaluation.metrics import METRICS, Metrics, Slice, metric_named
from weighbridge.domain.evaluation.reason import Reason, Severity, Source, errors_first
from weighbridge.domain.evaluation.rules.rule import Finding, FindingLevel


class Verdict(StrEnum):
    """What becomes of a candidate."""

    RELEASE = "release"
    RELEASE_WITH_WARNING = "release_with_warning"
    REJECT = "reject"


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

    def evaluate_all(self, metrics: Metrics) -> list[Reason]:
        """``evaluate`` the metric or, when sliced, that of every measured level; a missing metric is NaN."""
        if self.slice is None:
            found = [self.evaluate(metrics.get(self.metric, math.nan))]
        else:
            levels = [name for name in metrics if name.startswith(self.slice.name("")[:-1])]
            found = [self.evaluate(metrics[name], name) for name in levels]
        return [reason for reason in found if reason is not None]

    def evaluate(self, value: float, name: str | None = None) -> Reason | None:
        """The reason that a value of the metric gives, an error for NaN; None for a plain release.

        Args:
            value: of the metric.
            name: what the reason calls the metric.
        """
        name = name or self.metric
        if not math.isfinite(value):
            return Reason(Severity.ERROR, Source.THRESHOLD, name, f"{name} is not a finite number")
        for severity, level in ((Severity.ERROR, self.error), (Severity.WARNING, self.warning)):
            if self._falls_short(value, level):
                text = f"{name} {self._reason(value, str(severity), level)}"
                return Reason(severity, Source.THRESHOLD, name, text)
        return None

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
    """The verdict, and every reason against the candidate, errors first; no reasons for a plain release."""

    verdict: Verdict
    reasons: tuple[Reason, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As records have it."""
        reasons = [reason.to_dict() for reason in self.reasons]
        return {"verdict": str(self.verdict), "summary": self.summary, "reasons": reasons}

    @property
    def counts(self) -> str:
        """How many reasons there are, such as ``2 errors, 1 warning``; empty for none."""
        errors = sum(reason.severity is Severity.ERROR for reason in self.reasons)
        accepted = sum(bool(reason.accepted) for reason in self.reasons)
        warnings = len(self.reasons) - errors - accepted
        counts = ((errors, "error"), (warnings, "warning"), (accepted, "accepted reason"))
        return ", ".join(f"{count} {noun}{'' if count == 1 else 's'}" for count, noun in counts if count)

    @property
    def summary(self) -> str:
        """The verdict in one line, such as ``Refused: 2 errors, 1 warning``."""
        word = "Refused" if self.verdict is Verdict.REJECT else "Released"
        return f"{word}: {self.counts}" if self.reasons else word


def decide(
    metrics: Metrics,
    thresholds: Iterable[Threshold],
    checks: Sequence[CheckResult],
    comparisons: Iterable[Reason] = (),
    findings: Iterable[Finding] = (),
    accepted: Mapping[str, str] = MappingProxyType({}),
) -> GateDecision:
    """Evaluate everything, then decide: the worst single reason makes the verdict, and none is left out.

    Args:
        metrics: the candidate's.
        thresholds: of the task.
        checks: each failed one is an error.
        comparisons: reasons that the comparison with the live model gives.
        findings: of the rules about data.
        accepted: why a reason is accepted, by its name: an error that is accepted is a warning.
    """
    found = [reason for threshold in thresholds for reason in threshold.evaluate_all(metrics)]
    found += comparisons
    found += [
        Reason(Severity(finding.level), Source.RULE, finding.name, f"rule '{finding.name}': {finding.detail}")
        for finding in findings
        if finding.level is not FindingLevel.OK
    ]
    found += [
        Reason(Severity.ERROR, Source.CHECK, check.name, f"check '{check.name}' failed: {check.detail}")
        for check in checks
        if not check.passed
    ]
    reasons = errors_first(
        replace(reason, severity=Severity.WARNING, accepted=accepted[reason.name])
        if reason.name in accepted
        else reason
        for reason in found
    )
    if not reasons:
        return GateDecision(Verdict.RELEASE)
    is_refused = reasons[0].severity is Severity.ERROR
    return GateDecision(Verdict.REJECT if is_refused else Verdict.RELEASE_WITH_WARNING, reasons)
