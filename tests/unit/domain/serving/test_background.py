"""A thread beside the answers works in rounds, and its end is waited for no longer than is said."""

import threading
from collections.abc import Iterator
from itertools import repeat

from weighbridge.domain.serving.background import BackgroundThread


def test_it_works_in_rounds_until_it_is_stopped_and_then_finishes() -> None:
    seen: list[str] = []
    third, go_on = threading.Event(), threading.Event()

    def work() -> None:
        seen.append("round")
        if len(seen) == 3:
            third.set()
            go_on.wait()

    thread = BackgroundThread("test", work, lambda: 0.0, lambda: seen.append("finish"))
    thread.start()
    assert third.wait(10)
    assert not thread.stop(0.0)
    assert thread.is_stopping
    go_on.set()
    assert thread.stop(10)
    assert seen == ["round", "round", "round", "finish"]


def test_work_that_hangs_is_not_waited_for() -> None:
    begun, go_on = threading.Event(), threading.Event()

    def hang() -> None:
        begun.set()
        go_on.wait()

    thread = BackgroundThread("test", hang, lambda: 0.0)
    thread.start()
    assert begun.wait(10)
    assert not thread.stop(0.0)
    go_on.set()
    assert thread.stop(10)


def test_it_is_stopped_during_a_pause() -> None:
    pauses: Iterator[float] = repeat(3600.0)
    seen: list[str] = []
    thread = BackgroundThread("test", lambda: seen.append("round"), lambda: next(pauses))
    thread.start()
    assert thread.stop(10)
    assert seen == []


def test_one_that_never_started_has_ended() -> None:
    assert BackgroundThread("test", lambda: None, lambda: 0.0).stop(0.0)
