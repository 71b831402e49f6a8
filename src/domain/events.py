"""Facts that the workflows emit. The domain does not log; sinks turn events into log lines and metrics."""

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

Severity: TypeAlias = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Event:
    """A fact. ``str()`` says it to people; the fields say it to machines."""

    name: ClassVar[str] = "event"
    severity: ClassVar[Severity] = "info"
