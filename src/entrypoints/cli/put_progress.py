"""Showing how far the putting of a large file is: a bar on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress

#: Bytes of a file that takes long enough to be watched.
_LARGE = 4 << 20

#: Seconds between two looks at the bar: reads are many, and small.
_EVERY = 0.1


class PutProgress:
    """Where in a file reading is. It is gone through more than once: to check it, and again to store it.

    Args:
        is_shown: to show anything at all, be the file as large as it may.
    """

    def __init__(self, is_shown: bool = True) -> None:
        self._is_shown = is_shown and sys.stderr.isatty()
        self._bar: Progress | None = None
        self._next, self._phase = 0.0, "checking"

    def __enter__(self) -> Self:
        """Nothing is shown before something is read."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back, without the bar."""
        if self._bar is not None:
            self._bar.stop()

    def moved(self, place: int, size: int) -> None:
        """Reading has come to this place of so many bytes."""
        if not self._is_shown or size < _LARGE or time.monotonic() < self._next:
            return
        if self._bar is None:
            self._bar = _bar(size)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], description=self._phase, completed=place)
        self._next = time.monotonic() + _EVERY

    def storing(self) -> None:
        """What is read from now on goes to the store."""
        self._phase = "storing"
        self._next = 0.0


def _bar(size: int) -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    bar.add_task("checking", total=size)
    return bar
