"""Telling several sinks."""

from weighbridge.domain.events import Event
from weighbridge.domain.system import EventSink


class EverySink(EventSink):
    """Passes each event on to every one of ``sinks``, in order."""

    def __init__(self, *sinks: EventSink) -> None:
        self._sinks = sinks

    def emit(self, event: Event) -> None:
        """Pass ``event`` on."""
        for sink in self._sinks:
            sink.emit(event)
