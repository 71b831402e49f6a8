"""Serving in one process, or in several side by side."""

from __future__ import annotations

from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.edge_events import TemporaryFolderUnusable
from weighbridge.entrypoints.http.batch.temporary_folder import temporary_folder_problem
from weighbridge.entrypoints.log_queue import queue_logs
from weighbridge.entrypoints.logs import say
from weighbridge.entrypoints.service.server import announce, listen, run
from weighbridge.entrypoints.service.starting import load_service, server_of
from weighbridge.entrypoints.settings import Settings


def serve(task: str, settings: Settings, host: str, port: int, wait: bool) -> None:
    """Serve a task until a signal ends it.

    Args:
        task: the task's name.
        settings: ``settings.workers`` says in how many processes.
        host: the address to listen on.
        port: the port; 0 takes a free one.
        wait: start even when there is no model yet.

    Raises:
        ConfigurationError: the address cannot be had.
        WeighbridgeError: the live model cannot be loaded, and ``wait`` does not say to wait for one.
    """
    queue_logs()
    problem = temporary_folder_problem()
    if problem is not None:
        say(TemporaryFolderUnusable(problem))
    if settings.workers > 1:
        from weighbridge.entrypoints.service.workers import serve_with_workers

        serve_with_workers(task, settings, host, port, wait)
        return
    container = wire(settings)
    server = server_of(container, load_service(container, task, wait), host)
    listener = listen(host, port)
    announce(listener, bool(settings.keys))
    run(server, listener)
