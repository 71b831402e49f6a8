"""How long a connection may take for what it does, by a clock that the test turns; which protocol it speaks."""

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from uvicorn import Config
from uvicorn.server import ServerState

from weighbridge.entrypoints.http.fast.flow import SLOWEST
from weighbridge.entrypoints.http.fast.hosts import AllowedHosts
from weighbridge.entrypoints.http.fast.limits import Limits
from weighbridge.entrypoints.http.fast.protocol import LimitedProtocol
from weighbridge.entrypoints.http.lifecycle import Lifecycle

LIMITS = Limits(head_bytes=300, head_seconds=20, body_seconds=30, idle_seconds=65)
ROOMY = Limits(head_bytes=100_000, head_seconds=20, body_seconds=30, idle_seconds=65)
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
        self.unsent = 0
        self.is_closed = self.is_aborted = False
        self.is_reading_now = True

    def write(self, data: Any) -> None:
        # As uvloop does.
        assert not self.is_aborted
        self.written += bytes(data)

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None:
        self.is_closed = self.is_aborted = True

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.is_reading_now = False

    def resume_reading(self) -> None:
        self.is_reading_now = True


class Request(NamedTuple):
    """What an application has received."""

    target: tuple[str, str, str, bytes]
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Connection:
    """A protocol on a wire, and what its application has received, which reads while the gate is set."""

    def __init__(self, loop: Loop, limits: Limits = LIMITS, hosts: AllowedHosts | None = None) -> None:
        self.loop, self.wire = loop, Wire()
        self.received = self.begun = 0
        self.refused: list[tuple[Any, int]] = []
        self.requests: list[Request] = []
        self.is_late = False
        self.gate = asyncio.Event()
        self.gate.set()
        config = Config(self.app, interface="asgi3", proxy_headers=False, ws="none", log_config=None)
        self.protocol = LimitedProtocol(
            limits,
            None,
            Lifecycle(),
            hosts,
            self.refuse,
            config=config,
            server_state=ServerState(),
            app_state={},
            _loop=loop,
        )
        self.protocol.connection_made(self.wire)

    def refuse(self, scope: Any, status: int) -> bytes:
        self.refused.append((scope, status))
        return b"id"

    async def app(self, scope: Any, receive: Any, send: Any) -> None:
        self.begun += 1
        more, body = True, b""
        while more:
            await self.gate.wait()
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            self.received += len(message.get("body", b""))
            self.is_late = bool(scope["state"])
            more = message.get("more_body", False) and not self.is_late
        target = scope["http_version"], scope["method"], scope["path"], scope["query_string"]
        self.requests.append(Request(target, scope["headers"], body))
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


@contextmanager
def a_loop() -> Iterator[Loop]:
    loop = Loop()
    asyncio.set_event_loop(loop)
    try:
        yield loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    with a_loop() as loop:
        yield Connection(loop)


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
    assert not connection.send(HEAD).send(b"X-Padding: ".ljust(LIMITS.head_bytes, b"x")).wire.is_closed
    assert connection.send(b"x").wire.is_closed
    assert connection.wire.written.startswith(b"HTTP/1.1 431 ")


def test_a_body_has_its_time_and_more_the_more_has_come(connection: Connection) -> None:
    connection.send(HEAD + b"\r\n").after(29.5).send(b"x" * SLOWEST)
    assert not connection.after(1).is_late
    assert connection.after(0.5).is_late
    assert connection.received == SLOWEST
    assert connection.wire.written.startswith(b"HTTP/1.1 200 ")


def test_whom_the_application_lets_wait_is_not_late(connection: Connection) -> None:
    connection.gate.clear()
    connection.send(HEAD + b"\r\n").send(b"x" * (SLOWEST + 1))
    assert not connection.wire.is_reading_now
    connection.after(31.5).after(29)
    assert not connection.wire.is_closed
    connection.gate.set()
    assert not connection.settle().is_late
    assert connection.received == SLOWEST + 1
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


