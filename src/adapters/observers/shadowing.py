"""Comparing a second model with the live one beside the answers: on a thread of its own, a little at a time."""

from __future__ import annotations

import logging
import random
import time
from collections import deque

from weighbridge.domain.data.schema import Row
from weighbridge.domain.model.predictor import Answer
from weighbridge.domain.serving.background import BackgroundThread
from weighbridge.domain.serving.decoded_model import DecodedModel
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.shadow import Answered, Shadow
from weighbridge.domain.serving.telemetry import ShadowTelemetry

#: Between two looks at what is waiting, in seconds. Nobody is woken for a row: that would cost its answer more
#: than all the rest.
_PAUSE = 0.1

#: So many rows are predicted before answers get their turn. A thread that computes is made to pause only after
#: 5 ms, which an answer would have to wait for.
_AT_ONCE = 64

#: The share of a core that comparing may take. What comes quicker than that waits, and is dropped in the end: a
#: sample of a busy service tells as much as all of it.
_SHARE = 0.1

#: Rows that may wait; those that come beyond are dropped, and counted.
MOST_WAITING = 10_000


class Shadowing(AnswerObserver):
    """Queues what was answered, and has ``shadow`` compare it.

    Args:
        shadow: what compares; it is followed first when the thread begins.
        telemetry: told of what is dropped.
        seconds: about how often ``shadow`` looks for what it is to be.
        most_waiting: how many rows may wait.
    """

    def __init__(
        self, shadow: Shadow, telemetry: ShadowTelemetry, seconds: float, most_waiting: int = MOST_WAITING
    ) -> None:
        self._shadow = shadow
        self._telemetry = telemetry
        self._seconds = seconds
        self._most_waiting = most_waiting
        self._waiting: deque[Answered] = deque()
        #: When the shadow is followed next, by the monotonic clock.
        self._due = 0.0
        self._thread = BackgroundThread("shadow", self._work, lambda: _PAUSE)

    def start(self) -> None:
        """Begin to compare."""
        self._thread.start()

    def observe(self, model: DecodedModel, row: Row, answer: Answer, request_id: str) -> None:  # noqa: ARG002
        """Queue the row while there is a second model; drop it, and count that, when too many wait."""
        if self._shadow.version is None:
            return
        if len(self._waiting) < self._most_waiting:
            self._waiting.append(Answered(model, row, answer))
        else:
            self._telemetry.dropped()

    def stop(self) -> None:
        """End within two seconds; what is waiting is not compared any more."""
        self._thread.stop(2.0)

    def _work(self) -> None:
        try:
            if time.monotonic() >= self._due:
                self._shadow.follow()
                # Spread by a tenth either way, so that replicas do not ask the store in step.
                self._due = time.monotonic() + self._seconds * random.uniform(0.9, 1.1)  # noqa: S311
            self._compare_waiting()
        except Exception:
            logging.getLogger("weighbridge").exception("shadowing failed; it continues with the next rows")
            self._due = time.monotonic() + self._seconds

    def _compare_waiting(self) -> None:
        # Not longer than there were rows when it began: what is to be followed has its turn too.
        for _ in range(0, len(self._waiting), _AT_ONCE):
            if self._thread.is_stopping:
                return
            begun = time.thread_time()
            self._shadow.compare([self._waiting.popleft() for _ in range(min(_AT_ONCE, len(self._waiting)))])
            time.sleep((time.thread_time() - begun) * (1 / _SHARE - 1))
