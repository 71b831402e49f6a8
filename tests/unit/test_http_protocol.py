"""How long a connection may take for what it does, by a clock that the test turns."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from entrypoints.http.lifecycle import Lifecycle
from entrypoints.http.protocol import SLOWEST_BODY, LimitedProtocol, Limits

LIMITS = Limits(head_bytes=100, head_seconds=20, body_seconds=30, idle_seconds=65)
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n"


class Loop(asyncio.SelectorEventLoop):
    """An event loop at whose time nothing but the test turns."""

    now = 1000.0

    def time(self) -> float:
        return self.now


class Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False
        self.is_reading_now = True

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_reading_now = False

    def resume_reading(self) -> None:
        self.is_reading_now = True


class Connection:
    """A protocol on a wire, and what the application that it serves has received; it reads while ``reads``."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.wire = loop, Wire()
        self.received = 0
        self.is_late = False
        self.gate = asyncio.Event()
        self.gate.set()
        config = Config(self.app, interface="asgi3", proxy_headers=False, ws="none", log_config=None)
        self.protocol = LimitedProtocol(
            LIMITS, None, Lifecycle(), config=config, server_state=ServerState(), app_state={}, _loop=loop
        )
        self.protocol.connection_made(self.wire)

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        more = True
        while more:
            await self.gate.wait()
            message = await receive()
            self.received += len(message.get("body", b""))
            self.is_late = bool(scope["state"])
            more = message.get("more_body", False) and not self.is_late
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    def after(self, seconds: float) -> "Connection":
        """Turn the clock, look at the connection, and let everybody do what they have to do."""
        self.loop.now += seconds
        self.protocol.check(self.loop.now)
        return self.settle()

    def send(self, data: bytes) -> "Connection":
        self.protocol.data_received(data)
        return self.settle()

    def settle(self) -> "Connection":
        async def a_while() -> None:
            for _ in range(10):
                await asyncio.sleep(0)

        self.loop.run_until_complete(a_while())
        return self


@pytest.fixture
def connection() -> Iterator[Connection]:
    loop = Loop()
    asyncio.set_event_loop(loop)
    try:
        yield Connection(loop)
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_who_sends_nothing_is_hung_up_on_without_a_word(connection: Connection) -> None:
    assert not connection.after(19.5).wire.is_closed
    assert connection.after(0.5).wire.is_closed
    assert connection.wire.written == b""


def test_a_head_has_its_time_from_its_first_byte_however_it_drips(connection: Connection) -> None:
    connection.after(15).send(HEAD[:5]).after(15).send(HEAD[5:20])
    assert not connection.after(4.5).wire.is_closed
    assert connection.after(0.5).wire.is_closed
    assert connection.wire.written.startswith(b"HTTP/1.1 408 ")


def test_a_head_has_so_many_bytes_beyond_its_first_packet(connection: Connection) -> None:
    assert not connection.send(HEAD).send(b"X-Padding: ".ljust(100, b"x")).wire.is_closed
    assert connection.send(b"x").wire.is_closed
    assert connection.wire.written.startswith(b"HTTP/1.1 431 ")


def test_a_body_has_its_time_and_more_the_more_has_come(connection: Connection) -> None:
    connection.send(HEAD + b"\r\n").after(29.5).send(b"x" * SLOWEST_BODY)
    assert not connection.after(1).is_late
    assert connection.after(0.5).is_late
    assert connection.received == SLOWEST_BODY
    assert connection.wire.written.startswith(b"HTTP/1.1 200 ")


def test_whom_the_application_lets_wait_is_not_late(connection: Connection) -> None:
    connection.gate.clear()
    connection.send(HEAD + b"\r\n").send(b"x" * (SLOWEST_BODY + 1))
    assert not connection.wire.is_reading_now
    connection.after(31.5).after(29)
    assert not connection.wire.is_closed
    connection.gate.set()
    assert not connection.settle().is_late
    assert connection.received == SLOWEST_BODY + 1
    assert connection.after(1).is_late


def test_an_application_that_waits_all_the_same_is_cut_off(connection: Connection) -> None:
    connection.gate.clear()
    connection.send(HEAD + b"\r\n").after(30)
    assert not connection.after(29.5).wire.is_closed
    assert connection.after(0.5).wire.is_closed


def test_between_requests_a_connection_may_idle_and_while_it_is_answered_it_may_take_any_time(
    connection: Connection,
) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.gate.clear()
    assert connection.send(request).after(10_000).wire.written == b""
    connection.gate.set()
    assert connection.settle().wire.written.startswith(b"HTTP/1.1 200 ")
    connection.after(64.5).send(request)
    assert connection.wire.written.count(b"HTTP/1.1 200 ") == 2
    assert not connection.after(64.5).wire.is_closed
    assert connection.after(0.5).wire.is_closed


def test_requests_sent_one_behind_the_other_are_answered_in_turn(connection: Connection) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    connection.send(request * 3 + request[:10])
    assert connection.wire.written.count(b"HTTP/1.1 200 ") == 3
    assert not connection.after(19.5).wire.is_closed
    assert connection.send(request[10:] + request[:10]).wire.written.count(b"HTTP/1.1 200 ") == 4
    assert not connection.after(19.5).wire.is_closed
    assert connection.after(0.5).wire.is_closed
    assert connection.wire.written.count(b"HTTP/1.1 408 ") == 1