UPGRADES = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
    b"connection:upgrade\r\nupgrade:websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: x\r\n",
    b"Upgrade: TLS/1.0\r\nUPGRADE: h2c, websocket\r\nConnection: keep-alive, Upgrade\r\n",
)
GET = b"GET /hidden HTTP/1.1\r\nHost: y\r\n\r\n"


@pytest.mark.parametrize("upgrade", UPGRADES, ids=["h2c", "websocket", "many"])
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_who_asks_for_another_protocol_is_answered_in_this_one(upgrade: bytes, piece: int) -> None:
    post = b"POST /a%20b?c HTTP/1.1\r\nHost: x\r\n" + upgrade
    sent = b"".join(
        (
            post + b"Content-Length: %d\r\n\r\n" % len(GET) + GET,
            post + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(GET) + GET + b"\r\n0\r\n\r\n",
            post + b"\r\n",
            GET,
        )
    )
    with a_loop() as loop:
        connection = Connection(loop, ROOMY)
        for start in range(0, len(sent), piece):
            connection.send(sent[start : start + piece])
    target = "1.1", "POST", "/a b", b"c"
    assert [(request.target, request.body) for request in connection.requests] == [
        (target, GET),
        (target, GET),
        (target, b""),
        (("1.1", "GET", "/hidden", b""), b""),
    ]
    assert connection.wire.written == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n" * 4
    assert not connection.wire.is_closed


def test_the_body_of_who_asks_for_another_protocol_has_its_time_as_well(connection: Connection) -> None:
    connection.send(HEAD + UPGRADES[0] + b"\r\n").after(29.5).send(b"x" * SLOWEST)
    assert not connection.after(1).is_late
    assert connection.after(0.5).is_late
    assert connection.received == SLOWEST


@pytest.mark.parametrize("upgrade", [b"", UPGRADES[0]], ids=["plain", "h2c"])
def test_what_follows_a_connect_is_no_request(connection: Connection, upgrade: bytes) -> None:
    connection.send(b"CONNECT /x HTTP/1.1\r\nHost: x\r\n" + upgrade + b"Content-Length: 100\r\n\r\n" + GET)
    assert [request.target for request in connection.requests] == [("1.1", "CONNECT", "/x", b"")]
    assert connection.wire.written == b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    assert connection.wire.is_closed


#: How a body of GET is announced and sent: well, and in ways by which servers were led to disagree about its end.
BODIES = (
    (b"", b""),
    *((b"Content-Length: %d\r\n" % (len(GET) + more), GET) for more in (0, 1, -1)),
    *(
        (b"Transfer-Encoding: chunked\r\n", b"%b\r\n%b\r\n0%b\r\n\r\n" % (length, GET, trailers))
        for length in (b"%x" % len(GET), b"%X;upgrade=h2c" % len(GET), b"%x" % (len(GET) - 1), b"-1", b"f" * 17)
        for trailers in (b"", b"\r\nUpgrade: h2c\r\nConnection: Upgrade")
    ),
    *(
        (
            b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % length,
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(GET), GET),
        )
        for length in (3, len(GET) + 9)
    ),
    *((b"Transfer-Encoding: %b\r\n" % coding, GET) for coding in (b"identity", b"chunked, gzip", b"chun\r\n ked")),
    (b"Content-Length: 3\r\nContent-Length: 4\r\n", GET),
    (b"Content-Length : 3\r\n", GET),
    (b"Expect: 100-continue\r\nContent-Length: %d\r\n" % len(GET), GET),
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[bytes], list[bytes]]:
    """What comes on a connection, cut at any place; and the same without the lines that name another protocol."""
    sent, is_plain = b"", []

    def add(part: bytes, is_common: bool = True) -> None:
        nonlocal sent
        sent += part
        is_plain.extend([is_common] * len(part))

    for _ in range(draw(st.integers(1, 4))):
        lines, body = draw(st.sampled_from(BODIES))
        more = [lines, draw(st.sampled_from((b"", b"", b"Connection: close\r\n", b"X: upgrade\r\n\tupgrade\r\n")))]
        upgrade = draw(st.sampled_from(UPGRADES))
        place = draw(st.integers(0, len(more)))
        method = draw(st.sampled_from((b"POST", b"POST", b"GET", b"HEAD", b"DELETE", b"CONNECT")))
        add(b"%b /?%d HTTP/1.%d\r\n" % (method, len(sent), draw(st.sampled_from((1, 1, 0)))))
        for part in more[:place]:
            add(part)
        for line in upgrade.splitlines(keepends=True):
            add(line, is_common=not line.lower().startswith(b"upgrade"))
        for part in (*more[place:], b"\r\n", body, draw(st.sampled_from((b"", b"", b"\r\n", b"x")))):
            add(part)
    cuts = sorted(draw(st.sets(st.integers(1, len(sent) - 1), max_size=8)))
    spans = list(zip([0, *cuts], [*cuts, len(sent)], strict=True))
    plain = [bytes(byte for byte, keep in zip(sent[a:b], is_plain[a:b], strict=True) if keep) for a, b in spans]
    return [sent[a:b] for a, b in spans], [piece for piece in plain if piece]


