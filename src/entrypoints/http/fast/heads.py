"""What the head of a request has to be by RFC 9110 and 9112, beyond what the parser itself refuses.

Two servers that read a head differently can be led to take one request for another. So what the RFCs call invalid
is refused with 400, and never guessed at.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TypeAlias

from weighbridge.entrypoints.http.errors import RequestProblem

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]

#: More lines than any browser and proxies together send; the same as Apache's default.
MOST_HEADERS = 100

#: Fields of one value: two lines of them that differ mean two things to two readers.
_SINGLE = frozenset(
    (
        *(b"authorization", b"x-api-key", b"content-type", b"content-length", b"content-range", b"x-request-id"),
        *(b"inference-header-content-length", b"expect", b"user-agent", b"origin", b"referer", b"from", b"range"),
        *(b"traceparent", b"max-forwards", b"date", b"if-modified-since", b"if-unmodified-since", b"if-range"),
        *(b"proxy-authorization", b"content-location", b"last-modified", b"x-real-ip"),
    )
)

#: Fields of which there is one line, whatever it says.
_ONCE = frozenset((b"host", b"transfer-encoding"))


def check_head(version: str, target: bytes, headers: Headers) -> bytes | None:
    """Whether a head is one that can mean one thing only.

    Args:
        version: of HTTP, such as ``1.1``.
        target: of the request, as it came.
        headers: by lower-case names.

    Returns:
        The value of ``Host``; None where HTTP/1.0 has none.

    Raises:
        RequestProblem: 400 for what is invalid, 431 for more than MOST_HEADERS headers.
    """
    if version not in ("1.1", "1.0"):
        raise _bad(f"HTTP/{version} is not spoken here; send HTTP/1.1")
    if b"#" in target:
        raise _bad("the target of the request has a fragment, which belongs to the client")
    if len(headers) > MOST_HEADERS:
        detail = f"there are more headers than the {MOST_HEADERS} that are allowed"
        raise RequestProblem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)
    by_name = dict(headers)
    if len(by_name) != len(headers):
        _check_repeated(headers)
    host = by_name.get(b"host")
    if host is None and version == "1.1":
        raise _bad("the request has no Host header")
    coding = by_name.get(b"transfer-encoding")
    if coding is not None and (coding.strip().lower() != b"chunked" or version == "1.0"):
        raise _bad("the only Transfer-Encoding that is read is chunked, in HTTP/1.1")
    wanted = by_name.get(b"te")
    if wanted is not None and b"chunked" in wanted.lower():
        raise _bad("chunked does not belong into the TE header (RFC 9110, 10.1.4)")
    return host


def check_size(target: bytes, headers: Headers, limit: int) -> None:
    """Whether the target and all lines of the headers are within a limit, in bytes.

    Raises:
        RequestProblem: 414 for a longer target, 431 for longer headers.
    """
    if len(target) > limit:
        detail = f"the target of the request is longer than the {limit:,} bytes that are allowed"
        raise RequestProblem(HTTPStatus.REQUEST_URI_TOO_LONG, detail)
    # Each line has a colon, mostly a space, and its end.
    if len(target) + sum(len(name) + len(value) + 4 for name, value in headers) > limit:
        raise too_long(limit)


def too_long(limit: int) -> RequestProblem:
    """The problem of headers, trailers or chunk extensions of more than ``limit`` bytes."""
    detail = f"the headers are longer than the {limit:,} bytes that are allowed"
    return RequestProblem(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, detail)


def _check_repeated(headers: Headers) -> None:
    values: dict[bytes, bytes] = {}
    for name, value in headers:
        if name not in values:
            values[name] = value
        elif name in (b"host", b"transfer-encoding") or (
            name in _SINGLE and values[name].strip() != value.strip()
        ):
            raise _bad(f"there are several headers {name.decode('latin-1')}, of which there can be one")


def _bad(detail: str) -> RequestProblem:
    return RequestProblem(HTTPStatus.BAD_REQUEST, detail)
