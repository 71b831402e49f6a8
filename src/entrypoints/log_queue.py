"""Log lines that never wait: whoever reads stderr may stop reading, and the service goes on.

A service writes its log from threads that answer requests and follow promotions. A pipe whose reader has stopped
blocks whoever writes to it. So a thread of its own writes, and what it cannot write in time is left out, counted
and reported.
"""

from __future__ import annotations

import logging
import os
import select
import sys
import threading
from collections import deque
from typing import IO

#: Lines that may wait to be written.
_MOST = 10_000

#: Up to so many bytes, what is written to a pipe is not mixed with what other processes write to it (POSIX).
_ATOMIC = 4096

#: How long the end of the process waits for the last lines, in seconds.
_FAREWELL = 2.0


class LogQueue(logging.Handler):
    """Formats a record at once, and leaves it to its own thread to write it.

    A fork goes on with an empty queue and a thread of its own.

    Args:
        formatter: makes a line of a record.
        descriptor: of the file to write to.
        most: how many lines may wait; those that come beyond are lost.
    """

    def __init__(self, formatter: logging.Formatter, descriptor: int, most: int = _MOST) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._descriptor = descriptor
        self._most = most
        self._lost = 0
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    @property
    def lost(self) -> int:
        """How many lines were not written, since this process began."""
        return self._lost

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a record; never waits. The base class has the lock, so one thread at a time is here."""
        if len(self._lines) >= self._most:
            self._lost += 1
            return
        try:
            self._lines.append(f"{self.format(record)}\n".encode("utf-8", "backslashreplace"))
        except Exception:
            self._lost += 1
        if not self._wake.is_set():
            self._wake.set()

    def close(self) -> None:
        """Write what is waiting, within two seconds; what is left then is lost."""
        self._is_closing = True
        self._wake.set()
        self._thread.join(timeout=_FAREWELL)
        super().close()

    def _begin(self) -> None:
        self._lines: deque[bytes] = deque()
        self._lost = self._told = 0
        self._is_closing = False
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not (self._is_closing and not self._lines):
            self._wake.wait()
            self._wake.clear()
            while self._lines:
                self._write_some()
            if self._is_closing:
                return

    def _write_some(self) -> None:
        """Write as many lines as fit in one piece."""
        lines = [self._lines.popleft()]
        size = len(lines[0])
        while self._lines and size + len(self._lines[0]) <= _ATOMIC:
            size += len(self._lines[0])
            lines.append(self._lines.popleft())
        try:
            self._write(b"".join(lines))
        except OSError:
            self._lost += len(lines)
            return
        if self._lost > self._told:
            self._tell()

    def _tell(self) -> None:
        from weighbridge.entrypoints.edge_events import LogLinesLost
        from weighbridge.entrypoints.logs import record_of

        lost = self._lost
        line = self.format(record_of(LogLinesLost(lost - self._told)))
        self._told = lost
        # Before what comes next, wherever the queue is full again by then.
        self._lines.appendleft(f"{line}\n".encode())

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                select.select([], [self._descriptor], [])


def queue_logs(stream: IO[str] | None = None) -> LogQueue | None:
    """Have the log written by a thread of its own from now on; None where ``stream`` (stderr) is no file."""
    root = logging.getLogger()
    formatter = root.handlers[0].formatter if root.handlers else None
    try:
        descriptor = (stream or sys.stderr).fileno()
    except (OSError, ValueError, AttributeError):
        return None
    queue = LogQueue(formatter or logging.Formatter(), descriptor)
    root.handlers[:] = [queue]
    return queue


def lost_log_lines() -> int:
    """How many lines this process has not written, since it began."""
    return sum(handler.lost for handler in logging.getLogger().handlers if isinstance(handler, LogQueue))
