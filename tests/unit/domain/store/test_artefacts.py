"""Names in a store: every spelling of a timestamp that is read, the one that is written, whose a name is."""

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import moments, spelled_moments, task_names
from weighbridge.adapters.testing.keys import keys, unlawful_keys
from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.store.artefacts import (
    DATASET_SUFFIXES,
    ArtefactRef,
    NamedInTime,
    belongs_to_another_task,
    check_key,
    check_prefix,
    dataset_key,
    dataset_timestamp,
    format_timestamp,
    is_task_name,
    newest,
    parse_timestamp,
)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2021-07-03T23-05-32Z", utc(2021, 7, 3, 23, 5, 32)),
        ("2021-07-03T23:05:32", utc(2021, 7, 3, 23, 5, 32)),
        ("2021-07-01T16|45|38", utc(2021, 7, 1, 16, 45, 38)),
        ("2021-07-01 16-45-38", utc(2021, 7, 1, 16, 45, 38)),
        ("2021-07-01t16:45|38z", utc(2021, 7, 1, 16, 45, 38)),
        ("2021-07-01T16:45:38.5", utc(2021, 7, 1, 16, 45, 38, 500_000)),
        ("2021-07-01T16:45:38,000001Z", utc(2021, 7, 1, 16, 45, 38, 1)),
        ("2021-07-01T16:45:38.999999999Z", utc(2021, 7, 1, 16, 45, 38, 999_999)),
        ("2021-07-01T16:45:38+05:00", utc(2021, 7, 1, 11, 45, 38)),
        ("2021-07-01T16:45:38+0530", utc(2021, 7, 1, 11, 15, 38)),
        ("2021-07-01T16-45-38-08", utc(2021, 7, 2, 0, 45, 38)),
        ("2021-07-01T16-45-38-08-30", utc(2021, 7, 2, 1, 15, 38)),
        ("2021-07-01T16|45|38+05|00", utc(2021, 7, 1, 11, 45, 38)),
        ("2021-07-01T16:45:38-00:00", utc(2021, 7, 1, 16, 45, 38)),
        ("2021-07-01T16:45:38-23:59", utc(2021, 7, 2, 16, 44, 38)),
        ("2021-07-01T16:45:38+23:59", utc(2021, 6, 30, 16, 46, 38)),
        ("2021-07-03", utc(2021, 7, 3)),
        ("2024-02-29T00:00:00Z", utc(2024, 2, 29)),
        ("0001-01-01T00:00:00Z", utc(1, 1, 1)),
        ("9999-12-31T23:59:59.999999Z", utc(9999, 12, 31, 23, 59, 59, 999_999)),
    ],
)
def test_spellings_that_are_read(text: str, moment: datetime) -> None:
    found = parse_timestamp(text)
    assert found == moment
    assert found is not None
    assert found.tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "latest",
        "2021",
        "2021-7-3",
        "21-07-03",
        "20210703",
        "2021/07/03",
        "2021_07_03",
        "03-07-2021",
        "2021-07-03T",
        "2021-07-03Z",
        "2021-07-03T23",
        "2021-07-03T23:05",
        "2021-07-03T230532",
        "2021-07-03T23.05.32",
        "2021-07-03_23:05:32",
        "2021-07-03  23:05:32",
        "2021-07-03T23:05:32.",
        "2021-07-03T23:05:32.1234567890",
        "2021-07-03T23:05:32+5",
        "2021-07-03T23:05:32+24:00",
        "2021-07-03T23:05:32-24:00",
        "2021-07-03T23:05:32+05:60",
        "2021-07-03T23:05:32 +05:00",
        "2021-07-03T23:05:32ZZ",
        "2021-07-03T23:05:32UTC",
        " 2021-07-03",
        "2021-07-03\n",
        "-2021-07-03",
        "٢٠٢١-07-03",
        "2021-07-03T2٣:05:32",
        "0000-01-01",
        "2021-02-29",
        "2021-07-03T23:05:60",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_what_is_no_timestamp(text: str) -> None:
    assert parse_timestamp(text) is None
    assert dataset_timestamp("time", f"time_{text}.csv") is None


