"""The history that a page shows: bounded, cached, and right whatever the store does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from tests.support.quick_task import QUICK, two_releases
from tests.support.reasons import errors
from tests.support.worlds import World
from weighbridge.domain.errors import ArtefactNotFound, RegistryError, UnknownVersion
from weighbridge.domain.evaluation.gate import GateDecision, Verdict
from weighbridge.domain.registry.history import History, Snapshot
from weighbridge.domain.registry.provenance import Record
from weighbridge.domain.registry.releases import ModelVersion

TASK = QUICK.name
FIRST = datetime(2022, 1, 1, tzinfo=UTC)

REPORT = b"<html>"


class HistoryWorld(World):
    """A history of the newest three evaluations."""

    def __init__(self, most: int = 3) -> None:
        super().__init__()
        self.history = History(TASK, self.registry, self.store, self.clock, most)

    def add(self, day: int, verdict: Verdict = Verdict.RELEASE) -> ModelVersion:
        record = record_of(day, verdict)
        if verdict is Verdict.REJECT:
            self.registry.refuse(record)
        else:
            self.store.write(ModelVersion.parse(TASK, record.version).record_key, record.to_json())
        return ModelVersion.parse(TASK, record.version)

    def look(self, seconds: float = 61.0) -> Snapshot:
        self.counting.forget()
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
        decision=GateDecision(verdict, errors("because") if verdict is Verdict.REJECT else ()),
        report={"key": version.report_key, "sha256": sha256(REPORT).hexdigest(), "size": len(REPORT)}
        if day % 2 == 0
        else {"problem": "no ink"},
    )


def test_the_newest_are_read_once_and_all_are_counted() -> None:
    world = HistoryWorld()
    versions = [world.add(day, Verdict.REJECT if day == 5 else Verdict.RELEASE) for day in range(7)]
    found = world.look()
    assert [one.version for one in found.weighings] == versions[:3:-1]
    assert [one.verdict for one in found.weighings] == [Verdict.RELEASE, Verdict.REJECT, Verdict.RELEASE]
    assert [one.has_report for one in found.weighings] == [True, False, True]
    assert [list(one.reasons) for one in found.weighings] == [[], ["because"], []]
    assert (found.released, found.refused, found.is_whole, found.problem) == (6, 1, True, None)
    assert len(world.counting.reads) == 3

    # Nothing new: names from the day before the newest on, and not a record.
    assert world.look() is found
    assert world.counting.reads == []
    assert world.counting.lists == [
        (f"models/{TASK}_", f"models/{TASK}_2022-01-06T00-00-00Z-00000006.json"),
        (f"rejected/{TASK}_", f"rejected/{TASK}_2022-01-05T00-00-00Z-00000005.json"),
    ]
    newest = world.add(7)
    found = world.look()
    assert [one.version for one in found.weighings] == [newest, versions[6], versions[5]]
    assert (found.released, found.refused) == (7, 1)
    assert world.counting.reads == [newest.record_key]


def test_a_thousand_releases_cost_no_more_records_than_are_shown() -> None:
    world = HistoryWorld(most=50)
    data = record_of(0, Verdict.RELEASE).to_json()
    for day in range(1000):
        world.store.write(ModelVersion(TASK, FIRST + timedelta(days=day), f"{day:08x}").record_key, data)
    for day in range(950, 1000):
        world.store.delete(ModelVersion(TASK, FIRST + timedelta(days=day), f"{day:08x}").record_key)
        world.add(day)
    found = world.look()
    assert (found.released, len(found.weighings), len(world.counting.reads)) == (1000, 50, 50)


def test_one_release_and_none() -> None:
    world = HistoryWorld()
    found = world.look()
    assert (found.weighings, found.released, found.refused, found.is_whole) == ((), 0, 0, True)
    version = world.add(0)
    assert [one.version for one in world.look().weighings] == [version]


def test_it_looks_when_something_was_promoted_or_a_minute_has_passed() -> None:
    world = HistoryWorld()
    world.add(0)
    world.look()
    world.add(1)
    assert world.look(seconds=59.0).released == 1
    promotion = world.registry.promote(ModelVersion(TASK, FIRST, "00000000"), "why", "who")
    world.history.follow(promotion)
    assert world.history.snapshot.released == 2
    world.add(2)
    world.history.follow(promotion)
    assert world.history.snapshot.released == 2
    world.clock.advance(60.0)
    world.history.follow(promotion)
    assert world.history.snapshot.released == 3


def test_what_was_removed_is_missed_within_the_hour() -> None:
    world = HistoryWorld()
    old = world.add(0)
    world.add(9)
    world.look()
    world.store.delete(old.record_key)
    assert world.look().released == 2
    assert world.look(seconds=3600.0).released == 1


def test_a_slow_store_is_read_a_little_at_a_time() -> None:
    world = HistoryWorld()
    for day in range(5):
        world.add(day)
    world.unsteady.seconds = 1.0
    found = world.look()
    assert (len(found.weighings), found.is_whole) == (2, False)
    found = world.look(seconds=0.0)
    assert (len(found.weighings), found.is_whole) == (3, True)


def test_a_store_that_is_down_is_told_and_asked_again_in_a_minute() -> None:
    world = HistoryWorld()
    version = world.add(0)
    world.look()
    world.unsteady.go_away()
    found = world.look()
    assert (found.problem, [one.version for one in found.weighings]) == ("the store does not answer", [version])
    world.unsteady.come_back()
    assert world.look(seconds=59.0).problem is not None
    assert world.look(seconds=1.0).problem is None


def test_a_record_that_cannot_be_read_is_passed_over_and_read_once() -> None:
    world = HistoryWorld()
    broken = ModelVersion(TASK, FIRST, "0000000a")
    world.store.write(broken.record_key, b"{}")
    good = world.add(1)
    found = world.look()
    assert ([one.version for one in found.weighings], found.released, found.is_whole) == ([good], 2, True)
    world.look()
    assert world.counting.reads == []


def test_reports_are_read_from_the_store_and_compared_with_their_records() -> None:
    world = HistoryWorld()
    version = world.add(0)
    with pytest.raises(ArtefactNotFound):
        world.history.report(version)
    world.store.write(version.report_key, REPORT)
    assert world.history.report(version) == REPORT
    world.store.delete(version.report_key)
    world.store.write(version.report_key, REPORT + b" ")
    with pytest.raises(RegistryError, match="is not the one that was recorded: its sha256 is "):
        world.history.report(version)
    unrecorded = ModelVersion(TASK, FIRST, "0000000b")
    world.store.write(unrecorded.report_key, REPORT)
    with pytest.raises(UnknownVersion):
        world.history.report(unrecorded)
