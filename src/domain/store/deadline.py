"""Waiting for an operation no longer than a deadline, whatever it does."""

from __future__ import annotations

from collections.abc import Callable
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TypeVar, cast

_Answer = TypeVar("_Answer")


class TooLate(Exception):
    """There was no answer in time. The operation may still be under way."""


def within(seconds: float, operation: Callable[[], _Answer], thread: str) -> _Answer:
    """What ``operation`` returns or raises.

    It runs in a daemon thread of its own, which is left to itself when it takes too long: a system call on a
    network file system that is gone, or a reply that comes a byte at a time, cannot be interrupted.

    Args:
        seconds: how long to wait.
        operation: what to do.
        thread: the name of the thread.

    Raises:
        TooLate: it did not return in time, or there was no time.
    """
    if seconds <= 0:
        raise TooLate
    answers: SimpleQueue[tuple[_Answer | None, BaseException | None]] = SimpleQueue()

    def answer() -> None:
        try:
            answers.put((operation(), None))
        except BaseException as error:
            answers.put((None, error))

    Thread(target=answer, name=thread, daemon=True).start()
    try:
        found, error = answers.get(timeout=seconds)
    except Empty:
        raise TooLate from None
    if error is not None:
        raise error
    return cast("_Answer", found)
