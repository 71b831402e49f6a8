"""Where the process is in its life, and what goes on beside the answers as long as it lives."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from domain.ports import AnswerObserver, ServingTelemetry
from domain.serving import PredictionService
from entrypoints.http.access_log import AccessLog


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
) -> Iterator[None]:
    """While this is open, ``service`` is refreshed about every ``seconds``, and log and observer do their work."""
    stop = threading.Event()
    # A daemon: a store that hangs must not keep the process from stopping.
    threading.Thread(target=_follow, args=(service, seconds, telemetry, stop), name="refresh", daemon=True).start()
    with ExitStack() as stack:
        for each in (access_log, observer):
            if each is not None:
                each.start()
                stack.callback(each.stop)
        stack.callback(stop.set)
        yield


def _follow(
    service: PredictionService, seconds: float, telemetry: ServingTelemetry, stop: threading.Event
) -> None:
    # Spread by a tenth either way, so that replicas do not ask the store in step.
    while not stop.wait(seconds * random.uniform(0.9, 1.1)):  # noqa: S311
        try:
            service.refresh()
            telemetry.refreshed(service.problem)
        except Exception as error:
            telemetry.refreshed(str(error) or type(error).__name__)
            logging.getLogger("weighbridge").exception("a refresh failed; the next one is tried in its turn")
