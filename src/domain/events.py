"""Facts that the workflows emit. The domain does not log; sinks turn events into log lines and metrics."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Severity: TypeAlias = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Event:
    """A fact. ``str()`` says it to people; the fields say it to machines."""

    name: ClassVar[str] = "event"
    severity: ClassVar[Severity] = "info"


@dataclass(frozen=True, slots=True)
class DatasetNameUnreadable(Event):
    """A name in the datasets folder belongs to the task and does not tell a time."""

    name: ClassVar[str] = "dataset_name_unreadable"
    severity: ClassVar[Severity] = "warning"
    key: str

    def __str__(self) -> str:
        return (
            f"passing over '{self.key}': its name does not end in a timestamp and .csv or .parquet, "
            "such as 2021-07-03T23:05:32.csv"
        )


@dataclass(frozen=True, slots=True)
class DatasetChosen(Event):
    """The newest dataset was found."""

    name: ClassVar[str] = "dataset_chosen"
    key: str
    size: int

    def __str__(self) -> str:
        return f"the newest dataset is '{self.key}' ({self.size:,} bytes)"


@dataclass(frozen=True, slots=True)
class DatasetAdmitted(Event):
    """Every row of the dataset keeps the schema's promises."""

    name: ClassVar[str] = "dataset_admitted"
    key: str
    rows: int
    sha256: str

    def __str__(self) -> str:
        return f"admitted {self.rows:,} rows of '{self.key}'"


@dataclass(frozen=True, slots=True)
class NothingNew(Event):
    """The newest dataset is the one that the newest release was trained on."""

    name: ClassVar[str] = "nothing_new"
    key: str
    version: str

    def __str__(self) -> str:
        return f"nothing to do: '{self.key}' is what the newest release, {self.version}, was trained on"


@dataclass(frozen=True, slots=True)
class TrainingScheduled(Event):
    """The next look for a new dataset will be at a time, in UTC as RFC 3339 has it."""

    name: ClassVar[str] = "training_scheduled"
    at: str

    def __str__(self) -> str:
        return f"the next look for a new dataset is at {self.at}"


@dataclass(frozen=True, slots=True)
class ScheduledTrainingFailed(Event):
    """A turn of the schedule could not be done; the schedule goes on."""

    name: ClassVar[str] = "scheduled_training_failed"
    severity: ClassVar[Severity] = "error"
    problem: str

    def __str__(self) -> str:
        return f"this turn failed, and the schedule goes on: {self.problem}"


@dataclass(frozen=True, slots=True)
class SearchFinished(Event):
    """The parameters are chosen."""

    name: ClassVar[str] = "search_finished"
    kind: str
    points: int
    score: float
    seconds: float

    def __str__(self) -> str:
        return f"searched {self.points:,} points in {self.seconds:.1f} s; the best scores {self.score:.4f}"


@dataclass(frozen=True, slots=True)
class FormatPassedOver(Event):
    """A format could not hold the model faithfully, and the next one was tried."""

    name: ClassVar[str] = "format_passed_over"
    severity: ClassVar[Severity] = "warning"
    note: str

    def __str__(self) -> str:
        return f"a model format was passed over: {self.note}"


@dataclass(frozen=True, slots=True)
class ModelReleased(Event):
    """A candidate passed the gate and was published."""

    name: ClassVar[str] = "model_released"
    version: str
    verdict: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        warnings = f", with a warning: {'; '.join(self.reasons)}" if self.reasons else ""
        return f"released {self.version}{warnings}"


@dataclass(frozen=True, slots=True)
class ModelRefused(Event):
    """The gate refused a candidate."""

    name: ClassVar[str] = "model_refused"
    severity: ClassVar[Severity] = "warning"
    version: str
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        return f"refused {self.version}: {'; '.join(self.reasons)}"


@dataclass(frozen=True, slots=True)
class ReportWritten(Event):
    """The report of a weighing is in the store."""

    name: ClassVar[str] = "report_written"
    version: str
    key: str
    size: int

    def __str__(self) -> str:
        return f"the report of {self.version} is '{self.key}' ({self.size:,} bytes)"


@dataclass(frozen=True, slots=True)
class ReportFailed(Event):
    """The report of a weighing could not be drawn or stored; the weighing itself goes on."""

    name: ClassVar[str] = "report_failed"
    severity: ClassVar[Severity] = "warning"
    version: str
    problem: str

    def __str__(self) -> str:
        return f"there is no report of {self.version}: {self.problem}"


