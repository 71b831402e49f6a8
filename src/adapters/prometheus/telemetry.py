"""What the service does, as Prometheus metrics.

The hot path adds to plain numbers; families, labels and text are made when somebody asks for them, which is
also when ``prometheus_client`` is imported. The numbers are those of every process of the service.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from weighbridge.adapters.prometheus.shared_counters import Cells
from weighbridge.domain.events import Event
from weighbridge.domain.serving.figures import Figures
from weighbridge.domain.serving.telemetry import ServingTelemetry, Tally
from weighbridge.domain.store.artefacts import dataset_timestamp
from weighbridge.domain.store.events import StoreRetried
from weighbridge.domain.system import Clock, EventSink

if TYPE_CHECKING:
    from weighbridge.adapters.prometheus.shared_counters import Key
    from weighbridge.domain.data.columns import Array, Encoded
    from weighbridge.domain.data.schema import Value
    from weighbridge.domain.serving.service import LoadedModel

#: Upper bounds of the buckets of latencies, in seconds.
LATENCIES = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: Upper bounds of the buckets of predictions, in the target's unit, whatever that is. None is negative: such a
#: histogram has no sum in the formats that are written.
PREDICTIONS = (
    0.0,
    *(float(f"{digits}e{power}") for power in range(-3, 6) for digits in ("1", "2.5", "5")),
    1e6,
)

_OPEN_METRICS = "application/openmetrics-text"

_REQUESTS, _PREDICTIONS, _CLASSES, _OUTSIDE, _REFRESHES, _EVENTS, _RETRIES = (
    "requests",
    "predictions",
    "classes",
    "outside",
    "refreshes",
    "events",
    "retries",
)


class PrometheusTelemetry(ServingTelemetry, EventSink):
    """Counts into cells and exposes them through a registry of its own.

    Args:
        cells: where to count.
        clock: for the ages of the model and of its dataset.
        more: what else to expose; each is called for its families when somebody asks.
    """

    def __init__(self, cells: Cells, clock: Clock, more: Sequence[Callable[[], Iterable[Any]]] = ()) -> None:
        self._cells = cells
        self._numbers = cells.numbers
        self._clock = clock
        self._more = more
        self._nowhere = cells.block(("nowhere",), len(PREDICTIONS) + 2)
        self._requests: dict[tuple[str, str, int], int] = {}
        self._predictions: int | None = None
        # Events come from several threads.
        self._lock = threading.Lock()
        self._problem: str | None = None

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """See the port."""
        start = self._requests.get((method, route, status))
        if start is None:
            start = self._block((_REQUESTS, method, route, str(status)), len(LATENCIES) + 2)
            self._requests[method, route, status] = start
        numbers = self._numbers
        numbers[start] += seconds
        numbers[start + 1 + bisect_left(LATENCIES, seconds)] += 1

    def predicted(self, values: Sequence[Value]) -> None:
        """See the port. Numbers are counted by size, classes by name."""
        numbers = self._numbers
        for value in values:
            if isinstance(value, str):
                numbers[self._block((_CLASSES, value), 1)] += 1
            else:
                start = self._predictions
                if start is None:
                    start = self._predictions = self._block((_PREDICTIONS,), len(PREDICTIONS) + 2)
                numbers[start] += value
                numbers[start + 1 + bisect_left(PREDICTIONS, value)] += 1

    def outside_training_range(self, features: Iterable[str]) -> None:
        """See the port."""
        for feature in features:
            self._numbers[self._block((_OUTSIDE, feature), 1)] += 1

    def tally(self) -> Tally:
        """See the port."""
        return _Tally()

    def count(self, tally: Tally) -> None:
        """See the port."""
        assert isinstance(tally, _Tally)
        numbers = self._numbers
        if tally.sizes is not None:
            start = self._block((_PREDICTIONS,), len(PREDICTIONS) + 2)
            numbers[start] += tally.total
            for place, count in enumerate(tally.sizes.tolist(), start + 1):
                numbers[place] += count
        for label, count in tally.classes.items():
            numbers[self._block((_CLASSES, label), 1)] += count
        for feature, count in tally.outside.items():
            numbers[self._block((_OUTSIDE, feature), 1)] += count

    def refreshed(self, problem: str | None) -> None:
        """See the port."""
        self._problem = problem
        self._numbers[self._block((_REFRESHES, "failure" if problem else "success"), 1)] += 1

    def emit(self, event: Event) -> None:
        """Count ``event`` by its name; a retry by what was tried and why, too."""
        with self._lock:
            self._numbers[self._block((_EVENTS, event.name), 1)] += 1
            if isinstance(event, StoreRetried):
                self._numbers[self._block((_RETRIES, event.operation, event.reason), 1)] += 1

    def figures(self) -> Figures:
        """See the port."""
        answered: dict[tuple[str, str, int], Sequence[float]] = {}
        outside: dict[str, float] = {}
        rows = 0.0
        for (kind, *labels), numbers in self._cells.totals().items():
            if kind == _REQUESTS:
                method, route, status = labels
                answered[method, route, int(status)] = numbers[1:]
            elif kind == _PREDICTIONS:
                rows += sum(numbers[1:])
            elif kind == _CLASSES:
                rows += numbers[0]
            elif kind == _OUTSIDE:
                outside[labels[0]] = numbers[0]
        return Figures(LATENCIES, answered, rows, outside)

    def exposition(self, loaded: LoadedModel | None, accept: str) -> tuple[bytes, str]:
        """See the port: OpenMetrics when it is asked for, else Prometheus' text."""
        from prometheus_client import CollectorRegistry
        from prometheus_client.exposition import choose_encoder

        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Families(self._families(loaded)))
        # The library believes versions and escapings that clients make up, and fails of them.
        kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
        encode, media_type = choose_encoder(_OPEN_METRICS if _OPEN_METRICS in kinds else "")
        return encode(registry), media_type

    def _block(self, key: Key, size: int) -> int:
        try:
            return self._cells.block(key, size)
        except MemoryError:
            # Rather things not told apart, or not counted, than a request that fails.
            try:
                return self._cells.block((key[0], *("other" for _ in key[1:])), size)
            except MemoryError:
                return self._nowhere

    def _families(self, loaded: LoadedModel | None) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        totals = self._cells.totals()

        def kind(name: str) -> Iterator[tuple[Key, list[float]]]:
            return ((key[1:], numbers) for key, numbers in sorted(totals.items()) if key[0] == name)

        requests = CounterMetricFamily(
            "weighbridge_http_requests", "Requests answered.", labels=("method", "route", "status")
        )
        by_route: dict[Key, list[float]] = {}
        for (method, route, status), numbers in kind(_REQUESTS):
            requests.add_metric((method, route, status), sum(numbers[1:]))
            before = by_route.get((method, route), [0.0] * len(numbers))
            by_route[method, route] = [one + other for one, other in zip(before, numbers, strict=True)]
        yield requests
        latency = HistogramMetricFamily(
            "weighbridge_http_request_duration_seconds",
            "From the request's headers to the end of the answer.",
            labels=("method", "route"),
        )
        for labels, numbers in by_route.items():
            latency.add_metric(labels, _buckets(LATENCIES, numbers), numbers[0])
        yield latency

        rows = 0.0
        sizes = HistogramMetricFamily("weighbridge_prediction", "Predictions given, in the target's unit.")
        for _, numbers in kind(_PREDICTIONS):
            rows += sum(numbers[1:])
            sizes.add_metric((), _buckets(PREDICTIONS, numbers), numbers[0])
        yield sizes
        yield _counter("weighbridge_predicted_classes", "Predictions given.", ("class",), kind(_CLASSES))
        rows += sum(numbers[0] for _, numbers in kind(_CLASSES))
        yield CounterMetricFamily("weighbridge_rows_predicted", "Rows predicted.", value=rows)
        yield _counter(
            "weighbridge_inputs_outside_training_range",
            "Rows predicted with a value outside the feature's range in training.",
            ("feature",),
            kind(_OUTSIDE),
        )
        yield _counter("weighbridge_refreshes", "Looks at the registry.", ("outcome",), kind(_REFRESHES))
        yield _counter("weighbridge_events", "Events.", ("event",), kind(_EVENTS))
        yield _counter(
            "weighbridge_store_retries",
            "Requests that were sent to the store again.",
            ("operation", "reason"),
            kind(_RETRIES),
        )
        yield GaugeMetricFamily(
            "weighbridge_refresh_failing",
            "Whether the last refresh failed.",
            value=float(self._problem is not None),
        )
        yield GaugeMetricFamily("weighbridge_ready", "Whether a model is loaded.", value=float(loaded is not None))
        if loaded is not None:
            yield from self._of_model(loaded)
        for families in self._more:
            yield from families()

    def _of_model(self, loaded: LoadedModel) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily

        version, record = loaded.release.version, loaded.release.record
        names = ("task", "version", "format", "dataset")
        info = GaugeMetricFamily("weighbridge_model_info", "The model that answers.", labels=names)
        info.add_metric((version.task, str(version), record.model.format, record.dataset.key), 1.0)
        yield info
        now = self._clock.now()
        yield GaugeMetricFamily(
            "weighbridge_model_age_seconds",
            "Since the model that answers was trained.",
            value=(now - version.created).total_seconds(),
        )
        taken = dataset_timestamp(version.task, record.dataset.key.partition("/")[2])
        if taken is not None:
            yield GaugeMetricFamily(
                "weighbridge_dataset_age_seconds",
                "Since the time that the name of the model's dataset tells.",
                value=(now - taken).total_seconds(),
            )


