"""Accounting for the phases of a run: how long each took, and the peak of memory at its end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weighbridge.domain.system import Clock, MemoryMeter, Tracing


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase: its name, its seconds, and the most memory the process had held when it ended, in bytes."""

    name: str
    seconds: float
    peak_bytes: int


class Phases:
    """Takes the time of one phase after the other.

    Args:
        clock: for the seconds.
        memory: for the peaks.
        tracing: where each phase is a span; None for nowhere.
    """

    def __init__(self, clock: Clock, memory: MemoryMeter, tracing: Tracing | None = None) -> None:
        self._clock = clock
        self._memory = memory
        self._tracing = tracing
        self._done: list[Phase] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Account for what is done within as the phase ``name``; one that fails is not counted."""
        started = self._clock.seconds()
        with nullcontext() if self._tracing is None else self._tracing.span(f"train.{name}"):
            yield
        self._done.append(Phase(name, self._clock.seconds() - started, self._memory.peak_bytes()))

    def seconds(self, *names: str) -> float:
        """What the phases of these names took together."""
        return sum(phase.seconds for phase in self._done if phase.name in names)

    def to_list(self) -> list[dict[str, Any]]:
        """As plain data, in the order in which they ended."""
        return [
            {"name": phase.name, "seconds": round(phase.seconds, 3), "peak_bytes": phase.peak_bytes}
            for phase in self._done
        ]
