"""What clients do to a connection: too slow, too long, no HTTP at all. None of it hurts the service."""

import contextlib
import json
import re
import socket
from collections.abc import Iterator, Sequence

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.http_service import service_of_two, serving
from tests.support.quick_task import QUICK

PATH = f"/api/v0.1/{QUICK.name}"
ROW = b'{"product_code": "SKU001", "orders_placed": 10}'
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
LIMIT = 10_000


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A service that does not wait long, and keeps no connection for long."""
    patience = {"header_seconds": 0.5, "body_seconds": 0.5, "keep_alive_seconds": 0.5}
    with serving(service_of_two(), max_body_bytes=LIMIT, **patience) as client:
        yield client


def send(client: httpx.Client, *requests: bytes) -> list[bytes]:
    """Each sent at once on a connection of its own; what came until the service hung up."""
    address = (client.base_url.host, client.base_url.port)
    connections = [socket.create_connection(address, timeout=60) for _ in requests]
    for connection, request in zip(connections, requests, strict=True):
        # The service may have hung up before all of it was sent.
        with contextlib.suppress(OSError):
            connection.sendall(request)
    answers = [all_of(connection) for connection in connections]
    for connection in connections:
        connection.close()
    return answers


def all_of(connection: socket.socket) -> bytes:
    received = b""
    # A connection that is cut off with something unread in it is reset.
    with contextlib.suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            received += chunk
    return received


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", received)]


def problem_of(received: bytes) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and problem document of the one answer."""
    head, _, body = received.partition(b"\r\n\r\n")
    lines = [line.partition(": ") for line in head.decode().split("\r\n")[1:]]
    return {name.lower(): value for name, _, value in lines}, json.loads(body)


def count(client: httpx.Client, status: int) -> float:
    name = f'weighbridge_http_requests_total{{method="POST",route="{PATH}",status="{status}"}} '
    found = [line for line in client.get("/metrics").text.splitlines() if line.startswith(name)]
    return float(found[0].rpartition(" ")[2]) if found else 0.0


def test_who_is_too_slow_is_told_and_cut_off(client: httpx.Client) -> None:
    late = count(client, 408)
    length = b"Content-Length: %d\r\n\r\n" % len(ROW)
    nothing, half_a_head, no_body, half_a_body, half_a_chunk, between = send(
        client,
        b"",
        HEAD,
        HEAD + length,
        HEAD + length + ROW[:10],
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n20\r\n" + ROW[:10],
        HEAD + length + ROW,
    )
    assert nothing == b""
    headers, problem = problem_of(half_a_head)
    assert statuses(half_a_head) == [408]
    assert (headers["content-type"], headers["connection"]) == ("application/problem+json", "close")
    assert problem["detail"] == "the head of the request did not come in time"
    for received in (no_body, half_a_body, half_a_chunk):
        assert statuses(received) == [408]
        headers, problem = problem_of(received)
        assert (headers["content-type"], headers["connection"]) == ("application/problem+json", "close")
        assert headers["x-request-id"]
        assert problem["detail"] == "the body did not come in time"
    assert statuses(between) == [200]
    assert count(client, 408) == late + 3


def test_the_rest_of_a_body_that_was_refused_is_not_waited_for_either(client: httpx.Client) -> None:
    too_long = HEAD + b"Content-Length: 100000\r\n\r\n" + b" " * (LIMIT + 1)
    nobody = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"
    assert [statuses(received) for received in send(client, too_long, nobody)] == [[413], [404]]


def test_a_head_without_end_is_cut_off(client: httpx.Client) -> None:
    for endless in (b"X-Padding: " + b"x" * 2_000_000, b"X: y\r\n" * 400_000):
        (received,) = send(client, HEAD + endless)
        # The answer can be lost when more comes after it.
        assert statuses(received) in ([], [431])


def test_what_is_refused_before_the_application_is_counted_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    requests = {
        400: b"GET /a HTTP/1.1\r\n\r\n",
        431: HEAD + b"X: y\r\n" * 101 + b"\r\n",
        414: b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 20_000),
        421: b"GET /b HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    }
    with (
        caplog.at_level("INFO", "weighbridge.access"),
        serving(service_of_two(), access_log=True, allowed_hosts="x,127.0.0.1") as client,
    ):
        for status, received in zip(requests, send(client, *requests.values()), strict=True):
            assert statuses(received) == [status]
            headers, problem = problem_of(received)
            assert problem["status"] == status
            assert headers["x-request-id"]
        counted = client.get("/metrics").text
    logged = {record.fields["status"]: record.fields for record in caplog.records if hasattr(record, "fields")}
    for status in requests:
        assert re.search(rf'route="unmatched",status="{status}"}} 1.0', counted)
        assert logged[status]["request_id"]
        assert logged[status]["client"] == "127.0.0.1"
    assert (logged[400]["method"], logged[400]["path"]) == ("GET", "/a")
    assert logged[421]["path"] == "/b"


