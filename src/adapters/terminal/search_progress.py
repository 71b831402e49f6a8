"""How far a search is: a bar on a terminal, a log line every ten seconds elsewhere."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from weighbridge.domain.system import Clock
from weighbridge.domain.training.search.progress import SearchProgress

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

#: Between two log lines, in seconds.
_LOG_EVERY = 10.0


def search_progress(clock: Clock) -> SearchProgress:
    """A bar when stderr is a terminal, log lines when it is not."""
    return ProgressBar() if sys.stderr.isatty() else ProgressLog(clock)


class ProgressBar(SearchProgress):
    """A bar with steps done, the best score so far and the time left, on stderr."""

    def __init__(self) -> None:
        self._progress = _bar()
        self._task: TaskID | None = None

    def start(self, total: int) -> None:
        """Show an empty bar."""
        self._task = self._progress.add_task("search", total=total, best="")
        self._progress.start()

    def advance(self, steps: int, best: float | None) -> None:
        """Move the bar by ``steps``, and show the best score so far where there is one."""
        if self._task is not None:
            shown = "" if best is None else f"best {best:.4f}"
            self._progress.update(self._task, advance=steps, best=shown)

    def finish(self) -> None:
        """Stop drawing; the bar stays on the terminal as it is."""
        self._progress.stop()


class ProgressLog(SearchProgress):
    """A log line every ten seconds while a search goes on; a short search logs nothing.

    Args:
        clock: measures the ten seconds.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._total = 0
        self._done = 0
        self._next = 0.0

    def start(self, total: int) -> None:
        """Start counting at 0 of ``total``."""
        self._total, self._done, self._next = total, 0, self._clock.seconds() + _LOG_EVERY

    def advance(self, steps: int, best: float | None) -> None:
        """Count ``steps``; log a line when ten seconds have passed since the last one."""
        self._done += steps
        if self._clock.seconds() >= self._next:
            self._next = self._clock.seconds() + _LOG_EVERY
            score = "" if best is None else f", best score so far {best:.4f}"
            message = "searching: %d of %d steps done%s"
            logging.getLogger("weighbridge").info(message, self._done, self._total, score)

    def finish(self) -> None:
        """Log nothing: the end of a search is an event of its own."""


def _bar() -> Progress:
    # Every command imports this module, and few show a bar.
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("searching"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[best]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
