"""Reading the newest dataset while others put, replace and remove datasets."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support.clocks import SettableClock
from tests.support.events import Recorder
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.domain.errors import DataError, StoreUnavailable
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef
from weighbridge.domain.store.datasets import read_newest_dataset
from weighbridge.domain.store.events import DatasetChosen, DatasetFolderSkipped, DatasetNameUnreadable

OLD, NEW, NEWER = (f"datasets/time_2021-07-0{day}.csv" for day in (1, 2, 3))
UNREADABLE = "datasets/time_latest.csv"


class BusyStore(ArtefactStore):
    """A store in which something happens between a listing and the reading that follows it."""

    def __init__(self) -> None:
        self.store = MemoryStore(SettableClock(datetime(2021, 7, 3, tzinfo=UTC)))
        #: What happens before the next reads, in turn.
        self.happenings: list[Callable[[], object]] = []

    def replace(self, key: str, data: bytes) -> None:
        self.store.delete(key)
        self.store.write(key, data)

    @property
    def url(self) -> str:
        return self.store.url

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        return self.store.list(prefix, start_after)

    def read(self, what: ArtefactRef | str) -> Artefact:
        if self.happenings:
            self.happenings.pop(0)()
        return self.store.read(what)

    def write(self, key: str, data: bytes) -> ArtefactRef:
        return self.store.write(key, data)

    def delete(self, key: str) -> None:
        self.store.delete(key)


@pytest.fixture
def store() -> BusyStore:
    store = BusyStore()
    store.write(OLD, b"old")
    store.write(NEW, b"new")
    store.write(UNREADABLE, b"?")
    return store


@pytest.fixture
def events() -> Recorder:
    return Recorder()


def read(store: BusyStore, events: Recorder) -> Artefact:
    return read_newest_dataset(store, "time", SettableClock(), events)


def test_the_newest_is_read_and_told(store: BusyStore, events: Recorder) -> None:
    artefact = read(store, events)
    assert artefact == store.store.read(NEW)
    assert events.events == [DatasetNameUnreadable(UNREADABLE), DatasetChosen(NEW, 3)]


@pytest.mark.parametrize("times", [1, 2])
def test_one_that_is_replaced_before_it_is_read_is_read_as_it_is_now(
    store: BusyStore, events: Recorder, times: int
) -> None:
    store.happenings = [lambda: store.replace(NEW, b"another")] * times
    artefact = read(store, events)
    assert artefact == store.store.read(NEW)
    assert artefact.data == b"another"
    assert events.events == [DatasetNameUnreadable(UNREADABLE), DatasetChosen(NEW, 7)]


def test_one_that_is_replaced_at_every_look_is_left_for_later(store: BusyStore, events: Recorder) -> None:
    store.happenings = [lambda: store.replace(NEW, b"another")] * 4
    with pytest.raises(StoreUnavailable) as caught:
        read(store, events)
    assert str(caught.value) == (
        "memory://: the newest dataset of time was replaced 3 times while it was to be read; "
        "try again when nobody writes it"
    )
    assert len(store.happenings) == 1
    assert events.events == [DatasetNameUnreadable(UNREADABLE)]


def test_one_that_is_removed_gives_way_to_the_one_before(store: BusyStore, events: Recorder) -> None:
    store.happenings = [lambda: store.delete(NEW)]
    assert read(store, events).ref.key == OLD
    assert events.events[-1] == DatasetChosen(OLD, 3)


def test_a_newer_one_that_comes_meanwhile_is_for_the_next_time_unless_it_is_looked_for_anew(
    store: BusyStore, events: Recorder
) -> None:
    store.happenings = [lambda: store.write(NEWER, b"newer")]
    assert read(store, events).ref.key == NEW
    store.happenings = [lambda: store.replace(NEWER, b"newest")]
    assert read(store, events).data == b"newest"


def test_when_the_only_ones_are_removed_there_is_none(store: BusyStore, events: Recorder) -> None:
    store.happenings = [lambda: [store.delete(key) for key in (OLD, NEW)]]
    with pytest.raises(DataError, match="there is no dataset of time"):
        read(store, events)


def test_an_empty_one_is_no_dataset_and_is_not_passed_over(store: BusyStore, events: Recorder) -> None:
    store.write(NEWER, b"")
    with pytest.raises(DataError) as caught:
        read(store, events)
    assert str(caught.value) == f"{NEWER}: 1 problem\n  the object is empty (0 bytes); upload it again, whole"
    assert events.events == [DatasetNameUnreadable(UNREADABLE), DatasetChosen(NEWER, 0)]


def test_an_empty_one_that_is_put_again_before_it_is_read_is_a_dataset(store: BusyStore, events: Recorder) -> None:
    store.write(NEWER, b"")
    store.happenings = [lambda: store.replace(NEWER, b"whole")]
    assert read(store, events).data == b"whole"


@pytest.mark.parametrize(
    ("folder", "is_newer"),
    [
        ("time_2021-07-10.parquet", True),
        ("time_2021-07-10", True),
        ("time_2021-07-03T00-30-00Z", True),
        ("time_2021-07-03T00:30:00+23:00.csv", False),
        ("time_2021-07-02T01:00:00-23:59", True),
        ("time_2021-06-30.parquet", False),
        ("time_latest", False),
        ("time_to_dispatch_2021-07-10", False),
    ],
)
def test_a_folder_that_is_newer_than_the_newest_file_is_named(
    tmp_path: Path, events: Recorder, folder: str, is_newer: bool
) -> None:
    store = LocalStore(tmp_path)
    store.write(NEWER, b"newest")
    part = tmp_path / "datasets" / folder
    part.mkdir()
    (part / "part-0.parquet").write_bytes(b"rows")
    artefact = read_newest_dataset(store, "time", SettableClock(), events)
    assert artefact.ref.key == NEWER
    warned = [event.key for event in events.events if isinstance(event, DatasetFolderSkipped)]
    assert warned == ([f"datasets/{folder}/"] if is_newer else [])
