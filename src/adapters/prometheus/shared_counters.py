"""Counters of several processes, in memory that they share."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import TypeAlias

Key: TypeAlias = tuple[str, ...]

#: What one process has: so many numbers of 8 bytes, and behind them the keys of its blocks as text.
NUMBERS = 8192
_KEYS = 1 << 16
SLOT_BYTES = 8 * NUMBERS + _KEYS

#: The first numbers of a slot: how many numbers, and how many bytes of keys, are taken.
_TAKEN, _KEYS_TAKEN, _FIRST = 0, 1, 2


class SharedCounters:
    """Blocks of numbers by key. Each process writes to its own slot, and reads all of them.

    A number is written by one thread only. A process that takes over the slot of one that has died counts on.

    Args:
        memory: ``slots * SLOT_BYTES`` bytes, zero at first; shared by the processes if there are several.
        slot: which part of it is this process's.
    """

    def __init__(self, memory: memoryview, slot: int = 0) -> None:
        self._memory = memory
        self._lock = threading.Lock()
        self._slot = slot
        #: The numbers of this process.
        self.numbers = self._numbers_of(slot)
        if not self.numbers[_TAKEN]:
            self.numbers[_TAKEN] = _FIRST
        self._blocks = {key: start for key, start, _ in self._blocks_of(slot)}

    def block(self, key: Key, size: int) -> int:
        """Where in ``numbers`` the block of ``key`` begins, which has ``size`` numbers; made when there is none.

        Raises:
            MemoryError: there is no more room.
        """
        start = self._blocks.get(key)
        if start is None:
            with self._lock:
                start = self._blocks.get(key)
                if start is None:
                    start = self._blocks[key] = self._make(key, size)
        return start

    def totals(self) -> dict[Key, list[float]]:
        """The blocks of all processes by key, added up number by number."""
        sums: dict[Key, list[float]] = {}
        for slot in range(len(self._memory) // SLOT_BYTES):
            numbers = self._numbers_of(slot)
            for key, start, size in self._blocks_of(slot):
                total = sums.setdefault(key, [0.0] * size)
                for place in range(size):
                    total[place] += numbers[start + place]
        return sums

    def _make(self, key: Key, size: int) -> int:
        numbers, start = self.numbers, int(self.numbers[_TAKEN])
        text = json.dumps([start, size, *key]).encode() + b"\n"
        taken = int(numbers[_KEYS_TAKEN])
        if start + size > NUMBERS or taken + len(text) > _KEYS:
            raise MemoryError(f"there is no room to count {key} as well")
        begin = self._slot * SLOT_BYTES + 8 * NUMBERS + taken
        self._memory[begin : begin + len(text)] = text
        # The key counts once it is there as a whole.
        numbers[_TAKEN] = start + size
        numbers[_KEYS_TAKEN] = taken + len(text)
        return start

    def _numbers_of(self, slot: int) -> memoryview[float]:
        begin = slot * SLOT_BYTES
        return self._memory[begin : begin + 8 * NUMBERS].cast("d")

    def _blocks_of(self, slot: int) -> Iterator[tuple[Key, int, int]]:
        begin = slot * SLOT_BYTES + 8 * NUMBERS
        text = bytes(self._memory[begin : begin + int(self._numbers_of(slot)[_KEYS_TAKEN])])
        for line in text.splitlines():
            start, size, *key = json.loads(line)
            yield tuple(key), start, size


def private_memory() -> memoryview:
    """Memory for a single process."""
    return memoryview(bytearray(SLOT_BYTES))
