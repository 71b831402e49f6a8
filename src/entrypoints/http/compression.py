"""Compressed bodies, both ways: gzip, and deflate as HTTP means it, which is zlib's format."""

from __future__ import annotations

import zlib
from http import HTTPStatus

from weighbridge.entrypoints.http.errors import RequestProblem

#: How zlib is told of a format.
_FORMATS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_SPELLINGS = {"x-gzip": "gzip"}


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """A body without its ``Content-Encoding``; empty and ``identity`` are none.

    Raises:
        RequestProblem: 415 for an encoding that is not known, 400 for a body that is not of it, was cut off or
            goes on behind its end, and 413 when more than ``limit`` bytes come out; no more than those are made.
    """
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    window = _FORMATS.get(_SPELLINGS.get(name, name))
    if window is None:
        raise RequestProblem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"the body is encoded as {name[:100]}; send it as it is, or as gzip or deflate",
            headers={"Accept-Encoding": "gzip, deflate"},
        )
    reader = zlib.decompressobj(window)
    try:
        content = reader.decompress(body, limit + 1)
    except zlib.error:
        raise RequestProblem(HTTPStatus.BAD_REQUEST, f"the body is no {name}") from None
    if len(content) > limit:
        raise RequestProblem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"decompressed, the body is longer than the {limit:,} bytes that are allowed",
        )
    if not reader.eof:
        raise RequestProblem(HTTPStatus.BAD_REQUEST, f"the body ends before its {name} does")
    if reader.unused_data:
        raise RequestProblem(HTTPStatus.BAD_REQUEST, f"the body goes on after its {name} has ended")
    return content


def compressed(body: bytes, accepted: str) -> tuple[bytes, str | None]:
    """A body as ``Accept-Encoding`` asks for it, and its ``Content-Encoding``; None when it stays as it is.

    Of gzip and deflate the one with the greater weight is taken; gzip when they weigh the same.
    """
    weights = dict(_weighed(part) for part in accepted.lower().split(",") if part.strip())
    best = max(_FORMATS, key=lambda name: weights.get(name, 0.0))
    if not weights.get(best, 0.0) > 0:
        return body, None
    writer = zlib.compressobj(zlib.Z_BEST_SPEED, wbits=_FORMATS[best])
    return writer.compress(body) + writer.flush(), best


def _weighed(part: str) -> tuple[str, float]:
    name, *parameters = part.split(";")
    weight = 1.0
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                weight = float(value)
            except ValueError:
                weight = 0.0
    return _SPELLINGS.get(name.strip(), name.strip()), weight
