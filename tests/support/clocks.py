"""A clock that the tests set: it moves only when it is told to, in either direction."""

from datetime import UTC, datetime, timedelta

from weighbridge.domain.system import Clock, MemoryMeter

START = datetime(2021, 7, 3, 23, 5, 32, 250_000, tzinfo=UTC)


class SettableClock(Clock):
    """Stands still until it is moved; its count of seconds, like a real one, never goes backwards."""

    def __init__(self, now: datetime = START) -> None:
        self._now = now
        self._seconds = 0.0

    def now(self) -> datetime:
        return self._now

    def seconds(self) -> float:
        return self._seconds

    def advance(self, seconds: float) -> None:
        """Move the time of day; a negative number moves it back."""
        self._now += timedelta(seconds=seconds)
        self._seconds += max(seconds, 0.0)


class SettableMemory(MemoryMeter):
    """Tells the peak that it was given."""

    def __init__(self, peak: int = 100_000_000) -> None:
        self.peak = peak

    def peak_bytes(self) -> int:
        return self.peak
