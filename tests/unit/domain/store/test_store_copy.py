"""Copying a store: the order, what is there already, and what a crash leaves."""

import pytest

from tests.support.clocks import SettableClock
from tests.support.quick_task import QUICK, store_of_two
from tests.support.stores import Crash, CrashingStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.errors import NothingReleased
from weighbridge.domain.store.store_copy import Copied, copy_store

KINDS = ("datasets", "models", "promotions", "rejected", "reports", "trained")


def contents(store: MemoryStore) -> dict[str, bytes]:
    return {ref.key: store.read(ref).data for kind in KINDS for ref in store.list(f"{kind}/")}


def test_everything_is_copied_and_what_is_named_comes_first() -> None:
    source, target = store_of_two(), CrashingStore(MemoryStore(SettableClock()))
    source.write("reports/a.html", b"<html>")
    copied = list(copy_store(source, target))
    assert {one.outcome for one in copied} == {Copied.COPIED}
    assert [one.key for one in copied] == target.attempted
    assert {one.key: one.size for one in copied} == {key: len(data) for key, data in contents(source).items()}
    places = {key: place for place, key in enumerate(target.attempted)}
    for key, place in places.items():
        if key.startswith("models/") and key.endswith(".json"):
            assert place > places[key.removesuffix("json") + "onnx"]
    assert all(key.startswith("promotions/") for key in target.attempted[-2:])
    assert {one.outcome for one in copy_store(source, target)} == {Copied.SAME}


def test_a_copy_that_is_cut_off_anywhere_has_no_promotion_without_its_release_and_goes_on() -> None:
    source = store_of_two()
    for write in range(1, len(contents(source)) + 1):
        memory = MemoryStore(SettableClock())
        target = CrashingStore(memory)
        target.crash_at(write, after=write % 2 == 0)
        with pytest.raises(Crash):
            list(copy_store(source, target))
        registry = StoreRegistry(memory, SettableClock())
        try:
            live = registry.live(QUICK.name)
        except NothingReleased:
            pass
        else:
            assert registry.fetch(registry.read(live.version))
        assert {one.outcome for one in copy_store(source, target)} <= {Copied.COPIED, Copied.SAME}
        assert contents(memory) == contents(source)


def test_other_bytes_are_told_and_stay() -> None:
    source, target = store_of_two(), MemoryStore(SettableClock())
    key = next(iter(source.list("models/"))).key
    target.write(key, b"other")
    found = {one.key: one.outcome for one in copy_store(source, target)}
    assert found.pop(key) is Copied.DIFFERS
    assert set(found.values()) == {Copied.COPIED}
    assert target.read(key).data == b"other"
