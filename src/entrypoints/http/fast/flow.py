"""When a connection is read, and how long its client may take to read what is written to it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from uvicorn.protocols.http.flow_control import FlowControl

#: Bytes a second: what comes or is taken at least this quick is never late, however long it is.
SLOWEST = 65_536


class Flow(FlowControl):
    """uvicorn's flow control, with a rein on pipelined requests and a deadline for who does not read.

    Args:
        transport: of the connection.
        seconds: in which a client takes what is written, and one more for each SLOWEST bytes that it takes.
        now: the time by the clock of the loop.

    Attributes:
        is_held: nothing more is read for now, whoever asks for it.
        is_new: what is written next belongs to another answer, which has its time for itself.
    """

    def __init__(self, transport: asyncio.Transport, seconds: float, now: Callable[[], float]) -> None:
        super().__init__(transport)
        self.is_held = False
        self._wire, self._seconds, self._now = transport, seconds, now
        self._deadline = math.inf
        self._unsent = 0
        self.is_new = True

    def resume_reading(self) -> None:
        """Read on, unless reading is held."""
        if not self.is_held:
            super().resume_reading()

    def pause_writing(self) -> None:
        """Have whoever writes wait: the client does not keep up."""
        super().pause_writing()
        self._unsent = self._wire.get_write_buffer_size()
        if self.is_new:
            self.is_new = False
            self._deadline = self._now() + self._seconds

    def resume_writing(self) -> None:
        """Have whoever waits write on."""
        if self.write_paused:
            self._see_what_was_taken(self._now())
        super().resume_writing()

    def is_late(self, now: float) -> bool:
        """Whether the client has not taken in time what was written."""
        if not self.write_paused:
            return False
        self._see_what_was_taken(now)
        return now >= self._deadline

    def _see_what_was_taken(self, now: float) -> None:
        unsent = self._wire.get_write_buffer_size()
        taken, self._unsent = self._unsent - unsent, unsent
        self._deadline = min(self._deadline + taken / SLOWEST, now + self._seconds)
