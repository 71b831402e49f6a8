"""Facts about the prediction log."""

from dataclasses import dataclass
from typing import ClassVar

from weighbridge.domain.events import Event, Severity


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
    """The prediction log could not be written; answers are unaffected, and it is retried."""

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
            "check WEIGHBRIDGE_PREDICTION_LOG_REDACT for a typing error"
        )


def _answers(count: int) -> str:
    return "1 answer" if count == 1 else f"{count:,} answers"
