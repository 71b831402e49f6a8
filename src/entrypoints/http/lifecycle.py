"""Where the process is in its life, and what goes on beside the answers as long as it lives."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighbridge.domain.serving.background import BackgroundThread
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.serving.telemetry import ServingTelemetry
from weighbridge.entrypoints.http.access_log import AccessLog

if TYPE_CHECKING:
    from weighbridge.domain.registry.history import History

#: After the start the history waits so many seconds for the framework, and for the first answers.
_AFTER_THE_START = 1.0


@dataclass(slots=True)
class Lifecycle:
    """Where the process is in its life."""

    is_stopping: bool = False


@contextmanager
def in_the_background(
    service: PredictionService,
    seconds: float,
    telemetry: ServingTelemetry,
    access_log: AccessLog | None,
    observer: AnswerObserver | None,
    history: History | None = None,
) -> Iterator[None]:
    """While this is open, ``service`` is refreshed about every ``seconds``, and log and observer do their work.

    ``history`` follows after each refresh.
    """
    follow = _Following(service, seconds, telemetry, history)
    # It is not waited for: a store that hangs must not keep the process from ending.
    thread = BackgroundThread("refresh", follow.once, follow.pause)
    thread.start()
    with ExitStack() as stack:
        for each in (access_log, observer):
            if each is not None:
                each.start()
                stack.callback(each.stop)
        stack.callback(thread.stop, 0.0)
        yield


class _Following:
    """Refreshes the service, and has the history follow."""

    def __init__(
        self, service: PredictionService, seconds: float, telemetry: ServingTelemetry, history: History | None
    ) -> None:
        self._service, self._seconds, self._telemetry, self._history = service, seconds, telemetry, history
        self._knows_history = history is None

    def pause(self) -> float:
        """How long to wait, in seconds."""
        if not self._knows_history:
            return min(self._seconds, _AFTER_THE_START)
        # Spread by a tenth either way, so that replicas do not ask the store in step.
        return self._seconds * random.uniform(0.9, 1.1)  # noqa: S311

    def once(self) -> None:
        """Refresh and follow; the first round only reads the history, as the model was just loaded."""
        if self._knows_history:
            self._refresh()
        self._knows_history = True
        if self._history is not None:
            self._look(self._history)

    def _refresh(self) -> None:
        try:
            self._service.refresh()
            self._telemetry.refreshed(self._service.problem)
        except Exception as error:
            self._telemetry.refreshed(str(error) or type(error).__name__)
            logging.getLogger("weighbridge").exception("a refresh failed; it is tried again at the next one")

    def _look(self, history: History) -> None:
        loaded = self._service.loaded
        try:
            history.follow(None if loaded is None else loaded.promotion)
        except Exception:
            logging.getLogger("weighbridge").exception("the history was not read; it is tried again later")
