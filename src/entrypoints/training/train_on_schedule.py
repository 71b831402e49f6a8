"""Training again and again in the foreground, for a machine that has no scheduler."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from weighbridge.domain.errors import (
    ComputeUnavailable,
    DataError,
    RegistryError,
    StoreUnavailable,
    WeighbridgeError,
)
from weighbridge.domain.events import Event
from weighbridge.domain.store.datasets import newest_dataset
from weighbridge.domain.system import EventSink
from weighbridge.domain.training.events import ScheduledTrainingFailed, TrainingScheduled

if TYPE_CHECKING:
    from weighbridge.domain.ports import Ports
    from weighbridge.domain.system import Clock
    from weighbridge.entrypoints.training.schedule import Schedule

#: What may be over by the next turn.
_PASSING = (ComputeUnavailable, DataError, RegistryError, StoreUnavailable)

#: Between attempts while a store or a cluster is away: doubled each time, from the first to the longest.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=30)

#: The longest single wait, in seconds: a clock that was set, or a machine that slept, is noticed after it.
_LOOK = 60.0

#: Waits so many seconds, or until it is asked to stop, and then returns True.
Wait = Callable[[float], bool]


class TrainingSchedule:
    """Trains whenever a dataset has appeared since the last training, until it is asked to stop.

    A dataset that was evaluated, released or refused, or that is invalid, is not trained on again. While a
    store or a cluster is away it is tried again with growing pauses, at the next turn at the latest.

    Args:
        task: the name of the task.
        ports: the world.
        schedule: when to look.
        train: one training, whole.
        always: train at every turn on whatever is newest.
    """

    def __init__(
        self, task: str, ports: Ports, schedule: Schedule, train: Callable[[], object], always: bool = False
    ) -> None:
        self._task = task
        self._ports = ports
        self._schedule = schedule
        self._train = train
        self._always = always
        self._done: tuple[str, str] | None = None
        self._pause = _FIRST_PAUSE

    def run(self, wait: Wait) -> None:
        """Train on schedule until ``wait`` says to stop.

        Raises:
            WeighbridgeError: in the first round, what only a person can fix: settings, access, the task. Later on
                that too is logged, and the next turn is waited for.
        """
        clock = self._ports.clock
        due = at = self._schedule.first(clock.now())
        is_first = True
        while True:
            if at > clock.now():
                self._ports.events.emit(TrainingScheduled(f"{at:%Y-%m-%dT%H:%M:%SZ}"))
            if _wait_until(at, clock, wait):
                return
            retry = None
            try:
                self._turn()
            except WeighbridgeError as error:
                if is_first and not isinstance(error, _PASSING):
                    raise
                retry = self._again(error)
                self._ports.events.emit(ScheduledTrainingFailed(str(error)))
            else:
                self._pause = _FIRST_PAUSE
            is_first = False
            now = clock.now()
            if due <= now:
                due = self._schedule.after(due, now)
            at = due if retry is None else min(due, now + retry)

    def _turn(self) -> None:
        ref = newest_dataset(self._ports.store, self._task, self._ports.clock, _Unheard())
        dataset = (ref.key, ref.revision)
        if dataset == self._done and not self._always:
            return
        try:
            self._train()
        except DataError:
            self._done = dataset
            raise
        self._done = dataset

    def _again(self, error: WeighbridgeError) -> timedelta | None:
        """How soon to try again; None for the next turn."""
        if not isinstance(error, StoreUnavailable | ComputeUnavailable):
            return None
        pause, self._pause = self._pause, min(self._pause * 2, _LONGEST_PAUSE)
        return pause


class _Unheard(EventSink):
    """For a look that may change nothing: a training says everything again."""

    def emit(self, event: Event) -> None:
        """Drop it."""


def _wait_until(at: datetime, clock: Clock, wait: Wait) -> bool:
    """Wait; True when it is to stop."""
    while (left := (at - clock.now()).total_seconds()) > 0:
        if wait(min(left, _LOOK)):
            return True
    return False
