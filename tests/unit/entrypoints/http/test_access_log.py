"""The lines of requests: what they say, and what becomes of those that are too many."""

import json
import logging

import pytest

from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.system import SystemClock
from weighbridge.entrypoints.http.access_log import AccessLog
from weighbridge.entrypoints.http.fast.request_book import RequestBook
from weighbridge.entrypoints.logs import JsonFormatter

SCOPE = {"method": "GET", "path": "/livez", "client": ("10.0.0.1", 1234)}


class Lines(logging.Handler):
    """Keeps lines as JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonFormatter())
        self.seen: list[dict[str, object]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append(json.loads(self.format(record)))


@pytest.fixture
def lines() -> "list[dict[str, object]]":
    handler = Lines()
    logger = logging.getLogger("weighbridge")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.seen  # type: ignore[misc]
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_a_line_says_who_asked_for_what(lines: "list[dict[str, object]]") -> None:
    log = AccessLog()
    log.start()
    assert log.add(SCOPE, 200, 0.0015, b"id-1")
    log.stop()
    (line,) = lines
    assert {name: line[name] for name in ("event", "method", "path", "status", "milliseconds", "request_id")} == {
        "event": "request",
        "method": "GET",
        "path": "/livez",
        "status": 200,
        "milliseconds": 1.5,
        "request_id": "id-1",
    }
    assert line["client"] == "10.0.0.1"


def test_lines_for_which_there_is_no_room_are_counted_and_told(lines: "list[dict[str, object]]") -> None:
    log = AccessLog(seconds=3600, most=3)
    telemetry = PrometheusTelemetry(SharedCounters(private_memory()), SystemClock())
    book = RequestBook(telemetry, log)
    log.start()
    for _ in range(5):
        book.answered(SCOPE, "/livez", 200, 0.001, b"id")
    log.stop()
    assert [line["event"] for line in lines] == ["request"] * 3 + ["log_lines_lost"]
    assert lines[-1]["lines"] == 2
    assert b"\nweighbridge_log_lines_lost_total 2.0\n" in telemetry.exposition(None, "")[0]


def test_no_lost_lines_are_a_metric_too() -> None:
    telemetry = PrometheusTelemetry(SharedCounters(private_memory()), SystemClock())
    assert b"\nweighbridge_log_lines_lost_total 0.0\n" in telemetry.exposition(None, "")[0]
