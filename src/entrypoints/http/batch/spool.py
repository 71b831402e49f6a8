"""Bodies that may be too large for memory: what is large goes to the disk, away from the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from concurrent.futures import Executor
from http import HTTPStatus
from tempfile import SpooledTemporaryFile
from typing import BinaryIO, cast

from fastapi import Request
from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from weighbridge.entrypoints.http.errors import RequestProblem

#: Up to here a body stays in memory.
MEMORY_BYTES = 4 << 20

_PIECE_BYTES = 1 << 18


def new_spool() -> BinaryIO:
    """A file of nobody else, in memory as long as it is small."""
    return cast("BinaryIO", SpooledTemporaryFile(MEMORY_BYTES))


async def receive(request: Request, most_bytes: int, executor: Executor) -> BinaryIO:
    """The body of a request, from its beginning; whoever takes it closes it.

    Raises:
        RequestProblem: 413, it is longer than ``most_bytes``.
    """
    loop = asyncio.get_running_loop()
    told = request.headers.get("content-length", "")
    too_long = RequestProblem(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is longer than the {most_bytes:,} bytes that are allowed"
    )
    if told.isdecimal() and int(told[:20]) > most_bytes:
        raise too_long
    spool = new_spool()
    try:
        waiting, size = bytearray(), 0
        async for piece in request.stream():
            waiting += piece
            size += len(piece)
            if size > most_bytes:
                raise too_long
            if len(waiting) >= MEMORY_BYTES:
                await loop.run_in_executor(executor, spool.write, bytes(waiting))
                waiting.clear()
        if waiting:
            # What fits into memory is written in no time.
            spool.write(bytes(waiting)) if size <= MEMORY_BYTES else await loop.run_in_executor(
                executor, spool.write, bytes(waiting)
            )
        spool.seek(0)
    except BaseException:
        spool.close()
        raise
    return spool


class SpoolResponse(Response):
    """An answer out of a spool, which is closed at the end.

    Args:
        spool: the content, from its beginning to where it stands.
        headers: to send.
        executor: where what is on the disk is read.
    """

    def __init__(self, spool: BinaryIO, headers: Mapping[str, str], executor: Executor) -> None:
        self._spool, self._executor, self._size = spool, executor, spool.tell()
        super().__init__(headers={**headers, "Content-Length": str(self._size)})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        """Send it in pieces."""
        with self._spool as spool:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            spool.seek(0)
            left = self._size
            while left > 0:
                if self._size <= MEMORY_BYTES:
                    piece = spool.read(_PIECE_BYTES)
                else:
                    loop = asyncio.get_running_loop()
                    piece = await loop.run_in_executor(self._executor, spool.read, _PIECE_BYTES)
                left -= len(piece)
                await send({"type": "http.response.body", "body": piece, "more_body": left > 0})
            if not self._size:
                await send({"type": "http.response.body", "body": b""})