@given(streams())
def test_whether_another_protocol_is_asked_for_changes_nothing(stream: tuple[list[bytes], list[bytes]]) -> None:
    def outcome(pieces: Sequence[bytes]) -> tuple[list[Request], bytes, bool]:
        with a_loop() as loop:
            connection = Connection(loop, ROOMY)
            for piece in pieces:
                if not connection.wire.is_closed:
                    connection.send(piece)
            is_closed = connection.wire.is_closed
            connection.protocol.connection_lost(None)
            connection.settle()
            requests = [
                request._replace(headers=[header for header in request.headers if header[0] != b"upgrade"])
                for request in connection.requests
            ]
            return requests, connection.wire.written, is_closed

    asking, plain = stream
    assert outcome(asking) == outcome(plain)


def problem_of(written: bytes) -> tuple[int, dict[str, Any]]:
    """Status and problem document of the last answer."""
    head, _, body = written.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    assert b"connection: close" in head
    return int(head[:3]), json.loads(body)


START = b"POST /a HTTP/1.1\r\nHost: x\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHOST: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: me@x\r\n\r\n",
        b"GET http://me@x/ HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: x\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.2\r\nHost: x\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n",
        START + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        START + b"Transfer-Encoding: identity\r\n\r\n",
        START + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
        START + b"Transfer-Encoding:\r\n\r\n",
        b"POST /a HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        START + b"TE: trailers, chunked;q=0.5\r\nContent-Length: 0\r\n\r\n",
        START + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
        START + b"Content-Type: text/csv\r\ncontent-type: application/json\r\nContent-Length: 0\r\n\r\n",
        START + b"X-API-Key: one\r\nX-Api-Key: two\r\nContent-Length: 0\r\n\r\n",
        START + b"Authorization: Bearer a\r\nAccept: a\r\nAuthorization: Bearer b\r\nContent-Length: 0\r\n\r\n",
        START + b"X: a\r\n folded\r\n\r\n",
        START + b"X : a\r\n\r\n",
        START.replace(b"\r\n", b"\n") + b"\n",
    ],
)
def test_a_head_that_can_be_read_in_two_ways_is_refused(head: bytes) -> None:
    with a_loop() as loop:
        connection = Connection(loop, ROOMY, AllowedHosts((), "0.0.0.0"))
        connection.send(head)
    status, problem = problem_of(connection.wire.written)
    assert (status, problem["title"]) == (400, "Bad Request")
    assert connection.wire.written.count(b"HTTP/1.1 ") == 1
    assert connection.wire.is_closed
    assert connection.requests == []
    assert [told for _, told in connection.refused] == [400]


