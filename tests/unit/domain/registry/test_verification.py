"""Every fault of what is in a registry is found and named; a registry without faults has none."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.support.clocks import START, SettableClock
from tests.support.quick_task import QUICK, store_of_two, two_releases
from tests.support.registry_contract import make_record, version_of
from tests.unit.domain.serving.test_service import UnsteadyStore
from weighbridge.adapters.json_schema.rules import JsonSchemaRules
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.errors import StoreUnavailable, UnknownVersion
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.registry.verification import Verified, Verifier

TASK = QUICK.name
OLD, LIVE = (release.version for release in two_releases())


class Place:
    """A store with two trained releases, a refusal, and promotions of both releases."""

    def __init__(self) -> None:
        self.memory: MemoryStore = store_of_two()
        self.store = UnsteadyStore(self.memory)
        self.registry = StoreRegistry(self.store, SettableClock())
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
def place() -> Place:
    return Place()


def test_what_is_whole_holds(place: Place) -> None:
    rejected = f"rejected/{TASK}_{place.refused.version}.json"
    assert list(place.verifier.everything(TASK)) == [
        Verified(key, ()) for key in (LIVE.record_key, OLD.record_key, rejected, *place.promotion_keys())
    ]
    assert place.verifier.release(OLD).holds
    assert place.verifier.refusal(version_of(place.refused)).to_dict() == {"key": rejected, "faults": []}
    assert list(place.verifier.everything("time")) == []


def test_a_version_that_is_not_there_is_unknown(place: Place) -> None:
    never = replace(LIVE, digest="00000000")
    with pytest.raises(UnknownVersion):
        place.verifier.release(never)
    with pytest.raises(UnknownVersion):
        place.verifier.refusal(LIVE)


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
        (set_in("metrics", "r2", value="high"), ["metrics.r2: 'high' is not of type", "cannot be read"]),
        (set_in("training", "seconds", value=-1), ["training.seconds: -1 is less than the minimum of 0"]),
        (set_in("dataset", value={}), [*["dataset: '"] * 6, "cannot be read"]),
        (b"{", ["cannot be read"]),
        (b"[]", ["the record: [] is not of type 'object'", "cannot be read"]),
        (set_in("model", "size", value=7), ["bytes; the record says 7"]),
        (set_in("model", "sha256", value="0" * 64), ["the version is not that of a model", "are not those that"]),
        (set_in("model", "key", value="models/other.onnx"), ["the model 'models/other.onnx' of"]),
        (set_in("model", "format", value="pickle"), ["has the format pickle; readable are onnx"]),
        (set_in("schema", "prediction", value="hours"), ["is not the one that its fingerprint names"]),
        (lambda document: document["schema"].pop("fingerprint"), ["its schema has no fingerprint"]),
        (move_predictions, ["fails its golden rows: off by"]),
        (
            set_in("decision", "verdict", value="reject"),
            ["model.key: '", "it is the record of a refusal"],
        ),
        (set_in("version", value=str(OLD)), ["it is the record of"]),
    ],
)
def test_every_fault_of_a_release_is_named(
    place: Place, change: Callable[[dict[str, Any]], object] | bytes, said: list[str]
) -> None:
    place.change(LIVE.record_key, change)
    found = place.verifier.release(LIVE)
    assert not found.holds
    assert found.key == LIVE.record_key
    assert len(found.faults) == len(said), found.faults
    for fault, words in zip(found.faults, said, strict=True):
        assert words in fault
    assert place.faults()[LIVE.record_key] == list(found.faults)


@pytest.mark.parametrize("damage", ["gone", "other"])
def test_bytes_that_are_not_those_that_were_published_are_named(place: Place, damage: str) -> None:
    key = OLD.model_key("onnx")
    place.change(key, b"other")
    if damage == "gone":
        place.store.delete(key)
    (fault,) = place.faults()[OLD.record_key]
    assert f"'{key}'" in fault
    assert list(place.faults()) == [OLD.record_key]


def test_faults_of_a_refusal_are_named(place: Place) -> None:
    key = version_of(place.refused).rejected_key
    place.change(key, set_in("decision", "verdict", value="release"))
    assert place.faults() == {
        key: ["model.key: None is not of type 'string'", "it is not the record of a refusal"]
    }
    place.change(key, b"null")
    assert [len(faults) for faults in place.faults().values()] == [2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_in("hold", value=None), "hold: None is not of type 'boolean'"),
        (set_in("task", value="time"), "not a promotion of time_to_dispatch"),
        (set_in("reason", value="another"), "its name is not that of its time and its bytes, 'promotions/"),
        (b"nonsense", "it cannot be read: "),
        (b"7", "the record: 7 is not of type 'object'"),
    ],
)
def test_faults_of_a_promotion_are_named(
    place: Place, change: Callable[[dict[str, Any]], object] | bytes, said: str
) -> None:
    first, _ = place.promotion_keys()
    place.change(first, change)
    (fault,) = place.faults()[first]
    assert said in fault
    assert list(place.faults()) == [first]


def test_a_promotion_of_what_was_pruned_is_history_unless_it_is_the_live_one(place: Place) -> None:
    place.store.delete(OLD.record_key)
    assert place.faults() == {}
    place.store.delete(LIVE.record_key)
    (key,) = place.faults()
    assert key == place.promotion_keys()[-1]
    assert f"it is the live one, and there is no release {LIVE} of {TASK}" in place.faults()[key][0]


def test_a_name_that_is_none_of_a_promotion_is_named(place: Place) -> None:
    key = f"promotions/{TASK}_2021.json"
    place.store.write(key, place.store.read(place.promotion_keys()[0]).data)
    place.store.write("promotions/time_to_dispatch_again_2021-07-03T00-00-00Z-00000000.json", b"another task's")
    (fault,) = place.faults()[key]
    assert "its name is not that of its time and its bytes" in fault
    assert list(place.faults()) == [key]


def test_a_store_that_is_away_is_not_a_fault(place: Place) -> None:
    place.store.away = True
    for look in (lambda: place.verifier.release(LIVE), lambda: list(place.verifier.everything(TASK))):
        with pytest.raises(StoreUnavailable):
            look()


def test_what_is_removed_while_everything_is_looked_at_is_left_out(place: Place) -> None:
    looks = place.verifier.everything(TASK)
    assert next(looks).key == LIVE.record_key
    place.store.delete(OLD.record_key)
    refused: ModelVersion = version_of(place.refused)
    place.store.delete(refused.rejected_key)
    assert [one.key for one in looks] == [*place.promotion_keys(), refused.rejected_key][:2]
