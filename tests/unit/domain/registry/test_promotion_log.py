"""What it costs to find the last promotion, however many there are, and whatever is missing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import SettableClock
from tests.support.stores import CountingStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.domain.registry.promotion_log import PromotionLog, entries_of, entry_of, number_of

TASK = "time"


def store_with(numbers: list[int]) -> CountingStore:
    store = CountingStore(MemoryStore(SettableClock()))
    for number in numbers:
        store.write(f"promotions/{TASK}_{number:012}.json", b"{}")
    # Those of another task lie between them.
    store.write(f"promotions/{TASK}_000000000001_000000000009.json", b"{}")
    store.forget()
    return store


@pytest.mark.parametrize(("promotions", "requests"), [(0, 2), (1, 1), (900, 1), (5_000, 5), (20_000, 12)])
def test_the_last_of_many_is_found_with_a_few_requests(promotions: int, requests: int) -> None:
    store = store_with(list(range(1, promotions + 1)))
    log = PromotionLog(store, TASK, SettableClock())
    assert log.last() == (entry_of(promotions) if promotions else "")
    assert len(store.lists) <= requests
    store.forget()
    assert number_of(log.last()) == promotions
    assert len(store.lists) <= 2


@given(st.sets(st.integers(1, 10**11 - 1), max_size=20), st.integers(0, 3000))
def test_the_greatest_number_is_found_whatever_is_missing(numbers: set[int], first: int) -> None:
    numbers |= set(range(1, first + 1))
    store = store_with(sorted(numbers))
    log = PromotionLog(store, TASK, SettableClock())
    assert number_of(log.last()) == max(numbers, default=0)
    assert [number_of(entry) for entry in entries_of(store, TASK)] == sorted(numbers, reverse=True)
    # A log that was put back to an earlier state.
    for number in sorted(numbers)[len(numbers) // 2 :]:
        store.delete(f"promotions/{TASK}_{number:012}.json")
    assert number_of(log.last()) == max(sorted(numbers)[: len(numbers) // 2], default=0)


@pytest.mark.parametrize("number", [0, -1, 10**11, 10**12])
def test_a_log_has_no_such_entry(number: int) -> None:
    with pytest.raises(ValueError, match="the log of promotions has no entry"):
        entry_of(number)
