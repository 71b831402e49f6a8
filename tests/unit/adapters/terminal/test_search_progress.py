"""How a search is watched: by a log line now and then, or by a bar on a terminal."""

import io
import logging
import os
import re
from contextlib import redirect_stderr, suppress

import pytest

from tests.support.clocks import SettableClock
from weighbridge.adapters.terminal.search_progress import ProgressBar, ProgressLog, search_progress


def test_lines_are_logged_ten_seconds_apart(caplog: pytest.LogCaptureFixture) -> None:
    clock = SettableClock()
    progress = ProgressLog(clock)
    with caplog.at_level(logging.INFO, "weighbridge"):
        progress.start(100)
        for seconds, steps, best in (
            (0, 10, None),
            (9.9, 5, 0.5),
            (0.1, 5, 0.91234),
            (9.9, 30, 0.95),
            (0.2, 0, None),
            (25, 50, 0.96),
        ):
            clock.advance(seconds)
            progress.advance(steps, best)
        progress.finish()
    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [
        ("INFO", "searching: 20 of 100 steps done, best score so far 0.9123"),
        ("INFO", "searching: 50 of 100 steps done"),
        ("INFO", "searching: 100 of 100 steps done, best score so far 0.9600"),
    ]


def test_a_short_search_logs_nothing_and_the_next_one_counts_anew(caplog: pytest.LogCaptureFixture) -> None:
    clock = SettableClock()
    progress = ProgressLog(clock)
    with caplog.at_level(logging.INFO, "weighbridge"):
        progress.start(5)
        progress.advance(5, 0.9)
        progress.finish()
        assert caplog.records == []
        clock.advance(60)
        progress.start(7)
        progress.advance(1, 0.9)
        clock.advance(10)
        progress.advance(1, 0.9)
    assert [line.getMessage() for line in caplog.records] == [
        "searching: 2 of 7 steps done, best score so far 0.9000"
    ]


def test_what_is_not_a_terminal_gets_log_lines() -> None:
    with redirect_stderr(io.StringIO()):
        assert isinstance(search_progress(SettableClock()), ProgressLog)


def all_of(master: int) -> bytes:
    """Everything that was written to a terminal that is closed by now."""
    parts = []
    # Linux tells the end by an error, others by no bytes.
    with suppress(OSError):
        while part := os.read(master, 1 << 16):
            parts.append(part)
    os.close(master)
    return b"".join(parts)


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    master, terminal = os.openpty()
    with os.fdopen(terminal, "w") as stderr, redirect_stderr(stderr):
        progress = search_progress(SettableClock())
        assert isinstance(progress, ProgressBar)
        progress.start(50)
        progress.advance(20, None)
        progress.advance(30, 0.96789)
        progress.finish()
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", all_of(master).decode())
    assert "searching" in text
    last = text.rstrip().splitlines()[-1]
    assert "50/50 best 0.9679" in last
    assert capsys.readouterr().out == ""


def test_a_bar_that_was_never_started_can_be_left() -> None:
    with redirect_stderr(io.StringIO()):
        progress = ProgressBar()
        progress.advance(1, 0.5)
        progress.finish()
