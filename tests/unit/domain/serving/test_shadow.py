"""A second model predicts beside the live one, is told of in metrics, and never gets in the way."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.asgi_client import ask
from tests.support.clocks import START, SettableClock
from tests.support.quick_task import QUICK, two_releases
from tests.support.registry_contract import TASK as MADE_TASK
from tests.support.registry_contract import make_record
from tests.support.worlds import ServiceWorld
from tests.unit.adapters.prometheus.test_telemetry import samples
from tests.unit.entrypoints.http.fast.test_front import PATH, QUICKLY, body_of
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.observers.shadowing import Shadowing
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.prometheus.buckets import DIFFERENCES
from weighbridge.adapters.prometheus.shadow import PrometheusShadow
from weighbridge.adapters.prometheus.shared_counters import NUMBERS, SLOT_BYTES, SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.data.schema import Category, Number, Row, Schema
from weighbridge.domain.errors import StoreUnavailable, UnknownVersion
from weighbridge.domain.events import Event
from weighbridge.domain.model.codec import ModelCodec
from weighbridge.domain.model.predictor import Classification, Columns, Predictor
from weighbridge.domain.registry.provenance import GoldenRow
from weighbridge.domain.registry.releases import ModelVersion, Release
from weighbridge.domain.serving.events import ShadowChanged, ShadowFailed
from weighbridge.domain.serving.service import LoadedModel, PredictionService
from weighbridge.domain.serving.shadow import NEWEST_UNPROMOTED, PREDICTION, ROW, TARGET, Answered, Shadow
from weighbridge.domain.serving.telemetry import ShadowTelemetry
from weighbridge.domain.system import EventSink
from weighbridge.entrypoints.http.lifecycle import Lifecycle
from weighbridge.entrypoints.service.app import create_app
from weighbridge.entrypoints.settings import load_settings

ROWS: list[Row] = [{"orders_placed": float(n), "product_code": f"SKU00{1 + n % 3}"} for n in range(0, 90, 7)]


@dataclass
class Told(ShadowTelemetry, EventSink):
    """Writes down what it is told."""

    events: list[Event] = field(default_factory=list)
    counted: list[Any] = field(default_factory=list)
    second: ModelVersion | None = None
    problem: str | None = None

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def shadowing(self, release: Release | None, problem: str | None) -> None:
        self.second, self.problem = None if release is None else release.version, problem

    def differed(self, version: str, differences: Sequence[float]) -> None:
        self.counted.append((version, list(differences)))

    def labelled(self, version: str, rows: int, otherwise: int) -> None:
        self.counted.append((version, rows, otherwise))

    def failed(self, version: str, reason: str, rows: int) -> None:
        self.counted.append((version, reason, rows))

    def dropped(self) -> None:
        self.counted.append("dropped")

    def take(self) -> list[Event]:
        taken, self.events = self.events, []
        return taken


class ShadowWorld(ServiceWorld):
    """A service, and what a shadow of it tells."""

    def __init__(self, wanted: str) -> None:
        codecs = [OnnxCodec()]
        super().__init__(now=datetime.fromisoformat("2030-01-01T00:00:00Z"), codecs=codecs)
        self.told = Told()
        self.service.load()
        self.shadow = Shadow(self.service, wanted, self.registry, codecs, self.told, self.told)

    def publish(self, model: Release, at: datetime) -> ModelVersion:
        """The same model, as if trained then."""
        version = ModelVersion.of(QUICK.name, at, model.record.model.sha256)
        file = replace(model.record.model, key=version.model_key("onnx"))
        record = replace(model.record, version=str(version), created_at=at, model=file)
        return self.registry.publish(self.registry.fetch(model), record).version

    def promote(self, *versions: ModelVersion) -> None:
        super().promote(*versions)
        self.service.load()

    def answered(self) -> list[Answered]:
        return [Answered(self.loaded, row, self.loaded.predictor.predict_row(row)) for row in ROWS]


def test_a_named_version_predicts_what_it_would_have_answered() -> None:
    old, new = two_releases()
    world = ShadowWorld(str(old.version))
    assert world.shadow.version is None
    world.shadow.compare(world.answered())
    assert world.told.counted == []
    world.shadow.follow()
    world.shadow.follow()
    assert world.shadow.version == world.told.second == old.version
    assert world.told.take() == [ShadowChanged(str(old.version))]
    world.shadow.compare(world.answered())
    predictors = [OnnxCodec().decode(world.registry.fetch(one), one.record.schema) for one in (old, new)]
    ours, theirs = (np.array(predictor.predict_rows(ROWS)) for predictor in predictors)
    assert world.told.counted == [(str(old.version), np.abs(ours - theirs).tolist())]
    assert max(world.told.counted[0][1]) > 0


def test_while_it_is_the_live_one_there_is_no_second_model() -> None:
    old, new = two_releases()
    world = ShadowWorld(old.version.qualified)
    world.shadow.follow()
    answered_by_new = world.answered()
    world.promote(old.version)
    # Until it looks, what the same version has answered is left out, and what another has is not.
    world.shadow.compare(world.answered())
    assert world.told.counted == []
    world.shadow.compare([*world.answered(), *answered_by_new])
    assert len(world.told.counted[0][1]) == len(ROWS)
    world.shadow.follow()
    assert world.shadow.version is world.told.second is None
    world.promote(new.version)
    world.shadow.follow()
    assert world.shadow.version == old.version
    changes = [str(event) for event in world.told.take()]
    assert changes == [f"shadowing with {old.version}", "shadowing with no model", f"shadowing with {old.version}"]


def test_the_newest_unpromoted_is_newer_than_the_live_one_and_was_never_live() -> None:
    old, new = two_releases()
    world = ShadowWorld(NEWEST_UNPROMOTED)
    world.publish(old, old.version.created - timedelta(hours=1))
    world.shadow.follow()
    assert world.shadow.version is None
    assert world.told.take() == []
    first = world.publish(old, START)
    world.shadow.follow()
    assert world.shadow.version == first
    second = world.publish(old, START + timedelta(days=1))
    world.shadow.follow()
    assert world.shadow.version == second
    # Promoted, and rolled back from: it was live, so it is the first one's turn again.
    world.promote(second)
    world.shadow.follow()
    assert world.shadow.version is None
    world.promote(new.version)
    world.shadow.follow()
    assert world.shadow.version == first
    world.promote(first)
    world.shadow.follow()
    assert world.shadow.version is None
    assert world.told.problem is None


def test_a_version_that_is_no_version_is_refused_at_once() -> None:
    with pytest.raises(UnknownVersion, match="'newest' is not a version"):
        ShadowWorld("newest")


def test_what_cannot_be_loaded_is_told_once_and_tried_again() -> None:
    old, _ = two_releases()
    world = ShadowWorld(str(old.version))
    data = world.store.read(old.record.model.key or "").data
    world.store.delete(old.record.model.key or "")
    for _ in range(2):
        world.shadow.follow()
    problem = f"the model '{old.record.model.key}' of {old.version} is gone"
    assert world.told.take() == [ShadowFailed(problem)]
    assert (world.told.second, world.told.problem) == (None, problem)
    world.store.write(old.record.model.key or "", data)
    world.shadow.follow()
    assert (world.told.second, world.told.problem) == (old.version, None)


def test_a_store_that_is_away_changes_nothing() -> None:
    world = ShadowWorld(NEWEST_UNPROMOTED)
    published = world.publish(two_releases()[0], START)
    world.shadow.follow()
    world.told.take()
    world.unsteady.go_away()
    world.shadow.follow()
    assert world.told.take() == [ShadowFailed("the store does not answer")]
    assert world.shadow.version == world.told.second == published
    world.unsteady.come_back()
    world.shadow.follow()
    assert world.told.problem is None
    assert world.told.take() == []


def test_nothing_is_wanted_while_nothing_is_live() -> None:
    world = ShadowWorld(NEWEST_UNPROMOTED)
    world.publish(two_releases()[0], START)
    service = PredictionService(QUICK.name, world.registry, [OnnxCodec()], world.clock, Told())
    shadow = Shadow(service, NEWEST_UNPROMOTED, world.registry, [OnnxCodec()], world.told, world.told)
    shadow.follow()
    assert shadow.version is None


# What a second model may do that the live one does not


class Odd(Predictor):
    """Adds one; fails on 13, is infinite on 14."""

    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        orders = columns["orders"]
        if (orders == 13).any():
            raise StoreUnavailable("unlucky")
        return np.where(orders == 14, np.inf, orders + 1)


class OddLabels(Predictor):
    """Is for ``b`` from 5 orders on, and sure of nothing."""

    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        return np.where(columns["orders"] >= 5, "b", "a").astype(object)

    def predict_proba(self, columns: Columns) -> np.ndarray[Any, Any]:
        return np.full((len(columns["orders"]), 2), 0.5)


class OddCodec(ModelCodec):
    format = "onnx"

    def encode(self, model: object, schema: Schema) -> bytes:
        raise NotImplementedError

    def decode(self, data: bytes, schema: Schema) -> Predictor:
        return OddLabels() if isinstance(schema.target, Category) else Odd()


ORDERS = Number("orders", minimum=0)
HOURS = Schema((ORDERS,), Number("hours"), "hours")
LABELS = Schema((ORDERS,), Category("label", ("a", "b")), "label")


def golden_row(schema: Schema) -> GoldenRow:
    """A row of the schema, with what the odd models answer."""
    row: Row = {one.name: "red" if isinstance(one, Category) else 3.0 for one in schema.features}
    if isinstance(schema.target, Category):
        return GoldenRow(row, "a", {"a": 0.5, "b": 0.5})
    return GoldenRow(row, 4.0)


def comparing(live: Schema, second: Schema) -> tuple[Shadow, Told, LoadedModel]:
    clock = SettableClock()
    registry = StoreRegistry(MemoryStore(clock), clock)
    versions = []
    for name, schema in ((b"live", live), (b"second", second)):
        record = replace(make_record(name, START), schema=schema, golden=(golden_row(schema),))
        versions.append(registry.publish(name, record).version)
    registry.promote(versions[0], "", "")
    told = Told()
    service = PredictionService(MADE_TASK, registry, [OddCodec()], clock, told)
    service.load()
    shadow = Shadow(service, str(versions[1]), registry, [OddCodec()], told, told)
    shadow.follow()
    assert shadow.version == versions[1]
    assert service.loaded is not None
    return shadow, told, service.loaded


@pytest.mark.parametrize(
    ("orders", "counted"),
    [
        ([1, 2, 14, 3], [[1.0, 1.0, 1.0], (PREDICTION, 1)]),
        ([14], [[], (PREDICTION, 1)]),
        ([1, 13, 2], [(PREDICTION, 3)]),
        ([], []),
    ],
)
def test_failures_are_counted_and_raise_nothing(orders: list[int], counted: list[Any]) -> None:
    shadow, told, live = comparing(HOURS, HOURS)
    shadow.compare([Answered(live, {"orders": float(n)}, float(n)) for n in orders])
    version = str(shadow.version)
    assert told.counted == [(version, one) if isinstance(one, list) else (version, *one) for one in counted]


def test_rows_are_admitted_by_the_second_models_own_schema() -> None:
    wider = Schema((ORDERS, Category("colour", ("red",))), Number("hours"), "hours")
    narrower = Schema((Number("orders", minimum=2),), Number("hours"), "hours")
    shadow, told, live = comparing(wider, narrower)
    rows: list[Row] = [{"orders": float(n), "colour": "red"} for n in range(5)]
    shadow.compare([Answered(live, row, 0.0) for row in rows])
    assert told.counted == [(str(shadow.version), ROW, 2), (str(shadow.version), [3.0, 4.0, 5.0])]
    shadow, told, live = comparing(narrower, wider)
    shadow.compare([Answered(live, {"orders": 3.0}, 0.0)])
    assert told.counted == [(str(shadow.version), ROW, 1)]


def test_of_classes_the_disagreements_are_counted() -> None:
    shadow, told, live = comparing(LABELS, LABELS)
    answers = [Classification(label, [0.5, 0.5]) for label in "aabb"]
    shadow.compare(
        [Answered(live, {"orders": n}, answer) for n, answer in zip([1.0, 9.0, 1.0, 5.0], answers, strict=True)]
    )
    assert told.counted == [(str(shadow.version), 4, 2)]


def test_numbers_are_not_compared_with_classes() -> None:
    for live, second, answer in ((HOURS, LABELS, 1.0), (LABELS, HOURS, Classification("a", [1.0, 0.0]))):
        shadow, told, loaded = comparing(live, second)
        shadow.compare([Answered(loaded, {"orders": 1.0}, answer)])
        assert told.counted == [(str(shadow.version), TARGET, 1)]


# Beside the answers


def until(condition: Any) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_answers_are_compared_beside_the_service() -> None:
    old, _ = two_releases()
    world = ShadowWorld(str(old.version))
    counters = SharedCounters(private_memory())
    counts = PrometheusShadow(counters)
    telemetry = PrometheusTelemetry(counters, world.clock, [counts.families])
    assert not [key for key in samples(telemetry) if "shadow" in key[0]]
    shadow = Shadow(world.service, str(old.version), world.registry, [OnnxCodec()], telemetry, counts)
    observer = Shadowing(shadow, counts, 3600)
    app = create_app(world.service, load_settings({}), telemetry, Lifecycle(), observer)
    # Nothing waits before there is a second model.
    ask(app, "POST", PATH, body_of("SKU001", 10), QUICKLY)
    observer.start()
    until(lambda: shadow.version is not None)
    expected = []
    for row in ROWS:
        reply = ask(app, "POST", PATH, json.dumps(row).encode(), QUICKLY)
        expected.append(json.loads(reply.body)["est_hours_to_dispatch"])
    version = str(old.version)
    until(lambda: samples(telemetry).get(("weighbridge_shadow_rows_total", version)) == len(ROWS))
    observer.stop()
    found = samples(telemetry)
    predictor = OnnxCodec().decode(world.registry.fetch(old), old.record.schema)
    off = [abs(one - other) for one, other in zip(predictor.predict_rows(ROWS), expected, strict=True)]
    assert found["weighbridge_shadow_difference_count", version] == len(ROWS)
    assert found["weighbridge_shadow_difference_sum", version] == pytest.approx(sum(off))
    assert found["weighbridge_shadow_info", "onnx", QUICK.name, version] == 1
    assert found["weighbridge_shadow_failing",] == 0
    assert found["weighbridge_events_total", "shadow_changed"] == 1


def test_what_waits_is_bounded_and_the_rest_is_counted() -> None:
    world = ShadowWorld(str(two_releases()[0].version))
    world.shadow.follow()
    observer = Shadowing(world.shadow, world.told, 3600, most_waiting=3)
    for row in ROWS:
        observer.observe(world.loaded, row, 1.0, "id")
    assert world.told.counted == ["dropped"] * (len(ROWS) - 3)
    world.told.counted.clear()
    observer.start()
    until(lambda: world.told.counted)
    observer.stop()
    assert [len(one[1]) for one in world.told.counted] == [3]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.sampled_from(["v1", "v2"]),
            st.lists(st.sampled_from(DIFFERENCES) | st.floats(0, 1e6), max_size=5),
            st.integers(0, 9),
        ),
        max_size=8,
    )
)
def test_differences_of_all_processes_are_counted(told: list[tuple[int, str, list[float], int]]) -> None:
    memory = memoryview(bytearray(2 * SLOT_BYTES))
    tellers = [PrometheusShadow(SharedCounters(memory, slot)) for slot in range(2)]
    for slot, version, differences, number in told:
        tellers[slot].differed(version, differences)
        tellers[slot].labelled(version, number + 1, number)
        tellers[slot].failed(version, ROW, number)
        tellers[slot].dropped()
    for slot in range(2):
        tellers[slot].shadowing(None, "a problem")
        telemetry = PrometheusTelemetry(SharedCounters(memory, slot), SettableClock(), [tellers[slot].families])
        found = {key: number for key, number in samples(telemetry).items() if "shadow" in key[0]}
        assert found.pop(("weighbridge_shadow_failing",)) == 1
        assert found.pop(("weighbridge_shadow_dropped_total",)) == len(told)
        for version in {version for _, version, _, _ in told}:
            mine = [(differences, number) for _, name, differences, number in told if name == version]
            every = [one for differences, _ in mine for one in differences]
            numbers = sum(number for _, number in mine)
            rows = len(every) + numbers + len(mine)
            assert found.pop(("weighbridge_shadow_rows_total", version)) == rows
            assert found.pop(("weighbridge_shadow_disagreements_total", version)) == numbers
            assert found.pop(("weighbridge_shadow_failures_total", ROW, version)) == numbers
            if every:
                assert found.pop(("weighbridge_shadow_difference_count", version)) == len(every)
                assert found.pop(("weighbridge_shadow_difference_sum", version)) == pytest.approx(sum(every))
                found.pop(("weighbridge_shadow_difference_bucket", "+Inf", version))
                for bound in DIFFERENCES:
                    below = sum(one <= bound for one in every)
                    key = ("weighbridge_shadow_difference_bucket", repr(bound), version)
                    assert found.pop(key) == below
        assert found == {}


def test_when_there_is_no_room_to_count_nothing_fails() -> None:
    counters = SharedCounters(private_memory())
    counters.block(("all",), NUMBERS - 2)
    counts = PrometheusShadow(counters)
    counts.differed("v", [1.0])
    counts.dropped()
    counts.shadowing(None, None)
    assert [sample for family in counts.families() for sample in family.samples] != []
