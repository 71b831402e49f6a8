"""Finding the newest of things whose names tell their time, without reading a whole bucket.

Keys of one task sort by date, whatever else their spelling varies. A page from the beginning shows a small folder
whole. Of a large one the end is searched: a page from some days ago on shows all that is recent. Where it does
not, the start of the page is moved, in growing steps and then by halves, until one page reaches the end. ADR 0070
has the number of requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import TypeAlias

from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import ArtefactRef, NamedInTime, format_timestamp, newest, parse_timestamp
from weighbridge.domain.system import Clock

Timing: TypeAlias = Callable[[str], datetime | None]

#: What one request lists, in S3 and in most stores that speak its protocol.
PAGE = 1000

#: A first page of names that spans fewer days (or seconds) is too crowded to guess from what is recent.
_SPARSE = 3

#: Sorts after every name that begins with a digit.
_AFTER_DIGITS = ":"


@dataclass(frozen=True, slots=True)
class Found:
    """What a search of a folder showed: the newest, and the names seen on the way that tell no time."""

    newest: NamedInTime | None
    unreadable: tuple[ArtefactRef, ...]


@dataclass(frozen=True, slots=True)
class _Scale:
    """Numbered positions in the order of the names.

    Args:
        end: one more than the last position.
        spell: how names at a position begin.
        place: the position of a name without its prefix; None when it does not begin as ``spell`` writes.
        at: the position of a time.
        margin: by how many positions the zone of a name can move its time, rounded up.
    """

    end: int
    spell: Callable[[int], str]
    place: Callable[[str], int | None]
    at: Callable[[datetime], int]
    margin: int


def find_newest(store: ArtefactStore, prefix: str, timing: Timing, clock: Clock) -> Found:
    """Find the artefact under ``prefix`` with the greatest time, ties to the greater key.

    Names may be spelled in any way that ``artefacts.parse_timestamp`` reads. Those that tell no time are in the
    answer as far as they were seen: all of them where there are fewer than PAGE names. In an empty folder the
    newest is None.

    Args:
        store: where to look.
        prefix: ``kind/<task>_``; what follows in a key begins with a date, or is unreadable.
        timing: the time that a name (a key's second level) tells; None for a name that tells none.
        clock: tells what is recent. It makes some searches cheaper and changes no answer.
    """
    search = _Search(store, prefix, timing, _DAYS)
    start = search.run(clock.now())
    found = search.found()
    if found.newest is None or start == 0:
        return found
    # A name from before ``start`` is at least a day of its own before the next day, and its zone adds less than a
    # day. When all zones of what was seen moved it back, more of the past has to be seen.
    if _DAYS.at(found.newest.timestamp) <= start:
        search.read_from(max(0, _DAYS.at(found.newest.timestamp) - 1))
        return search.found()
    return found


def find_last(store: ArtefactStore, prefix: str, timing: Timing, clock: Clock) -> NamedInTime | None:
    """Find the newest of names that only we write: ``format_timestamp``'s spelling and a dash, then anything.

    Such keys sort by time. The answer is None when there is none.

    Args:
        store: where to look.
        prefix: ``kind/<task>_``.
        timing: the time that a name tells; None for a name that is not of that spelling.
        clock: as for ``find_newest``.
    """
    search = _Search(store, prefix, timing, _SECONDS)
    search.run(clock.now())
    return search.found().newest


class _Search:
    """A search for the end of the names under a prefix. It keeps every name that it has seen."""

    def __init__(self, store: ArtefactStore, prefix: str, timing: Timing, scale: _Scale) -> None:
        self._store, self._prefix, self._timing, self._scale = store, prefix, timing, scale
        self._seen: dict[str, ArtefactRef] = {}
        self._end = scale.end  # no name at this position or after it tells a time

    def found(self) -> Found:
        """The newest name that was seen, and those that tell no time."""
        best: NamedInTime | None = None
        unreadable = []
        for ref in self._seen.values():
            timestamp = self._timing(ref.name)
            if timestamp is None:
                unreadable.append(ref)
            else:
                this = NamedInTime(timestamp, ref)
                best = this if best is None else newest((best, this))
        return Found(best, tuple(unreadable))

    def run(self, now: datetime) -> int:
        """See all names from a position on; return it. At least one of them tells a time, or none of all does."""
        first = self._page(None)
        if not self._is_full(first):
            return 0
        lowest, span = self._place(first[-1]) or 0, self._span(first)
        guesses = self._guesses(span, now)
        while self._end > 0:
            # There are names at ``low`` or after it. Steps go forward while no end is known, then back from it.
            low, step, is_between = lowest if lowest < self._end else 0, span, False
            while self._end - low > 1:
                is_open, least = self._end == self._scale.end, max(0, low - self._scale.margin)
                guesses = [guess for guess in guesses if guess < self._end]
                if guesses:
                    start = max(least, guesses.pop(0))
                elif is_between:
                    start = (low + self._end) // 2
                else:
                    start = min(low + step, self._end - 1) if is_open else max(least, self._end - step)
                    step *= 4
                page = self._page(start)
                if self._is_full(page):
                    low, is_between = max(low, start, self._place(page[-1]) or 0), not is_open
                elif self._tells(page):
                    return start
                else:
                    self._end, is_between = start, is_between or (is_open and step > span)
            # More than a page of names are at this position.
            start = max(0, low - self._scale.margin)
            if self._tells(self.read_from(start)):
                return start
            self._end = start
        return 0

    def read_from(self, start: int) -> list[ArtefactRef]:
        """All names from a position through the last that may tell a time, and the rest of the last page."""
        names = list(self._through(self._store.list(self._prefix, self._spell(start))))
        self._seen |= {ref.key: ref for ref in names}
        return names

    def _through(self, listed: Iterable[ArtefactRef]) -> Iterator[ArtefactRef]:
        end = self._spell(self._end)
        for count, ref in enumerate(listed, 1):
            yield ref
            if count % PAGE == 0 and ref.key >= end:
                return

    def _page(self, start: int | None) -> list[ArtefactRef]:
        page = list(islice(self._store.list(self._prefix, None if start is None else self._spell(start)), PAGE))
        self._seen |= {ref.key: ref for ref in page}
        return page

    def _is_full(self, page: list[ArtefactRef]) -> bool:
        """Whether more names may follow that tell a time."""
        return len(page) == PAGE and page[-1].key < self._spell(self._end)

    def _tells(self, names: list[ArtefactRef]) -> bool:
        """Whether a name before the end tells a time."""
        end = self._spell(self._end)
        return any(ref.key < end and self._timing(ref.name) is not None for ref in names)

    def _span(self, first: list[ArtefactRef]) -> int:
        places = [place for ref in first if (place := self._place(ref)) is not None]
        return max(places) - min(places) + 1 if places else 1

    def _guesses(self, span: int, now: datetime) -> list[int]:
        """Since when a quarter of a page should have been named, if names come as at first; and tomorrow."""
        today = self._scale.at(now)
        if span < _SPARSE:
            return [today + 1]
        year = today - self._scale.at(now - timedelta(days=366))
        return [today - max(1, min(span // 4, year)), today + 1]

    def _spell(self, position: int) -> str:
        return self._prefix + (_AFTER_DIGITS if position >= self._scale.end else self._scale.spell(position))

    def _place(self, ref: ArtefactRef) -> int | None:
        return self._scale.place(ref.key[len(self._prefix) :])


_FIRST = datetime(1, 1, 1, tzinfo=UTC)


def _day_of(text: str) -> int | None:
    moment = parse_timestamp(text[:10]) if len(text) >= 10 else None
    return None if moment is None else (moment - _FIRST).days


def _second_of(text: str) -> int | None:
    moment = parse_timestamp(text[:20])
    return None if moment is None else (moment - _FIRST) // timedelta(seconds=1)


#: For names of any spelling and zone.
_DAYS = _Scale(
    end=date.max.toordinal(),
    spell=lambda day: date.fromordinal(day + 1).isoformat(),
    place=_day_of,
    at=lambda moment: (moment - _FIRST).days,
    margin=1,
)

#: For names as we write them.
_SECONDS = _Scale(
    end=date.max.toordinal() * 86_400,
    spell=lambda second: format_timestamp(_FIRST + timedelta(seconds=second)).removesuffix("Z"),
    place=_second_of,
    at=lambda moment: (moment - _FIRST) // timedelta(seconds=1),
    margin=0,
)
