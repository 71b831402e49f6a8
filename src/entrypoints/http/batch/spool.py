"""Bodies that may be too large for memory: what is large goes to the disk, away from the event loop.

All bodies and answers of a process together have a limit, so that many clients cannot fill memory or disk.
"""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from http import HTTPStatus
from typing import Any, BinaryIO, cast

from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from weighbridge.entrypoints.edge_events import SpoolFailed
from weighbridge.entrypoints.http.compression import Decompressor
from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.logs import say

#: Up to here a body stays in memory.
MEMORY_BYTES = 4 << 20

_PIECE_BYTES = 1 << 18

#: What is received is written in pieces of this size.
_WAITING_BYTES = 1 << 20


class SpoolRoom:
    """How many bytes all spools of the process may have together.

    Args:
        most_bytes: in memory and on the disk.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._used = 0
        self._lock = threading.Lock()

    def take(self, count: int) -> None:
        """Take so many bytes.

        Raises:
            RequestProblem: 503, there are not as many left.
        """
        with self._lock:
            if self._used + count > self._most_bytes:
                detail = "too many large requests are in work; try again"
                raise RequestProblem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": "10"})
            self._used += count

    def give_back(self, count: int) -> None:
        """Give back so many bytes."""
        with self._lock:
            self._used -= count


class Spool:
    """A private temporary file, in memory as long as it is small; whoever takes it closes it.

    Args:
        room: that it shares with others.
    """

    def __init__(self, room: SpoolRoom) -> None:
        self._room = room
        self._file = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115
        self._taken = 0
        self.read, self.seek, self.tell = self._file.read, self._file.seek, self._file.tell

    @property
    def closed(self) -> bool:
        """Whether it is given up."""
        return self._file.closed

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def writable(self) -> bool:
        """It is."""
        return True

    def flush(self) -> None:
        """Nothing is kept back."""

    def write(self, data: Any) -> int:
        """Write all of it.

        Raises:
            RequestProblem: 503, all spools together have as many bytes as they may; 507, the disk has no room.
        """
        size = memoryview(data).nbytes
        self._room.take(size)
        self._taken += size
        try:
            return self._file.write(data)
        except OSError as error:
            say(SpoolFailed(error.strerror or type(error).__name__))
            detail = "there is no room for a request of this size; the service's log says why"
            raise RequestProblem(HTTPStatus.INSUFFICIENT_STORAGE, detail, headers={"Retry-After": "60"}) from error

    def close(self) -> None:
        """Remove it."""
        self._file.close()
        taken, self._taken = self._taken, 0
        self._room.give_back(taken)

    def __enter__(self) -> Spool:
        """Nothing happens before the end."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it."""
        self.close()


async def receive(request: Request, most_bytes: int, executor: Executor, room: SpoolRoom) -> Spool:
    """The body of a request without its ``Content-Encoding``, from its beginning; whoever takes it closes it.

    Raises:
        RequestProblem: 413, it is longer than ``most_bytes``, as sent or decompressed; 415 and 400 as a
            ``Decompressor`` raises them; 503 and 507 as a ``Spool`` raises them.
    """
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told[:20]) > most_bytes:
        raise _too_long(most_bytes)
    decoder = Decompressor(request.headers.get("content-encoding", ""))
    spool = Spool(room)
    filler = _Filler(spool, most_bytes, executor)
    sent = 0
    try:
        async for piece in request.stream():
            sent += len(piece)
            if sent > most_bytes:
                raise _too_long(most_bytes)
            for part in decoder.parts(piece):
                await filler.add(part)
        decoder.finish()
        await filler.finish()
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return spool


class _Filler:
    """Fills a spool with what comes, in large pieces."""

    def __init__(self, spool: Spool, most_bytes: int, executor: Executor) -> None:
        self._spool, self._most_bytes, self._executor = spool, most_bytes, executor
        self._waiting = bytearray()
        self._size = 0

    async def add(self, part: bytes) -> None:
        self._waiting += part
        self._size += len(part)
        if self._size > self._most_bytes:
            raise _too_long(self._most_bytes)
        if len(self._waiting) >= _WAITING_BYTES:
            await self.finish()

    async def finish(self) -> None:
        data = bytes(self._waiting)
        self._waiting.clear()
        # What fits into memory is written in no time.
        if self._size <= MEMORY_BYTES:
            self._spool.write(data)
        else:
            await asyncio.get_running_loop().run_in_executor(self._executor, self._spool.write, data)


class SpoolResponse(Response):
    """An answer out of a spool, which is closed at the end.

    Args:
        spool: the content, from its beginning to where it stands.
        headers: to send.
        executor: where what is on the disk is read.
        at_end: called when the answer is sent, or its client has gone away.
    """

    def __init__(
        self, spool: Spool, headers: Mapping[str, str], executor: Executor, at_end: Callable[[], None]
    ) -> None:
        self._spool, self._executor, self._size, self._at_end = spool, executor, spool.tell(), at_end
        super().__init__(headers={**headers, "Content-Length": str(self._size)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it in pieces, as long as somebody takes them."""
        gone = asyncio.ensure_future(receive())
        try:
            with self._spool as spool:
                await send(
                    {"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers}
                )
                spool.seek(0)
                left = self._size
                while left > 0 and not gone.done():
                    if self._size <= MEMORY_BYTES:
                        piece = spool.read(_PIECE_BYTES)
                    else:
                        loop = asyncio.get_running_loop()
                        piece = await loop.run_in_executor(self._executor, spool.read, _PIECE_BYTES)
                    left -= len(piece)
                    await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
                if not self._size:
                    await send({"type": "http.response.body", "body": b""})
        finally:
            self._at_end()
            gone.cancel()
            with suppress(asyncio.CancelledError):
                await gone


def as_file(spool: Spool) -> BinaryIO:
    """A spool for whoever reads or writes a file."""
    return cast("BinaryIO", spool)


def _too_long(most_bytes: int) -> RequestProblem:
    return RequestProblem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than the {most_bytes:,} bytes that are allowed"
    )
