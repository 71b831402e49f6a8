"""What becomes of answers on their way into the prediction log, as Prometheus metrics."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weighbridge.adapters.prometheus.shared_counters import Cells
from weighbridge.domain.monitoring.prediction_log import PredictionLogTelemetry

_TAKEN, _REFUSED, _WRITTEN, _LOST, _KILLED = "log_taken", "log_refused", "log_written", "log_lost", "log_killed"
_EVERY = (_TAKEN, _REFUSED, _WRITTEN, _LOST, _KILLED)


class PrometheusPredictionLog(PredictionLogTelemetry):
    """Counts into cells; ``families`` makes what is exposed of all processes.

    Args:
        cells: where to count.
    """

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._places: dict[str, int] | None = None
        self._problem: str | None = None

    def begin(self, killed: int) -> None:
        """See the port."""
        places, numbers = self._blocks(), self._cells.numbers
        # What a killed process has counted here waits no more.
        numbers[places[_TAKEN]] = numbers[places[_WRITTEN]] + numbers[places[_LOST]]
        self._add(_KILLED, killed)

    def taken(self) -> None:
        """See the port."""
        self._add(_TAKEN, 1)

    def refused(self) -> None:
        """See the port."""
        self._add(_REFUSED, 1)

    def written(self, rows: int) -> None:
        """See the port."""
        self._add(_WRITTEN, rows)

    def lost(self, rows: int) -> None:
        """See the port."""
        self._add(_LOST, rows)

    def failing(self, problem: str | None) -> None:
        """See the port."""
        self._problem = problem

    def families(self) -> Iterator[Any]:
        """What is exposed: nothing at all while nothing is logged."""
        totals = self._cells.totals()
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
        self._cells.numbers[self._blocks()[name]] += number

    def _blocks(self) -> dict[str, int]:
        if self._places is None:
            self._places = {name: self._cells.block((name,), 1) for name in _EVERY}
        return self._places
