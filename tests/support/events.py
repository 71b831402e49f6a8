"""Event sinks that keep what they are told."""

from queue import Queue

from weighbridge.domain.events import Event
from weighbridge.domain.store.events import StoreRetried
from weighbridge.domain.system import EventSink


class Recorder(EventSink):
    """Keeps every event in the order in which they were emitted."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def take(self) -> list[Event]:
        """The events since the last call."""
        taken, self.events = self.events, []
        return taken


class EventQueue(EventSink):
    """Hands events to a thread that waits for them."""

    def __init__(self) -> None:
        self._queue: Queue[Event] = Queue()

    def emit(self, event: Event) -> None:
        self._queue.put(event)

    def next(self) -> Event:
        """The next event; wait for it, but not for ever."""
        return self._queue.get(timeout=120)

    def is_empty(self) -> bool:
        return self._queue.empty()


def retries_in(recorder: Recorder) -> list[tuple[str, str]]:
    """The operation and the reason of each retry; nothing but retries may have been emitted."""
    found = []
    for event in recorder.events:
        assert isinstance(event, StoreRetried), str(event)
        found.append((event.operation, event.reason))
    return found
