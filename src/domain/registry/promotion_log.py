"""The log of promotions of a task: numbered keys on a store, continuing the timestamped keys of version 0.1.

A promotion is ``promotions/<task>_<12 digits>.json``. Each is created under the number after the last one, and a
store never overwrites, so of two writers only one gets a number. Entries of version 0.1,
``<task>_<timestamp>-<digest>.json``, come before all numbered ones.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from weighbridge.domain.store.artefacts import PROMOTIONS, format_timestamp, parse_timestamp
from weighbridge.domain.store.discovery import PAGE, find_last

if TYPE_CHECKING:
    from weighbridge.domain.store.artefact_store import ArtefactStore
    from weighbridge.domain.store.artefacts import ArtefactRef
    from weighbridge.domain.system import Clock

#: All numbers begin with this digit, and no year does: their listing shows no entry of version 0.1.
_FIRST_DIGIT = "0"

#: The greatest number that begins with it.
_LAST = 10**11 - 1

_NUMBERED = re.compile(r"0\d{11}", re.ASCII)


def entry_of(number: int) -> str:
    """The name of a numbered entry: 12 digits.

    Raises:
        ValueError: the number is below 1, or beyond what the log can hold.
    """
    entry = f"{number:012}"
    if number < 1 or _NUMBERED.fullmatch(entry) is None:
        raise ValueError(f"the log of promotions has no entry {number}")
    return entry


def number_of(entry: str) -> int:
    """The number of an entry; 0 for one of version 0.1, and for no entry at all."""
    return int(entry) if _NUMBERED.fullmatch(entry) else 0


class PromotionLog:
    """Finds and names the entries of one task; it reads no record.

    Args:
        store: where the log is.
        task: whose log it is.
        clock: makes the search among the entries of version 0.1 cheaper; it changes no answer.
    """

    def __init__(self, store: ArtefactStore, task: str, clock: Clock) -> None:
        self._store = store
        self._task = task
        self._clock = clock
        self._prefix = f"{PROMOTIONS}/{task}_"
        #: A number that existed when it was last looked at.
        self._known = 0

    def key(self, entry: str) -> str:
        """The key of an entry."""
        return f"{self._prefix}{entry}.json"

    def last(self) -> str:
        """The newest entry; empty when there is none.

        One request where it is within a page of the newest one that this object has seen, and otherwise about
        twice the binary logarithm of the number of pages. Entries of version 0.1 are asked for only while there is
        no numbered one.
        """
        number = self._last_number()
        if number:
            return entry_of(number)
        found = find_last(self._store, self._prefix, lambda name: _timestamp(self._task, name), self._clock)
        return "" if found is None else _entry(self._task, found.ref)

    def change_token(self, entry: str) -> Hashable:
        """What is in the log from ``entry`` on: one request; two where ``entry`` is of version 0.1."""
        number = number_of(entry)
        if number:
            after = self.key(entry_of(number - 1)) if number > 1 else None
            return _tokens(self._store.list(f"{self._prefix}{_FIRST_DIGIT}", after))
        numbered = _tokens(self._store.list(f"{self._prefix}{_FIRST_DIGIT}"))
        at = _timestamp(self._task, f"{self._task}_{entry}.json")
        # A name may tell its time in a zone whose date is another.
        start = None if at is None else f"{self._prefix}{at - timedelta(days=1):%Y-%m-%d}"
        return (numbered, _tokens(self._store.list(self._prefix, start)))

    def _last_number(self) -> int:
        low = self._known
        page = self._numbers(max(low - 1, 0))
        if low and not page:
            # The log was put back to an earlier state.
            low, page = 0, self._numbers(0)
        step, high = PAGE, None
        while page:
            low = page[-1]
            if len(page) < PAGE:
                break
            page = self._numbers(low + step)
            if not page:
                high = low + step
            step *= 2
        while high is not None and low < high:
            # What one page shows needs no more halving.
            middle = low if high - low <= PAGE else (low + high) // 2
            page = self._numbers(middle)
            if not page:
                high = middle
            else:
                low = page[-1]
                if len(page) < PAGE:
                    break
        self._known = low
        return low

    def _numbers(self, after: int) -> list[int]:
        """The numbers after one, ascending; as many as one page shows, and nothing when there are none."""
        if after > _LAST:
            return []
        start = self.key(entry_of(after)) if after else None
        listed = self._store.list(f"{self._prefix}{_FIRST_DIGIT}", start)
        numbers = (number for ref in listed if (number := number_of(_entry(self._task, ref))))
        return list(islice(numbers, PAGE))


def entries_of(store: ArtefactStore, task: str) -> list[str]:
    """Every entry of a task's log, newest first: one request for each page of them."""
    numbered, older = [], []
    for ref in store.list(f"{PROMOTIONS}/{task}_"):
        entry = _entry(task, ref)
        if number_of(entry):
            numbered.append(entry)
        elif (at := _timestamp(task, ref.name)) is not None:
            older.append((at, entry))
    return sorted(numbered, reverse=True) + [entry for _, entry in sorted(older, reverse=True)]


def _tokens(refs: Iterator[ArtefactRef]) -> Hashable:
    return tuple((ref.key, ref.revision) for ref in refs)


def _entry(task: str, ref: ArtefactRef) -> str:
    stem = ref.name.removeprefix(f"{task}_")
    return stem.removesuffix(".json") if stem.endswith(".json") else ""


def _timestamp(task: str, name: str) -> datetime | None:
    """When the entry of version 0.1 with this name was made; None for any other name."""
    stem = name.removeprefix(f"{task}_").removesuffix(".json")
    timestamp, dash, digest = stem.rpartition("-")
    if stem == name or not dash or len(digest) != 8:
        return None
    moment = parse_timestamp(timestamp)
    # Only this software wrote promotions, in one spelling: so their keys sort by time.
    return moment if moment is not None and format_timestamp(moment) == timestamp else None
