"""What the edges say: the sentence, the level, the name and the fields, as one line of JSON."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from weighbridge.domain.events import Event
from weighbridge.entrypoints import edge_events
from weighbridge.entrypoints.edge_events import (
    CommandFailed,
    LogLinesLost,
    RequestFailed,
    ServiceListening,
    ServiceOpen,
    SpoolFailed,
    TemporaryFolderUnusable,
    WorkerEnded,
    WorkerStuck,
)
from weighbridge.entrypoints.logs import configure_logs, say

SAID: list[tuple[Event, dict[str, Any]]] = [
    (
        ServiceListening("http://[::1]:8000"),
        {
            "level": "info",
            "message": "listening on http://[::1]:8000, documented at /docs",
            "event": "service_listening",
            "address": "http://[::1]:8000",
        },
    ),
    (
        ServiceOpen("0.0.0.0", 8000),
        {
            "level": "warning",
            "message": (
                "anyone who can reach 0.0.0.0 port 8000 may request predictions and read records; "
                "set WEIGHBRIDGE_API_KEYS to restrict access"
            ),
            "event": "service_open",
            "host": "0.0.0.0",
            "port": 8000,
        },
    ),
    (
        WorkerEnded(137),
        {
            "level": "error",
            "message": "a worker ended with code 137; another one replaces it",
            "event": "worker_ended",
            "code": 137,
        },
    ),
    (
        RequestFailed("/x", "id-1"),
        {
            "level": "error",
            "message": "the request id-1 to '/x' failed; the traceback shows a bug",
            "event": "request_failed",
            "path": "/x",
            "request_id": "id-1",
        },
    ),
    (
        WorkerStuck(7, 30.0),
        {
            "level": "error",
            "message": "worker 7 has not responded for 30 s: it is killed and replaced",
            "event": "worker_stuck",
            "pid": 7,
            "seconds": 30.0,
        },
    ),
    (
        LogLinesLost(1023),
        {
            "level": "warning",
            "message": "1,023 log lines were lost: they came faster than they could be written",
            "event": "log_lines_lost",
            "lines": 1023,
        },
    ),
    (
        TemporaryFolderUnusable("no room"),
        {
            "level": "warning",
            "message": "batches beyond 4 MiB will be refused: no room; set TMPDIR to a writable folder with room",
            "event": "temporary_folder_unusable",
            "problem": "no room",
        },
    ),
    (
        SpoolFailed("no room"),
        {
            "level": "error",
            "message": "a large request could not be kept in the temporary folder: no room; make room there",
            "event": "spool_failed",
            "problem": "no room",
        },
    ),
    (
        CommandFailed(4, "a: 1 problem\n  mend it"),
        {
            "level": "error",
            "message": "a: 1 problem\n  mend it",
            "event": "command_failed",
            "code": 4,
            "problem": "a: 1 problem\n  mend it",
        },
    ),
]


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("weighbridge")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level, ours.level = before


@pytest.mark.parametrize(("event", "document"), SAID, ids=lambda given: getattr(given, "name", ""))
def test_an_event_of_the_edges_is_one_line(
    event: Event, document: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("json", "info")
    say(event)
    (line,) = capsys.readouterr().err.splitlines()
    told = json.loads(line)
    assert told.pop("time")
    assert told == document


def test_a_traceback_stands_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "info")
    try:
        raise KeyError("gone")
    except KeyError as error:
        say(RequestFailed("/x", "id-1"), error)
    assert "KeyError: 'gone'" in json.loads(capsys.readouterr().err)["traceback"]


def test_every_event_is_tried_here() -> None:
    there = {kind for kind in vars(edge_events).values() if isinstance(kind, type) and issubclass(kind, Event)}
    assert {type(event) for event, _ in SAID} == there - {Event}
