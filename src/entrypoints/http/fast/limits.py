"""What a connection is allowed."""

from __future__ import annotations

from dataclasses import dataclass


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
