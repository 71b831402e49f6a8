"""Finding the newest of things whose names tell their time, without reading a whole bucket.

Keys of one task sort by date, whatever else their spelling varies. One page from the beginning shows a small
folder whole. Of a large one it shows how many names a day has, and a second page, from some days ago on, what is
recent. Where that is not the end of it, the last date is found through the stems of the keys (the years, the
months of the last year, the days of the last month: one request each), and only its neighbourhood is read.

A request lists 1000 keys or stems. Two are enough where the newest is as recent as the pace of the first page lets
expect, and six for any number of objects, as long as the folder's end is not crowded. One goes for the first page,
one for the recent past or, with many spellings, for the months, one for the years, one for the days, and the rest
for reading the last two dates: the zone of a name can move its time by almost a day, so that none of them may be
left unseen. What may cost more: each thousand names on those dates one request; a last month with more than a
thousand names that are spelled unlike the others one or two, or more if it has many thousands; zones that draw all
of the last date back into the day before one; a date, month or year at the end that has only unreadable names a
few. The answer is always that of a look at everything. Names that we write ourselves have one spelling and no zone
(see ``find_last``): there the bound holds unless the last hour has more than a thousand of them.

A store that cannot group keys finds the stems through its listings, which costs a request for each. What is recent
costs it no more than others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import TypeAlias

from weighbridge.domain.errors import ArtefactNotFound, DataError, Problem, StoreUnavailable
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import (
    DATASETS,
    Artefact,
    ArtefactRef,
    NamedInTime,
    belongs_to_another_task,
    dataset_timestamp,
    newest,
    parse_timestamp,
)
from weighbridge.domain.store.events import DatasetChosen, DatasetNameUnreadable
from weighbridge.domain.system import Clock, EventSink

Timing: TypeAlias = Callable[[str], datetime | None]

#: What one request lists, in S3 and in most stores that speak its protocol.
PAGE = 1000

#: How often a dataset is looked for anew when it was replaced between its listing and its reading.
_LOOKS = 3

#: A page of names that spans fewer dates leaves too few of them for the recent past.
_SPARSE = 3

_DAY = timedelta(days=1)
_YEAR_STEM, _MONTH_STEM = r"\d{4}-", r"\d\d-"

#: The stems of a timestamp as we write it: year, month, day with hour, minute.
_OUR_STEMS = (_YEAR_STEM, _MONTH_STEM, r"\d\dT\d\d-", r"\d\d-")


@dataclass(frozen=True, slots=True)
class Found:
    """What a look at a folder showed: the newest, and everything else that was seen on the way."""

    newest: NamedInTime | None
    unreadable: tuple[ArtefactRef, ...]

    def and_(self, other: Found) -> Found:
        """Both looks as one; what both saw is there once."""
        both = [found.newest for found in (self, other) if found.newest is not None]
        seen = {ref.key: ref for ref in (*self.unreadable, *other.unreadable)}
        return Found(newest(both), tuple(seen.values()))


def find_newest(store: ArtefactStore, prefix: str, timing: Timing, clock: Clock) -> Found:
    """Find the artefact under ``prefix`` with the greatest time, ties to the greater key.

    Names may be spelled in any way that ``artefacts.parse_timestamp`` reads. Those that tell no time are in the
    answer as far as they were seen: all of them where there are fewer than PAGE names.

    Args:
        store: where to look.
        prefix: ``kind/<task>_``; what follows in a key begins with a date, or is unreadable.
        timing: the time that a name (a key's second level) tells; None for a name that tells none.
        clock: where this month ends. It makes some lookups cheaper and changes no answer.
    """
    first = list(islice(store.list(prefix), PAGE))
    seen = _look(first, timing)
    if len(first) < PAGE:
        return seen
    unread = Found(None, seen.unreadable)
    dates, _, others_a_day = _spelling(prefix, first)
    # With many spellings the requests are needed for what follows.
    start = _recent_start(dates, clock) if not others_a_day else None
    if start is not None:
        recent = _look(_page_since(store, prefix, start), timing)
        # A name from before is at least a day of its own before the second day, and its zone adds less than a day.
        if recent.newest is not None and recent.newest.timestamp >= datetime.combine(start + _DAY, time.min, UTC):
            return unread.and_(recent)
    for last in _dates_backwards(store, prefix, first, timing, clock):
        start = _day_before(last)
        window = _look(_dated(store, prefix, start, last), timing)
        unread = unread.and_(Found(None, window.unreadable))
        if window.newest is None:
            continue
        # A name from before the window is at least a day of its own before ``last``, and its zone adds less
        # than a day. When all zones of the window drew it back, more of the past has to be seen.
        if window.newest.timestamp < datetime.combine(last, time.min, UTC) and start > date.min:
            past = _day_before(window.newest.timestamp.date())
            window = window.and_(_look(_dated(store, prefix, past, _day_before(start)), timing))
        return unread.and_(window)
    return unread


def find_last(store: ArtefactStore, prefix: str, timing: Timing, clock: Clock) -> NamedInTime | None:
    """Find the newest of names that only we write: ``format_timestamp``'s spelling and a dash, then anything.

    Such keys sort by time. Two requests are enough for a recent one, and six for any, unless an hour has more than
    PAGE of them.

    Args:
        store: where to look.
        prefix: ``kind/<task>_``.
        timing: the time that a name tells; None for a name that is not of that spelling.
        clock: as for ``find_newest``.
    """
    first = list(islice(store.list(prefix), PAGE))
    if len(first) < PAGE:
        return _look(first, timing).newest
    start = _recent_start(_spelling(prefix, first)[0], clock)
    if start is None:
        return _last_below(store, prefix, _OUR_STEMS, timing)
    recent = _look(_page_since(store, prefix, start), timing).newest
    return recent or _last_below(store, prefix, _OUR_STEMS[:-1], timing)


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
    return found.newest.ref


def _look(refs: Iterable[ArtefactRef], timing: Timing) -> Found:
    best: NamedInTime | None = None
    unreadable = []
    for ref in refs:
        timestamp = timing(ref.name)
        if timestamp is None:
            unreadable.append(ref)
        else:
            this = NamedInTime(timestamp, ref)
            best = this if best is None else newest((best, this))
    return Found(best, tuple(unreadable))


def _recent_start(dates: set[date], clock: Clock) -> date | None:
    """Since when a quarter of a page should have been named, or a year ago; None where days are too crowded.

    Args:
        dates: of a page of names, the first ones of all.
        clock: tells today.
    """
    if not dates:
        return None
    days = (max(dates) - min(dates)).days + 1
    if days < _SPARSE:
        return None
    return date.fromordinal(max(1, clock.now().toordinal() - max(1, min(days // 4, 366))))


def _page_since(store: ArtefactStore, prefix: str, start: date) -> list[ArtefactRef]:
    """The names from a date on, where one page shows them all; else nothing."""
    page = list(islice(store.list(prefix, start_after=f"{prefix}{start.isoformat()}"), PAGE))
    return page if len(page) < PAGE else []


def _dated(store: ArtefactStore, prefix: str, start: date, last: date) -> Iterator[ArtefactRef]:
    """What is named from one date through another, and what came with it in the last page."""
    end = last.isoformat()
    for count, ref in enumerate(store.list(prefix, start_after=f"{prefix}{start.isoformat()}"), 1):
        yield ref
        if count % PAGE == 0 and ref.key[len(prefix) :][: len(end)] > end:
            return


def _dates_backwards(
    store: ArtefactStore, prefix: str, sample: list[ArtefactRef], timing: Timing, clock: Clock
) -> Iterator[date]:
    """Every date under which a readable name may be, latest first; requests are made as they are consumed.

    Of the names of a month those with the usual character after the date count for one stem each day; all
    others are listed one by one.
    """
    _, usual, others_a_day = _spelling(prefix, sample)
    for year in _stems_backwards(store, prefix, _YEAR_STEM):
        if others_a_day * 366 < PAGE / 2:
            stems = list(islice(store.stems(year, usual), PAGE))
            if len(stems) < PAGE:
                yield from _dates_of(prefix, stems, usual, timing)
                continue
        for month in _stems_backwards(store, year, _MONTH_STEM):
            yield from _dates_of_month(store, prefix, month, usual, timing, clock)


def _dates_of_month(
    store: ArtefactStore, prefix: str, month: str, usual: str, timing: Timing, clock: Clock
) -> Iterator[date]:
    stems = list(islice(store.stems(month, usual), PAGE))
    dates = _dates_of(prefix, stems, usual, timing)
    if len(stems) == PAGE:
        # Too many of another spelling. One page shows so many days: first as many from the end of the month, then
        # what lies between; of the day that was reached there may be more.
        seen = stems[-1][len(month) :][:2]
        reached = max((day for day in range(1, 32) if f"{day:02}" <= seen), default=0)
        now = clock.now()
        end = now.day if month == f"{prefix}{now.year:04}-{now.month:02}-" else 31
        jump = max(reached, end - reached)
        for start, stop in ((jump + 1, 31), (reached + 1, jump)):
            if start <= stop:
                between = _until(store.stems(month, usual, f"{month}{start:02}"), f"{month}{stop:02}")
                yield from _dates_of(prefix, between, usual, timing)
        doubtful = _as_date(f"{month[len(prefix) :]}{reached:02}")
        dates = sorted({*dates, *([doubtful] if doubtful else [])}, reverse=True)
    yield from dates


def _spelling(prefix: str, sample: list[ArtefactRef]) -> tuple[set[date], str, float]:
    """The dates of these names, what usually stands behind them, and how many of the others there are a day."""
    texts = [ref.key[len(prefix) :] for ref in sample]
    dates = [day for text in texts if (day := _as_date(text[:10])) is not None]
    counts = {mark: sum(text[10:11] == mark for text in texts) for mark in "T "}
    usual = max(counts, key=lambda mark: counts[mark])
    days = (max(dates) - min(dates)).days + 1 if dates else 1
    return set(dates), usual, (len(dates) - counts[usual]) / days


def _dates_of(prefix: str, stems: Iterable[str], usual: str, timing: Timing) -> list[date]:
    """The dates of stems that may hold readable names, and of whole names that are readable, latest first."""
    dates = set()
    for stem in stems:
        text = stem[len(prefix) :]
        day = _as_date(text[:10])
        if day is not None and (text[10:] == usual or timing(stem.partition("/")[2]) is not None):
            dates.add(day)
    return sorted(dates, reverse=True)


def _stems_backwards(store: ArtefactStore, prefix: str, pattern: str) -> list[str]:
    """The stems below ``prefix`` that end at the next dash and look right, last first; all begin with a digit."""
    stems = _until(store.stems(prefix, "-"), f"{prefix}:")
    return [stem for stem in stems if re.fullmatch(pattern, stem[len(prefix) :], re.ASCII)][::-1]


def _until(stems: Iterable[str], end: str) -> Iterator[str]:
    """The stems that begin at most like ``end``; nothing is asked for beyond them."""
    for stem in stems:
        if stem[: len(end)] > end:
            return
        yield stem


def _last_below(store: ArtefactStore, stem: str, levels: tuple[str, ...], timing: Timing) -> NamedInTime | None:
    if not levels:
        return _look(store.list(stem), timing).newest
    for below in _stems_backwards(store, stem, levels[0]):
        found = _last_below(store, below, levels[1:], timing)
        if found is not None:
            return found
    return None


def _as_date(text: str) -> date | None:
    moment = parse_timestamp(text) if len(text) == len("2021-07-03") else None
    return None if moment is None else moment.date()


def _day_before(day: date) -> date:
    return max(day, date.min + _DAY) - _DAY
