"""From a wired container to a server of the live model: the one way in which a service starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.entrypoints.service.server import Server, make_server

if TYPE_CHECKING:
    from weighbridge.domain.serving.service import PredictionService
    from weighbridge.entrypoints.container import Container


def load_service(container: Container, task: str, wait: bool) -> PredictionService:
    """The prediction service of a task, with its live model loaded.

    Args:
        container: wired to the store.
        task: the task's name.
        wait: start even when there is no model yet.

    Raises:
        WeighbridgeError: the live model cannot be loaded, and ``wait`` does not say to wait for one.
    """
    service = container.service(task)
    if wait:
        service.refresh()
    else:
        service.load()
    return service


def server_of(container: Container, service: PredictionService, host: str) -> Server:
    """A server of ``service``, not yet running, with whatever the settings switch on beside it.

    Args:
        container: gives what goes beside the answers.
        service: that answers.
        host: the address that it listens on.
    """
    return make_server(
        service,
        container.settings(),
        container.telemetry(),
        container.observer(service),
        container.tracing(),
        container.history(service.task),
        host,
    )
