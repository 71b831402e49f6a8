"""Facts about the report of an evaluation."""

from dataclasses import dataclass
from typing import ClassVar

from weighbridge.domain.events import Event, Severity


@dataclass(frozen=True, slots=True)
class ReportWritten(Event):
    """The report of an evaluation is in the store."""

    name: ClassVar[str] = "report_written"
    version: str
    key: str
    size: int

    def __str__(self) -> str:
        return f"the report of {self.version} is '{self.key}' ({self.size:,} bytes)"


@dataclass(frozen=True, slots=True)
class ReportFailed(Event):
    """The report of an evaluation could not be built or stored; the evaluation continues."""

    name: ClassVar[str] = "report_failed"
    severity: ClassVar[Severity] = "warning"
    version: str
    problem: str

    def __str__(self) -> str:
        return f"there is no report of {self.version}: {self.problem}"
