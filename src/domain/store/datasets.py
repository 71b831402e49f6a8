"""The datasets of a task: the newest one, and all of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from weighbridge.domain.errors import ArtefactNotFound, DataError, Problem, StoreUnavailable
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import (
    DATASETS,
    Artefact,
    ArtefactRef,
    NamedInTime,
    belongs_to_another_task,
    dataset_suffix,
    dataset_timestamp,
)
from weighbridge.domain.store.discovery import find_newest
from weighbridge.domain.store.events import DatasetChosen, DatasetFolderSkipped, DatasetNameUnreadable
from weighbridge.domain.system import Clock, EventSink

#: How often the newest dataset is searched again when it was replaced between its listing and its reading.
_LOOKS = 3


def read_newest_dataset(store: ArtefactStore, task: str, clock: Clock, events: EventSink) -> Artefact:
    """Read the newest dataset of a task, in the very revision that was listed.

    One that is replaced or removed before it is read is looked for again, a few times. Names that do not tell a
    time are reported as events, each once.

    Raises:
        DataError: there is none, or it is empty.
        StoreUnavailable: it was another one at every look.
    """
    told: set[str] = set()
    for _ in range(_LOOKS):
        ref = _choose(store, task, clock, events, told)
        try:
            artefact = store.read(ref)
        except ArtefactNotFound:
            continue
        events.emit(DatasetChosen(ref.key, ref.size))
        if not artefact.data:
            raise DataError(ref.key, [Problem("the object is empty (0 bytes); upload it again, whole")])
        return artefact
    raise StoreUnavailable(
        f"{store.url}: the newest dataset of {task} was replaced {_LOOKS} times while it was to be read; "
        "try again when nobody writes it"
    )


def newest_dataset(store: ArtefactStore, task: str, clock: Clock, events: EventSink) -> ArtefactRef:
    """The newest dataset of a task; names that do not tell a time are reported as events.

    Raises:
        DataError: there is none.
    """
    ref = _choose(store, task, clock, events, set())
    events.emit(DatasetChosen(ref.key, ref.size))
    return ref


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


def _choose(store: ArtefactStore, task: str, clock: Clock, events: EventSink, told: set[str]) -> ArtefactRef:
    found = find_newest(store, f"{DATASETS}/{task}_", lambda name: dataset_timestamp(task, name), clock)
    for ref in found.unreadable:
        if ref.key not in told and not belongs_to_another_task(task, ref.name):
            told.add(ref.key)
            events.emit(DatasetNameUnreadable(ref.key))
    if found.newest is None:
        expected = f"no '{DATASETS}/{task}_<timestamp>.csv' or '.parquet'; add one with 'weighbridge datasets put'"
        raise DataError(store.url, [Problem(f"there is no dataset of {task}: {expected}")])
    for key in _newer_folders(store, task, found.newest):
        if key not in told:
            told.add(key)
            events.emit(DatasetFolderSkipped(key))
    return found.newest.ref


def _newer_folders(store: ArtefactStore, task: str, newest: NamedInTime) -> Iterator[str]:
    """The folders that are named like a dataset that is newer."""
    prefix = f"{DATASETS}/{task}_"
    # Its zone moves the time of a name by less than a day.
    start = max(newest.timestamp, datetime.min.replace(tzinfo=UTC) + timedelta(days=2)) - timedelta(days=2)
    for key in store.folders(prefix, f"{prefix}{start.date().isoformat()}"):
        name = key.removeprefix(f"{DATASETS}/").removesuffix("/")
        timestamp = dataset_timestamp(task, name if dataset_suffix(name) else f"{name}.parquet")
        if timestamp is not None and timestamp > newest.timestamp:
            yield key