def test_what_is_said_twice_and_means_the_same_is_taken(connection: Connection) -> None:
    same = (
        b"GET / HTTP/1.0\r\nContent-Type: a\r\nContent-Type: a\r\nAccept: a\r\nAccept: b\r\nTE: trailers\r\n\r\n"
    )
    assert connection.send(same).wire.written.startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"X: y\r\n" * 400, 431),
        (b"X: y\r\n" * 101, 431),
        (b"".join(b"X-%d: y\r\n" % place for place in range(101)), 431),
        (b"X: %b\r\n" % (b"y" * 500) * 40, 431),
        (b"X: %b\r\n" % (b"y" * 17_000), 431),
        (b"%b: y\r\n" % (b"x" * 17_000), 431),
        (b"X: y\r\n" * 90, 200),
    ],
)
@pytest.mark.parametrize("piece", [1_000, 300_000])
def test_every_byte_and_every_line_of_a_head_counts(lines: bytes, status: int, piece: int) -> None:
    sent = START + lines + b"Content-Length: 0\r\n\r\n"
    with a_loop() as loop:
        connection = Connection(loop, replace(ROOMY, head_bytes=16_384))
        for start in range(0, len(sent), piece):
            if not connection.wire.is_closed:
                connection.send(sent[start : start + piece])
    assert connection.wire.written.startswith(b"HTTP/1.1 %d " % status)
    assert len(connection.requests) == (status == 200)


def test_a_long_target_is_refused() -> None:
    with a_loop() as loop:
        connection = Connection(loop, replace(ROOMY, head_bytes=16_384))
        connection.send(b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 17_000))
    assert problem_of(connection.wire.written)[0] == 414


