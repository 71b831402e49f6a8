"""A log line never makes the one who logs it wait, and a line that is lost is counted and told."""

import json
import logging
import os
from collections.abc import Iterator

import pytest

from weighbridge.entrypoints.log_queue import LogQueue, lost_log_lines, queue_logs
from weighbridge.entrypoints.logs import JsonFormatter, TextFormatter


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("weighbridge", logging.INFO, "", 0, text, (), None)


def read_until(reader: int, ending: bytes) -> list[str]:
    """The lines of a pipe, up to one with this ending."""
    data = b""
    while not data.endswith(ending + b"\n"):
        data += os.read(reader, 65536)
    return data.decode().splitlines()


def test_lines_are_written_in_order_and_whole(pipe: tuple[int, int]) -> None:
    queue = LogQueue(TextFormatter(), pipe[1])
    for number in range(3000):
        queue.handle(record(f"line {number} {'x' * (number % 300)}"))
    queue.handle(record("the last"))
    lines = read_until(pipe[0], b"the last")
    assert [line.split()[3] for line in lines[:-1]] == [str(number) for number in range(3000)]
    queue.close()
    assert queue.lost == 0


def test_a_reader_that_stops_makes_nobody_wait_and_learns_what_it_missed(pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    queue = LogQueue(JsonFormatter(), writer, most=100)
    # More than the pipe and the queue hold together; this would never end if a line were waited for.
    for number in range(5000):
        queue.handle(record(f"line {number} {'x' * 100}"))
    assert queue.lost > 0
    lost = queue.lost
    documents = [json.loads(line) for line in _drained(reader, lost)]
    told = [one for one in documents if one.get("event") == "log_lines_lost"]
    assert sum(one["lines"] for one in told) == lost == queue.lost
    assert told[0]["level"] == "warning"
    assert told[0]["message"].endswith("log lines were lost: they came faster than they could be written")
    assert len(documents) - len(told) + lost == 5000
    queue.close()


def _drained(reader: int, lost: int) -> list[str]:
    """Everything in a pipe, up to the line that completes what is told of lost lines."""
    data, told = b"", 0
    while told < lost or not data.endswith(b"\n"):
        data += os.read(reader, 65536)
        told = sum(json.loads(line).get("lines", 0) for line in data.split(b"\n")[:-1])
    while len(data.splitlines()) < 5000 - lost + sum(b'"log_lines_lost"' in line for line in data.splitlines()):
        data += os.read(reader, 65536)
    return data.decode().splitlines()


def test_the_end_does_not_wait_for_a_reader_that_has_stopped() -> None:
    reader, writer = os.pipe()
    queue = LogQueue(TextFormatter(), writer)
    for number in range(5000):
        queue.handle(record(f"line {number} {'x' * 100}"))
    # It returns although nobody reads.
    queue.close()
    # Now its thread cannot write, and ends; ``writer`` stays open, so that it is nobody else's meanwhile.
    os.close(reader)


def test_the_end_writes_what_is_waiting(pipe: tuple[int, int]) -> None:
    queue = LogQueue(TextFormatter(), pipe[1])
    queue.handle(record("the last"))
    queue.close()
    assert read_until(pipe[0], b"the last")[0].endswith("info     the last")


def test_lines_of_which_nobody_reads_any_are_lost() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    queue = LogQueue(TextFormatter(), writer)
    queue.handle(record("into nothing"))
    queue.close()
    os.close(writer)
    assert queue.lost == 1


def test_it_takes_the_place_of_what_was_configured(pipe: tuple[int, int]) -> None:
    root = logging.getLogger()
    before = root.handlers[:]
    try:
        configured = logging.StreamHandler()
        configured.setFormatter(JsonFormatter())
        root.handlers[:] = [configured]
        assert lost_log_lines() == 0
        with os.fdopen(os.dup(pipe[1]), "w") as stream:
            queue = queue_logs(stream)
            assert queue is not None
            logging.getLogger("weighbridge.test").error("seen")
            assert json.loads(read_until(pipe[0], b'"}')[0])["message"] == "seen"
            queue.close()
        assert lost_log_lines() == 0
    finally:
        root.handlers[:] = before
