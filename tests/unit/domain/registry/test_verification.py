"""Every fault of what is in a registry is found and named; a registry without faults has none."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.clocks import START
from tests.support.quick_task import QUICK, store_of_two, two_releases
from tests.support.registry_contract import make_record, version_of
from tests.support.worlds import World
from weighbridge.adapters.json_schema.rules import JsonSchemaRules
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.domain.errors import StoreUnavailable, UnknownVersion
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.registry.verification import Verified, Verifier

TASK = QUICK.name
OLD, LIVE = (release.version for release in two_releases())


class VerifiedWorld(World):
    """A store with two trained releases, a refusal, and promotions of both releases."""

    def __init__(self) -> None:
        super().__init__(store_of_two())
        self.refused = make_record(b"refused", START, TASK, Verdict.REJECT)
        self.registry.refuse(self.refused)
        self.verifier = Verifier(self.store, self.registry, [OnnxCodec()], JsonSchemaRules())

    def change(self, key: str, change: Callable[[dict[str, Any]], object] | bytes) -> None:
        data = self.store.read(key).data
        self.store.delete(key)
        if isinstance(change, bytes):
            self.store.write(key, change)
            return
        document = json.loads(data)
        change(document)
        self.store.write(key, json.dumps(document).encode())

    def promotion_keys(self) -> list[str]:
        return [ref.key for ref in self.store.list("promotions/")]

    def faults(self) -> dict[str, list[str]]:
        return {one.key: list(one.faults) for one in self.verifier.everything(TASK) if not one.holds}


@pytest.fixture
def world() -> VerifiedWorld:
    return VerifiedWorld()


def test_what_is_whole_holds(world: VerifiedWorld) -> None:
    rejected = f"rejected/{TASK}_{world.refused.version}.json"
    assert list(world.verifier.everything(TASK)) == [
        Verified(key, ()) for key in (LIVE.record_key, OLD.record_key, rejected, *world.promotion_keys())
    ]
    assert world.verifier.release(OLD).holds
    assert world.verifier.refusal(version_of(world.refused)).to_dict() == {"key": rejected, "faults": []}
    assert list(world.verifier.everything("time")) == []


def test_a_version_that_is_not_there_is_unknown(world: VerifiedWorld) -> None:
    never = replace(LIVE, digest="00000000")
    with pytest.raises(UnknownVersion):
        world.verifier.release(never)
    with pytest.raises(UnknownVersion):
        world.verifier.refusal(LIVE)


def set_in(*path: str, value: Any) -> Callable[[dict[str, Any]], object]:
    def change(document: dict[str, Any]) -> None:
        node: Any = document
        for name in path[:-1]:
            node = node[name]
        node[path[-1]] = value

    return change


def move_predictions(document: dict[str, Any]) -> None:
    document["golden"][0]["prediction"] += 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_in("metrics", "r2", value="high"), ['metrics.r2: "high" is not of type', "cannot be read"]),
        (set_in("training", "seconds", value=-1), ["training.seconds: -1 is less than the minimum of 0"]),
        (set_in("dataset", value={}), [*['dataset: "'] * 6, "cannot be read"]),
        (b"{", ["cannot be read"]),
        (b"[]", ['the record: [] is not of type "object"', "cannot be read"]),
        (set_in("model", "size", value=7), ["bytes; the record says 7"]),
        (set_in("model", "sha256", value="0" * 64), ["the version is not that of a model", "are not those that"]),
        (set_in("model", "key", value="models/other.onnx"), ["the model 'models/other.onnx' of"]),
        (set_in("model", "format", value="pickle"), ["has the format pickle; readable are onnx"]),
        (set_in("schema", "prediction", value="hours"), ["is not the one that its fingerprint names"]),
        (lambda document: document["schema"].pop("fingerprint"), ["its schema has no fingerprint"]),
        (move_predictions, ["fails its golden rows: off by"]),
        (
            set_in("decision", "verdict", value="reject"),
            ['model.key: "models', "it is the record of a refusal"],
        ),
        (set_in("version", value=str(OLD)), ["it is the record of"]),
    ],
)
def test_every_fault_of_a_release_is_named(
    world: VerifiedWorld, change: Callable[[dict[str, Any]], object] | bytes, said: list[str]
) -> None:
    world.change(LIVE.record_key, change)
    found = world.verifier.release(LIVE)
    assert not found.holds
    assert found.key == LIVE.record_key
    assert len(found.faults) == len(said), found.faults
    for fault, words in zip(found.faults, said, strict=True):
        assert words in fault
    assert world.faults()[LIVE.record_key] == list(found.faults)


@pytest.mark.parametrize("damage", ["gone", "other"])
def test_bytes_that_are_not_those_that_were_published_are_named(world: VerifiedWorld, damage: str) -> None:
    key = OLD.model_key("onnx")
    world.change(key, b"other")
    if damage == "gone":
        world.store.delete(key)
    (fault,) = world.faults()[OLD.record_key]
    assert f"'{key}'" in fault
    assert list(world.faults()) == [OLD.record_key]


def test_faults_of_a_refusal_are_named(world: VerifiedWorld) -> None:
    key = version_of(world.refused).rejected_key
    world.change(key, set_in("decision", "verdict", value="release"))
    assert world.faults() == {
        key: ['model.key: null is not of type "string"', "it is not the record of a refusal"]
    }
    world.change(key, b"null")
    assert [len(faults) for faults in world.faults().values()] == [2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_in("hold", value=None), 'hold: null is not of type "boolean"'),
        (set_in("task", value="time"), "not a promotion of time_to_dispatch"),
        (set_in("number", value=7), "it is the promotion number 7"),
        (set_in("rollback_to", value="000000000001"), "its rollback_to is not an entry before it"),
        (b"nonsense", "it cannot be read: "),
        (b"7", 'the record: 7 is not of type "object"'),
    ],
)
def test_faults_of_a_promotion_are_named(
    world: VerifiedWorld, change: Callable[[dict[str, Any]], object] | bytes, said: str
) -> None:
    first, _ = world.promotion_keys()
    world.change(first, change)
    (fault,) = world.faults()[first]
    assert said in fault
    assert list(world.faults()) == [first]


def test_a_promotion_of_what_was_pruned_is_history_unless_it_is_the_live_one(world: VerifiedWorld) -> None:
    world.store.delete(OLD.record_key)
    assert world.faults() == {}
    world.store.delete(LIVE.record_key)
    (key,) = world.faults()
    assert key == world.promotion_keys()[-1]
    assert f"it is the live one, and there is no release {LIVE} of {TASK}" in world.faults()[key][0]


def test_a_name_that_is_none_of_a_promotion_is_named(world: VerifiedWorld) -> None:
    key = f"promotions/{TASK}_2021.json"
    world.store.write(key, world.store.read(world.promotion_keys()[0]).data)
    world.store.write("promotions/time_to_dispatch_again_2021-07-03T00-00-00Z-00000000.json", b"another task's")
    (fault,) = world.faults()[key]
    assert fault == "its name is neither a number of 12 digits nor a time and a digest"
    assert list(world.faults()) == [key]


def test_a_store_that_is_away_is_not_a_fault(world: VerifiedWorld) -> None:
    world.unsteady.go_away()
    for look in (lambda: world.verifier.release(LIVE), lambda: list(world.verifier.everything(TASK))):
        with pytest.raises(StoreUnavailable):
            look()


def test_what_is_removed_while_everything_is_looked_at_is_left_out(world: VerifiedWorld) -> None:
    looks = world.verifier.everything(TASK)
    assert next(looks).key == LIVE.record_key
    world.store.delete(OLD.record_key)
    refused: ModelVersion = version_of(world.refused)
    world.store.delete(refused.rejected_key)
    assert [one.key for one in looks] == [*world.promotion_keys(), refused.rejected_key][:2]
