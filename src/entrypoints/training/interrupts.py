"""Ctrl-C and SIGTERM in a process that computes: the end comes soon, even when Python has no say."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from types import FrameType
from typing import NoReturn

from weighbridge.entrypoints import exit_codes

#: How long Python has to end by itself, in seconds.
GRACE_SECONDS = 0.5

_SHOW_CURSOR = b"\x1b[?25h"


@contextmanager
def interrupts_end_the_process(terminated: int = exit_codes.TERMINATED) -> Iterator[None]:
    """While this is open, an interrupt or SIGTERM ends the process and its children soon.

    The exit code is 130 after an interrupt, and ``terminated`` after SIGTERM.

    Python raises KeyboardInterrupt, and SystemExit for SIGTERM, when the main thread is back from native code; a
    single fit may take minutes there, and a cluster that was lost may not let go. So another thread waits for the
    signal too, and puts an end to the process when it is still there after ``GRACE_SECONDS``. A store is as after
    any other crash: what was written whole is there, and nothing else. Only the main thread may open it. Native
    code that keeps Python's lock keeps that thread waiting as well.
    """

    def leave(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001
        raise SystemExit(terminated)

    ending = {int(signal.SIGINT): exit_codes.INTERRUPTED, int(signal.SIGTERM): terminated}
    ours, wakes = socket.socketpair()
    wakes.setblocking(False)
    over = Event()
    Thread(target=_watch, args=(ours, over, ending), daemon=True).start()
    before = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    handled = signal.signal(signal.SIGTERM, leave)
    interrupted = False
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        interrupted = True
        raise
    finally:
        # After an interrupt the thread stays on guard: to leave may take long, too.
        if not interrupted:
            over.set()
        signal.signal(signal.SIGTERM, handled)
        signal.set_wakeup_fd(before)
        wakes.close()


def _watch(ours: socket.socket, over: Event, ending: Mapping[int, int]) -> None:
    with ours:
        while received := ours.recv(1):
            if received[0] in ending:
                break
        else:
            return
    if not over.wait(GRACE_SECONDS):
        for child in multiprocessing.active_children():
            child.kill()
        if sys.stderr.isatty():
            os.write(sys.stderr.fileno(), _SHOW_CURSOR)
        os._exit(ending[received[0]])
