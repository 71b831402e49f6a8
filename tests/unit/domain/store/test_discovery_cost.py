"""What it costs to find the newest: requests of 1000 keys, counted on a store that pages as S3 does."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from random import Random
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import SettableClock
from weighbridge.domain.errors import ArtefactNotFound
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import (
    Artefact,
    ArtefactRef,
    NamedInTime,
    dataset_timestamp,
    format_timestamp,
    parse_timestamp,
)
from weighbridge.domain.store.discovery import PAGE, find_last, find_newest

NOW = datetime(2021, 7, 3, 23, 5, 32, tzinfo=UTC)
PREFIX = "datasets/time_"
A_DAY = timedelta(days=1)

#: A way to write a time.
Spelling = Callable[[datetime], str]


class Pager(ArtefactStore):
    """Keys without contents. It lists them a page at a time and counts the requests, as S3 would.

    Args:
        keys: ascending; anything that can be indexed, so that a million need not exist.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self.keys = keys
        self.requests = 0

    @property
    def url(self) -> str:
        return "pager://"

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        position = self._position(prefix, start_after)
        while True:
            self.requests += 1
            page = [key for key in self.keys[position : position + PAGE] if key.startswith(prefix)]
            for key in page:
                yield ref_of(key)
            position += PAGE
            if len(page) < PAGE or not self._has(position, prefix):
                return

    def read(self, what: ArtefactRef | str) -> Artefact:
        raise ArtefactNotFound(str(what))

    def write(self, key: str, data: bytes) -> ArtefactRef:
        raise NotImplementedError

    def delete(self, key: str) -> None:
        raise NotImplementedError

    def _position(self, prefix: str, start_after: str | None) -> int:
        first = bisect_left(self.keys, prefix)
        return first if start_after is None else max(first, bisect_right(self.keys, start_after))

    def _has(self, position: int, prefix: str) -> bool:
        return position < len(self.keys) and self.keys[position].startswith(prefix)


class Steady(Sequence[str]):
    """The keys of datasets put at a steady pace, none of which exists until it is looked at."""

    def __init__(self, last: datetime, count: int, pace: timedelta, form: str) -> None:
        self._first, self._count, self._pace, self._form = last - (count - 1) * pace, count, pace, form

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int | slice) -> str | list[str]:  # type: ignore[override]
        if isinstance(index, slice):
            return [cast("str", self[number]) for number in range(*index.indices(self._count))]
        index += self._count if index < 0 else 0
        if index >= self._count:
            raise IndexError
        return self._form.format((self._first + index * self._pace).strftime("%Y-%m-%dT%H-%M-%SZ"))


def ref_of(key: str) -> ArtefactRef:
    return ArtefactRef(key, 1, "1", None, NOW)


def timing(name: str) -> datetime | None:
    return dataset_timestamp("time", name)


def local(minutes: int, form: str) -> Spelling:
    zone = timezone(timedelta(minutes=minutes))
    sign, size = ("-" if minutes < 0 else "+"), abs(minutes)
    return lambda moment: f"{moment.astimezone(zone):{form}}{sign}{size // 60:02}:{size % 60:02}"


#: Ours first. None of the last two has a T; the date alone gives few names.
SPELLINGS: list[Spelling] = [
    format_timestamp,
    lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}",
    lambda moment: f"{moment:%Y-%m-%dT%H|%M|%S}",
    lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z",
    local(330, "%Y-%m-%dT%H:%M:%S"),
    local(-480, "%Y-%m-%dT%H-%M-%S"),
    lambda moment: f"{moment:%Y-%m-%d}",
    lambda moment: f"{moment:%Y-%m-%d %H:%M:%S}",
]


def spread(random: Random, last: datetime, count: int, span: timedelta, spellings: list[Spelling]) -> list[str]:
    """Keys of ``count`` datasets at random times, the last of which is at ``last``."""
    seconds = span.total_seconds()
    moments = [last, *(last - timedelta(seconds=random.random() * seconds) for _ in range(count - 1))]
    return [f"{PREFIX}{random.choice(spellings)(moment)}.csv" for moment in moments]


