"""Running the application on a socket, until a signal ends it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import uvicorn

from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.serving.telemetry import ServingTelemetry
from weighbridge.domain.system import Tracing
from weighbridge.entrypoints.edge_events import ServiceListening, ServiceOpen
from weighbridge.entrypoints.http.asgi import App
from weighbridge.entrypoints.http.fast.hosts import AllowedHosts, is_loopback
from weighbridge.entrypoints.http.fast.limits import Limits
from weighbridge.entrypoints.http.fast.protocol import LimitedProtocol
from weighbridge.entrypoints.http.lifecycle import Lifecycle
from weighbridge.entrypoints.http.traced import Traced
from weighbridge.entrypoints.log_queue import lost_log_lines
from weighbridge.entrypoints.logs import say
from weighbridge.entrypoints.service.app import create_app
from weighbridge.entrypoints.settings import Settings

if TYPE_CHECKING:
    from weighbridge.domain.registry.history import History

#: Connections that wait to be accepted; the same as uvicorn's own.
_BACKLOG = 2048

#: At the end, a connection without a request has so many seconds to send one.
_FIRST_REQUEST = 1.0


def listen(host: str, port: int) -> socket.socket:
    """A socket bound to the address; port 0 takes a free one.

    ``::`` is every address of IPv6 and of IPv4, or of IPv4 alone on a machine without IPv6.

    Raises:
        ConfigurationError: the address cannot be had: in use, not this machine's, or not allowed.
    """
    try:
        if host == "::" and not _has_ipv6():
            host = "0.0.0.0"  # noqa: S104
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if host == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror}; choose others with --host and --port"
        ) from error
    listener.set_inheritable(True)
    return listener


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as trial:
            trial.bind(("::1", 0))
    except OSError:
        return False
    return True


class Server(uvicorn.Server):
    """A uvicorn server that says it is stopping before it stops.

    SIGTERM makes ``/readyz`` answer 503 at once, while everything is still answered for ``drain_seconds``: whoever
    sends requests here has that long to learn of it. Then no connection is accepted any more, and requests
    under way are finished. SIGINT, and a second SIGTERM, skip the first part.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        lifecycle: Lifecycle,
        telemetry: ServingTelemetry,
        drain_seconds: float,
        prepare: Callable[[], object],
    ) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle
        self._telemetry = telemetry
        self._drain_seconds = drain_seconds
        self._prepare = prepare
        self._lost_lines = 0
        #: Called each second while the server answers.
        self.beat: Callable[[], None] = lambda: None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer; what is not needed for the first answers is made ready beside them."""
        await super().startup(sockets)
        threading.Thread(target=self._make_ready, name="prepare", daemon=True).start()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second; each second, check the deadlines of connections and count lost log lines."""
        if not counter % 10:
            self.beat()
            self._count_lost_lines()
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, LimitedProtocol):
                    connection.check(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing more, answer what was accepted or waited to be, and end."""
        await self._answer_first_requests(self._stop_accepting(sockets or []))
        await super().shutdown(sockets)

    def _stop_accepting(self, listeners: list[socket.socket]) -> list[socket.socket]:
        """Close the listeners; the connections that waited to be accepted, which the system would reset."""
        waiting = []
        for listener in listeners:
            with suppress(OSError):
                while True:
                    waiting.append(listener.accept()[0])
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.close()
        return waiting

    async def _answer_first_requests(self, waiting: list[socket.socket]) -> None:
        """Give connections that have not sent a request yet a moment for the first one."""
        loop = asyncio.get_running_loop()
        given = {
            "config": self.config,
            "server_state": self.server_state,
            "app_state": self.lifespan.state,
            "_loop": loop,
        }
        for connection in waiting:
            connection.setblocking(False)
            with suppress(OSError):
                await loop.connect_accepted_socket(
                    partial(self.config.http_protocol_class, **given),
                    connection,
                    ssl=self.config.ssl,
                )
        until = loop.time() + _FIRST_REQUEST
        while loop.time() < until and any(
            isinstance(one, LimitedProtocol) and one.cycle is None for one in self.server_state.connections
        ):
            await asyncio.sleep(0.02)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Take a signal that ends the process."""
        is_first = not self._lifecycle.is_stopping
        self._lifecycle.is_stopping = True
        if sig == signal.SIGTERM and is_first and self._drain_seconds:
            self._captured_signals.append(sig)
            timer = threading.Timer(self._drain_seconds, self._stop)
            timer.daemon = True
            timer.start()
        else:
            super().handle_exit(sig, frame)

    def _count_lost_lines(self) -> None:
        lost = lost_log_lines()
        if lost > self._lost_lines:
            self._telemetry.log_lines_lost(lost - self._lost_lines)
            self._lost_lines = lost

    def _stop(self) -> None:
        self.should_exit = True

    def _make_ready(self) -> None:
        try:
            self._prepare()
        except Exception:
            logging.getLogger("weighbridge").exception("the routes could not be built; they are tried again")
        else:
            _settle()


def make_server(
    service: PredictionService,
    settings: Settings,
    telemetry: ServingTelemetry,
    observer: AnswerObserver | None = None,
    tracing: Tracing | None = None,
    history: History | None = None,
    host: str = "",
) -> Server:
    """A uvicorn server of the application, not yet running.

    ``observer`` sees every row that is answered, ``tracing`` has a span for every request, and ``history`` is
    shown on the page, which there is only with it. ``host`` is the address that it will listen on.
    """
    lifecycle = Lifecycle()
    front = create_app(service, settings, telemetry, lifecycle, observer, history)
    app: App = front if tracing is None else Traced(front, tracing)
    # What is answered on the connection itself goes through no application: it would have no span, and be logged
    # with the address of the proxy.
    is_behind_a_proxy = bool(settings.trusted_proxies)
    at_once = None if tracing or (is_behind_a_proxy and settings.access_log) else front.at_once
    limits = Limits(
        settings.max_header_bytes,
        settings.header_seconds,
        settings.body_seconds,
        settings.keep_alive_seconds,
        settings.answer_seconds,
    )
    hosts = AllowedHosts(settings.hosts, host)
    config = uvicorn.Config(
        app,
        http=partial(LimitedProtocol, limits, at_once, lifecycle, hosts, front.refused),  # type: ignore[arg-type]
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=is_behind_a_proxy,
        forwarded_allow_ips=settings.trusted_proxies,
        ws="none",
        lifespan="on",
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    return Server(config, lifecycle, telemetry, settings.drain_seconds, front.prepare)


def run(server: Server, listener: socket.socket, ready: Callable[[], None] = lambda: None) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished before it returns.

    Args:
        server: to run.
        listener: on which to accept.
        ready: called before the first request is accepted.
    """
    # From here on no signal is lost, though uvicorn listens to them only later. Once it has stopped, it raises the
    # signal that stopped it again: by then that changes nothing, and the process ends as one that did as told.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    ready()
    server.run(sockets=[listener])


def announce(listener: socket.socket, has_keys: bool) -> None:
    """Log where the service listens, and a warning when strangers may ask it."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    say(ServiceListening(f"http://{shown}:{port}"))
    if not has_keys and not is_loopback(host):
        say(ServiceOpen(shown, port))


def _settle() -> None:
    """Come to rest after loading."""
    # What is there by now stays: it need not be looked through for garbage again and again.
    gc.collect()
    gc.freeze()
    # Return to the system what loading has needed for a moment; where the C library is not glibc, nothing.
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)
