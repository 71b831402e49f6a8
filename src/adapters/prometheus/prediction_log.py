"""What becomes of answers on their way into the prediction log, as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weighbridge.adapters.prometheus.shared_counters import SharedCounters
from weighbridge.domain.monitoring.prediction_log import PredictionLogTelemetry

_TAKEN, _REFUSED, _WRITTEN, _LOST, _KILLED = "log_taken", "log_refused", "log_written", "log_lost", "log_killed"
_EVERY = (_TAKEN, _REFUSED, _WRITTEN, _LOST, _KILLED)


class PrometheusPredictionLog(PredictionLogTelemetry):
    """Counts into shared counters; ``families`` gives what is exposed, of all processes.

    Args:
        counters: where to count.
    """

    def __init__(self, counters: SharedCounters) -> None:
        self._counters = counters
        self._places: dict[str, int] | None = None
        self._problem: str | None = None

    def begin(self, killed: int) -> None:
        """Count what killed processes have lost, and forget what one of them had waiting in this slot."""
        places, numbers = self._blocks(), self._counters.numbers
        # What a killed process has counted here waits no more.
        numbers[places[_TAKEN]] = numbers[places[_WRITTEN]] + numbers[places[_LOST]]
        self._add(_KILLED, killed)

    def taken(self) -> None:
        """Count one answer that waits."""
        self._add(_TAKEN, 1)

    def refused(self) -> None:
        """Count one answer for which there was no room."""
        self._add(_REFUSED, 1)

    def written(self, rows: int) -> None:
        """Count answers that wait no more."""
        self._add(_WRITTEN, rows)

    def lost(self, rows: int) -> None:
        """Count answers that wait no more and were not written."""
        self._add(_LOST, rows)

    def failing(self, problem: str | None) -> None:
        """Keep why the last file could not be written; None when it was."""
        self._problem = problem

    def families(self) -> Iterator[Any]:
        """What is exposed; nothing before ``begin`` was called."""
        totals = self._counters.totals()
        if (_TAKEN,) not in totals:
            return
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        taken, refused, written, lost, killed = (totals.get((name,), [0.0])[0] for name in _EVERY)
        yield CounterMetricFamily(
            "weighbridge_prediction_log_rows", "Answers written to the prediction log.", value=written
        )
        yield CounterMetricFamily(
            "weighbridge_prediction_log_lost",
            "Answers that the prediction log has lost.",
            value=refused + lost + killed,
        )
        yield GaugeMetricFamily(
            "weighbridge_prediction_log_waiting",
            "Answers that wait to be written: what would be lost if all processes were killed now.",
            value=taken - written - lost,
        )
        yield GaugeMetricFamily(
            "weighbridge_prediction_log_failing",
            "Whether the last file of the prediction log could not be written.",
            value=float(self._problem is not None),
        )

    def _add(self, name: str, number: float) -> None:
        self._counters.numbers[self._blocks()[name]] += number

    def _blocks(self) -> dict[str, int]:
        if self._places is None:
            self._places = {name: self._counters.block((name,), 1) for name in _EVERY}
        return self._places
