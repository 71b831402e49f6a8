"""Finding the newest of things whose names tell their time, without reading a whole bucket.

Keys of one task sort by date, whatever else their spelling varies. So one page from the beginning shows a
small folder whole, and a large one is looked at from its recent end, in growing windows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TypeAlias

from domain.artefacts import DATASETS, ArtefactRef, NamedInTime, belongs_to_another_task, dataset_timestamp, newest
from domain.errors import DataError, Problem
from domain.events import DatasetChosen, DatasetNameUnreadable
from domain.ports import ArtefactStore, Clock, EventSink

Timing: TypeAlias = Callable[[str], datetime | None]

#: What one request lists, in S3 and in most stores that speak its protocol.
PAGE = 1000

#: How far back to look for the newest in a large folder, in days; after that, everything.
_WINDOWS = (7, 60, 500)

#: A name's own date can be off its UTC date by less than a day, through its zone: what lies two days or more
#: past the edge of a window is newer than anything that the window leaves out.
_MARGIN = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a folder showed: the newest, and everything else that was seen on the way."""

    newest: NamedInTime | None
    unreadable: tuple[ArtefactRef, ...]


def find_newest(store: ArtefactStore, prefix: str, timing: Timing, clock: Clock) -> Found:
    """Find the artefact under ``prefix`` with the greatest time, ties to the greater key.

    Args:
        store: where to look.
        prefix: ``kind/<task>_``; what follows in a key begins with a date, or is unreadable.
        timing: the time that a name (a key's second level) tells; None for a name that tells none.
        clock: where the recent end is.
    """
    first = list(islice(store.list(prefix), PAGE))
    if len(first) < PAGE:
        return _look(first, timing)
    for days in _WINDOWS:
        edge = datetime.combine(clock.now().date(), datetime.min.time(), UTC) - timedelta(days=days)
        window = _look(store.list(prefix, start_after=f"{prefix}{edge:%Y-%m-%d}"), timing)
        if window.newest is not None and window.newest.timestamp >= edge + _MARGIN:
            seen = {ref.key: ref for ref in (*_look(first, timing).unreadable, *window.unreadable)}
            return Found(window.newest, tuple(seen.values()))
    return _look(store.list(prefix), timing)


def newest_dataset(store: ArtefactStore, task: str, clock: Clock, events: EventSink) -> ArtefactRef:
    """The newest dataset of a task; names that do not tell a time are reported as events.

    Raises:
        DataError: there is none.
    """
    found = find_newest(store, f"{DATASETS}/{task}_", lambda name: dataset_timestamp(task, name), clock)
    for ref in found.unreadable:
        if not belongs_to_another_task(task, ref.name):
            events.emit(DatasetNameUnreadable(ref.key))
    if found.newest is None:
        expected = f"no '{DATASETS}/{task}_<timestamp>.csv' or '.parquet'; add one with 'weighbridge datasets put'"
        raise DataError(store.url, [Problem(f"there is no dataset of {task}: {expected}")])
    events.emit(DatasetChosen(found.newest.ref.key, found.newest.ref.size))
    return found.newest.ref


def datasets_of(store: ArtefactStore, task: str) -> list[tuple[datetime | None, ArtefactRef]]:
    """Every dataset of a task with the time that its name tells, newest first.

    Names that belong to the task and tell no time come last, by key, with None.
    """
    found: list[NamedInTime] = []
    unreadable: list[ArtefactRef] = []
    for ref in store.list(f"{DATASETS}/{task}_"):
        timestamp = dataset_timestamp(task, ref.name)
        if timestamp is not None:
            found.append(NamedInTime(timestamp, ref))
        elif not belongs_to_another_task(task, ref.name):
            unreadable.append(ref)
    found.sort(key=lambda named: named.order, reverse=True)
    return [(named.timestamp, named.ref) for named in found] + [(None, ref) for ref in unreadable]


def _look(refs: Iterable[ArtefactRef], timing: Timing) -> Found:
    best: NamedInTime | None = None
    unreadable = []
    for ref in refs:
        timestamp = timing(ref.name)
        if timestamp is None:
            unreadable.append(ref)
        else:
            this = NamedInTime(timestamp, ref)
            best = this if best is None else newest((best, this))
    return Found(best, tuple(unreadable))
