"""The store in memory: the contract of every store, and its own clock and threads."""

from datetime import UTC, datetime, timedelta

import pytest

from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.testing.store_contract import NewStore, StoreContract
from weighbridge.domain.system import Clock


class SteppingClock(Clock):
    """A clock on which each look is one second after the last."""

    def __init__(self) -> None:
        self._now = datetime(2021, 7, 3, tzinfo=UTC)

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now

    def seconds(self) -> float:
        return self._now.timestamp()


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def new_store(self) -> NewStore:
        return lambda: MemoryStore(SteppingClock())

    def test_its_address(self) -> None:
        assert MemoryStore(SteppingClock()).url == "memory://"

    def test_the_clock_tells_when_an_artefact_was_made(self) -> None:
        store = MemoryStore(SteppingClock())
        refs = [store.write("datasets/b", b"1"), store.write("datasets/a", b"2")]
        assert [ref.last_modified.second for ref in refs] == [1, 2]
        assert list(store.list("datasets/")) == refs[::-1]
        assert store.read("datasets/b").ref == refs[0]

    def test_two_stores_share_nothing(self) -> None:
        one, other = MemoryStore(SteppingClock()), MemoryStore(SteppingClock())
        one.write("datasets/a", b"")
        assert list(other.list("datasets/")) == []

    def test_a_listing_stands_while_artefacts_come_and_go(self) -> None:
        store = MemoryStore(SteppingClock())
        for name in "abc":
            store.write(f"datasets/{name}", b"")
        listing = store.list("datasets/")
        assert next(listing).name == "a"
        store.delete("datasets/b")
        store.write("datasets/bb", b"")
        assert [ref.name for ref in listing] == ["b", "c"]