def scan(keys: Sequence[str]) -> NamedInTime | None:
    """The newest, by looking at every key."""
    named = [(moment, key) for key in keys if (moment := timing(key.partition("/")[2])) is not None]
    return NamedInTime(max(named)[0], ref_of(max(named)[1])) if named else None


def cost(store: Pager, now: datetime = NOW) -> tuple[NamedInTime | None, int]:
    store.requests = 0
    return find_newest(store, PREFIX, timing, SettableClock(now)).newest, store.requests


ENDS = [NOW - timedelta(seconds=1), NOW - timedelta(days=3), NOW - 100 * A_DAY, NOW - 8 * 365 * A_DAY, NOW + A_DAY]
ENDS += [datetime(2021, 6, 30, 23, 59, tzinfo=UTC), datetime(2021, 1, 1, 0, 0, 1, tzinfo=UTC)]


@pytest.mark.parametrize("last", ENDS, ids=str)
@pytest.mark.parametrize("count", [1_000, 100_000, 1_000_000])
def test_eighteen_requests_are_enough_for_any_number(count: int, last: datetime) -> None:
    pace = timedelta(days=8 * 365) / count
    for form in (PREFIX + "{}.csv", PREFIX + "{}.parquet"):
        found, requests = cost(Pager(Steady(last, count, pace, form)))
        assert found is not None
        assert found.timestamp == last
        assert requests <= 18


@pytest.mark.parametrize(("days", "most"), [(0, 2), (1, 3), (3, 5), (30, 9), (100, 11)])
def test_what_is_almost_recent_of_a_million_costs_few(days: int, most: int) -> None:
    last = NOW - days * A_DAY
    found, requests = cost(Pager(Steady(last, 1_000_000, timedelta(days=8 * 365) / 1_000_000, PREFIX + "{}.csv")))
    assert found is not None
    assert found.timestamp == last
    assert requests <= most


@pytest.mark.parametrize(("count", "requests"), [(0, 1), (1, 1), (999, 1), (1000, 2), (1001, 2)])
def test_a_folder_of_less_than_a_page_is_one_request(count: int, requests: int) -> None:
    assert cost(Pager(Steady(NOW, count, A_DAY, PREFIX + "{}.csv")))[1] == requests


@pytest.mark.parametrize("last", ENDS[2:4] + ENDS[-1:], ids=str)
def test_eighteen_requests_are_enough_for_a_hundred_thousand_in_every_spelling(last: datetime) -> None:
    random = Random(1)
    keys = sorted({*spread(random, last, 100_000, 8 * 365 * A_DAY, SPELLINGS), *rubbish(random, last)})
    found, requests = cost(Pager(keys))
    assert found == scan(keys)
    assert requests <= 18


def rubbish(random: Random, last: datetime) -> list[str]:
    """What else is in such a folder, tens of thousands of other tasks' datasets among it."""
    others = spread(random, NOW + 300 * A_DAY, 20_000, 900 * A_DAY, SPELLINGS[:2])
    return [
        *(key.replace("time_", "time_to_dispatch_") for key in others),
        *(key.replace("time_", "timer_") for key in others[:2000]),
        *(f"{PREFIX}{text}.csv" for text in ("latest", "(1)", f"{last:%Y}", f"{last:%Y-%m}-99", "~")),
        *(f"{PREFIX}{last:%Y-%m}-{day:02}_backup.csv" for day in range(1, 32)),
    ]


@pytest.mark.parametrize(("days_ago", "most"), [(0, 15), (3, 15), (15, 15), (22, 15), (30, 15)])
def test_many_spellings_cost_no_more_than_one(days_ago: int, most: int) -> None:
    last = datetime(2020, 12, 31, 22, 0, tzinfo=UTC) - days_ago * A_DAY
    mixed = [SPELLINGS[1]] * 3 + [SPELLINGS[-1]]
    keys = sorted(set(spread(Random(2), last, 36_000, 120 * A_DAY, mixed)))
    found, requests = cost(Pager(keys))
    assert found == scan(keys)
    assert requests <= most
    assert cost(Pager(keys), last)[0] == found


