"""The gate: from metrics and checks to a verdict with every reason for it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.checks import CheckResult
from domain.errors import ConfigurationError
from domain.metrics import METRICS, Metrics


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
        metric: a name in ``metrics.METRICS``.
        error: in the metric's unit.
        warning: in the metric's unit, at least as demanding as ``error``.
    """

    metric: str
    error: float
    warning: float

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ConfigurationError(f"there is no metric '{self.metric}'; there are {', '.join(METRICS)}")
        metric = METRICS[self.metric]
        for level, value in (("error", self.error), ("warning", self.warning)):
            beyond = metric.highest is not None and value > metric.highest
            if not math.isfinite(value) or value < metric.lowest or beyond:
                upper = "" if metric.highest is None else f" to {metric.highest:g}"
                raise ConfigurationError(
                    f"the {level} threshold of {self.metric} is {value:g}, out of its range: "
                    f"from {metric.lowest:g}{upper}"
                )
        if self._falls_short(self.warning, self.error):
            raise ConfigurationError(
                f"the warning threshold of {self.metric}, {self.warning:g}, is out of order: it must be at "
                f"least as demanding as the error threshold, {self.error:g}"
            )

    def weigh(self, value: float) -> tuple[Verdict, str | None]:
        """What ``value`` means, and the reason unless it is a plain release. NaN refuses."""
        if not math.isfinite(value):
            return Verdict.REJECT, f"{self.metric} is not a finite number"
        if self._falls_short(value, self.error):
            return Verdict.REJECT, self._reason(value, "error", self.error)
        if self._falls_short(value, self.warning):
            return Verdict.RELEASE_WITH_WARNING, self._reason(value, "warning", self.warning)
        return Verdict.RELEASE, None

    def _reason(self, value: float, name: str, level: float) -> str:
        side = "below" if METRICS[self.metric].greater_is_better else "above"
        # Six digits, unless they would put the value on the level or past it.
        shown = f"{value:.6g}" if self._falls_short(float(f"{value:.6g}"), level) else repr(float(value))
        exactly = f"{level:g}" if float(f"{level:g}") == level else repr(float(level))
        return f"{self.metric} {shown} is {side} its {name} threshold {exactly}"

    def _falls_short(self, value: float, level: float) -> bool:
        return value < level if METRICS[self.metric].greater_is_better else value > level


@dataclass(frozen=True, slots=True)
class GateDecision:
    """The verdict, and every reason against the candidate; no reasons for a plain release."""

    verdict: Verdict
    reasons: tuple[str, ...]


def decide(metrics: Metrics, thresholds: Iterable[Threshold], checks: Sequence[CheckResult]) -> GateDecision:
    """Weigh everything, then decide: the worst single verdict wins, and no reason is left out."""
    weighed = [threshold.weigh(metrics.get(threshold.metric, math.nan)) for threshold in thresholds]
    weighed += [
        (Verdict.REJECT, f"check '{check.name}' failed: {check.detail}") for check in checks if not check.passed
    ]
    verdicts = {verdict for verdict, _ in weighed}
    reasons = tuple(reason for _, reason in weighed if reason is not None)
    for verdict in (Verdict.REJECT, Verdict.RELEASE_WITH_WARNING):
        if verdict in verdicts:
            return GateDecision(verdict, reasons)
    return GateDecision(Verdict.RELEASE, reasons)