@given(spelled_moments())
def test_every_spelling_tells_its_time(spelled: tuple[str, datetime]) -> None:
    text, moment = spelled
    found = parse_timestamp(text)
    assert found == moment
    assert found is not None
    assert found.utcoffset() == timedelta(0)


@given(
    st.one_of(st.integers(1, 31), st.integers(0, 99)),
    st.one_of(st.integers(1, 12), st.integers(0, 99)),
    st.tuples(st.integers(0, 30), st.integers(0, 70), st.integers(0, 70)),
)
def test_only_dates_of_the_calendar_and_times_of_the_day_are_read(
    day: int, month: int, time: tuple[int, int, int]
) -> None:
    try:
        real = datetime(2021, month, day, *time, tzinfo=UTC)
    except ValueError:
        real = None
    hour, minute, second = time
    assert parse_timestamp(f"2021-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}") == real


@given(moments(), st.integers(-24 * 60 + 1, 24 * 60 - 1))
def test_what_is_written_is_utc_to_the_second_and_reads_back(moment: datetime, minutes: int) -> None:
    text = format_timestamp(moment.astimezone(timezone(timedelta(minutes=minutes))))
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z", text, re.ASCII)
    assert parse_timestamp(text) == moment.replace(microsecond=0)


@given(moments(), moments())
def test_written_times_sort_like_times(one: datetime, other: datetime) -> None:
    one, other = one.replace(microsecond=0), other.replace(microsecond=0)
    assert (format_timestamp(one) < format_timestamp(other)) == (one < other)


def test_how_a_time_is_written() -> None:
    moment = datetime(2021, 7, 4, 4, 5, 32, 999_999, timezone(timedelta(hours=5)))
    assert format_timestamp(moment) == "2021-07-03T23-05-32Z"
    assert format_timestamp(utc(1, 2, 3)) == "0001-02-03T00-00-00Z"
    assert dataset_key("time_to_dispatch", moment, ".csv") == "datasets/time_to_dispatch_2021-07-03T23-05-32Z.csv"


@given(task_names(), spelled_moments(), st.sampled_from(DATASET_SUFFIXES))
def test_a_dataset_tells_its_time_to_its_own_task_only(
    task: str, spelled: tuple[str, datetime], suffix: str
) -> None:
    text, moment = spelled
    name = f"{task}_{text}{suffix}"
    assert dataset_timestamp(task, name) == moment
    assert dataset_timestamp(task[:-1], name) is None
    assert dataset_timestamp(f"{task}s", name) is None
    assert not belongs_to_another_task(task, name)


@pytest.mark.parametrize(
    "name",
    [
        "time_2021-07-03.json",
        "time_2021-07-03",
        "time_2021-07-03csv",
        "time_2021-07-03.CSV",
        "time_2021-07-03.csv.parquet",
        "time_2021-07-03.csv.bz2",
        "time2021-07-03.csv",
        "_time_2021-07-03.csv",
        "Time_2021-07-03.csv",
        "time_.csv",
        "time_to_dispatch_2021-07-03.csv",
    ],
)
def test_names_that_tell_a_task_no_time(name: str) -> None:
    assert dataset_timestamp("time", name) is None


