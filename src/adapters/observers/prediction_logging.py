"""Logging predictions beside the answers: on a thread of its own, in files, never more than so many at a time."""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Sequence

from weighbridge.domain.data.schema import Row
from weighbridge.domain.errors import WeighbridgeError
from weighbridge.domain.model.predictor import Answer
from weighbridge.domain.monitoring.events import (
    PredictionLogFailed,
    PredictionsLogged,
    PredictionsLost,
    RedactionUnknown,
)
from weighbridge.domain.monitoring.prediction_log import (
    LoggedAnswer,
    OpenFiles,
    PredictionLogTelemetry,
    PredictionTables,
    UnwrittenCount,
    unknown_columns,
    write_file,
)
from weighbridge.domain.serving.background import BackgroundThread
from weighbridge.domain.serving.decoded_model import DecodedModel
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.system import Clock, EventSink

#: Between two looks at what is waiting, in seconds. Nobody is woken for a row.
_PAUSE = 0.1

#: After a file that could not be written: so many seconds until the next try, twice as many each time, at most.
_FIRST_RETRY, _LAST_RETRY = 1.0, 30.0

#: So many files may wait; answers that come beyond are lost, and counted.
MOST_FILES = 10

#: Between two events that tell of answers for which there was no room, in seconds.
_BETWEEN_LOSSES = 10.0

#: How long the end of the process waits for the last files, in seconds.
_FAREWELL = 10.0


class PredictionLogging(AnswerObserver):
    """Samples answers, and has them written.

    Args:
        store: where to.
        tables: makes the files.
        telemetry: told of every answer.
        unwritten: counts those that wait.
        events: told of each file, of each new problem once, and of losses.
        clock: what time it is.
        rate: the share of answers that is logged, greater than 0 and at most 1.
        seconds: that an answer waits at most for its file to be written.
        rows: that a file has at most.
        redacted: columns that are left out.
        draw: gives numbers from 0 until below 1, for the sample.
    """

    def __init__(
        self,
        store: ArtefactStore,
        tables: PredictionTables,
        telemetry: PredictionLogTelemetry,
        unwritten: UnwrittenCount,
        events: EventSink,
        clock: Clock,
        *,
        rate: float,
        seconds: float,
        rows: int,
        redacted: Sequence[str],
        draw: random.Random | None = None,
    ) -> None:
        self._store, self._tables, self._telemetry, self._unwritten = store, tables, telemetry, unwritten
        self._events, self._clock = events, clock
        self._rate, self._redacted = rate, redacted
        self._draw = (draw or random.Random()).random  # noqa: S311
        self._most = rows * MOST_FILES
        self._waiting: deque[LoggedAnswer] = deque()
        self._files = OpenFiles(rows, seconds)
        #: How many answers are in ``_files``: written by the thread, read by ``observe``.
        self._held = 0
        self._refused = 0
        self._told, self._tell_at = 0, 0.0
        self._has_ended = False
        self._unknown: tuple[str, ...] = ()
        self._problem: str | None = None
        self._retry, self._due = _FIRST_RETRY, 0.0
        self._thread = BackgroundThread("prediction-log", self._work, lambda: _PAUSE, self._finish)

    def start(self) -> None:
        """Begin to write, and tell what processes that were killed have lost."""
        left = self._unwritten.left_behind()
        self._unwritten.open()
        self._telemetry.begin(left)
        if left:
            self._events.emit(PredictionsLost(left, "at most so many, with a process that was killed"))
        self._thread.start()

    def observe(self, model: DecodedModel, row: Row, answer: Answer, request_id: str) -> None:
        """Keep the row for the log if the sample takes it; count it as lost when too many wait."""
        if self._rate < 1 and self._draw() >= self._rate:
            return
        if len(self._waiting) + self._held < self._most:
            self._telemetry.taken()
            self._unwritten.taken()
            self._waiting.append(LoggedAnswer(model, row, answer, request_id, self._clock.now()))
        else:
            self._refused += 1
            self._telemetry.refused()

    def stop(self) -> None:
        """Write what is waiting, and end; what cannot be written within ten seconds is lost, and counted."""
        if not self._thread.stop(_FAREWELL):
            self._give_up(f"the store did not take them within {_FAREWELL:g} seconds of the end")

    def flush(self, *, everything: bool = False) -> None:
        """Write the files that are due, or all; one that cannot be written stays for another try."""
        self._gather()
        while (answers := self._files.first() if everything else self._files.due(self._clock.now())) is not None:
            if not self._write(answers):
                return
            self._files.done()
            self._held = len(self._files)

    def _work(self) -> None:
        try:
            self._gather()
            if self._clock.seconds() >= self._due:
                self.flush()
            self._tell_refused()
        except Exception:
            logging.getLogger("weighbridge").exception("the prediction log failed; it continues")
            self._put_off()

    def _finish(self) -> None:
        try:
            self.flush(everything=True)
        except Exception:
            logging.getLogger("weighbridge").exception("the prediction log failed at its end")
        self._tell_refused()
        self._give_up(self._problem or "they could not be written")

    def _gather(self) -> None:
        # Not more than there were when it began, so that it ends.
        for _ in range(len(self._waiting)):
            # An answer is counted twice for a moment rather than not at all.
            self._held += 1
            self._files.add(self._waiting.popleft())

    def _write(self, answers: Sequence[LoggedAnswer]) -> bool:
        self._tell_unknown(answers[0].model)
        try:
            key = write_file(self._store, self._tables, answers, self._redacted)
        except WeighbridgeError as error:
            problem = " ".join(str(error).split())
            self._telemetry.failing(problem)
            if problem != self._problem:
                self._events.emit(PredictionLogFailed(problem, self._held + len(self._waiting)))
            self._problem = problem
            self._put_off()
            return False
        except Exception:
            # It would fail again, and keep all that come after from being written.
            logging.getLogger("weighbridge").exception("a file of the prediction log cannot be made")
            self._lose(len(answers), "no file can be made of them")
            return True
        self._problem, self._retry, self._due = None, _FIRST_RETRY, 0.0
        self._telemetry.failing(None)
        self._telemetry.written(len(answers))
        self._unwritten.settled(len(answers))
        self._events.emit(PredictionsLogged(key, len(answers)))
        return True

    def _put_off(self) -> None:
        self._due = self._clock.seconds() + self._retry
        self._retry = min(2 * self._retry, _LAST_RETRY)

    def _tell_unknown(self, model: DecodedModel) -> None:
        unknown = unknown_columns(model.schema, self._redacted)
        if unknown and unknown != self._unknown:
            self._events.emit(RedactionUnknown(str(model.release.version), unknown))
        self._unknown = unknown

    def _tell_refused(self) -> None:
        refused, now = self._refused, self._clock.seconds()
        # Not for every answer.
        if refused > self._told and (self._thread.is_stopping or now >= self._tell_at):
            self._events.emit(PredictionsLost(refused - self._told, f"{self._most:,} were waiting already"))
            self._told, self._tell_at = refused, now + _BETWEEN_LOSSES

    def _give_up(self, reason: str) -> None:
        """Count what is left as lost, once, as the process ends."""
        if self._has_ended:
            return
        self._has_ended = True
        rows = self._held + len(self._waiting)
        if rows:
            self._lose(rows, reason)
        self._unwritten.close()

    def _lose(self, rows: int, reason: str) -> None:
        self._telemetry.lost(rows)
        self._unwritten.settled(rows)
        self._events.emit(PredictionsLost(rows, reason))
