"""Several processes that serve on one socket, and the one that watches over them."""

from __future__ import annotations

import logging
import mmap
import os
import signal
import socket
import sys
import threading
import time
from typing import NoReturn

from weighbridge.adapters.prometheus.shared_counters import SLOT_BYTES, Cells
from weighbridge.domain.errors import WeighbridgeError
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.edge_events import CommandFailed, WorkerEnded
from weighbridge.entrypoints.logs import say
from weighbridge.entrypoints.service.server import announce, listen, make_server, run
from weighbridge.entrypoints.settings import Settings

_READY = b"r"
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
#: Between the end of a process and the beginning of the one that takes its place, in seconds.
_PAUSE = 1.0


def serve_side_by_side(task: str, settings: Settings, host: str, port: int, wait: bool) -> None:
    """Serve in ``settings.workers`` processes until a signal ends them all.

    Each has its own model and follows promotions by itself. The first has to load the model before the others
    begin: when it cannot, this process ends as it did. A process that dies later is replaced. Arguments are
    those of ``entrypoints.serving.serve``.

    Raises:
        ConfigurationError: the address cannot be had.
        SystemExit: the first process could not begin; with its exit code.
    """
    listener = listen(host, port)
    # Nobody's file: the processes that are forked from this one share it.
    memory = mmap.mmap(-1, settings.workers * SLOT_BYTES)
    family = _Family(task, settings, listener, memory, wait)
    # A signal waits until there are processes to pass it on to.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    for number in _SIGNALS:
        signal.signal(number, family.stop)
    family.begin(0)
    code = family.wait_for_first()
    if code is not None:
        sys.exit(code)
    announce(listener, bool(settings.keys))
    for slot in range(1, settings.workers):
        family.begin(slot)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
    family.watch()


class _Family:
    """The processes by id, and the part of the shared memory that each counts in."""

    def __init__(
        self, task: str, settings: Settings, listener: socket.socket, memory: mmap.mmap, wait: bool
    ) -> None:
        self._task = task
        self._settings = settings
        self._listener = listener
        self._memory = memory
        self._wait = wait
        self._slots: dict[int, int] = {}
        self._is_stopping = False
        self._told, self._tell = os.pipe()
        # Nobody ever writes to it: it ends when this process does, however that comes.
        self._parent_lives, self._i_live = os.pipe()

    def begin(self, slot: int) -> None:
        """Start a process."""
        # Until it has handlers of its own, a signal to the child waits, or it would pass it on to its siblings.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        pid = os.fork()
        if pid == 0:
            self._live(slot)
        self._slots[pid] = slot
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def wait_for_first(self) -> int | None:
        """Wait until the first process has its model; its exit code when it ends without one."""
        os.close(self._tell)
        is_ready = os.read(self._told, 1) == _READY
        os.close(self._told)
        self._told = self._tell = -1
        if is_ready:
            return None
        pid, status = os.wait()
        del self._slots[pid]
        return _exit_code(status)

    def watch(self) -> None:
        """Replace processes that die, until they are told to stop; then wait for all of them."""
        while self._slots:
            pid, status = os.wait()
            slot = self._slots.pop(pid)
            if not self._is_stopping:
                say(WorkerEnded(_exit_code(status)))
                time.sleep(_PAUSE)
            if not self._is_stopping:
                self.begin(slot)

    def stop(self, number: int, _: object) -> None:
        """Pass a signal on to every process."""
        self._is_stopping = True
        for pid in self._slots:
            os.kill(pid, number)

    def _live(self, slot: int) -> NoReturn:
        code = exit_codes.BUG
        try:
            self._serve(slot)
            code = exit_codes.OK
        except WeighbridgeError as error:
            text = "\n".join(part for part in (str(error), exit_codes.remedy(error)) if part)
            code = exit_codes.exit_code(error)
            say(CommandFailed(code, text))
        except BaseException:
            logging.getLogger("weighbridge").exception("a serving process failed")
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            # Not the end of the process that this one was forked from: what that has to clean up is its own.
            os._exit(code)

    def _serve(self, slot: int) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        if self._told >= 0:
            os.close(self._told)
        os.close(self._i_live)
        threading.Thread(target=self._end_with_parent, daemon=True).start()
        container = wire(self._settings, Cells(memoryview(self._memory), slot))
        service = container.service(self._task)
        if self._wait:
            service.refresh()
        else:
            service.load()
        observer = container.observer(service)
        history = container.history(self._task)
        server = make_server(
            service,
            self._settings,
            container.telemetry(),
            observer,
            container.tracing(),
            history,
            self._listener.getsockname()[0],
        )
        run(server, self._listener, self._say_ready)

    def _end_with_parent(self) -> None:
        os.read(self._parent_lives, 1)
        os.kill(os.getpid(), signal.SIGTERM)

    def _say_ready(self) -> None:
        if self._tell >= 0:
            os.write(self._tell, _READY)
            os.close(self._tell)


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
