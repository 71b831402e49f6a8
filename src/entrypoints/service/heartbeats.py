"""Which processes have stopped to run, by what they count while they do."""

from __future__ import annotations

from collections.abc import Mapping

#: More seconds than this between two looks are not held against a process: the machine slept, or was too busy.
_LONGEST_LOOK = 5.0


class Heartbeats:
    """Finds the processes whose counters stand still.

    Only the time between looks counts, and of a longer one no more than five seconds. A process whose counter is 0
    is still starting, which may take as long as its store lets it.

    Args:
        deadline: seconds after which a counter that stands still means a process that does not run.
    """

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._looked: float | None = None
        #: By process: the counter as it was last, and for how long it has been that.
        self._seen: dict[int, tuple[int, float]] = {}

    def stuck(self, beats: Mapping[int, int], now: float) -> list[int]:
        """The processes, of those in ``beats``, whose counters have stood still for the deadline; each once."""
        passed = 0.0 if self._looked is None else min(now - self._looked, _LONGEST_LOOK)
        self._looked = now
        seen: dict[int, tuple[int, float]] = {}
        found = []
        for pid, beat in beats.items():
            before, still = self._seen.get(pid, (beat, 0.0))
            still = still + passed if beat == before and beat else 0.0
            if still >= self._deadline:
                found.append(pid)
                still = float("-inf")
            seen[pid] = beat, still
        self._seen = seen
        return found
