"""Several worker processes that serve on one socket, and the process that replaces those that end."""

from __future__ import annotations

import logging
import mmap
import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

from weighbridge.adapters.prometheus.shared_counters import SLOT_BYTES, SharedCounters
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.domain.errors import WeighbridgeError
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.edge_events import CommandFailed, WorkerEnded, WorkerStuck
from weighbridge.entrypoints.logs import say
from weighbridge.entrypoints.service.heartbeats import Heartbeats
from weighbridge.entrypoints.service.server import announce, listen, run
from weighbridge.entrypoints.service.starting import load_service, server_of
from weighbridge.entrypoints.settings import Settings

_READY = b"r"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Between the end of a process and the beginning of the one that takes its place, in seconds.
_PAUSE = 1.0
#: Between two looks at the workers, in seconds.
_LOOK = 0.2


def serve_with_workers(task: str, settings: Settings, host: str, port: int, wait: bool) -> None:
    """Serve in ``settings.workers`` processes until a signal ends them all.

    Each has its own model and follows promotions by itself. The first has to load the model before the others
    start: when it cannot, this process ends with its exit code. A worker that ends later is replaced. Arguments
    are those of ``serving.serve``.

    Raises:
        ConfigurationError: the address cannot be had.
        SystemExit: the first worker could not start; with its exit code.
    """
    listener = listen(host, port)
    # Memory without a file, shared with the processes that are forked from this one.
    memory = mmap.mmap(-1, settings.workers * SLOT_BYTES)
    pool = WorkerPool(task, settings, listener, memory, wait)
    for number in _SIGNALS:
        signal.signal(number, pool.stop)
    pool.start(0)
    code = pool.wait_for_first()
    if code is not None:
        sys.exit(code)
    announce(listener, bool(settings.keys))
    for slot in range(1, settings.workers):
        pool.start(slot)
    pool.watch()


class WorkerPool:
    """The worker processes by id, and the part of the shared memory that each counts in."""

    def __init__(
        self, task: str, settings: Settings, listener: socket.socket, memory: mmap.mmap, wait: bool
    ) -> None:
        self._task = task
        self._settings = settings
        self._listener = listener
        self._memory = memory
        self._wait = wait
        self._slots: dict[int, int] = {}
        #: For each slot how often its worker has told that it runs.
        self._beats = memoryview(mmap.mmap(-1, 8 * settings.workers)).cast("q")
        self._is_stopping = False
        #: Of the worker that the next one replaces, which counts it: this process counts nothing.
        self._ended: WorkerEnded | None = None
        self._ready_reader, self._ready_writer = os.pipe()
        # Nothing is written to it: its end closes with this process, however that ends.
        self._parent_reader, self._parent_writer = os.pipe()

    def start(self, slot: int) -> None:
        """Start a worker, unless all are to stop."""
        # Until the child has handlers of its own, a signal to it waits, or it would pass it on to its siblings.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        if not self._is_stopping:
            self._beats[slot] = 0
            pid = os.fork()
            if pid == 0:
                self._run(slot)
            self._slots[pid] = slot
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def wait_for_first(self) -> int | None:
        """Wait until the first worker has its model; its exit code when it ends without one, else None."""
        os.close(self._ready_writer)
        is_ready = os.read(self._ready_reader, 1) == _READY
        os.close(self._ready_reader)
        self._ready_reader = self._ready_writer = -1
        if is_ready:
            return None
        if not self._slots:
            return exit_codes.TERMINATED
        pid, status = os.wait()
        del self._slots[pid]
        return _exit_code(status)

    def watch(self) -> None:
        """Replace workers that end or do not respond, until they are told to stop; then wait for all of them."""
        watched = Heartbeats(self._settings.worker_seconds)
        while self._slots:
            if self._is_stopping:
                # Connections that wait to be accepted are then for the workers alone, down to the last of them.
                self._listener.close()
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                time.sleep(_LOOK)
                self._kill_stuck(watched)
                continue
            slot = self._slots.pop(pid)
            if not self._is_stopping:
                self._ended = WorkerEnded(_exit_code(status))
                say(self._ended)
                time.sleep(_PAUSE)
            self.start(slot)

    def stop(self, number: int, _: object) -> None:
        """Pass a signal on to every worker."""
        self._is_stopping = True
        for pid in self._slots:
            # One may have ended a moment ago.
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _kill_stuck(self, watched: Heartbeats) -> None:
        beats = {pid: self._beats[slot] for pid, slot in self._slots.items()}
        for pid in watched.stuck(beats, time.monotonic()):
            say(WorkerStuck(pid, self._settings.worker_seconds))
            os.kill(pid, signal.SIGKILL)

    def _run(self, slot: int) -> NoReturn:
        code = exit_codes.BUG
        try:
            self._serve(slot)
            code = exit_codes.OK
        except WeighbridgeError as error:
            text = "\n".join(part for part in (str(error), exit_codes.remedy(error)) if part)
            code = exit_codes.exit_code(error)
            say(CommandFailed(code, text))
        except BaseException:
            logging.getLogger("weighbridge").exception("a worker failed")
        finally:
            # It waits two seconds at most for what is still to be logged.
            logging.shutdown()
            # Without the exit handlers of the process that this one was forked from.
            os._exit(code)

    def _serve(self, slot: int) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        if self._ready_reader >= 0:
            os.close(self._ready_reader)
        os.close(self._parent_writer)
        threading.Thread(target=self._end_with_parent, daemon=True).start()
        container = wire(self._settings, SharedCounters(memoryview(self._memory), slot))
        telemetry = container.telemetry()
        if self._ended is not None and isinstance(telemetry, PrometheusTelemetry):
            telemetry.emit(self._ended)
        service = load_service(container, self._task, self._wait)
        server = server_of(container, service, self._listener.getsockname()[0])
        beats = self._beats

        def beat() -> None:
            beats[slot] += 1

        server.beat = beat
        run(server, self._listener, self._say_ready)

    def _end_with_parent(self) -> None:
        os.read(self._parent_reader, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _say_ready(self) -> None:
        if self._ready_writer >= 0:
            os.write(self._ready_writer, _READY)
            os.close(self._ready_writer)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
