"""The history that a page shows: bounded, cached, and right whatever the store does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.clocks import SettableClock
from tests.support.quick_task import QUICK, two_releases
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.errors import ArtefactNotFound, StoreUnavailable
from weighbridge.domain.evaluation.gate import GateDecision, Verdict
from weighbridge.domain.registry.history import History, Snapshot
from weighbridge.domain.registry.provenance import Record
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef

TASK = QUICK.name
FIRST = datetime(2022, 1, 1, tzinfo=UTC)


class Watched(MemoryStore):
    """A store that notes what is read, takes its time, and fails when it is told to."""

    def __init__(self, clock: SettableClock) -> None:
        super().__init__(clock)
        self.reads: list[str] = []
        self.lists: list[tuple[str, str | None]] = []
        self.seconds = 0.0
        self.is_down = False
        self._watch = clock

    def read(self, what: ArtefactRef | str) -> Artefact:
        self.reads.append(what if isinstance(what, str) else what.key)
        self._watch.advance(self.seconds)
        if self.is_down:
            raise StoreUnavailable("the store\nis away")
        return super().read(what)

    def list(self, prefix: str, start_after: str | None = None):  # type: ignore[no-untyped-def]
        if self.is_down:
            raise StoreUnavailable("the store\nis away")
        self.lists.append((prefix, start_after))
        return super().list(prefix, start_after)


class Place:
    """A registry on a watched store, and a history of its newest three weighings."""

    def __init__(self, most: int = 3) -> None:
        self.clock = SettableClock()
        self.store = Watched(self.clock)
        self.registry = StoreRegistry(self.store, self.clock)
        self.history = History(TASK, self.registry, self.store, self.clock, most)

    def add(self, day: int, verdict: Verdict = Verdict.RELEASE) -> ModelVersion:
        record = record_of(day, verdict)
        if verdict is Verdict.REJECT:
            self.registry.refuse(record)
        else:
            self.store.write(ModelVersion.parse(TASK, record.version).record_key, record.to_json())
        return ModelVersion.parse(TASK, record.version)

    def look(self, seconds: float = 61.0) -> Snapshot:
        self.store.reads.clear()
        self.store.lists.clear()
        self.clock.advance(seconds)
        self.history.follow(None)
        return self.history.snapshot


def record_of(day: int, verdict: Verdict) -> Record:
    """The record of a weighing on a day, with a report on even ones."""
    created = FIRST + timedelta(days=day)
    version = ModelVersion(TASK, created, f"{day:08x}")
    return replace(
        two_releases()[0].record,
        version=str(version),
        created_at=created,
        decision=GateDecision(verdict, ("because",) if verdict is Verdict.REJECT else ()),
        report={"key": version.report_key} if day % 2 == 0 else {"problem": "no ink"},
    )


def test_the_newest_are_read_once_and_all_are_counted() -> None:
    place = Place()
    versions = [place.add(day, Verdict.REJECT if day == 5 else Verdict.RELEASE) for day in range(7)]
    found = place.look()
    assert [one.version for one in found.weighings] == versions[:3:-1]
    assert [one.verdict for one in found.weighings] == [Verdict.RELEASE, Verdict.REJECT, Verdict.RELEASE]
    assert [one.has_report for one in found.weighings] == [True, False, True]
    assert [list(one.reasons) for one in found.weighings] == [[], ["because"], []]
    assert (found.released, found.refused, found.is_whole, found.problem) == (6, 1, True, None)
    assert len(place.store.reads) == 3

    # Nothing new: names from the day before the newest on, and not a record.
    assert place.look() is found
    assert place.store.reads == []
    assert place.store.lists == [
        (f"models/{TASK}_", f"models/{TASK}_2022-01-06T00-00-00Z-00000006.json"),
        (f"rejected/{TASK}_", f"rejected/{TASK}_2022-01-05T00-00-00Z-00000005.json"),
    ]
    newest = place.add(7)
    found = place.look()
    assert [one.version for one in found.weighings] == [newest, versions[6], versions[5]]
    assert (found.released, found.refused) == (7, 1)
    assert place.store.reads == [newest.record_key]


def test_a_thousand_releases_cost_no_more_records_than_are_shown() -> None:
    place = Place(most=50)
    data = record_of(0, Verdict.RELEASE).to_json()
    for day in range(1000):
        place.store.write(ModelVersion(TASK, FIRST + timedelta(days=day), f"{day:08x}").record_key, data)
    for day in range(950, 1000):
        place.store.delete(ModelVersion(TASK, FIRST + timedelta(days=day), f"{day:08x}").record_key)
        place.add(day)
    found = place.look()
    assert (found.released, len(found.weighings), len(place.store.reads)) == (1000, 50, 50)


def test_one_release_and_none() -> None:
    place = Place()
    found = place.look()
    assert (found.weighings, found.released, found.refused, found.is_whole) == ((), 0, 0, True)
    version = place.add(0)
    assert [one.version for one in place.look().weighings] == [version]


def test_it_looks_when_something_was_promoted_or_a_minute_has_passed() -> None:
    place = Place()
    place.add(0)
    place.look()
    place.add(1)
    assert place.look(seconds=59.0).released == 1
    promotion = place.registry.promote(ModelVersion(TASK, FIRST, "00000000"), "why", "who")
    place.history.follow(promotion)
    assert place.history.snapshot.released == 2
    place.add(2)
    place.history.follow(promotion)
    assert place.history.snapshot.released == 2
    place.clock.advance(60.0)
    place.history.follow(promotion)
    assert place.history.snapshot.released == 3


def test_what_was_removed_is_missed_within_the_hour() -> None:
    place = Place()
    old = place.add(0)
    place.add(9)
    place.look()
    place.store.delete(old.record_key)
    assert place.look().released == 2
    assert place.look(seconds=3600.0).released == 1


def test_a_slow_store_is_read_a_little_at_a_time() -> None:
    place = Place()
    for day in range(5):
        place.add(day)
    place.store.seconds = 1.0
    found = place.look()
    assert (len(found.weighings), found.is_whole) == (2, False)
    found = place.look(seconds=0.0)
    assert (len(found.weighings), found.is_whole) == (3, True)


def test_a_store_that_is_down_is_told_and_asked_again_in_a_minute() -> None:
    place = Place()
    version = place.add(0)
    place.look()
    place.store.is_down = True
    found = place.look()
    assert (found.problem, [one.version for one in found.weighings]) == ("the store is away", [version])
    place.store.is_down = False
    assert place.look(seconds=59.0).problem is not None
    assert place.look(seconds=1.0).problem is None


def test_a_record_that_cannot_be_read_is_passed_over_and_read_once() -> None:
    place = Place()
    broken = ModelVersion(TASK, FIRST, "0000000a")
    place.store.write(broken.record_key, b"{}")
    good = place.add(1)
    found = place.look()
    assert ([one.version for one in found.weighings], found.released, found.is_whole) == ([good], 2, True)
    place.look()
    assert place.store.reads == []


def test_reports_are_read_from_the_store() -> None:
    place = Place()
    version = ModelVersion(TASK, FIRST, "0000000a")
    with pytest.raises(ArtefactNotFound):
        place.history.report(version)
    place.store.write(version.report_key, b"<html>")
    assert place.history.report(version) == b"<html>"
