"""What is pruned, against a plain statement of the rules; and what a crash in the middle leaves."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START, SettableClock
from tests.support.registry_contract import TASK, TASKS, Crash, make_record, version_of
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.errors import NothingReleased, RegistryError, UnknownVersion
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.registry.retention import Removal, parse_age, plan_pruning, prune
from weighbridge.domain.registry.rollback import rollback_targets

DAY = timedelta(days=1)


class DyingStore(MemoryStore):
    """A store whose process ends at one of its deletions."""

    deletions_left = -1

    def delete(self, key: str) -> None:
        if self.deletions_left == 0:
            raise Crash
        self.deletions_left -= 1
        super().delete(key)


class Place:
    """A registry, a year after START."""

    def __init__(self) -> None:
        self.clock = SettableClock(START + 365 * DAY)
        self.store = DyingStore(self.clock)
        self.registry = StoreRegistry(self.store, self.clock)

    def release(self, days: float, task: str = TASK, report: bool = False) -> ModelVersion:
        """One that was trained so many days ago."""
        at = self.clock.now() - timedelta(days=days)
        model = f"{task}{days}".encode()
        version = self.registry.publish(model, make_record(model, at, task)).version
        return self._report(version, report)

    def refuse(self, days: float, report: bool = False) -> ModelVersion:
        at = self.clock.now() - timedelta(days=days)
        record = make_record(b"bad", at, TASK, Verdict.REJECT)
        self.registry.refuse(record)
        return self._report(version_of(record), report)

    def _report(self, version: ModelVersion, wanted: bool) -> ModelVersion:
        if wanted:
            self.store.write(report(version), b"<html>")
        return version

    def promote(self, *versions: ModelVersion) -> None:
        for version in versions:
            self.registry.promote(version, "", "")

    def plan(self, keep: int = 1, days: float = 90) -> list[Removal]:
        return plan_pruning(self.store, self.registry, self.clock, TASK, keep, timedelta(days=days))

    def prune(self, keep: int = 1, days: float = 90) -> list[Removal]:
        return list(prune(self.store, self.registry, self.plan(keep, days)))

    def all_keys(self) -> set[str]:
        kinds = ("datasets", "models", "promotions", "rejected", "reports")
        return {ref.key for kind in kinds for ref in self.store.list(f"{kind}/")}


def report(version: ModelVersion) -> str:
    return f"reports/{TASK}_{version}.html"


@pytest.fixture
def place() -> Place:
    return Place()


def test_what_is_old_and_not_among_the_newest_goes_whole(place: Place) -> None:
    old, kept = place.release(200, report=True), place.release(150, report=True)
    refused, recent = place.refuse(100, report=True), place.refuse(80, report=True)
    place.release(300, task=TASKS[0])
    place.store.write(f"datasets/{TASK}_2020-01-01.csv", b"")
    place.promote(kept)
    before = place.all_keys()
    expected = [
        Removal(old, "release", (old.record_key, old.model_key("onnx"), report(old))),
        Removal(refused, "refusal", (refused.rejected_key, report(refused))),
    ]
    assert place.plan() == expected
    assert place.all_keys() == before
    assert place.prune() == expected
    assert before - place.all_keys() == {key for removal in expected for key in removal.keys}
    assert report(recent) in place.all_keys()
    assert place.plan() == []
    assert expected[1].to_dict() == {
        "version": str(refused),
        "kind": "refusal",
        "keys": [refused.rejected_key, report(refused)],
    }


@pytest.mark.parametrize("microsecond", [0, 900_000])
@pytest.mark.parametrize(("days", "goes"), [(89.9, False), (90, False), (90.1, True)])
def test_the_limit_itself_is_not_older(place: Place, days: float, goes: bool, microsecond: int) -> None:
    # Versions tell whole seconds.
    place.clock = SettableClock(START.replace(microsecond=microsecond))
    place.registry = StoreRegistry(place.store, place.clock)
    version = place.refuse(days)
    assert [removal.version for removal in place.plan()] == [version] * goes


def test_nothing_that_a_rollback_could_go_to_goes(place: Place) -> None:
    versions = [place.release(300 - number) for number in range(6)]
    one, two, three, four, five, six = versions
    # Six is the newest and was never live; two rollbacks are kept.
    place.promote(one, two, three, four, five)
    assert [removal.version for removal in place.plan(keep=2)] == [one, two]
    assert [removal.version for removal in place.plan(keep=1)] == [one, two, three]
    place.promote(two)
    # The live one is old; what it would go back to is the first.
    assert [removal.version for removal in place.plan(keep=1)] == [three, four, five]
    del six


def test_rollbacks_pass_over_what_was_pruned_before(place: Place) -> None:
    one, two, three, four = (place.release(300 - number) for number in range(4))
    place.promote(one, two, three, four)
    place.store.delete(three.record_key)
    assert [removal.version for removal in place.plan(keep=1) if removal.kind == "release"] == [one]
    assert [removal for removal in place.plan(keep=1) if removal.kind == "leftover"] == [
        Removal(three, "leftover", (three.model_key("onnx"),))
    ]


def test_without_anything_live_the_newest_are_kept(place: Place) -> None:
    versions = [place.release(300 - number) for number in range(3)]
    assert [removal.version for removal in place.plan(keep=2)] == versions[:1]
    with pytest.raises(NothingReleased):
        place.registry.live(TASK)


def test_when_what_is_live_cannot_be_read_nothing_is_removed(place: Place) -> None:
    place.release(300)
    place.release(299)
    place.store.write(f"promotions/{TASK}_2022-07-01T00-00-00Z-00000000.json", b"{}")
    with pytest.raises(RegistryError):
        place.plan()


def test_what_is_promoted_after_the_plan_was_made_stays(place: Place) -> None:
    old, new = place.release(300), place.release(299)
    place.promote(new)
    plan = place.plan()
    assert [removal.version for removal in plan] == [old]
    place.promote(old)
    assert list(prune(place.store, place.registry, plan)) == []
    assert place.registry.fetch(place.registry.read(old))


def test_bytes_of_a_training_under_way_are_no_leftover(place: Place) -> None:
    for hours in (23, 25):
        version = ModelVersion.of(TASK, place.clock.now() - timedelta(hours=hours), "0" * 64)
        place.store.write(version.model_key("onnx"), b"bytes")
    assert [(removal.version, removal.kind) for removal in place.plan(days=0)] == [(version, "leftover")]
    assert place.plan(days=2) == []


def test_other_names_are_left_alone(place: Place) -> None:
    for key in (f"models/{TASK}_old.onnx", f"reports/{TASK}_2020.html", "models/README", f"models/x_{TASK}.json"):
        place.store.write(key, b"")
    before = place.all_keys()
    assert place.prune(days=0) == []
    assert place.all_keys() == before


def test_what_somebody_else_removes_meanwhile_is_no_matter(place: Place) -> None:
    old, new = place.release(300), place.release(299)
    place.promote(new)
    plan = place.plan()
    place.store.delete(old.model_key("onnx"))
    assert list(prune(place.store, place.registry, plan)) == plan


STEPS = st.lists(
    st.tuples(st.sampled_from(["release", "refuse", "promote", "bytes"]), st.integers(0, 400)),
    max_size=12,
    unique_by=lambda step: step[1],
)


@given(STEPS, st.integers(1, 3), st.sampled_from([0, 50, 300]), st.integers(0, 12))
def test_pruning_keeps_its_promises_even_when_it_is_cut_off(
    steps: list[tuple[str, int]], keep: int, days: int, deletions: int
) -> None:
    place = Place()
    released: list[ModelVersion] = []
    for step, number in steps:
        if step == "release":
            released.append(place.release(number, report=number % 2 == 0))
        elif step == "refuse":
            place.refuse(number, report=number % 2 == 0)
        elif step == "bytes":
            version = ModelVersion.of(TASK, place.clock.now() - timedelta(days=number), "1" * 64)
            place.store.write(version.model_key("skops"), b"")
        elif released:
            place.promote(released[number % len(released)])
    before = place.all_keys()
    live = _live(place)
    targets = [] if live is None else list(rollback_targets(place.registry, live))
    limit = place.clock.now() - timedelta(days=days)
    needed = {*sorted(released, reverse=True)[:keep], *([live] if live else []), *targets[:keep]}

    place.store.deletions_left = deletions
    try:
        place.prune(keep, days)
    except Crash:
        # Whatever is still called a release is whole.
        for version in place.registry.versions(TASK):
            place.registry.fetch(place.registry.read(version))
        place.store.deletions_left = -1
        place.prune(keep, days)
    place.store.deletions_left = -1

    assert set(place.registry.versions(TASK)) == {
        version for version in released if version in needed or version.created >= limit.replace(microsecond=0)
    }
    for version in place.registry.versions(TASK):
        place.registry.fetch(place.registry.read(version))
    assert _live(place) == live
    left = place.all_keys()
    assert left <= before
    assert {key for key in before - left if key.startswith(("datasets/", "promotions/"))} == set()
    # A second pruning finds nothing.
    assert place.plan(keep, days) == []
    for version in place.registry.refused_versions(TASK):
        assert version.created >= limit.replace(microsecond=0)


def _live(place: Place) -> ModelVersion | None:
    try:
        return place.registry.live(TASK).version
    except NothingReleased:
        return None


def test_the_record_goes_before_the_bytes(place: Place) -> None:
    old, new = place.release(300), place.release(299)
    place.promote(new)
    place.store.deletions_left = 1
    with pytest.raises(Crash):
        place.prune()
    with pytest.raises(UnknownVersion):
        place.registry.read(old)
    assert place.store.read(old.model_key("onnx"))
    place.store.deletions_left = -1
    assert [removal.kind for removal in place.prune()] == ["leftover"]


@pytest.mark.parametrize(
    ("text", "age"),
    [("90d", 90 * DAY), ("12h", DAY / 2), ("4w", 28 * DAY), ("0d", timedelta(0)), (" 7d ", 7 * DAY)],
)
def test_an_age_is_read(text: str, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "1.5d", "90 d", "1y", "9999999d", "٩d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="one looks like 90d, 12h or 4w"):
        parse_age(text)