@dataclass(frozen=True, slots=True)
class ModelPromoted(Event):
    """From now on a version is live."""

    name: ClassVar[str] = "model_promoted"
    version: str
    reason: str

    def __str__(self) -> str:
        return f"{self.version} is live now ({self.reason})"


@dataclass(frozen=True, slots=True)
class PrunedVersionPassedOver(Event):
    """A rollback goes further back, because the version that it would have gone to has been pruned."""

    name: ClassVar[str] = "pruned_version_passed_over"
    severity: ClassVar[Severity] = "warning"
    version: str

    def __str__(self) -> str:
        return f"passing over {self.version}, which was live before: it has been pruned"


@dataclass(frozen=True, slots=True)
class PromotionHeld(Event):
    """A release was published but not promoted, because the live one is held."""

    name: ClassVar[str] = "promotion_held"
    severity: ClassVar[Severity] = "warning"
    version: str
    live: str
    reason: str

    def __str__(self) -> str:
        return f"{self.version} is published but not live: {self.live} is held ({self.reason})"


@dataclass(frozen=True, slots=True)
class ModelLoaded(Event):
    """The service answers from this version from now on."""

    name: ClassVar[str] = "model_loaded"
    version: str
    seconds: float

    def __str__(self) -> str:
        return f"serving {self.version}, loaded in {self.seconds:.2f} s"


@dataclass(frozen=True, slots=True)
class ShadowChanged(Event):
    """The service predicts with this version beside the live one from now on, or with none."""

    name: ClassVar[str] = "shadow_changed"
    version: str | None

    def __str__(self) -> str:
        return f"shadowing with {self.version}" if self.version else "shadowing with no model"


@dataclass(frozen=True, slots=True)
class ShadowFailed(Event):
    """The model that was to predict beside the live one could not be had; answers are what they were."""

    name: ClassVar[str] = "shadow_failed"
    severity: ClassVar[Severity] = "error"
    problem: str

    def __str__(self) -> str:
        return f"cannot shadow: {self.problem}"


@dataclass(frozen=True, slots=True)
class PredictionsLogged(Event):
    """A file of the prediction log was written."""

    name: ClassVar[str] = "predictions_logged"
    severity: ClassVar[Severity] = "debug"
    key: str
    rows: int

    def __str__(self) -> str:
        return f"logged {_answers(self.rows)} as '{self.key}'"


@dataclass(frozen=True, slots=True)
class PredictionLogFailed(Event):
    """The prediction log could not be written; answers are what they were, and it is tried again."""

    name: ClassVar[str] = "prediction_log_failed"
    severity: ClassVar[Severity] = "error"
    problem: str
    waiting: int

    def __str__(self) -> str:
        return f"cannot write the prediction log, {_answers(self.waiting)} waiting: {self.problem}"


@dataclass(frozen=True, slots=True)
class PredictionsLost(Event):
    """Answers will never be in the prediction log."""

    name: ClassVar[str] = "predictions_lost"
    severity: ClassVar[Severity] = "error"
    rows: int
    reason: str

    def __str__(self) -> str:
        return f"the prediction log has lost {_answers(self.rows)}: {self.reason}"


@dataclass(frozen=True, slots=True)
class RedactionUnknown(Event):
    """The settings leave columns out of the prediction log that the model does not have."""

    name: ClassVar[str] = "redaction_unknown"
    severity: ClassVar[Severity] = "warning"
    version: str
    columns: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"nothing is redacted by {', '.join(self.columns)}: {self.version} has no such column; "
            "see that WEIGHBRIDGE_PREDICTION_LOG_REDACT has no slip in it"
        )


@dataclass(frozen=True, slots=True)
class RefreshFailed(Event):
    """The service could not follow the live release; it goes on with what it has."""

    name: ClassVar[str] = "refresh_failed"
    severity: ClassVar[Severity] = "error"
    serving: str | None
    problem: str

    def __str__(self) -> str:
        kept = f"still serving {self.serving}" if self.serving else "no model is loaded"
        return f"could not refresh, {kept}: {self.problem}"


@dataclass(frozen=True, slots=True)
class StoreRetried(Event):
    """A request to the store failed in a way that may pass, and is sent again."""

    name: ClassVar[str] = "store_retried"
    severity: ClassVar[Severity] = "debug"
    operation: str
    reason: str

    def __str__(self) -> str:
        return f"asking the store again: {self.operation} ended with {self.reason}"


def _answers(count: int) -> str:
    return "1 answer" if count == 1 else f"{count:,} answers"