def test_every_thousand_names_of_the_last_two_dates_cost_a_request() -> None:
    # Any of them may be the newest, by its zone: there is no way round looking at each.
    keys = [*Steady(NOW, 20_000, timedelta(seconds=4), PREFIX + "{}.csv")]
    late = f"{PREFIX}2021-07-03T10:00:00-23:00.csv"
    keys = sorted([*keys, late])
    found, requests = cost(Pager(keys))
    assert found == scan(keys) == NamedInTime(datetime(2021, 7, 4, 9, tzinfo=UTC), ref_of(late))
    assert requests <= 4 + -(-len(keys) // PAGE)


def test_all_within_a_day() -> None:
    keys = sorted(set(spread(Random(3), NOW, 30_000, timedelta(hours=20), SPELLINGS)))
    found, requests = cost(Pager(keys))
    assert found == scan(keys)
    assert requests <= len(keys) // PAGE + 6
    assert cost(Pager(keys), NOW + 100 * A_DAY)[0] == found


@st.composite
def folders(draw: st.DrawFn) -> list[str]:
    """More than a page of keys, in clusters, in some spellings, with what else may lie about."""
    random = Random(draw(st.integers(0, 2**32)))
    spellings = draw(st.lists(st.sampled_from(SPELLINGS), min_size=1, max_size=4))
    spellings += [
        local(draw(st.integers(-1439, 1439)), "%Y-%m-%dT%H:%M:%S") for _ in range(draw(st.integers(0, 2)))
    ]
    keys: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        last = NOW + timedelta(minutes=draw(st.integers(-5_000_000, 60)))
        span = timedelta(hours=draw(st.sampled_from([1, 30, 500, 20_000])))
        keys += spread(random, last, draw(st.sampled_from([2, 300, 1100])), span, spellings)
    future = draw(st.lists(st.integers(1, 3_000_000), max_size=2))
    keys += [f"{PREFIX}{random.choice(SPELLINGS)(NOW + timedelta(minutes=minutes))}.csv" for minutes in future]
    keys += draw(st.lists(st.sampled_from(LATE_RUBBISH), max_size=4))
    if draw(st.booleans()):
        keys += rubbish(random, NOW)[:1500]
    keys += [f"{PREFIX}0000{number:04}.csv" for number in range(draw(st.sampled_from([0, 1100])))]
    # Rubbish that fills a page before, within or after the days of a month.
    kind = draw(st.sampled_from(["- ", "-00", "-03 x", "-31", "-99", "-x"]))
    filler = f"{PREFIX}{max(keys)[len(PREFIX) :][:7]}{kind}"
    keys += [f"{filler}{number:04}.csv" for number in range(draw(st.sampled_from([0, 1100])))]
    return sorted(set(keys))


#: Names that look like the last of all until they are read, so that the search has to go further back.
LATE_RUBBISH = [
    f"{PREFIX}{text}.csv"
    for text in ("2099-12-31T", "2099-12-31T99", "2099-12-30 1", "2098-02-30T00:00:00", "9999-12-31T24-00-00Z")
] + [
    f"{PREFIX}2099-12-31T12:00:00.csv.bz2",
    f"{PREFIX}2022-01-01T00:00:00.txt",
    f"{PREFIX}9999-12-31T23:59:59-01.csv",
]


@given(folders(), st.sampled_from([NOW, NOW - 2000 * A_DAY]))
def test_the_newest_is_always_that_of_a_look_at_everything(keys: list[str], now: datetime) -> None:
    expected = scan(keys)
    assert cost(Pager(keys), now)[0] == expected


def test_when_zones_draw_all_of_the_last_dates_back_more_of_the_past_is_seen() -> None:
    drawn_back = f"{PREFIX}2021-07-03T00:10:00+23:00.csv"
    newer = f"{PREFIX}2021-07-01T23:00:00-23:00.csv"
    older = [*Steady(NOW - 5 * A_DAY, 2000, timedelta(hours=1), PREFIX + "{}.csv")]
    for now, expected in ((NOW, 2), (NOW + 100 * A_DAY, 8)):
        found, requests = cost(Pager(sorted([drawn_back, newer, *older])), now)
        assert found == NamedInTime(datetime(2021, 7, 2, 22, tzinfo=UTC), ref_of(newer))
        assert requests == expected


@pytest.mark.parametrize(
    ("last", "ago", "requests"),
    [
        # Of the folder's first thousand names 24 are of a day, so that a look goes ten days back.
        (NOW, 0, 2),
        (NOW, 9, 2),
        (datetime(2021, 6, 24, 0, 0, tzinfo=UTC), 0, 2),
        (datetime(2021, 6, 23, 23, 0, tzinfo=UTC), 0, 3),
        (NOW, 30, 2),
        (NOW, -20, 5),
        (NOW, -400, 5),
    ],
)
def test_what_is_recent_costs_two_requests_or_three(last: datetime, ago: int, requests: int) -> None:
    """``ago``: by how many days the clock is behind the newest; one that is ahead sees what is new as old."""
    keys = [*Steady(last, 1200, timedelta(hours=1), PREFIX + "{}.csv")]
    found, needed = cost(Pager(keys), NOW - ago * A_DAY)
    assert found == NamedInTime(last, ref_of(keys[-1]))
    assert needed <= requests
    # Names of another task that sort behind fill the page that would show what is recent.
    others = [f"{PREFIX}to_dispatch_{number:04}.csv" for number in range(PAGE)]
    found, needed = cost(Pager([*keys, *others]), NOW - ago * A_DAY)
    assert found == NamedInTime(last, ref_of(keys[-1]))
    assert needed <= requests


def test_what_is_recent_by_its_name_may_be_older_than_what_comes_before_it() -> None:
    # A look at yesterday and today shows the second of these only.
    newest, last = f"{PREFIX}2021-07-01T23:30:00-23:00.csv", f"{PREFIX}2021-07-02T22:00:00.csv"
    crowd = [*Steady(NOW - 3 * A_DAY, 1000, timedelta(minutes=4), PREFIX + "{}.csv")]
    found, requests = cost(Pager([*crowd, newest, last]))
    assert found == NamedInTime(datetime(2021, 7, 2, 22, 30, tzinfo=UTC), ref_of(newest))
    assert requests == 3


def test_more_than_a_page_of_what_is_recent_is_found_as_what_is_old() -> None:
    # None for a year, and then a thousand a day.
    old = [*Steady(NOW - 500 * A_DAY, 1000, A_DAY, PREFIX + "{}.csv")]
    crowd = [*Steady(NOW, 3000, timedelta(seconds=60), PREFIX + "{}.csv")]
    found, requests = cost(Pager([*old, *crowd]))
    assert found == NamedInTime(NOW, ref_of(crowd[-1]))
    assert requests == 8


def spaced(day: date, count: int) -> list[str]:
    return [
        f"{PREFIX}{day} {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.csv" for second in range(count)
    ]


#: More than a page of names, of which 600 have a T.
MOSTLY_T = [
    f"{PREFIX}2020-01-{day}{minute // 60:02}:{minute % 60:02}:00.csv"
    for day in ("01T", "02 ")
    for minute in range(600)
]


@pytest.mark.parametrize("last", range(1, 32))
def test_whichever_day_of_a_crowded_month_is_the_last(last: int) -> None:
    month = [key for day in range(1, last) for key in spaced(date(2021, 7, day), 95)]
    month += spaced(date(2021, 7, last), 1100)
    for now in (NOW, NOW + 500 * A_DAY):
        found, requests = cost(Pager(sorted([*MOSTLY_T, *month])), now)
        assert found is not None
        assert found.ref.key == month[-1]
        assert requests <= 18


def test_a_day_that_a_page_of_unreadable_names_cuts_through_counts() -> None:
    rubbish = [f"{PREFIX}2021-07-05 {number:04}.csv" for number in range(PAGE)]
    newest = f"{PREFIX}2021-07-05T10:00:00.csv"
    found, _ = cost(Pager(sorted([*MOSTLY_T, *rubbish, newest])))
    assert found == NamedInTime(datetime(2021, 7, 5, 10, tzinfo=UTC), ref_of(newest))


def test_a_year_that_turns_out_to_have_many_spellings() -> None:
    # The first page has one spelling only.
    old = [*Steady(NOW - 2000 * A_DAY, 1200, A_DAY, PREFIX + "{}.csv")]
    crowd = [key for day in range(1, 16) for key in spaced(date(2021, 3, day), 200)]
    newest = f"{PREFIX}2021-06-30T10:00:00.csv"
    found, _ = cost(Pager(sorted([*old, *crowd, newest])))
    assert found == NamedInTime(datetime(2021, 6, 30, 10, tzinfo=UTC), ref_of(newest))


def test_the_zone_of_a_name_of_the_day_before_may_make_it_the_newest() -> None:
    old = [*Steady(NOW - 5 * A_DAY, 2000, timedelta(hours=1), PREFIX + "{}.csv")]
    newest, last = f"{PREFIX}2021-07-02T23:00:00-20:00.csv", f"{PREFIX}2021-07-03T10:00:00.csv"
    found, _ = cost(Pager(sorted([*old, newest, last])))
    assert found == NamedInTime(datetime(2021, 7, 3, 19, tzinfo=UTC), ref_of(newest))


def test_the_first_and_the_last_date_of_all() -> None:
    first = [
        f"{PREFIX}0001-01-01T{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.csv"
        for second in range(1500)
    ]
    assert cost(Pager(first))[0] == scan(first)
    last = f"{PREFIX}9999-12-31T23:59:59.csv"
    assert cost(Pager([*first, last]))[0] == NamedInTime(
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), ref_of(last)
    )


