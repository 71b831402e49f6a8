"""What a connection is allowed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from weighbridge.entrypoints.http.asgi import Scope

#: Given the scope and the whole body of a request, the headers and the body of its answer, whose status is 200.
#: None for whatever takes longer, and for every other status: the application answers it.
AtOnce: TypeAlias = Callable[[Scope, bytearray], bytes | None]

#: Told of a request that does not get as far as the application, and of the status of its answer. The scope has
#: what is known of it. Returns the request's id.
Refused: TypeAlias = Callable[[Scope, int], bytes]


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection is allowed.

    Args:
        head_bytes: of a request's target and headers; of its trailers; and of the extensions of its chunks.
        head_seconds: for a whole head; then 408, or nothing for who has sent nothing.
        body_seconds: for a body, and one second more for every SLOWEST bytes of it that have come.
        idle_seconds: between an answer and the next request.
        write_seconds: for the client to take an answer, and one second more for every SLOWEST bytes that it takes.
    """

    head_bytes: int
    head_seconds: float
    body_seconds: float
    idle_seconds: float
    write_seconds: float = 30.0