@given(task_names(), st.lists(st.sampled_from(["to", "b2", "2021"]), min_size=1, max_size=3), spelled_moments())
def test_a_longer_task_name_takes_its_datasets_with_it(
    task: str, more: list[str], spelled: tuple[str, datetime]
) -> None:
    longer = "_".join([task, *more])
    name = f"{longer}_{spelled[0]}.parquet"
    assert dataset_timestamp(task, name) is None
    assert belongs_to_another_task(task, name)
    assert dataset_timestamp(longer, name) == spelled[1]
    assert not belongs_to_another_task(longer, name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("time_to_dispatch_2021-07-03.csv", True),
        ("time_to_2021-07-03T16|45|38.parquet", True),
        ("time_2_2021-07-03.csv", True),
        ("time_2021-07-03.csv", False),
        ("time_2021_07_03.csv", False),
        ("time_to_dispatch_latest.csv", False),
        ("time_to_dispatch_2021-02-30.csv", False),
        ("time_to_dispatch_2021-07-03.json", False),
        ("time_To_2021-07-03.csv", False),
        ("time__2021-07-03.csv", False),
        ("time_to__2021-07-03.csv", False),
        ("time_latest.csv", False),
    ],
)
def test_whose_a_name_is(name: str, expected: bool) -> None:
    assert belongs_to_another_task("time", name) is expected


@pytest.mark.parametrize("name", ["time", "time_to_dispatch", "a", "a1", "a_1", "x9_y8"])
def test_names_for_tasks(name: str) -> None:
    assert is_task_name(name)


@pytest.mark.parametrize(
    "name",
    ["", "Time", "time-to", "1time", "_time", "time_", "time__to", "time to", "tíme", "time\n", "a/b", "a.b"],
)
def test_names_that_no_task_can_have(name: str) -> None:
    assert not is_task_name(name)


@given(keys())
def test_a_lawful_key_is_returned_as_it_is(key: str) -> None:
    assert check_key(key) == key


@given(unlawful_keys())
def test_an_unlawful_key_is_refused(key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_key(key)
    assert repr(key) in str(caught.value)


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("datasets", "is not of the form kind/name"),
        ("datasets/a/b", "is not of the form kind/name"),
        ("datasets/", "is not of the form kind/name"),
        ("/name", "is not of the form kind/name"),
        ("datasets/.name", "is not of the form kind/name"),
        (".datasets/name", "is not of the form kind/name"),
        ("datasets/a\\b", "has a character that not every store can hold"),
        ("datasets/a\x1f", "has a character that not every store can hold"),
        ("datasets/a\ud800", "has a character that not every store can hold"),
        (f"datasets/a{chr(0xDFFF)}", "has a character that not every store can hold"),
        ("datasets/a\x7f", "has a character that not every store can hold"),
    ],
)
def test_what_is_wrong_with_a_key(key: str, fault: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_key(key)
    assert str(caught.value) == f"the key {key!r} {fault}"


@pytest.mark.parametrize("key", ["datasets/ ~", "datasets/\x80", "datasets/\ud7ff\ue000", "datasets/a.b"])
def test_the_characters_beside_the_forbidden_ones_are_lawful(key: str) -> None:
    assert check_key(key) == key


@given(keys(), st.integers(0, 40))
def test_a_lawful_prefix_begins_a_lawful_key(key: str, length: int) -> None:
    kind = key.index("/") + 1
    assert check_prefix(key[: kind + length]) == key[: kind + length]
    with pytest.raises(ConfigurationError):
        check_prefix(key[: kind - 1])
    with pytest.raises(ConfigurationError):
        check_prefix(f"{key}/")


@pytest.mark.parametrize(("key", "name"), [("datasets/a.csv", "a.csv"), ("datasets/a b_c", "a b_c")])
def test_the_name_of_a_ref_is_its_second_level(key: str, name: str) -> None:
    assert ref(key).name == name


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcd")), max_size=8, unique=True))
def test_newest_is_the_greatest_time_and_then_the_greatest_key(found: list[tuple[int, str]]) -> None:
    named = [NamedInTime(utc(2021, 7, 1 + day), ref(f"datasets/{key}")) for day, key in found]
    chosen = newest(named)
    if not found:
        assert chosen is None
    else:
        day, key = max(found)
        assert chosen == NamedInTime(utc(2021, 7, 1 + day), ref(f"datasets/{key}"))


def ref(key: str) -> ArtefactRef:
    return ArtefactRef(key, 1, "1", None, utc(2021, 1, 1))