def test_a_large_folder_of_nothing_readable() -> None:
    keys = sorted([*LATE_RUBBISH[:-1], *(f"{PREFIX}{number:04}.csv" for number in range(3000))])
    found = find_newest(Pager(keys), PREFIX, timing, SettableClock(NOW))
    assert found.newest is None
    assert {ref.key for ref in found.unreadable} >= set(keys[:PAGE])


@pytest.mark.parametrize("count", [1_000, 100_000, 1_000_000])
@pytest.mark.parametrize("pace", [timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)], ids=str)
def test_names_of_our_own_cost_at_most_thirty_requests_at_any_pace(count: int, pace: timedelta) -> None:
    crowded = pace < timedelta(hours=1)
    for last, most in ((NOW, 30 if crowded else 3), (NOW - 3000 * A_DAY, 30)):
        store = Pager(
            Steady(last, count, min(pace, timedelta(days=365 * 2000) / count), "promotions/time_{}-0a1b2c3d.json")
        )
        found = find_last(store, "promotions/time_", lambda name: parse_timestamp(name[5:25]), SettableClock(NOW))
        assert found == NamedInTime(last, ref_of(store.keys[count - 1]))
        assert store.requests <= most


@given(
    st.integers(0, 2**32),
    st.sampled_from([10**3, 10**6, 10**9]),
    st.sampled_from([NOW, NOW - 40 * A_DAY, NOW - 5000 * A_DAY, NOW + 500 * A_DAY]),
    st.data(),
)
def test_the_last_of_our_names_is_that_of_a_look_at_everything(
    seed: int, span: int, now: datetime, data: st.DataObject
) -> None:
    random = Random(seed)
    seconds = [random.randrange(span) for _ in range(1100)]
    keys = [f"models/time_{format_timestamp(NOW - timedelta(seconds=second))}-0a1b2c3d" for second in set(seconds)]
    # Bytes without a record, and what is not ours, come last of all.
    whole = data.draw(st.sets(st.sampled_from(sorted(keys)), max_size=3))
    orphans = [f"{key}.bin" for key in random.sample(keys, 100)]
    orphans += [f"models/time_{format_timestamp(NOW + timedelta(days=day))}-0a1b2c3d.onnx" for day in range(3)]
    names = [
        *(f"{key}.onnx" for key in keys),
        *(f"{key}.json" for key in whole),
        *orphans,
        "models/time_2099-01-x",
    ]
    found = find_last(
        Pager(sorted(names)),
        "models/time_",
        lambda name: parse_timestamp(name[5:25]) if name.endswith(".json") else None,
        SettableClock(now),
    )
    assert (None if found is None else found.ref.key) == (f"{max(whole)}.json" if whole else None)
