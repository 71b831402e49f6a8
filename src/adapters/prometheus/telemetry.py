"""What the service does, as Prometheus metrics.

Requests add to plain numbers; families, labels and text are made when somebody asks for them. The numbers are
those of every process of the service.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from weighbridge.adapters.prometheus.buckets import LATENCIES, PREDICTIONS
from weighbridge.adapters.prometheus.families import (
    CLASSES,
    EVENTS,
    LOST_LINES,
    OUTSIDE,
    REFRESHES,
    REQUESTS,
    RETRIES,
    SIZES,
    model_families,
    service_families,
    text_of,
)
from weighbridge.adapters.prometheus.prediction_tally import PredictionTally
from weighbridge.adapters.prometheus.shared_counters import SharedCounters
from weighbridge.domain.events import Event
from weighbridge.domain.serving.figures import Figures
from weighbridge.domain.serving.telemetry import ServingTelemetry, Tally
from weighbridge.domain.store.events import StoreRetried
from weighbridge.domain.system import Clock, EventSink

if TYPE_CHECKING:
    from weighbridge.adapters.prometheus.shared_counters import Key
    from weighbridge.domain.data.schema import Value
    from weighbridge.domain.serving.service import LoadedModel


class PrometheusTelemetry(ServingTelemetry, EventSink):
    """Counts into shared counters and exposes them as Prometheus metrics.

    What there is no room to count by its own labels is counted under ``other``, or not at all: nothing is raised.

    Args:
        counters: where to count.
        clock: for the ages of the model and of its dataset.
        more: what else to expose; each is called for its families when somebody asks.
    """

    def __init__(
        self,
        counters: SharedCounters,
        clock: Clock,
        more: Sequence[Callable[[], Iterable[Any]]] = (),
    ) -> None:
        self._counters = counters
        self._numbers = counters.numbers
        self._clock = clock
        self._more = more
        self._nowhere = counters.block(("nowhere",), len(PREDICTIONS) + 2)
        #: There from the start, so that an alert can tell none from no metric.
        self._lost_lines = self._block((LOST_LINES,), 1)
        self._requests: dict[tuple[str, str, int], int] = {}
        self._predictions: int | None = None
        # Events come from several threads.
        self._lock = threading.Lock()
        self._problem: str | None = None
        self._refreshed: datetime | None = None

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request by method, route and status, in the bucket of its latency."""
        start = self._requests.get((method, route, status))
        if start is None:
            start = self._block((REQUESTS, method, route, str(status)), len(LATENCIES) + 2)
            self._requests[method, route, status] = start
        numbers = self._numbers
        numbers[start] += seconds
        numbers[start + 1 + bisect_left(LATENCIES, seconds)] += 1

    def predicted(self, values: Sequence[Value]) -> None:
        """Count numbers by size and classes by name."""
        numbers = self._numbers
        for value in values:
            if isinstance(value, str):
                numbers[self._block((CLASSES, value), 1)] += 1
            else:
                start = self._predictions
                if start is None:
                    start = self._predictions = self._block((SIZES,), len(PREDICTIONS) + 2)
                numbers[start] += value
                numbers[start + 1 + bisect_left(PREDICTIONS, value)] += 1

    def outside_training_range(self, features: Iterable[str]) -> None:
        """Count one row for each of these features."""
        for feature in features:
            self._numbers[self._block((OUTSIDE, feature), 1)] += 1

    def tally(self) -> Tally:
        """An empty tally, with the buckets that are exposed."""
        return PredictionTally()

    def count(self, tally: Tally) -> None:
        """Add a tally to what was predicted."""
        assert isinstance(tally, PredictionTally)
        numbers = self._numbers
        if tally.sizes is not None:
            start = self._block((SIZES,), len(PREDICTIONS) + 2)
            numbers[start] += tally.total
            for place, count in enumerate(tally.sizes.tolist(), start + 1):
                numbers[place] += count
        for label, count in tally.classes.items():
            numbers[self._block((CLASSES, label), 1)] += count
        for feature, count in tally.outside.items():
            numbers[self._block((OUTSIDE, feature), 1)] += count

    def refreshed(self, problem: str | None) -> None:
        """Count a refresh by its outcome; keep whether the last one failed, and when one last succeeded."""
        self._problem = problem
        if problem is None:
            self._refreshed = self._clock.now()
        self._numbers[self._block((REFRESHES, "failure" if problem else "success"), 1)] += 1

    def emit(self, event: Event) -> None:
        """Count ``event`` by its name; a retry also by what was tried and why."""
        with self._lock:
            self._numbers[self._block((EVENTS, event.name), 1)] += 1
            if isinstance(event, StoreRetried):
                self._numbers[self._block((RETRIES, event.operation, event.reason), 1)] += 1

    def log_lines_lost(self, lines: int) -> None:
        """Add to the lines that were lost."""
        self._numbers[self._lost_lines] += lines

    def figures(self) -> Figures:
        """Requests, rows and rows outside their range, added up over all processes."""
        answered: dict[tuple[str, str, int], Sequence[float]] = {}
        outside: dict[str, float] = {}
        rows = 0.0
        for (kind, *labels), numbers in self._counters.totals().items():
            if kind == REQUESTS:
                method, route, status = labels
                answered[method, route, int(status)] = numbers[1:]
            elif kind == SIZES:
                rows += sum(numbers[1:])
            elif kind == CLASSES:
                rows += numbers[0]
            elif kind == OUTSIDE:
                outside[labels[0]] = numbers[0]
        return Figures(LATENCIES, answered, rows, outside)

    def exposition(self, loaded: LoadedModel | None, accept: str) -> tuple[bytes, str]:
        """OpenMetrics where ``accept`` names it, else Prometheus' text."""
        return text_of(self.families(loaded), accept)

    def families(self, loaded: LoadedModel | None) -> Iterator[Any]:
        """The families of metrics: those of all processes, and those of the model that this one answers with."""
        yield from service_families(self._counters.totals())
        yield from model_families(loaded, self._problem, self._refreshed, self._clock.now())
        for families in self._more:
            yield from families()

    def _block(self, key: Key, size: int) -> int:
        try:
            return self._counters.block(key, size)
        except MemoryError:
            # Rather things not told apart, or not counted, than a request that fails.
            try:
                return self._counters.block((key[0], *("other" for _ in key[1:])), size)
            except MemoryError:
                return self._nowhere
