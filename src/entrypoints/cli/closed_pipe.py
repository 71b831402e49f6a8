"""Standard output that somebody has stopped reading, as ``| head`` does: the command goes on, quietly."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast


@contextmanager
def quiet_on_closed_pipe() -> Iterator[None]:
    """While this is open, what is printed after the reader of stdout has gone is dropped.

    The command goes on and ends with its own exit code: whoever asked for two lines of ``train`` still wants the
    model to be published.
    """
    before = sys.stdout
    sys.stdout = cast("TextIO", _Stdout(before))
    try:
        yield
        # What is still in the buffer is written now, and not at the end of the process, which would complain.
        sys.stdout.flush()
    finally:
        with suppress(BrokenPipeError):
            before.flush()
        sys.stdout = before


def print_bytes(data: bytes) -> None:
    """Write bytes to stdout, or as much of them as somebody reads."""
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _write_to_nowhere(sys.stdout)


class _Stdout:
    """A stream of text that goes to nowhere once its reader has gone."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write ``text``, or drop it when nobody reads any more."""
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            _write_to_nowhere(self._stream)
            return len(text)

    def flush(self) -> None:
        """Write what is buffered, or drop it when nobody reads any more."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            _write_to_nowhere(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _write_to_nowhere(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