@pytest.mark.parametrize(
    "endless",
    [b"a:b\r\n", b"X-API-Key: sekret\r\n", b"X-%b: y\r\n" % (b"a" * 5000), b"x" * 1000],
    ids=["short", "keys", "long", "one"],
)
def test_trailers_without_end_are_cut_off_and_nothing_is_kept_of_them(endless: bytes) -> None:
    with a_loop() as loop:
        connection = Connection(loop, replace(ROOMY, head_bytes=16_384))
        connection.send(CHUNKED + b"3\r\nabc\r\n0\r\n")
        sent = 0
        while not connection.wire.is_closed and sent < 10_000_000:
            connection.send(endless * (100_000 // len(endless)))
            sent += 100_000
    assert sent <= 200_000
    assert problem_of(connection.wire.written)[0] == 431
    assert connection.requests == []


def test_trailers_never_become_headers(connection: Connection) -> None:
    trailers = b"X-API-Key: sekret\r\nContent-Type: text/csv\r\nHost: y\r\n"
    connection.send(CHUNKED + b"3\r\nabc\r\n0\r\n" + trailers + b"\r\n" + START + b"Content-Length: 0\r\n\r\n")
    first, second = connection.requests
    assert first.headers == [(b"host", b"x"), (b"transfer-encoding", b"chunked")]
    assert first.body == b"abc"
    assert second.headers == [(b"host", b"x"), (b"content-length", b"0")]


@pytest.mark.parametrize(
    "chunk",
    [b"3;%b\r\nabc\r\n" % (b"x" * 9_000), b'1;x=y;z="w"\r\na\r\n' * 500, b"%b1\r\na\r\n" % (b"0" * 9_000)],
    ids=["long", "many", "zeros"],
)
def test_extensions_of_chunks_count_as_well(chunk: bytes) -> None:
    with a_loop() as loop:
        connection = Connection(loop, replace(ROOMY, head_bytes=16_384))
        connection.send(CHUNKED)
        sent = 0
        while not connection.wire.is_closed and sent < 10_000_000:
            connection.send(chunk)
            sent += len(chunk)
    assert sent <= 100_000
    assert b" 431 " in connection.wire.written or b" 400 " in connection.wire.written


def test_a_body_in_very_small_chunks_is_a_body(connection: Connection) -> None:
    connection.send(CHUNKED)
    for _ in range(200):
        connection.send(b"1\r\na\r\n" * 10)
    connection.send(b"0\r\n\r\n")
    assert [request.body for request in connection.requests] == [b"a" * 2000]


BAD = (
    b"nonsense\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    CHUNKED + b"zz\r\n",
    START + b"Content-Length: x\r\n\r\n",
)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("good", [1, 2, 3])
def test_what_is_asked_before_a_bad_request_is_answered_first(bad: bytes, good: int) -> None:
    for is_slow in (False, True):
        with a_loop() as loop:
            connection = Connection(loop, ROOMY)
            if is_slow:
                connection.gate.clear()
            connection.send(GET * good + bad)
            if is_slow:
                assert connection.wire.written == b""
                connection.gate.set()
                connection.settle()
        assert statuses(connection.wire.written) == [*[200] * good, 400]
        assert len(connection.requests) == good
        assert connection.wire.is_closed


def test_a_bad_request_with_nothing_before_it_is_refused_at_once(connection: Connection) -> None:
    for bad in BAD:
        with a_loop() as loop:
            alone = Connection(loop, ROOMY)
            alone.send(bad)
        assert statuses(alone.wire.written) == [400]
        assert alone.wire.is_closed


def test_of_requests_sent_ahead_only_a_slice_is_looked_at_until_they_are_answered() -> None:
    with a_loop() as loop:
        connection = Connection(loop, ROOMY)
        connection.gate.clear()
        many = GET * (200_000 // len(GET))
        connection.send(many)
        assert not connection.wire.is_reading_now
        assert connection.begun == 1
        waiting = len(connection.protocol.pipeline)
        assert waiting <= 65_536 // len(GET)
        connection.gate.set()
        for _ in range(200_000 // len(GET)):
            connection.settle()
        assert len(connection.requests) == 200_000 // len(GET)
        assert connection.wire.is_reading_now


@pytest.mark.parametrize("ahead", [1, 2, 3_000])
def test_the_body_of_a_request_sent_ahead_is_read_when_its_turn_has_come(ahead: int) -> None:
    with a_loop() as loop:
        connection = Connection(loop, ROOMY)
        connection.gate.clear()
        connection.send(GET * ahead + START + b"Content-Length: 6\r\n\r\nabc")
        connection.gate.set()
        for _ in range(ahead):
            connection.settle()
        assert len(connection.requests) == ahead
        assert connection.wire.is_reading_now
        connection.send(b"def" + GET)
        assert [request.body for request in connection.requests[ahead:]] == [b"abcdef", b""]


def test_who_does_not_read_is_cut_off_and_who_reads_slowly_is_not() -> None:
    with a_loop() as loop:
        connection = Connection(loop, ROOMY).send(GET)
        connection.wire.unsent = 1_000_000
        connection.protocol.pause_writing()
        assert not connection.after(29.5).wire.is_aborted
        # Two seconds' worth of reading.
        connection.wire.unsent -= 2 * SLOWEST
        assert not connection.after(2).wire.is_aborted
        assert connection.after(0.5).wire.is_aborted


def test_to_read_at_once_saves_nothing_up_for_later() -> None:
    with a_loop() as loop:
        connection = Connection(loop, ROOMY).send(GET)
        for _ in range(100):
            connection.wire.unsent = 100 * SLOWEST
            connection.protocol.pause_writing()
            connection.wire.unsent = 0
            connection.protocol.resume_writing()
        connection.wire.unsent = 100 * SLOWEST
        connection.protocol.pause_writing()
        assert not connection.after(29.5).wire.is_aborted
        assert connection.after(0.5).wire.is_aborted


@pytest.mark.parametrize("is_lost", [False, True])
def test_nothing_is_written_to_a_client_that_is_gone_however_much_it_has_asked(is_lost: bool) -> None:
    with a_loop() as loop:
        connection = Connection(loop, ROOMY)
        connection.gate.clear()
        connection.send(GET * 3)
        if is_lost:
            connection.wire.abort()
        else:
            connection.wire.unsent = 100_000
            connection.protocol.pause_writing()
            connection.after(30)
        assert connection.wire.is_aborted
        connection.protocol.connection_lost(None)
        connection.gate.set()
        connection.settle()
        assert connection.wire.written == b""
        assert connection.begun == 1


def test_a_connection_that_is_closed_and_not_read_from_ends() -> None:
    with a_loop() as loop:
        connection = Connection(loop, ROOMY)
        connection.send(b"nonsense\r\n\r\n")
        assert connection.wire.is_closed
        assert not connection.after(1).after(29.5).wire.is_aborted
        assert connection.after(0.5).wire.is_aborted


def statuses(written: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", written)]
