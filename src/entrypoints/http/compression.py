"""Compressed bodies, both ways: gzip, and deflate as HTTP means it, which is zlib's format."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from weighbridge.entrypoints.http.errors import RequestProblem

#: How zlib is told of a format.
_FORMATS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
_SPELLINGS = {"x-gzip": "gzip"}

#: Bytes that are decompressed at once.
_PART_BYTES = 1 << 18


class Decompressor:
    """Takes the ``Content-Encoding`` off a body that comes in pieces; empty and ``identity`` are none.

    Args:
        encoding: the header's value.

    Raises:
        RequestProblem: 415, the encoding is not known.
    """

    def __init__(self, encoding: str) -> None:
        name = encoding.strip().lower()
        self._name = name
        self._reader: Any = None
        if name not in ("", "identity"):
            window = _FORMATS.get(_SPELLINGS.get(name, name))
            if window is None:
                raise RequestProblem(
                    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                    f"the body is encoded as {name[:100]}; send it as it is, or as gzip or deflate",
                    headers={"Accept-Encoding": "gzip, deflate"},
                )
            self._reader = zlib.decompressobj(window)

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to take off."""
        return self._reader is None

    def parts(self, piece: bytes) -> Iterator[bytes]:
        """What a piece is decompressed, in parts of bounded size.

        Raises:
            RequestProblem: 400, the body is not of its encoding, or goes on behind its end.
        """
        if self._reader is None:
            yield piece
            return
        while piece:
            if self._reader.eof:
                raise RequestProblem(HTTPStatus.BAD_REQUEST, f"the body goes on after its {self._name} has ended")
            try:
                part = self._reader.decompress(piece, _PART_BYTES)
            except zlib.error:
                raise RequestProblem(HTTPStatus.BAD_REQUEST, f"the body is no {self._name}") from None
            piece = self._reader.unconsumed_tail or self._reader.unused_data
            if part:
                yield part

    def finish(self) -> None:
        """See that the body is whole.

        Raises:
            RequestProblem: 400, it ends too early.
        """
        if self._reader is not None and not self._reader.eof:
            raise RequestProblem(HTTPStatus.BAD_REQUEST, f"the body ends before its {self._name} does")


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """A body without its ``Content-Encoding``; empty and ``identity`` are none.

    Raises:
        RequestProblem: 415 and 400 as ``Decompressor`` raises them, and 413 when more than ``limit`` bytes come
            out; not many more than those are made.
    """
    decoder = Decompressor(encoding)
    if decoder.is_idle:
        return body
    content = bytearray()
    for part in decoder.parts(body):
        content += part
        if len(content) > limit:
            raise RequestProblem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"decompressed, the body is longer than the {limit:,} bytes that are allowed",
            )
    decoder.finish()
    return bytes(content)


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