class _Tally(Tally):
    """Numbers by the buckets that predictions have, classes by name."""

    def __init__(self) -> None:
        self.total = 0.0
        self.sizes: Array | None = None
        self.classes: Counter[str] = Counter()
        self.outside: Counter[str] = Counter()

    def add(self, predicted: Array | Encoded, outside: Mapping[str, int]) -> None:
        """See the port."""
        import numpy as np

        from weighbridge.domain.data.columns import Encoded

        self.outside.update(outside)
        if isinstance(predicted, Encoded):
            values = np.asarray(predicted.values)
            counts = np.bincount(predicted.codes, minlength=len(values)).astype(np.float64)
        else:
            values, counts = predicted, np.ones(len(predicted))
        if values.dtype.kind != "f":
            for label, count in zip(values.tolist(), counts.tolist(), strict=True):
                self.classes[label] += int(count)
            return
        self.total += float(values @ counts)
        # The same buckets as ``bisect_left`` finds for a single one.
        sizes = np.bincount(np.searchsorted(PREDICTIONS, values), counts, len(PREDICTIONS) + 1)
        self.sizes = sizes if self.sizes is None else self.sizes + sizes


class _Families:
    """What a registry collects from."""

    def __init__(self, families: Iterable[Any]) -> None:
        self._families = families

    def collect(self) -> Iterable[Any]:
        return self._families


def _counter(name: str, says: str, labels: Sequence[str], found: Iterable[tuple[Key, list[float]]]) -> Any:
    from prometheus_client.core import CounterMetricFamily

    family = CounterMetricFamily(name, says, labels=labels)
    for key, (count,) in found:
        family.add_metric(key, count)
    return family


def _buckets(bounds: Sequence[float], numbers: Sequence[float]) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound; the numbers begin with the sum of the values."""
    names = [*(repr(bound) for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(numbers[1:]), strict=True))
