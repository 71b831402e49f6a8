"""What is pruned, against a plain statement of the rules; and what a crash in the middle leaves."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START, SettableClock
from tests.support.registry_contract import TASK, TASKS, make_record, version_of
from tests.support.stores import Crash
from tests.support.worlds import World
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.errors import NothingReleased, RegistryError, UnknownVersion
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.registry.retention import Removal, parse_age, plan_pruning, prune
from weighbridge.domain.registry.rollback import rollback_targets

DAY = timedelta(days=1)


class RetentionWorld(World):
    """A registry, a year after START."""

    def __init__(self) -> None:
        super().__init__(now=START + 365 * DAY)

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

    def plan(self, keep: int = 1, days: float = 90) -> list[Removal]:
        return plan_pruning(self.store, self.registry, self.clock, TASK, keep, timedelta(days=days))

    def prune(self, keep: int = 1, days: float = 90) -> list[Removal]:
        return list(prune(self.store, self.registry, self.plan(keep, days)))

    def all_keys(self) -> set[str]:
        kinds = ("datasets", "models", "promotions", "rejected", "reports", "trained")
        return {ref.key for kind in kinds for ref in self.store.list(f"{kind}/")}


def report(version: ModelVersion) -> str:
    return f"reports/{TASK}_{version}.html"


def trained(version: ModelVersion, what: str = "released") -> str:
    return f"trained/{TASK}_{'0' * 16}-{'f' * 8}-{version}-{what}.json"


@pytest.fixture
def world() -> RetentionWorld:
    return RetentionWorld()


def test_what_is_old_and_not_among_the_newest_goes_whole(world: RetentionWorld) -> None:
    old, kept = world.release(200, report=True), world.release(150, report=True)
    refused, recent = world.refuse(100, report=True), world.refuse(80, report=True)
    world.release(300, task=TASKS[0])
    world.store.write(f"datasets/{TASK}_2020-01-01.csv", b"")
    world.promote(kept)
    before = world.all_keys()
    expected = [
        Removal(old, "release", (old.record_key, old.model_key("onnx"), trained(old), report(old))),
        Removal(refused, "refusal", (refused.rejected_key, trained(refused, "refused"), report(refused))),
    ]
    assert world.plan() == expected
    assert world.all_keys() == before
    assert world.prune() == expected
    assert before - world.all_keys() == {key for removal in expected for key in removal.keys}
    assert report(recent) in world.all_keys()
    assert world.plan() == []
    assert expected[1].to_dict() == {
        "version": str(refused),
        "kind": "refusal",
        "keys": [refused.rejected_key, trained(refused, "refused"), report(refused)],
    }


@pytest.mark.parametrize("microsecond", [0, 900_000])
@pytest.mark.parametrize(("days", "goes"), [(89.9, False), (90, False), (90.1, True)])
def test_the_limit_itself_is_not_older(world: RetentionWorld, days: float, goes: bool, microsecond: int) -> None:
    # Versions tell whole seconds.
    world.clock = SettableClock(START.replace(microsecond=microsecond))
    world.registry = StoreRegistry(world.store, world.clock)
    version = world.refuse(days)
    assert [removal.version for removal in world.plan()] == [version] * goes


def test_nothing_that_a_rollback_could_go_to_goes(world: RetentionWorld) -> None:
    versions = [world.release(300 - number) for number in range(6)]
    one, two, three, four, five, six = versions
    # Six is the newest and was never live; two rollbacks are kept.
    world.promote(one, two, three, four, five)
    assert [removal.version for removal in world.plan(keep=2)] == [one, two]
    assert [removal.version for removal in world.plan(keep=1)] == [one, two, three]
    world.promote(two)
    # The live one is old; what it would go back to is what was live before it.
    assert [removal.version for removal in world.plan(keep=1)] == [one, three, four]
    assert [removal.version for removal in world.plan(keep=2)] == [one, three]
    del six


def test_rollbacks_pass_over_what_was_pruned_before(world: RetentionWorld) -> None:
    one, two, three, four = (world.release(300 - number) for number in range(4))
    world.promote(one, two, three, four)
    world.store.delete(three.record_key)
    assert [removal.version for removal in world.plan(keep=1) if removal.kind == "release"] == [one]
    assert [removal for removal in world.plan(keep=1) if removal.kind == "leftover"] == [
        Removal(three, "leftover", (three.model_key("onnx"), trained(three)))
    ]


def test_without_anything_live_the_newest_are_kept(world: RetentionWorld) -> None:
    versions = [world.release(300 - number) for number in range(3)]
    assert [removal.version for removal in world.plan(keep=2)] == versions[:1]
    with pytest.raises(NothingReleased):
        world.registry.live(TASK)


def test_when_what_is_live_cannot_be_read_nothing_is_removed(world: RetentionWorld) -> None:
    world.release(300)
    world.release(299)
    world.store.write(f"promotions/{TASK}_2022-07-01T00-00-00Z-00000000.json", b"{}")
    with pytest.raises(RegistryError):
        world.plan()


def test_what_is_promoted_after_the_plan_was_made_stays(world: RetentionWorld) -> None:
    old, new = world.release(300), world.release(299)
    world.promote(new)
    plan = world.plan()
    assert [removal.version for removal in plan] == [old]
    world.promote(old)
    assert list(prune(world.store, world.registry, plan)) == []
    assert world.registry.fetch(world.registry.read(old))


def test_bytes_of_a_training_under_way_are_no_leftover(world: RetentionWorld) -> None:
    for hours in (23, 25):
        version = ModelVersion.of(TASK, world.clock.now() - timedelta(hours=hours), "0" * 64)
        world.store.write(version.model_key("onnx"), b"bytes")
    assert [(removal.version, removal.kind) for removal in world.plan(days=0)] == [(version, "leftover")]
    assert world.plan(days=2) == []


def test_other_names_are_left_alone(world: RetentionWorld) -> None:
    for key in (f"models/{TASK}_old.onnx", f"reports/{TASK}_2020.html", "models/README", f"models/x_{TASK}.json"):
        world.store.write(key, b"")
    before = world.all_keys()
    assert world.prune(days=0) == []
    assert world.all_keys() == before


def test_what_somebody_else_removes_meanwhile_is_no_matter(world: RetentionWorld) -> None:
    old, new = world.release(300), world.release(299)
    world.promote(new)
    plan = world.plan()
    world.store.delete(old.model_key("onnx"))
    assert list(prune(world.store, world.registry, plan)) == plan


STEPS = st.lists(
    st.tuples(st.sampled_from(["release", "refuse", "promote", "bytes"]), st.integers(0, 400)),
    max_size=12,
    unique_by=lambda step: step[1],
)


@given(STEPS, st.integers(1, 3), st.sampled_from([0, 50, 300]), st.integers(0, 12))
def test_pruning_keeps_its_promises_even_when_it_is_cut_off(
    steps: list[tuple[str, int]], keep: int, days: int, deletions: int
) -> None:
    world = RetentionWorld()
    released: list[ModelVersion] = []
    for step, number in steps:
        if step == "release":
            released.append(world.release(number, report=number % 2 == 0))
        elif step == "refuse":
            world.refuse(number, report=number % 2 == 0)
        elif step == "bytes":
            version = ModelVersion.of(TASK, world.clock.now() - timedelta(days=number), "1" * 64)
            world.store.write(version.model_key("skops"), b"")
        elif released:
            world.promote(released[number % len(released)])
    before = world.all_keys()
    live = _live(world)
    targets = (
        []
        if live is None
        else [target.version for target in rollback_targets(world.registry, world.registry.live(TASK))]
    )
    limit = world.clock.now() - timedelta(days=days)
    needed = {*sorted(released, reverse=True)[:keep], *([live] if live else []), *targets[:keep]}

    world.store.deletions_left = deletions
    try:
        world.prune(keep, days)
    except Crash:
        # Whatever is still called a release is whole.
        for version in world.registry.versions(TASK):
            world.registry.fetch(world.registry.read(version))
        world.store.deletions_left = None
        world.prune(keep, days)
    world.store.deletions_left = None

    assert set(world.registry.versions(TASK)) == {
        version for version in released if version in needed or version.created >= limit.replace(microsecond=0)
    }
    for version in world.registry.versions(TASK):
        world.registry.fetch(world.registry.read(version))
    assert _live(world) == live
    left = world.all_keys()
    assert left <= before
    assert {key for key in before - left if key.startswith(("datasets/", "promotions/"))} == set()
    # A second pruning finds nothing.
    assert world.plan(keep, days) == []
    for version in world.registry.refused_versions(TASK):
        assert version.created >= limit.replace(microsecond=0)


def _live(world: RetentionWorld) -> ModelVersion | None:
    try:
        return world.registry.live(TASK).version
    except NothingReleased:
        return None


def test_the_record_goes_before_the_bytes(world: RetentionWorld) -> None:
    old, new = world.release(300), world.release(299)
    world.promote(new)
    world.store.deletions_left = 1
    with pytest.raises(Crash):
        world.prune()
    with pytest.raises(UnknownVersion):
        world.registry.read(old)
    assert world.store.read(old.model_key("onnx"))
    world.store.deletions_left = None
    assert [removal.kind for removal in world.prune()] == ["leftover"]


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
