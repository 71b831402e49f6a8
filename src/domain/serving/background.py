"""Work beside the answers, on a thread of its own that never keeps the process from ending."""

from __future__ import annotations

import threading
from collections.abc import Callable


class BackgroundThread:
    """Calls ``work`` again and again until it is stopped, then ``finish`` once.

    The thread is a daemon: work that hangs, as on a store that does not answer, does not keep the process from
    ending. Nothing is caught: what ``work`` raises ends the thread.

    Args:
        name: of the thread.
        work: one round.
        pause: how many seconds to wait before the next round; asked before each, the first one too.
        finish: called after the last round.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], None],
        pause: Callable[[], float],
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        self._work, self._pause, self._finish = work, pause, finish
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def is_stopping(self) -> bool:
        """Whether ``stop`` was called: a long round ends early."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin with a pause."""
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Ask for the end and wait for it at most so long; whether it came. One that never started has ended."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stop.wait(self._pause()):
            self._work()
        self._finish()
