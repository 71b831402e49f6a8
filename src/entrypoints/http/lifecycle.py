"""Where the process is in its life, and what goes on beside the answers as long as it lives."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial

from weighbridge.domain.registry.history import History
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.serving.telemetry import ServingTelemetry
from weighbridge.entrypoints.http.access_log import AccessLog

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
    stop = threading.Event()
    # A daemon: a store that hangs must not keep the process from stopping.
    follow = partial(_follow, service, seconds, telemetry, stop, history)
    threading.Thread(target=follow, name="refresh", daemon=True).start()
    with ExitStack() as stack:
        for each in (access_log, observer):
            if each is not None:
                each.start()
                stack.callback(each.stop)
        stack.callback(stop.set)
        yield


def _follow(
    service: PredictionService,
    seconds: float,
    telemetry: ServingTelemetry,
    stop: threading.Event,
    history: History | None,
) -> None:
    if history is not None and not stop.wait(min(seconds, _AFTER_THE_START)):
        _look(history, service)
    # Spread by a tenth either way, so that replicas do not ask the store in step.
    while not stop.wait(seconds * random.uniform(0.9, 1.1)):  # noqa: S311
        try:
            service.refresh()
            telemetry.refreshed(service.problem)
        except Exception as error:
            telemetry.refreshed(str(error) or type(error).__name__)
            logging.getLogger("weighbridge").exception("a refresh failed; the next one is tried in its turn")
        if history is not None:
            _look(history, service)


def _look(history: History, service: PredictionService) -> None:
    loaded = service.loaded
    try:
        history.follow(None if loaded is None else loaded.promotion)
    except Exception:
        logging.getLogger("weighbridge").exception("the history was not read; it is tried again in its turn")
