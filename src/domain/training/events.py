"""Facts about a training and its schedule."""

from dataclasses import dataclass
from typing import ClassVar

from weighbridge.domain.events import Event, Severity


@dataclass(frozen=True, slots=True)
class DatasetAdmitted(Event):
    """Every row of the dataset conforms to the schema."""

    name: ClassVar[str] = "dataset_admitted"
    key: str
    rows: int
    sha256: str

    def __str__(self) -> str:
        return f"validated {self.rows:,} rows of '{self.key}'"


@dataclass(frozen=True, slots=True)
class NothingNew(Event):
    """A release was trained on the newest dataset already."""

    name: ClassVar[str] = "nothing_new"
    key: str
    version: str

    def __str__(self) -> str:
        return f"nothing to do: '{self.key}' is what {self.version} was trained on"


@dataclass(frozen=True, slots=True)
class TrainingScheduled(Event):
    """When the schedule checks for a new dataset next, in UTC (RFC 3339)."""

    name: ClassVar[str] = "training_scheduled"
    at: str

    def __str__(self) -> str:
        return f"the next check for a new dataset is at {self.at}"


@dataclass(frozen=True, slots=True)
class ScheduledTrainingFailed(Event):
    """A run of the schedule failed; the schedule continues."""

    name: ClassVar[str] = "scheduled_training_failed"
    severity: ClassVar[Severity] = "error"
    problem: str

    def __str__(self) -> str:
        return f"this run failed, and the schedule continues: {self.problem}"


@dataclass(frozen=True, slots=True)
class SearchFinished(Event):
    """The parameters are chosen."""

    name: ClassVar[str] = "search_finished"
    kind: str
    points: int
    score: float
    seconds: float

    def __str__(self) -> str:
        return f"searched {self.points:,} candidates in {self.seconds:.1f} s; the best scores {self.score:.4f}"


@dataclass(frozen=True, slots=True)
class FormatSkipped(Event):
    """A format could not hold the model faithfully, and the next one was tried."""

    name: ClassVar[str] = "format_passed_over"
    severity: ClassVar[Severity] = "warning"
    note: str

    def __str__(self) -> str:
        return f"a model format was skipped: {self.note}"
