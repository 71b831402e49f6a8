"""What monitoring found in a window of the prediction log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from weighbridge.domain.evaluation.rules.rule import Finding, FindingLevel
from weighbridge.domain.monitoring.labelled_metrics import LabelReport
from weighbridge.domain.monitoring.prediction_log import VERSION_COLUMN, LoggedRows
from weighbridge.domain.statistics.drift import ColumnDrift


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


def _time(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
