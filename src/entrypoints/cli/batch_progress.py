"""Showing how far a prediction of files is: a bar on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Self

#: Between two log lines, in seconds.
_LOG_EVERY = 10.0


class BatchProgress:
    """Counts rows, and parts that are done of a whole: bytes of one file, or files of many.

    Args:
        total: how many parts there are.
        unit: what they are, in a word.
    """

    def __init__(self, total: int, unit: str) -> None:
        self._total, self._unit = total, unit
        self._done = self._rows = 0
        self._next = time.monotonic() + _LOG_EVERY
        self._bar = _bar(total) if sys.stderr.isatty() else None

    def __enter__(self) -> Self:
        """Show that nothing is done yet."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the terminal back."""
        if self._bar is not None:
            self._bar.stop()

    def advance(self, done: int, rows: int) -> None:
        """So many parts are done by now, and so many rows more."""
        self._done = max(self._done, min(done, self._total))
        self._rows += rows
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, rows=f"{self._rows:,} rows")
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _LOG_EVERY
            share = 100 * self._done // max(self._total, 1)
            message = "predicting: %d%% of %d %s, %d rows"
            logging.getLogger("weighbridge").info(message, share, self._total, self._unit, self._rows)

    def step(self, rows: int) -> None:
        """One part more is done, with so many rows."""
        self.advance(self._done + 1, rows)


def _bar(total: int):  # type: ignore[no-untyped-def]
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn("predicting"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    bar.add_task("predict", total=total, rows="")
    return bar
