"""The tasks of a store: found by names alone, and by few listings."""

from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import SettableClock
from weighbridge.adapters.memory import MemoryStore
from weighbridge.domain.store.artefacts import is_task_name
from weighbridge.domain.store.task_names import similar_task, tasks_in

NAMES = st.from_regex(r"[a-c0-2]{1,2}(_[a-c0-2]{1,4}){0,2}", fullmatch=True).filter(is_task_name)
KINDS = st.sampled_from(["datasets", "models", "rejected"])
TIMES = st.sampled_from(["2020-01-01", "2021-07-03T23-05-32Z", "2021-07-03T23:05:32", "9999-12-31"])


def store_with(keys: set[str]) -> MemoryStore:
    store = MemoryStore(SettableClock())
    for key in keys:
        store.write(key, b"")
    return store


@given(st.sets(st.tuples(KINDS, NAMES, TIMES)))
def test_every_task_is_found_whatever_other_names_begin_with_it(there: set[tuple[str, str, str]]) -> None:
    store = store_with({f"{kind}/{name}_{time}.csv" for kind, name, time in there})
    assert tasks_in(store) == sorted({name for _, name, _ in there})


def test_other_names_are_no_tasks() -> None:
    assert (
        tasks_in(store_with({"datasets/readme.txt", "datasets/_2021-07-03.csv", "predictions/a_2021-07-03"})) == []
    )
    assert tasks_in(store_with({"datasets/Notes_2021-07-03.csv", "datasets/orders_2021-07-03.csv"})) == ["orders"]


def test_a_task_with_many_datasets_is_listed_once_for_each_year() -> None:
    listed = []

    class Counting(MemoryStore):
        def list(self, prefix: str, start_after: str | None = None):  # type: ignore[no-untyped-def]
            for ref in super().list(prefix, start_after):
                listed.append(ref.key)
                yield ref

    store = Counting(SettableClock())
    for day in range(1, 29):
        for year in (2020, 2021):
            store.write(f"datasets/orders_{year}-02-{day:02}.csv", b"")
    assert tasks_in(store) == ["orders"]
    assert len(listed) == 2


def test_the_likeliest_name_is_meant() -> None:
    names = ["orders", "time_to_dispatch"]
    assert similar_task("time_to_dispath", names) == "time_to_dispatch"
    assert similar_task("weather", names) is None