def test_lengths_that_are_not_true(client: httpx.Client) -> None:
    shorter, longer, both, negative, chunk = send(
        client,
        HEAD + b"Content-Length: 10\r\n\r\n" + ROW,
        HEAD + b"Content-Length: 100\r\n\r\n" + ROW,
        HEAD + b"Content-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n" + ROW,
        HEAD + b"Content-Length: -1\r\n\r\n" + ROW,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n" + ROW,
    )
    # What is left over is taken for another request, which it is not; the first has its own answer.
    assert statuses(shorter) == [422, 400]
    assert statuses(longer) == [408]
    for received in (both, negative):
        assert statuses(received) == [400]
        headers, problem = problem_of(received)
        assert headers["content-type"] == "application/problem+json"
        assert (problem["title"], problem["status"]) == ("Bad Request", 400)
    assert statuses(chunk) == [400]


def test_who_would_rather_speak_http_2_is_answered_as_if_not(client: httpx.Client) -> None:
    # As curl --http2 asks, and Java's client unless told otherwise.
    wish = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n"
    length, chunks = b"Content-Length: %d\r\n" % len(ROW), b"Transfer-Encoding: chunked\r\n"
    whole, chunked = ROW, b"%x\r\n%b\r\n0\r\n\r\n" % (len(ROW), ROW)

    def conversation(asked: bytes) -> bytes:
        head = HEAD.replace(b"Host: x", b"Host: x\r\nX-Request-Id: 1") + asked
        return head + length + b"\r\n" + whole + head + chunks + b"\r\n" + chunked + head + length + b"\r\nnone"

    asking, plain = (re.sub(rb"date: .*\r\n", b"", one) for one in send(client, *map(conversation, (wish, b""))))
    assert statuses(asking) == [200, 200, 408]
    assert asking == plain


def test_who_goes_away_is_no_fault_of_the_service(client: httpx.Client) -> None:
    before = count(client, 499)
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=60) as connection:
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\n" + ROW)
    for _ in range(10_000):
        if count(client, 499) > before:
            break
    else:
        pytest.fail("the request that was given up was not counted")
    assert count(client, 500) == 0


NAMES = (b"Content-Length", b"Transfer-Encoding", b"Connection", b"Upgrade", b"Expect", b"Host", b"Content-Type")
VALUES = (
    *(b"0", b"47", b"-1", b"1e3", b"9" * 30, b"47, 47", b"chunked", b"gzip, chunked", b"identity", b"keep-alive"),
    *(b"close", b"Upgrade", b"h2c", b"websocket", b"100-continue", b"", b"\xff\x00", b"a\r\n b", b"text/plain"),
)
TARGETS = (b"/livez", b"/metrics", b"/openapi.json", b"/%ff%00", b"*", b"", b"//", b"http://x/livez", b"/?\xff")
METHODS = (b"GET", b"HEAD", b"OPTIONS", b"CONNECT", b"TRACE", b"PRI", b"get", b"")
VERSIONS = (b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9.9", b"HTTPS", b"")
CHUNKS = (b"5\r\nhello\r\n", b"0\r\n\r\n", b"f" * 18 + b"\r\n", b"-1\r\n", b"5;x=y\r\nhello\r\n", b"5\r\nhelloo")


def mostly(good: bytes, others: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    return st.integers(0, 3).flatmap(lambda one: others if one == 0 else st.just(good))


@st.composite
def raw_requests(draw: st.DrawFn) -> bytes:
    """Something that looks like a request, more or less."""
    method = draw(mostly(b"POST", st.sampled_from(METHODS)))
    target = draw(mostly(PATH.encode(), st.sampled_from(TARGETS) | st.binary(max_size=8)))
    lines = [b" ".join((method, target, draw(mostly(b"HTTP/1.1", st.sampled_from(VERSIONS)))))]
    lines.append(draw(mostly(b"Content-Type: application/json", st.binary(max_size=20))))
    names = mostly(b"X-Request-Id", st.sampled_from(NAMES) | st.binary(max_size=4))
    values = st.sampled_from(VALUES) | mostly(b"x", st.binary(max_size=8))
    lines += draw(st.lists(st.builds(b"%b: %b".__mod__, st.tuples(names, values)), max_size=3))
    is_chunked = draw(st.booleans())
    lines.append(
        b"Transfer-Encoding: chunked" if is_chunked else draw(mostly(b"Content-Length: 47", st.just(b"x:")))
    )
    body = draw(st.lists(st.sampled_from(CHUNKS), max_size=3)) if is_chunked else [ROW]
    end = draw(mostly(b"\r\n", st.sampled_from((b"\n", b"\r", b"\r\n\r\n"))))
    return end.join(lines) + end + end + b"".join(body)


def test_no_bytes_on_a_connection_make_the_service_fail(client: httpx.Client) -> None:
    many = settings().max_examples >= 1000

    @settings(max_examples=60 if many else 2)
    @given(st.lists(raw_requests(), min_size=30, max_size=60))
    def check(requests: Sequence[bytes]) -> None:
        for request, received in zip(requests, send(client, *requests), strict=True):
            assert all(status < 500 for status in statuses(received)), request
        assert client.post(PATH, content=ROW, headers={"Content-Type": "application/json"}).status_code == 200

    check()
    assert re.findall(r'status="5\d\d"', client.get("/metrics").text) == []
