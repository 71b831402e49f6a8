"""The newest dataset of a folder of any size, against a plain look at every name in it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.clocks import SettableClock
from tests.support.events import Recorder
from tests.support.stores import CountingStore
from tests.support.strategies import spelled_moments
from weighbridge.adapters.memory import MemoryStore
from weighbridge.domain.errors import DataError
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import NamedInTime, dataset_timestamp, format_timestamp
from weighbridge.domain.store.datasets import datasets_of, newest_dataset
from weighbridge.domain.store.discovery import PAGE, Found, find_newest
from weighbridge.domain.store.events import DatasetChosen, DatasetNameUnreadable

NOW = datetime(2021, 7, 3, 23, 5, 32, tzinfo=UTC)
PREFIX = "datasets/time_"

#: Names that begin like those of the task ``time``, and tell no time: the first ones sort before every date,
#: the last ones after, the others among them.
UNREADABLE = (
    *("time_ 2021-07-03.csv", "time_+.csv", "time_03-07-2021.csv", "time_1.csv"),
    *("time_20210703.csv", "time_2021-02-30.csv", "time_2021-07-03.json", "time_2020-01-01T25:00:00.csv"),
    *("time_2021-07-01.csv.bz2", "time_9.parquet"),
    *("time_latest.csv", "time_to_dispatch_latest.csv", "time_ß.csv", "time_z"),
)

#: Names of the datasets of longer-named tasks, and names that are no task's here.
OTHERS = (
    *("time_to_dispatch_2031-07-03.csv", "time_to_2021-07-03T16|45|38.parquet", "time_2_2021-07-03.csv"),
    *("time2_2041-01-01.csv", "timer_latest.csv", "orders_2031-01-01.csv", "tim_2031-01-01.csv"),
)


def store_of(*names: str) -> MemoryStore:
    store = MemoryStore(SettableClock(NOW))
    for name in dict.fromkeys(names):
        store.write(f"datasets/{name}", b"rows")
    return store


def find(store: ArtefactStore) -> Found:
    return find_newest(store, PREFIX, lambda name: dataset_timestamp("time", name), SettableClock(NOW))


def greatest(moments: dict[str, datetime]) -> str | None:
    """The name with the greatest time, ties to the greater name."""
    return max(moments, key=lambda name: (moments[name], name), default=None)


def hourly(last: datetime, count: int, task: str = "time") -> list[str]:
    return [f"{task}_{format_timestamp(last - timedelta(hours=hours))}.csv" for hours in range(count)]


@st.composite
def readable_names(draw: st.DrawFn) -> dict[str, datetime]:
    """Datasets of the task ``time``, named around now in any spelling, and the times that they tell."""
    hours = st.one_of(st.integers(-60, 60), st.integers(-15000, 15000), st.sampled_from([-7 * 24, -60 * 24]))
    near = hours.map(lambda hour: NOW.replace(minute=0, second=0) + timedelta(hours=hour))
    found = draw(st.lists(st.tuples(spelled_moments(near), st.sampled_from([".csv", ".parquet"])), max_size=8))
    return {f"time_{text}{suffix}": moment for (text, moment), suffix in found}


@st.composite
def many_names(draw: st.DrawFn) -> list[str]:
    """More names than one page lists, that end somewhere between long ago and the future."""
    days = draw(st.sampled_from([-4000, -600, -499, -61, -59, -9, -8, -7, -6, -1, 0, 1, 30, 2000]))
    hour = draw(st.integers(0, 23))
    return hourly(
        NOW.replace(hour=hour) + timedelta(days=days), draw(st.sampled_from([PAGE - 1, PAGE, PAGE + 200]))
    )


@given(readable_names(), st.sets(st.sampled_from(UNREADABLE)), st.sets(st.sampled_from(OTHERS)))
def test_in_a_small_folder_the_newest_is_found_and_every_unreadable_name_told(
    moments: dict[str, datetime], unreadable: set[str], others: set[str]
) -> None:
    store = store_of(*others, *unreadable, *moments)
    events = Recorder()
    warnings = [DatasetNameUnreadable(f"datasets/{name}") for name in sorted(unreadable)]
    name = greatest(moments)
    if name is None:
        with pytest.raises(DataError):
            newest_dataset(store, "time", SettableClock(NOW), events)
        assert events.events == warnings
    else:
        found = newest_dataset(store, "time", SettableClock(NOW), events)
        assert found == store.read(f"datasets/{name}").ref
        assert events.events == [*warnings, DatasetChosen(f"datasets/{name}", len(b"rows"))]


@given(readable_names(), st.sets(st.sampled_from(UNREADABLE)), st.sets(st.sampled_from(OTHERS)))
def test_datasets_are_listed_newest_first_and_the_unreadable_last(
    moments: dict[str, datetime], unreadable: set[str], others: set[str]
) -> None:
    listed = datasets_of(store_of(*others, *unreadable, *moments), "time")
    ordered = sorted(moments, key=lambda name: (moments[name], name), reverse=True)
    assert [(moment, ref.name) for moment, ref in listed] == [
        *((moments[name], name) for name in ordered),
        *((None, name) for name in sorted(unreadable)),
    ]


@settings(max_examples=max(20, settings().max_examples // 2))
@given(many_names(), readable_names(), st.sets(st.sampled_from(UNREADABLE)), st.sets(st.sampled_from(OTHERS)))
def test_in_a_large_folder_the_newest_is_that_of_a_look_at_everything(
    many: list[str], moments: dict[str, datetime], unreadable: set[str], others: set[str]
) -> None:
    store = store_of(*many, *moments, *unreadable, *others)
    found = find(store)
    everything = moments.copy()
    for name in many:
        moment = dataset_timestamp("time", name)
        assert moment is not None
        everything[name] = moment
    expected = greatest(everything)
    assert expected is not None
    assert found.newest == NamedInTime(everything[expected], store.read(f"datasets/{expected}").ref)
    told = [ref.name for ref in found.unreadable]
    assert len(told) == len(set(told))
    # Nothing that sorts after the recent end is passed over in silence; what lies between may be old news.
    recent = {name for name in unreadable if name > "time_3"}
    assert recent <= set(told) - set(others) <= unreadable


def test_what_sorts_before_every_date_is_told_in_a_large_folder_too() -> None:
    first, last = "time_ 2021-07-03.csv", "time_latest.csv"
    store = store_of(first, last, *hourly(NOW, 2 * PAGE))
    events = Recorder()
    newest_dataset(store, "time", SettableClock(NOW), events)
    assert events.events == [
        DatasetNameUnreadable(f"datasets/{first}"),
        DatasetNameUnreadable(f"datasets/{last}"),
        DatasetChosen("datasets/time_2021-07-03T23-05-32Z.csv", len(b"rows")),
    ]


def test_an_unreadable_name_seen_twice_is_told_once() -> None:
    # All of it is within the last week: both the first page and the window show the name.
    recent = [f"time_{format_timestamp(NOW - timedelta(minutes=minute))}.csv" for minute in range(PAGE + 1)]
    unreadable = "time_2021-07-03T09.csv"
    assert min(recent) < unreadable < sorted(recent)[PAGE - 1]
    events = Recorder()
    newest_dataset(store_of(unreadable, *recent), "time", SettableClock(NOW), events)
    assert events.events[:-1] == [DatasetNameUnreadable(f"datasets/{unreadable}")]


@pytest.mark.parametrize("days", [-3000, -61, -57, -8, -6, -4, 0, 30])
def test_a_large_folder_is_looked_at_from_its_recent_end(days: int) -> None:
    newest = NOW + timedelta(days=days)
    store = CountingStore(store_of(*hourly(newest, 24 * PAGE)))
    found = find(store)
    assert found.newest is not None
    assert found.newest.timestamp == newest
    # Twenty-four would be all of it, and the folder might as well be a hundred times as large.
    assert store.list_requests <= 12


def test_a_small_folder_is_one_request() -> None:
    store = CountingStore(store_of(*hourly(NOW - timedelta(days=3000), PAGE - 1)))
    found = find(store)
    assert found.newest is not None
    assert found.newest.timestamp == NOW - timedelta(days=3000)
    assert store.list_requests == 1


def test_the_zone_of_a_name_may_carry_it_over_the_edge_of_a_window() -> None:
    # By its date the first lies before the second, by its time after it.
    outside, inside = "time_2021-06-25T23:59:59-23:59.csv", "time_2021-06-27T00:00:00+23:59.csv"
    old = hourly(NOW - timedelta(days=100), PAGE)
    found = find(store_of(outside, inside, *old))
    assert found.newest is not None
    assert found.newest.ref.name == outside
    assert found.newest.timestamp == datetime(2021, 6, 26, 23, 58, 59, tzinfo=UTC)


def test_nothing_is_found_where_nothing_is() -> None:
    assert find(store_of()) == Found(None, ())
    assert find(store_of("orders_2021-07-03.csv", "time2_2021-07-03.csv")) == Found(None, ())


def test_no_dataset_is_bad_data_that_says_what_to_do() -> None:
    store = store_of("time_to_dispatch_2021-07-03.csv", "orders_2021-07-03.csv")
    events = Recorder()
    with pytest.raises(DataError) as caught:
        newest_dataset(store, "time", SettableClock(NOW), events)
    assert str(caught.value) == (
        "memory://: 1 problem\n"
        "  there is no dataset of time: no 'datasets/time_<timestamp>.csv' or '.parquet'; "
        "add one with 'weighbridge datasets put'"
    )
    assert events.events == []


def test_equal_times_go_to_the_greater_key() -> None:
    names = ("time_2021-07-03.csv", "time_2021-07-03T00-00-00Z.csv", "time_2021-07-03 00:00:00.parquet")
    found = find(store_of(*names))
    assert found.newest is not None
    assert found.newest.ref.name == "time_2021-07-03T00-00-00Z.csv"
