"""What the service counts, as families of Prometheus metrics, and families as text.

``prometheus_client`` is imported when somebody asks for the metrics: the first answer does not need it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from weighbridge.adapters.prometheus.buckets import LATENCIES, PREDICTIONS
from weighbridge.domain.store.artefacts import dataset_timestamp

if TYPE_CHECKING:
    from weighbridge.adapters.prometheus.shared_counters import Key
    from weighbridge.domain.serving.service import LoadedModel

#: The first part of the keys that the service counts by.
REQUESTS, SIZES, CLASSES, OUTSIDE, REFRESHES, EVENTS, RETRIES, LOST_LINES = (
    "requests",
    "predictions",
    "classes",
    "outside",
    "refreshes",
    "events",
    "retries",
    "lost_lines",
)

_OPEN_METRICS = "application/openmetrics-text"

#: The counters that are one number for each key: kind, name, help, labels.
_COUNTERS = (
    (CLASSES, "weighbridge_predicted_classes", "Predictions given.", ("class",)),
    (
        OUTSIDE,
        "weighbridge_inputs_outside_training_range",
        "Rows predicted with a value outside the feature's range in training.",
        ("feature",),
    ),
    (REFRESHES, "weighbridge_refreshes", "Looks at the registry.", ("outcome",)),
    (EVENTS, "weighbridge_events", "Events.", ("event",)),
    (
        RETRIES,
        "weighbridge_store_retries",
        "Requests that were sent to the store again.",
        ("operation", "reason"),
    ),
    (
        LOST_LINES,
        "weighbridge_log_lines_lost",
        "Log lines, also those of the access log, left out because stderr took them too slowly.",
        (),
    ),
)


def text_of(families: Iterable[Any], accept: str) -> tuple[bytes, str]:
    """Families as text, and its media type: OpenMetrics where ``accept`` names it, else Prometheus' own format."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import choose_encoder

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(families))
    # The library believes versions and escapings that clients make up, and fails of them.
    kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
    encode, media_type = choose_encoder(_OPEN_METRICS if _OPEN_METRICS in kinds else "")
    return encode(registry), media_type


def service_families(totals: Mapping[Key, Sequence[float]]) -> Iterator[Any]:
    """The families of what all processes have counted.

    Args:
        totals: by key, whose first part is one of the kinds above; others are ignored.
    """
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    requests = CounterMetricFamily(
        "weighbridge_http_requests", "Requests answered.", labels=("method", "route", "status")
    )
    by_route: dict[Key, list[float]] = {}
    for (method, route, status), numbers in _of_kind(totals, REQUESTS):
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
        latency.add_metric(labels, cumulative(LATENCIES, numbers), numbers[0])
    yield latency
    sizes = HistogramMetricFamily("weighbridge_prediction", "Predictions given, in the target's unit.")
    rows = sum(numbers[0] for _, numbers in _of_kind(totals, CLASSES))
    for _, numbers in _of_kind(totals, SIZES):
        rows += sum(numbers[1:])
        sizes.add_metric((), cumulative(PREDICTIONS, numbers), numbers[0])
    yield sizes
    yield CounterMetricFamily("weighbridge_rows_predicted", "Rows predicted.", value=rows)
    for kind, name, says, names in _COUNTERS:
        family = CounterMetricFamily(name, says, labels=names)
        for key, (count,) in _of_kind(totals, kind):
            family.add_metric(key, count)
        yield family


def model_families(
    loaded: LoadedModel | None, problem: str | None, refreshed: datetime | None, now: datetime
) -> Iterator[Any]:
    """The families of the model that answers, if there is one, and of how it is refreshed.

    Args:
        loaded: the model.
        problem: why the last refresh failed; None when it did not.
        refreshed: when a refresh last succeeded; None when none has yet.
        now: the time, for ages.
    """
    from prometheus_client.core import GaugeMetricFamily

    yield GaugeMetricFamily(
        "weighbridge_refresh_failing", "Whether the last refresh failed.", value=float(problem is not None)
    )
    yield GaugeMetricFamily(
        "weighbridge_last_refresh_success_timestamp",
        "When a refresh last succeeded, in seconds since 1970; 0 when none has yet.",
        value=0.0 if refreshed is None else refreshed.timestamp(),
    )
    yield GaugeMetricFamily("weighbridge_ready", "Whether a model is loaded.", value=float(loaded is not None))
    if loaded is None:
        return
    version, record = loaded.release.version, loaded.release.record
    names = ("task", "version", "format", "dataset")
    info = GaugeMetricFamily("weighbridge_model_info", "The model that answers.", labels=names)
    info.add_metric((version.task, str(version), record.model.format, record.dataset.key), 1.0)
    yield info
    yield GaugeMetricFamily(
        "weighbridge_model_age_seconds",
        "Since the model that answers was trained.",
        value=(now - version.created).total_seconds(),
    )
    taken = dataset_timestamp(version.task, record.dataset.key.partition("/")[2])
    if taken is not None:
        yield GaugeMetricFamily(
            "weighbridge_dataset_age_seconds",
            "Since the time in the name of the model's dataset.",
            value=(now - taken).total_seconds(),
        )


def cumulative(bounds: Sequence[float], numbers: Sequence[float]) -> list[tuple[str, float]]:
    """Cumulative counts by upper bound; the numbers are the sum of the values, then the count in each bucket."""
    names = [*(repr(bound) for bound in bounds), "+Inf"]
    return list(zip(names, accumulate(numbers[1:]), strict=True))


def _of_kind(totals: Mapping[Key, Sequence[float]], kind: str) -> list[tuple[Key, Sequence[float]]]:
    return [(key[1:], numbers) for key, numbers in sorted(totals.items()) if key[0] == kind]


class _Collector:
    """What a registry collects from."""

    def __init__(self, families: Iterable[Any]) -> None:
        self._families = families

    def collect(self) -> Iterable[Any]:
        return self._families
