"""The registry on the stores that need no server, and its frugality."""

import json
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest

from tests.support.clocks import SettableClock
from tests.support.registry_contract import TASK, RegistryContract, make_record, version_of
from tests.support.stores import CountingStore, Crash, CrashingStore
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.testing.store_contract import NewStore
from weighbridge.domain.registry.promotions import Promotion, unnumbered_entry


class TestRegistryInMemory(RegistryContract):
    @pytest.fixture
    def new_store(self) -> NewStore:
        return lambda: MemoryStore(SettableClock())


class TestRegistryOnLocalFiles(RegistryContract):
    slowness = 3

    @pytest.fixture
    def new_store(self, tmp_path: Path) -> NewStore:
        numbers = count()
        return lambda: LocalStore(tmp_path / str(next(numbers)), create=True)


def test_the_length_of_a_log_of_version_0_1_does_not_matter() -> None:
    """What is listed for the newest promotion is a few pages, however many promotions there were before."""
    for earlier in (4000, 8000):
        assert refs_listed_for_live(earlier) < 4000


def refs_listed_for_live(earlier: int) -> int:
    clock = SettableClock()
    store = CountingStore(MemoryStore(clock))
    registry = StoreRegistry(store, clock)
    first = datetime(2015, 1, 1, tzinfo=UTC)
    old = make_record(b"old", first)
    registry.publish(b"old", old)
    for number in range(earlier):
        promotion = Promotion(version_of(old), first + timedelta(minutes=number), "", "")
        data = json.dumps(promotion.to_dict()).encode()
        store.write(f"promotions/{TASK}_{unnumbered_entry(promotion, data)}.json", data)
    store.forget()
    assert registry.live(TASK).at == first + timedelta(minutes=earlier - 1)
    return store.listed


def test_what_a_crash_wrote_is_what_was_promised() -> None:
    """The store that crashes keeps to its word, or the machine proves nothing."""
    store = CrashingStore(MemoryStore(SettableClock()))
    store.crash_at(2, after=False)
    store.write("models/a", b"")
    with pytest.raises(Crash):
        store.write("models/b", b"")
    store.write("models/c", b"")
    store.crash_at(1, after=True)
    with pytest.raises(Crash):
        store.write("models/d", b"")
    assert [ref.name for ref in store.list("models/")] == ["a", "c", "d"]
    assert store.attempted == ["models/a", "models/b", "models/c", "models/d"]
