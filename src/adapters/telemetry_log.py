"""Events as log records: the sentence as the message, the fields beside it."""

import logging
from dataclasses import asdict

from weighbridge.domain.events import Event
from weighbridge.domain.system import EventSink

_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


class LogEventSink(EventSink):
    """Logs each event once and on one line, under the logger ``weighbridge``.

    The record's ``event`` attribute is the event's name and ``fields`` its fields, for formatters that
    write structure.
    """

    def __init__(self) -> None:
        self._logger = logging.getLogger("weighbridge")

    def emit(self, event: Event) -> None:
        """Log ``event`` at its own severity."""
        extra = {"event": event.name, "fields": asdict(event)}
        # What an event quotes, a library's message for one, may have lines of its own.
        self._logger.log(_LEVELS[event.severity], "%s", " ".join(str(event).split()), extra=extra)
