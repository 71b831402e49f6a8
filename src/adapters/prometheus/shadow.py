"""What a second model would have answered, as Prometheus metrics beside the service's own."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from weighbridge.adapters.prometheus.buckets import DIFFERENCES
from weighbridge.adapters.prometheus.families import cumulative
from weighbridge.adapters.prometheus.shared_counters import SharedCounters
from weighbridge.domain.serving.telemetry import ShadowTelemetry

if TYPE_CHECKING:
    from weighbridge.adapters.prometheus.shared_counters import Key
    from weighbridge.domain.registry.releases import Release

_DIFFERENCES, _ROWS, _OTHERWISE, _FAILURES, _DROPPED = (
    "shadow_differences",
    "shadow_rows",
    "shadow_otherwise",
    "shadow_failures",
    "shadow_dropped",
)


class PrometheusShadow(ShadowTelemetry):
    """Counts into shared counters; ``families`` gives what is exposed, of all processes.

    What there is no room to count is not counted: nothing is raised.

    Args:
        counters: where to count.
    """

    def __init__(self, counters: SharedCounters) -> None:
        self._counters = counters
        self._release: Release | None = None
        self._problem: str | None = None
        self._is_on = False

    def shadowing(self, release: Release | None, problem: str | None) -> None:
        """Keep which model is the second one, and why it is not the one wanted."""
        self._release, self._problem, self._is_on = release, problem, True

    def differed(self, version: str, differences: Sequence[float]) -> None:
        """Count the rows, and each difference in its bucket."""
        self._add((_ROWS, version), len(differences))
        start = self._start((_DIFFERENCES, version), len(DIFFERENCES) + 2) if differences else None
        if start is not None:
            numbers = self._counters.numbers
            for difference in differences:
                numbers[start] += difference
                numbers[start + 1 + bisect_left(DIFFERENCES, difference)] += 1

    def labelled(self, version: str, rows: int, otherwise: int) -> None:
        """Count the rows, and those with another class."""
        self._add((_ROWS, version), rows)
        self._add((_OTHERWISE, version), otherwise)

    def failed(self, version: str, reason: str, rows: int) -> None:
        """Count the rows by version and reason."""
        self._add((_FAILURES, version, reason), rows)

    def dropped(self) -> None:
        """Count one row."""
        self._add((_DROPPED,), 1)

    def families(self) -> Iterator[Any]:
        """What is exposed; nothing before ``shadowing`` was called."""
        if not self._is_on:
            return
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        totals = self._counters.totals()

        def counter(kind: str, name: str, says: str, *labels: str) -> Any:
            family = CounterMetricFamily(f"weighbridge_shadow_{name}", says, labels=labels)
            for key, numbers in sorted(totals.items()):
                if key[0] == kind:
                    family.add_metric(key[1:], numbers[0])
            return family

        yield counter(_ROWS, "rows", "Rows that a second model predicted as well.", "version")
        yield counter(_OTHERWISE, "disagreements", "Rows of which it predicted another class.", "version")
        yield counter(_FAILURES, "failures", "Rows that it could not be compared on.", "version", "reason")
        yield CounterMetricFamily(
            "weighbridge_shadow_dropped",
            "Answered rows that were not compared, because too many waited.",
            value=totals.get((_DROPPED,), [0.0])[0],
        )
        sizes = HistogramMetricFamily(
            "weighbridge_shadow_difference",
            "From the answer to the second model's prediction: absolute, in the target's unit.",
            labels=("version",),
        )
        for key, numbers in sorted(totals.items()):
            if key[0] == _DIFFERENCES:
                sizes.add_metric(key[1:], cumulative(DIFFERENCES, numbers), numbers[0])
        yield sizes
        failing = float(self._problem is not None)
        yield GaugeMetricFamily(
            "weighbridge_shadow_failing", "Whether the second model cannot be had.", value=failing
        )
        info = GaugeMetricFamily(
            "weighbridge_shadow_info", "The second model.", labels=("task", "version", "format")
        )
        if self._release is not None:
            version = self._release.version
            info.add_metric((version.task, str(version), self._release.record.model.format), 1.0)
        yield info

    def _add(self, key: Key, number: float) -> None:
        start = self._start(key, 1)
        if start is not None:
            self._counters.numbers[start] += number

    def _start(self, key: Key, size: int) -> int | None:
        try:
            return self._counters.block(key, size)
        except MemoryError:
            # What is not counted here fails no answer; so many versions as fill the room take weeks.
            return None
