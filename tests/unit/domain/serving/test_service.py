"""The service follows the live release, and nothing that happens to the store takes its model away."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import quick_task as trained
from tests.support.clocks import START, SettableClock
from tests.support.quick_task import QUICK, store_of_two
from tests.support.worlds import ServiceWorld
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.domain.data.admission import admit
from weighbridge.domain.data.dataset import split
from weighbridge.domain.data.schema import Number, Schema
from weighbridge.domain.errors import (
    IncompatibleModel,
    ModelUnreadable,
    NothingReleased,
    RegistryError,
    StoreUnavailable,
    UnknownVersion,
    WeighbridgeError,
)
from weighbridge.domain.model.predictor import columns_of_rows
from weighbridge.domain.registry.promotions import Decision
from weighbridge.domain.registry.provenance import Record
from weighbridge.domain.serving.events import FellBack, ModelLoaded, RefreshFailed
from weighbridge.domain.serving.row_predictor import RowPredictor
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef

TASK = QUICK.name


@pytest.fixture
def world() -> ServiceWorld:
    return ServiceWorld()


@pytest.fixture
def loaded(world: ServiceWorld) -> ServiceWorld:
    """The second release is loaded."""
    world.service.load()
    world.recorder.take()
    world.clock.advance(60)
    return world


def test_a_service_begins_with_nothing(world: ServiceWorld) -> None:
    assert (world.service.task, world.service.loaded, world.service.problem) == (TASK, None, None)
    assert world.recorder.events == []


def test_the_live_release_is_loaded(world: ServiceWorld) -> None:
    world.service.load()
    model = world.service.loaded
    assert model is not None
    assert model.promotion == world.registry.live(TASK)
    assert model.release == world.registry.read(world.second)
    assert model.loaded_at == START
    assert model.schema == QUICK.schema
    assert world.recorder.events == [ModelLoaded(str(world.second), 0.0)]
    assert world.service.problem is None


@pytest.mark.parametrize("follow", [PredictionService.load, PredictionService.refresh])
def test_a_new_promotion_is_followed(loaded: ServiceWorld, follow: Callable[[PredictionService], None]) -> None:
    before = loaded.service.loaded
    follow(loaded.service)
    assert loaded.service.loaded is before
    assert loaded.recorder.take() == []
    loaded.promote(loaded.first)
    follow(loaded.service)
    assert loaded.serving == loaded.first
    assert loaded.service.loaded is not None
    assert loaded.service.loaded.promotion == loaded.registry.live(TASK)
    assert loaded.service.loaded.loaded_at == loaded.clock.now()
    assert loaded.recorder.take() == [ModelLoaded(str(loaded.first), 0.0)]


def test_another_promotion_of_the_same_version_changes_what_is_said_and_not_the_model(
    loaded: ServiceWorld,
) -> None:
    before = loaded.service.loaded
    assert before is not None
    held = loaded.registry.promote(loaded.second, "until monday", "bob", hold=True)
    # The bytes are not even looked at.
    model_key = before.release.record.model.key
    assert model_key is not None
    loaded.replace(model_key, None)
    loaded.service.refresh()
    assert loaded.service.loaded == replace(before, promotion=held)
    assert loaded.service.loaded is not None
    assert loaded.service.loaded.predictor is before.predictor
    assert (loaded.service.problem, loaded.recorder.take()) == (None, [])


def test_the_time_that_loading_took_is_told(world: ServiceWorld) -> None:
    class SlowCodec(OnnxCodec):
        """Takes two seconds."""

        def decode(self, data: bytes, schema: Schema) -> Any:
            world.clock.advance(2)
            return super().decode(data, schema)

    service = PredictionService(TASK, world.registry, (SlowCodec(),), world.clock, world.recorder)
    service.load()
    assert world.recorder.events == [ModelLoaded(str(world.second), 2.0)]


def test_a_model_that_was_taken_stays_usable(
    loaded: ServiceWorld,
) -> None:
    row = QUICK.schema.admit_row({"orders_placed": 123, "product_code": "SKU004"})
    taken = loaded.service.loaded
    assert taken is not None
    before = RowPredictor(taken).predict(row)
    loaded.promote(loaded.first)
    loaded.service.refresh()
    now = loaded.service.loaded
    assert now is not None
    assert RowPredictor(taken).predict(row) == before
    assert (taken.release.version, now.release.version) == (loaded.second, loaded.first)
    assert RowPredictor(now).predict(row).answer != before.answer


def test_predictions_are_those_of_the_model_that_was_fitted(
    loaded: ServiceWorld,
) -> None:
    record = loaded.registry.read(loaded.second).record
    data = trained.csv(seed=2)
    unread = Artefact(ArtefactRef("datasets/a.csv", len(data), "", None, START), data, sha256(data).hexdigest())
    dataset = admit(TabularReader().read(unread, QUICK.schema), QUICK.schema, "a")
    assert record.dataset.sha256 == unread.sha256
    train = split(dataset, QUICK.split, QUICK.estimator.folds, "a").train
    pipeline = QUICK.estimator.pipeline(QUICK.split.seed).set_params(**record.training.params)
    pipeline.fit(train.features, train.target)
    model = loaded.service.loaded
    assert model is not None

    @given(
        st.fixed_dictionaries(
            {
                "orders_placed": st.floats(0, 1e6) | st.integers(0, 400),
                "product_code": st.sampled_from(QUICK.schema.features[1].levels),  # type: ignore[union-attr]
            }
        )
    )
    def check(row: dict[str, Any]) -> None:
        expected = float(pipeline.predict(pd.DataFrame([row]))[0])
        found = RowPredictor(model).predict(model.schema.admit_row(row))
        assert found.answer == pytest.approx(expected, rel=1e-5)

    check()


def _bytes_are(data: bytes | None) -> Callable[[ServiceWorld], None]:
    def spoil(world: ServiceWorld) -> None:
        key = world.registry.read(world.first).record.model.key
        assert key is not None
        world.replace(key, data)

    return spoil


def _record_is(data: bytes | None) -> Callable[[ServiceWorld], None]:
    return lambda world: world.replace(world.first.record_key, data)


def _record_says(change: Callable[[Record], Record]) -> Callable[[ServiceWorld], None]:
    def spoil(world: ServiceWorld) -> None:
        record = change(world.registry.read(world.first).record)
        world.replace(world.first.record_key, record.to_json())

    return spoil


def _garbage(world: ServiceWorld) -> None:
    """Bytes that are exactly what was published, and no model."""
    digest = sha256(b"garbage").hexdigest()
    _bytes_are(b"garbage")(world)
    _record_says(lambda record: replace(record, model=replace(record.model, sha256=digest)))(world)


def _golden(change: Callable[[Any], Any]) -> Callable[[ServiceWorld], None]:
    return _record_says(lambda record: replace(record, golden=(*record.golden[:-1], change(record.golden[-1]))))


def _promotion(world: ServiceWorld) -> None:
    world.store.write(f"promotions/{TASK}_{world.registry.live(TASK).number + 1:012}.json", b"{}")


ONE_FEATURE = Schema((Number("orders_placed", minimum=0),), QUICK.schema.target, QUICK.schema.prediction)

FAULTS: dict[str, tuple[Callable[[ServiceWorld], None], type[WeighbridgeError], str]] = {
    "garbage": (_garbage, ModelUnreadable, ""),
    "other bytes": (_bytes_are(b"other"), ModelUnreadable, "are not those that were published"),
    "no bytes": (_bytes_are(None), ModelUnreadable, "is gone"),
    "golden": (
        _golden(lambda row: replace(row, prediction=row.prediction * 1.01)),
        IncompatibleModel,
        "fails its golden rows: off by 0.0099, allowed is 1e-05",
    ),
    "golden prediction of another type": (
        _golden(lambda row: replace(row, prediction="many")),
        IncompatibleModel,
        "golden rows",
    ),
    "golden row without a feature": (
        _golden(lambda row: replace(row, inputs={})),
        IncompatibleModel,
        "golden rows",
    ),
    "golden row of another type": (
        _golden(lambda row: replace(row, inputs=None)),
        IncompatibleModel,
        "golden rows",
    ),
    "golden row of an unknown product": (
        _golden(lambda row: replace(row, inputs=row.inputs | {"product_code": "SKU999"})),
        IncompatibleModel,
        "golden rows",
    ),
    "unknown format": (
        _record_says(lambda record: replace(record, model=replace(record.model, format="pmml"))),
        ModelUnreadable,
        "has the format pmml; readable are onnx, skops",
    ),
    "another schema": (_record_says(lambda record: replace(record, schema=ONE_FEATURE)), IncompatibleModel, ""),
    "unreadable record": (_record_is(b"{}"), RegistryError, "cannot be read"),
    "no record": (_record_is(None), UnknownVersion, "there is no release"),
    "unreadable promotion": (_promotion, RegistryError, "the promotion"),
}


@pytest.mark.parametrize(("spoil", "kind", "says"), FAULTS.values(), ids=FAULTS.keys())
def test_a_bad_release_is_not_loaded_and_is_reported_once(
    loaded: ServiceWorld, spoil: Callable[[ServiceWorld], None], kind: type[WeighbridgeError], says: str
) -> None:
    before = loaded.service.loaded
    loaded.promote(loaded.first)
    spoil(loaded)
    with pytest.raises(kind) as caught:
        loaded.service.load()
    assert type(caught.value) is kind
    assert (loaded.recorder.take(), loaded.service.problem) == ([], None)
    for _ in range(2):
        loaded.service.refresh()
        assert loaded.service.loaded is before
        problem = loaded.problem
        assert says in problem
        assert "\n" not in problem
        if kind is not RegistryError and says != "":
            assert str(loaded.first) in problem
    assert loaded.recorder.take() == [RefreshFailed(str(loaded.second), problem)]
    # Somebody promotes a good one again: all is well, and the next fault is news.
    loaded.clock.advance(86_400 * 36_500)
    loaded.promote(loaded.second)
    loaded.service.refresh()
    assert loaded.service.problem is None
    assert loaded.serving == loaded.second
    assert loaded.recorder.take() == []
    loaded.store.write(f"promotions/{TASK}_{loaded.registry.live(TASK).number + 1:012}.json", b"{}")
    loaded.service.refresh()
    assert len(loaded.recorder.take()) == 1


def test_golden_rows_may_be_off_by_the_tolerance(world: ServiceWorld) -> None:
    _golden(lambda row: replace(row, prediction=row.prediction * (1 + 5e-6)))(world)
    world.promote(world.first)
    world.service.load()
    assert world.serving == world.first


def test_a_record_without_golden_rows_is_not_loaded(world: ServiceWorld) -> None:
    _record_says(lambda record: replace(record, golden=()))(world)
    world.promote(world.first)
    with pytest.raises(IncompatibleModel, match="has no golden rows"):
        world.service.load()


@pytest.mark.parametrize("damage", [None, b"other bytes"], ids=["gone", "other"])
def test_a_new_service_may_fall_back_from_a_damaged_release(world: ServiceWorld, damage: bytes | None) -> None:
    for kind in ("models/", "record"):
        key = world.second.model_key("onnx") if kind == "models/" else world.second.record_key
        whole = world.store.read(key).data
        world.replace(key, damage)
        service = PredictionService(
            QUICK.name, world.registry, (OnnxCodec(),), world.clock, world.recorder, fall_back=True
        )
        world.recorder.take()
        service.refresh()
        assert service.loaded is not None
        assert service.loaded.release.version == world.first
        assert str(world.second) in (service.problem or "")
        loaded, fell, failed = world.recorder.take()
        assert isinstance(loaded, ModelLoaded)
        assert fell == FellBack(str(world.first), str(world.second))
        assert failed == RefreshFailed(str(world.first), service.problem or "")
        # As soon as the live one is whole again, it is served.
        world.store.delete(key) if damage is not None else None
        world.store.write(key, whole)
        service.refresh()
        assert service.loaded.release.version == world.second
        assert service.problem is None


def test_an_outage_is_sat_out(
    loaded: ServiceWorld,
) -> None:
    before = loaded.service.loaded
    loaded.unsteady.go_away()
    with pytest.raises(StoreUnavailable):
        loaded.service.load()
    for _ in range(3):
        loaded.service.refresh()
        assert loaded.service.loaded is before
        assert loaded.service.problem == "the store does not answer"
    assert loaded.recorder.take() == [RefreshFailed(str(loaded.second), "the store does not answer")]
    loaded.unsteady.come_back()
    loaded.promote(loaded.first)
    loaded.service.refresh()
    assert (loaded.service.problem, loaded.serving) == (None, loaded.first)
    loaded.recorder.take()
    loaded.unsteady.go_away()
    loaded.service.refresh()
    assert loaded.recorder.take() == [RefreshFailed(str(loaded.first), "the store does not answer")]


def test_another_problem_is_news(
    loaded: ServiceWorld,
) -> None:
    loaded.unsteady.go_away()
    loaded.service.refresh()
    loaded.unsteady.come_back()
    loaded.promote(loaded.first)
    _bytes_are(None)(loaded)
    loaded.service.refresh()
    assert [type(event) for event in loaded.recorder.take()] == [RefreshFailed, RefreshFailed]
    assert "is gone" in loaded.problem


def test_nothing_released_is_a_problem_and_not_an_event_while_there_is_no_model() -> None:
    world = ServiceWorld(MemoryStore(SettableClock()))
    with pytest.raises(NothingReleased) as caught:
        world.service.load()
    assert world.service.problem is None
    for _ in range(2):
        world.service.refresh()
        assert world.problem == str(caught.value)
        assert world.serving is None
    assert world.recorder.events == []
    trained.copy(store_of_two(), world.store)
    world.service.refresh()
    assert (world.service.problem, world.serving) == (None, world.second)
    assert world.recorder.events == [ModelLoaded(str(world.second), 0.0)]


def test_a_log_that_is_gone_is_news_while_a_model_is_served(
    loaded: ServiceWorld,
) -> None:
    before = loaded.service.loaded
    for ref in list(loaded.store.list("promotions/")):
        loaded.store.delete(ref.key)
    for _ in range(2):
        loaded.service.refresh()
        assert loaded.service.loaded is before
        problem = loaded.problem
        assert f"no model of {TASK} has been released" in problem
    assert loaded.recorder.take() == [RefreshFailed(str(loaded.second), problem)]


def test_a_first_release_that_is_bad_leaves_no_model(world: ServiceWorld) -> None:
    world.promote(world.first)
    _bytes_are(None)(world)
    world.service.refresh()
    assert world.service.loaded is None
    [event] = world.recorder.events
    assert isinstance(event, RefreshFailed)
    assert event.serving is None


_JSON: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, -1, 1e308, "", "x", [], [None], {}, {"x": []}, 10**400]
)


@given(st.data())
def test_whatever_a_record_says_refresh_never_raises(data: st.DataObject) -> None:
    """Any part of the live record, replaced by anything: what is served is a whole release, or the old one."""
    world = ServiceWorld()
    world.service.load()
    document = json.loads(world.store.read(world.first.record_key).data)
    part: Any = document
    while True:
        place = data.draw(st.sampled_from(list(part) if isinstance(part, dict) else range(len(part))))
        if not (isinstance(part[place], dict | list) and part[place]) or data.draw(st.booleans()):
            break
        part = part[place]
    part[place] = data.draw(_JSON)
    world.replace(world.first.record_key, json.dumps(document).encode())
    world.promote(world.first) if _is_readable(world) else _promote_unread(world)
    world.service.refresh()
    assert world.service.loaded is not None
    if world.service.problem is None:
        assert world.serving == world.first
        row = world.service.loaded.schema.admit_row({"orders_placed": 1, "product_code": "SKU001"})
        assert RowPredictor(world.service.loaded).predict(row).answer >= 0  # type: ignore[operator]
    else:
        assert world.serving == world.second


def _is_readable(world: ServiceWorld) -> bool:
    try:
        world.registry.read(world.first)
    except RegistryError:
        return False
    return True


def _promote_unread(world: ServiceWorld) -> None:
    world.registry.append(Decision(world.first, "", ""), world.registry.live(TASK))


def test_rows_become_columns_by_the_features_of_the_first() -> None:
    columns = columns_of_rows([{"b": 1.5, "a": "y"}, {"a": "x", "b": 2.0}])
    assert list(columns) == ["b", "a"]
    assert (columns["b"].dtype, columns["a"].dtype) == (np.float64, object)
    assert (columns["b"].tolist(), columns["a"].tolist()) == ([1.5, 2.0], ["y", "x"])
    assert columns_of_rows([]) == {}
