"""Running the application on a socket, until a signal ends it."""

from __future__ import annotations

import logging
import signal
import socket

import uvicorn

from domain.errors import ConfigurationError
from domain.serving import PredictionService
from entrypoints.http.app import create_app
from entrypoints.settings import Settings

#: Connections that wait to be accepted; the same as uvicorn's own.
_BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address; port 0 takes a free one.

    Raises:
        ConfigurationError: the address cannot be had: in use, not this machine's, or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose others with --host and --port"
        ) from error
    listener.set_inheritable(True)
    return listener


def make_server(service: PredictionService, settings: Settings) -> uvicorn.Server:
    """A uvicorn server of the application, not yet running."""
    app = create_app(service, settings.refresh_seconds, settings.max_body_bytes)
    return uvicorn.Server(
        uvicorn.Config(app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=30)
    )


def run(service: PredictionService, settings: Settings, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished before it returns."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    logging.getLogger("weighbridge").info("listening on http://%s:%d, documented at /docs", shown, port)
    # Once it has stopped, uvicorn raises the signal that stopped it again. It has done its work by then: the
    # process ends as one that did what it was told.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    make_server(service, settings).run(sockets=[listener])
