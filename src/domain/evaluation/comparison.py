"""Champion against challenger: the candidate and the live model, scored on the same rows."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.evaluation.metrics import METRICS, Metrics
from weighbridge.domain.evaluation.reason import Reason, Severity, Source


@dataclass(frozen=True, slots=True)
class NotWorseThanLive:
    """How much worse than the live model a candidate may score, on the same test rows.

    Args:
        metric: a name in ``metrics.METRICS``.
        warning: being worse by more than this, in the metric's unit, is released with a warning; None for off.
        error: being worse by more than this refuses; None for off.
    """

    metric: str
    warning: float | None = None
    error: float | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ConfigurationError(f"there is no metric '{self.metric}'; there are {', '.join(METRICS)}")
        for name, level in (("warning", self.warning), ("error", self.error)):
            if level is not None and not 0 <= level < math.inf:
                raise ConfigurationError(
                    f"comparison by {self.metric}: the {name} level is {level!r}; it must be a number not below 0"
                )
        if self.warning is not None and self.error is not None and self.warning > self.error:
            raise ConfigurationError(
                f"comparison by {self.metric}: the warning level {self.warning:g} is out of order: it must not be "
                f"greater than the error level, {self.error:g}"
            )

    @property
    def name(self) -> str:
        """What its reasons go by."""
        return f"{self.metric} against the live model"

    def evaluate(self, candidate: Metrics, live: Metrics) -> Reason | None:
        """The reason that the two scores give; None for a plain release.

        A score of the live model that is not a number compares with nothing; one of the candidate is worse
        than any level.
        """
        ours, theirs = candidate.get(self.metric, math.nan), live.get(self.metric, math.nan)
        if math.isnan(theirs):
            return None
        worse = theirs - ours if METRICS[self.metric].greater_is_better else ours - theirs
        for severity, level in ((Severity.ERROR, self.error), (Severity.WARNING, self.warning)):
            if level is not None and not worse <= level:
                text = (
                    f"{self.metric} {ours:.6g} is worse than the live model's {theirs:.6g} on the same rows "
                    f"by more than {level:g}"
                )
                return Reason(severity, Source.COMPARISON, self.name, text)
        return None


@dataclass(frozen=True, slots=True)
class LiveScores:
    """What the live model scores on a candidate's test rows; no metrics when it cannot predict them."""

    version: str | None = None
    metrics: Metrics = field(default_factory=dict)
    note: str = ""

    def to_dict(self, candidate: Metrics) -> dict[str, Any]:
        """As the record has it: both values of every metric."""
        return {
            "live_version": self.version,
            "note": self.note,
            "metrics": {
                name: {"candidate": _json(candidate.get(name)), "live": _json(value)}
                for name, value in self.metrics.items()
            },
        }


def _json(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
