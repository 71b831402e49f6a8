"""What the domain needs of the system that it runs on: time, memory, the identity of the code, events, traces."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from weighbridge.domain.events import Event


class Clock(Protocol):
    """Where time comes in."""

    @abstractmethod
    def now(self) -> datetime:
        """The present, aware, in UTC."""

    @abstractmethod
    def seconds(self) -> float:
        """A monotonic count of seconds, for durations."""


class RevisionSource(Protocol):
    """Where the code's own identity comes from."""

    @abstractmethod
    def revision(self) -> str:
        """The revision of the running code, or ``unknown``."""

    @abstractmethod
    def libraries(self) -> dict[str, str]:
        """Versions of the libraries that shape a model, by name; Python's own is among them."""


class MemoryMeter(Protocol):
    """Where the use of memory is told."""

    @abstractmethod
    def peak_bytes(self) -> int:
        """The most memory that this process has held at once until now, in bytes."""


class EventSink(Protocol):
    """Takes the facts that the workflows emit."""

    @abstractmethod
    def emit(self, event: Event) -> None:
        """Take one event; never raises."""


class Tracing(Protocol):
    """Where what is done, and for how long, is told as spans that lie within each other."""

    @abstractmethod
    def span(self, name: str, **attributes: str) -> AbstractContextManager[None]:
        """A span around what is done within; an exception that leaves it is told and goes on."""

    @abstractmethod
    def request(self, method: str, path: str, headers: Mapping[str, str]) -> AbstractContextManager[RequestSpan]:
        """A span around the answer to a request, within the one that the request's own headers name.

        Args:
            method: of the request.
            path: of the request.
            headers: by lower-case name; ``traceparent`` and ``tracestate`` as the W3C has them.
        """


class RequestSpan(Protocol):
    """The span of one request."""

    @abstractmethod
    def answered(self, route: str, status: int, request_id: str) -> None:
        """Tell what became of it: the route's template, the status, and the id that the answer carries."""
