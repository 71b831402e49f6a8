"""Training from beginning to end on real adapters: what is written, what is told, and what becomes live."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from io import BytesIO

import numpy as np
import pandas as pd
import pytest

from tests.support.clocks import SettableMemory
from tests.support.record_rules import valid_record
from tests.support.registry_contract import keys_of
from tests.support.stores import Crash, WrappedStore
from tests.support.worlds import World
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.adapters.system import SystemRevision
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.domain.data.admission import admit
from weighbridge.domain.data.dataset import split
from weighbridge.domain.errors import (
    ArtefactExists,
    ConfigurationError,
    DataError,
    ModelError,
    NothingReleased,
    StoreDenied,
)
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.evaluation.reason import read_reasons
from weighbridge.domain.events import Event
from weighbridge.domain.model.encoding import columns_of
from weighbridge.domain.model.predictor import columns_of_rows
from weighbridge.domain.ports import Ports
from weighbridge.domain.registry.events import ModelPromoted, ModelRefused, ModelReleased, PromotionHeld
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import ArtefactRef
from weighbridge.domain.store.events import DatasetChosen
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate
from weighbridge.domain.training.events import DatasetAdmitted, FormatSkipped, NothingNew, SearchFinished
from weighbridge.domain.training.search.progress import SearchProgress
from weighbridge.domain.training.task import TaskDefinition
from weighbridge.domain.workflow import Outcome, TrainingResult, put_dataset, train_and_release

TASK = replace(
    TIME_TO_DISPATCH,
    estimator=replace(TIME_TO_DISPATCH.estimator, grid={"regressor__max_depth": [3, 8]}, folds=2),
)
KEY = "datasets/time_to_dispatch_2021-07-01.csv"
NEWER = "datasets/time_to_dispatch_2021-07-02.csv"


class Steps(SearchProgress):
    """Remembers how far the search said it had come."""

    def __init__(self) -> None:
        self.said: list[object] = []

    def start(self, total: int) -> None:
        self.said.append(total)

    def advance(self, steps: int, best: float | None) -> None:
        self.said.append(steps)

    def finish(self) -> None:
        self.said.append("finished")


class TrainingWorld(World):
    """A world with all that a training needs."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = Steps()
        self.ports = Ports(
            store=self.store,
            registry=self.registry,
            reader=TabularReader(),
            codecs=(OnnxCodec(), SkopsCodec()),
            clock=self.clock,
            memory=SettableMemory(),
            revisions=SystemRevision("0a1b2c3"),
            events=self.recorder,
            progress=self.steps,
            software_version="1.2.3",
            operator="ann",
        )

    def train(
        self, task: TaskDefinition = TASK, force: bool = False, accepted: Mapping[str, str] | None = None
    ) -> TrainingResult:
        self.recorder.events.clear()
        result = train_and_release(task, self.ports, force, accepted or {})
        valid_record(result.document)
        return result

    @property
    def told(self) -> list[type[Event]]:
        return [type(event) for event in self.recorder.events]

    @property
    def live(self) -> str:
        return str(self.registry.live(TASK.name).version)


def csv(seed: int = 1, rows: int = 400) -> bytes:
    return simulate(rows, seed).to_csv(index=False).encode()


def with_threshold(error: float, warning: float) -> TaskDefinition:
    return replace(TASK, thresholds=(Threshold("r2", error, warning),))


@pytest.fixture
def world() -> TrainingWorld:
    world = TrainingWorld()
    world.store.write(KEY, csv())
    return world


@pytest.fixture
def trained(world: World) -> TrainingWorld:
    """A minute after the first release, which is trained only once."""
    for kind in ("models", "promotions", "trained"):
        for ref in first_release().store.list(f"{kind}/"):
            world.store.write(ref.key, first_release().store.read(ref).data)
    world.clock.advance(60)
    return world


@cache
def first_release() -> TrainingWorld:
    world = TrainingWorld()
    world.store.write(KEY, csv())
    world.train()
    return world


def test_a_good_model_is_released_and_promoted(world: World) -> None:
    result = world.train()
    record = result.document
    assert result.outcome == "released"
    assert result.live == ModelVersion.parse(TASK.name, record["version"])
    assert result.live.created == datetime(2021, 7, 3, 23, 5, 32, tzinfo=UTC)
    version = record["version"]
    reason = f"trained on {KEY}: release"
    assert world.recorder.events == [
        DatasetChosen(KEY, len(csv())),
        DatasetAdmitted(KEY, 400, sha256(csv()).hexdigest()),
        SearchFinished("tree_grid", 2, record["training"]["search"]["score"], 0.0),
        ModelReleased(version, "release", ()),
        ModelPromoted(version, reason),
    ]
    promotion = world.registry.live(TASK.name)
    assert (str(promotion.version), promotion.reason, promotion.by, promotion.hold) == (
        version,
        reason,
        "ann",
        False,
    )
    promotion_key = keys_of(world.store)[-1]
    model_key, record_key = f"models/{TASK.name}_{version}.onnx", f"models/{TASK.name}_{version}.json"
    digits = f"{sha256(csv()).hexdigest()[:16]}-{TASK.fingerprint[:8]}"
    trained_key = f"trained/{TASK.name}_{digits}-{version}-released.json"
    assert world.store.attempted == [KEY, model_key, trained_key, record_key, promotion_key]
    assert promotion_key == f"promotions/{TASK.name}_000000000001.json"
    assert (promotion.origin, promotion.rollback_to) == ("training", None)
    assert json.loads(world.store.read(record_key).data) == record
    assert (world.steps.said[0], world.steps.said[-1]) == (sum(world.steps.said[1:-1]), "finished")  # type: ignore[arg-type]


def test_the_record_tells_everything(world: World) -> None:
    record = world.train().document
    data = csv()
    model = world.store.read(record["model"]["key"])
    assert set(record) == {
        *("schema_version", "task", "version", "created_at", "dataset", "code", "libraries", "training"),
        *(
            "metrics",
            "thresholds",
            "checks",
            "decision",
            "model",
            "schema",
            "golden",
            "task_fingerprint",
            "run_id",
        ),
        *("after_promotion", "comparison", "findings", "phases", "report", "test_predictions", "test_errors"),
        "statistics",
    }
    assert record["comparison"] == {"live_version": None, "note": "nothing is live", "metrics": {}}
    assert [finding["name"] for finding in record["findings"]] == [rule.name for rule in TASK.rules]
    assert {finding["level"] for finding in record["findings"]} == {"ok"}
    assert record["phases"] == [
        {"name": name, "seconds": 0.0, "peak_bytes": 100_000_000}
        for name in ("read", "admit", "search", "weigh", "encode")
    ]
    assert len(record["test_predictions"]) == 64
    assert record["test_errors"]["rows"] == 80
    assert record["statistics"]["rows"] == 400
    assert record["schema_version"] == 2
    assert record["task"] == "time_to_dispatch"
    assert record["version"] == f"2021-07-03T23-05-32Z-{model.sha256[:8]}"
    assert record["created_at"] == "2021-07-03T23:05:32Z"
    assert record["dataset"] == {
        "key": KEY,
        "sha256": sha256(data).hexdigest(),
        "size": len(data),
        "revision": world.store.read(KEY).ref.revision,
        "version_id": None,
        "rows": 400,
    }
    assert record["code"] == {"revision": "0a1b2c3", "version": "1.2.3"}
    assert record["libraries"] == SystemRevision().libraries()
    training = record["training"]
    assert set(training) == {"estimator", "params", "search", "seed", "split", "seconds"}
    assert training["estimator"] == "sklearn.tree._classes.DecisionTreeRegressor"
    assert set(training["params"]) == {"regressor__max_depth"}
    assert training["params"]["regressor__max_depth"] in (3, 8)
    assert training["search"] | {"score": 0} == {
        "kind": "tree_grid",
        "points": 2,
        "folds": 2,
        "score": 0,
        "scoring": "r2",
    }
    assert 0.8 < training["search"]["score"] < 1
    assert (training["seed"], training["seconds"]) == (42, 0.0)
    assert training["split"] == {
        "test_size": 0.2,
        "stratify_by": "product_code",
        "seed": 42,
        "train_rows": 320,
        "test_rows": 80,
    }
    assert set(record["metrics"]) == {"r2", "mean_absolute_error", "root_mean_squared_error"}
    assert 0.9 < record["metrics"]["r2"] < 1
    assert 0 < record["metrics"]["mean_absolute_error"] < record["metrics"]["root_mean_squared_error"]
    assert record["thresholds"] == [{"metric": "r2", "error": 0.8, "warning": 0.9}]
    assert [(check["name"], check["passed"]) for check in record["checks"]] == [
        (check.name, True) for check in TASK.checks
    ]
    assert all(check["detail"] for check in record["checks"])
    assert record["decision"] == {"verdict": "release", "summary": "Released", "reasons": []}
    parity = record["model"].pop("parity")
    assert record["model"] == {
        "key": f"models/time_to_dispatch_{record['version']}.onnx",
        "format": "onnx",
        "sha256": sha256(model.data).hexdigest(),
        "size": len(model.data),
    }
    assert 0 <= parity.pop("max_relative_difference") <= 1e-5
    assert 0 <= parity.pop("exact") <= 80
    assert parity == {"rows": 80, "tolerance": 1e-5, "notes": []}
    assert record["schema"] == TASK.schema.to_dict() | {"fingerprint": TASK.schema.fingerprint}
    assert record["task_fingerprint"] == TASK.fingerprint


def test_the_time_it_took_is_the_clocks() -> None:
    class Working(Steps):
        """The search takes ninety seconds."""

        def finish(self) -> None:
            slow.clock.advance(90)

    slow = TrainingWorld()
    slow.store.write(KEY, csv())
    slow.ports = replace(slow.ports, progress=Working())
    record = slow.train().document
    [finished] = [event for event in slow.recorder.events if isinstance(event, SearchFinished)]
    assert (record["training"]["seconds"], finished.seconds) == (90.0, 90.0)
    assert record["created_at"] == "2021-07-03T23:07:02Z"


def test_golden_rows_span_the_predictions_and_hold_for_the_stored_model(world: World) -> None:
    release = world.registry.read(world.train().live)  # type: ignore[arg-type]
    golden = release.record.golden
    assert len(golden) == 10
    frame = pd.read_csv(pd.io.common.BytesIO(csv()))  # type: ignore[attr-defined]
    known = set(zip(frame["orders_placed"], frame["product_code"], strict=True))
    for row in golden:
        assert list(row.inputs) == ["orders_placed", "product_code"]
        assert (row.inputs["orders_placed"], row.inputs["product_code"]) in known
    predictions = [row.prediction for row in golden]
    assert predictions == sorted(predictions)
    assert predictions[0] < 2 < 10 < predictions[-1]
    predictor = OnnxCodec().decode(world.registry.fetch(release), TASK.schema)
    found = predictor.predict(columns_of_rows([row.inputs for row in golden]))
    np.testing.assert_allclose(found, predictions, rtol=1e-5)
    # The smallest and the largest of the rows that it was weighed on are among them.
    dataset = admit(TabularReader().read(world.store.read(KEY), TASK.schema), TASK.schema, KEY)
    test = split(dataset, TASK.split, TASK.estimator.folds, KEY).test
    every = predictor.predict(columns_of(test.features, TASK.schema))
    np.testing.assert_allclose([predictions[0], predictions[-1]], [every.min(), every.max()], rtol=1e-5)


def test_a_small_test_part_is_golden_as_a_whole(world: World) -> None:
    world.store.write(NEWER, csv(rows=35, seed=3))
    record = world.train(replace(with_threshold(0.0, 0.0), checks=())).document
    assert record["training"]["split"]["test_rows"] == 7
    assert len(record["golden"]) == 7


def test_a_model_below_the_warning_level_is_released_with_a_warning(world: World) -> None:
    result = world.train(with_threshold(0.8, 0.99))
    r2 = result.document["metrics"]["r2"]
    [reason] = read_reasons(result.document)
    assert result.outcome == "released"
    assert result.document["decision"]["summary"] == "Released: 1 warning"
    assert (reason.severity, reason.source, reason.name) == ("warning", "threshold", "r2")
    assert reason.text.startswith(
        f"r2 {r2:.6g} is below its warning threshold 0.99; worst slices: product_code SKU"
    )
    version = result.document["version"]
    promoted_for = f"trained on {KEY}: release_with_warning"
    assert world.recorder.events[3:] == [
        ModelReleased(version, "release_with_warning", (f"warning: {reason.shown}",), "1 warning"),
        ModelPromoted(version, promoted_for),
    ]
    assert world.registry.live(TASK.name).reason == promoted_for
    assert world.live == version


def test_a_model_below_the_error_level_leaves_its_record_and_nothing_else(world: World) -> None:
    result = world.train(with_threshold(0.99, 0.99))
    record = result.document
    [reason] = read_reasons(record)
    assert (result.outcome, result.live) == ("rejected", None)
    assert record["decision"]["summary"] == "Refused: 1 error"
    assert (reason.severity, reason.source, reason.name) == ("error", "threshold", "r2")
    assert reason.text.startswith(
        f"r2 {record['metrics']['r2']:.6g} is below its error threshold 0.99; worst slices: "
    )
    assert record["model"]["key"] is None
    assert record["model"]["sha256"][:8] == record["version"][-8:]
    assert world.recorder.events[3:] == [ModelRefused(record["version"], (f"error: {reason.shown}",), "1 error")]
    [key] = keys_of(world.store)
    assert key == f"rejected/time_to_dispatch_{record['version']}.json"
    assert json.loads(world.store.read(key).data) == record


def test_every_reason_is_given_and_the_live_model_stays(trained: World) -> None:
    before = trained.live
    shuffled = simulate(400, 2, shuffled=("SKU004", "SKU005")).to_csv(index=False).encode()
    trained.store.write(NEWER, shuffled)
    result = trained.train(with_threshold(0.95, 0.95))
    assert result.outcome == "rejected"
    assert str(result.live) == trained.live == before
    reasons = [reason.text for reason in read_reasons(result.document)]
    failed = [check for check in result.document["checks"] if not check["passed"]]
    compared = result.document["comparison"]
    assert compared["live_version"] == before
    assert set(compared["metrics"]["r2"]) == {"candidate", "live"}
    assert compared["metrics"]["r2"]["candidate"] == result.document["metrics"]["r2"]
    raised = [finding for finding in result.document["findings"] if finding["level"] != "ok"]
    assert [finding["level"] for finding in raised] == ["error", "error"]
    below = (
        f"r2 {result.document['metrics']['r2']:.6g} is below its error threshold 0.95; worst slices: product_code"
    )
    assert reasons[0].startswith(below)
    assert {"SKU004", "SKU005"} <= set(re.findall(r"SKU\d+", reasons[0]))
    assert reasons[1:] == [
        *(f"rule '{finding['name']}': {finding['detail']}" for finding in raised),
        *(f"check '{check['name']}' failed: {check['detail']}" for check in failed),
    ]
    assert len(result.document["checks"]) == 3


def test_an_accepted_change_is_released_and_recorded_with_its_reason(trained: World) -> None:
    minutes = simulate(400, 2)
    minutes["hours_to_dispatch"] *= 60
    trained.store.write(NEWER, minutes.to_csv(index=False).encode())
    refused = trained.train()
    assert (refused.outcome, read_reasons(refused.document)[0].name) == (
        "rejected",
        "target changed",
    )
    trained.clock.advance(60)
    result = trained.train(accepted={"target changed": "minutes now", "too few rows": "unused"})
    assert (result.outcome, str(result.live)) == ("released", result.document["version"])
    [accepted] = [one for one in read_reasons(result.document) if one.accepted]
    assert (accepted.severity, accepted.name, accepted.accepted) == ("warning", "target changed", "minutes now")
    assert accepted.shown.endswith(" (accepted: minutes now)")
    assert result.document["decision"]["summary"].endswith(", 1 accepted reason")


def test_what_a_task_does_not_have_cannot_be_accepted(world: World) -> None:
    with pytest.raises(ConfigurationError, match=r"^there is nothing to accept by the name 'drift'; there are "):
        world.train(accepted={"drift": "so what"})
    assert keys_of(world.store) == []


def test_a_failed_check_alone_refuses(world: World) -> None:
    failing = replace(TASK.checks[1], bound=1e6)  # type: ignore[type-var]
    result = world.train(replace(TASK, checks=(failing, TASK.checks[2])))
    assert result.outcome == "rejected"
    [reason] = read_reasons(result.document)
    assert (reason.severity, reason.source) == ("error", "check")
    assert reason.text.startswith(
        "check 'predictions are not below 1e+06' failed: 400 of 400 predictions are below"
    )


def test_the_same_dataset_is_left_alone(trained: World) -> None:
    before, document = keys_of(trained.store), trained.registry.newest(TASK.name)
    assert document is not None
    result = trained.train()
    assert (result.outcome, result.document) == ("nothing_new", document.document)
    assert str(result.live) == trained.live == result.document["version"]
    assert trained.recorder.events == [DatasetChosen(KEY, len(csv())), NothingNew(KEY, trained.live)]
    assert keys_of(trained.store) == before


def test_the_same_bytes_under_a_newer_name_are_nothing_new(trained: World) -> None:
    trained.store.write(NEWER, csv())
    assert trained.train().outcome == "nothing_new"
    assert trained.recorder.events == [DatasetChosen(NEWER, len(csv())), NothingNew(NEWER, trained.live)]


def test_force_trains_anyway(trained: World) -> None:
    first = trained.live
    result = trained.train(force=True)
    assert result.outcome == "released"
    assert (trained.live, trained.live[-8:]) == (result.document["version"], first[-8:])
    assert trained.live != first
    assert [str(release.version) for release in trained.registry.releases(TASK.name)] == [trained.live, first]


def test_another_dataset_is_trained_on(trained: World) -> None:
    first = trained.live
    trained.store.write(NEWER, csv(seed=2))
    result = trained.train()
    assert result.outcome == "released"
    assert result.document["dataset"]["key"] == NEWER
    assert trained.live == result.document["version"] != first


@pytest.mark.parametrize(
    "change",
    [
        lambda task: replace(task, thresholds=(Threshold("r2", 0.7, 0.7),)),
        lambda task: replace(task, checks=()),
        lambda task: replace(task, split=replace(task.split, seed=7)),
        lambda task: replace(task, estimator=replace(task.estimator, grid={"regressor__max_depth": [9]})),
    ],
    ids=["thresholds", "checks", "seed", "grid"],
)
def test_a_changed_task_is_trained_again(
    trained: TrainingWorld, change: Callable[[TaskDefinition], TaskDefinition]
) -> None:
    assert trained.train(change(TASK)).outcome == "released"


def test_the_same_bytes_and_task_give_the_same_model(world: World) -> None:
    other = TrainingWorld()
    other.clock.advance(86_400)
    other.store.write(NEWER, csv())
    one, two = world.train().document, other.train().document
    for field in ("metrics", "checks", "decision", "golden", "schema", "task_fingerprint", "training"):
        assert one[field] == two[field]
    assert one["version"] != two["version"]
    models = [where.store.read(at["model"]["key"]).data for where, at in ((world, one), (other, two))]
    assert models[0] == models[1]
    assert one["model"]["parity"] == two["model"]["parity"]


def test_a_second_training_in_a_second_has_a_later_version(world: World) -> None:
    first = world.train()
    second = world.train(force=True)
    assert (first.live, second.live) == (first.live, world.registry.live(TASK.name).version)
    assert first.live is not None
    assert second.live is not None
    assert second.live.created == first.live.created + timedelta(seconds=1)


class Blind(StoreRegistry):
    """A registry of which somebody else's newest versions do not show yet."""

    def newest_version(self, task: str) -> ModelVersion | None:
        return None


def test_a_twin_in_the_same_second_is_nothing_new(world: World) -> None:
    first = world.train()
    before = keys_of(world.store)
    world.ports = replace(world.ports, registry=Blind(world.store, world.clock))
    second = world.train(force=True)
    assert second == TrainingResult(Outcome.NOTHING_NEW, first.document, first.live)
    assert world.told == [DatasetChosen, DatasetAdmitted, SearchFinished, NothingNew]
    assert world.recorder.events[-1] == NothingNew(KEY, first.document["version"])
    assert keys_of(world.store) == before


def test_a_twin_that_was_not_promoted_is_promoted(world: World) -> None:
    world.store.crash_at(4, after=False)
    with pytest.raises(Crash):
        world.train()
    world.ports = replace(world.ports, registry=Blind(world.store, world.clock))
    result = world.train(force=True)
    assert (result.outcome, str(result.live)) == ("nothing_new", result.document["version"])
    assert world.told[3:] == [NothingNew, ModelPromoted]


def test_a_version_taken_by_another_training_is_an_error(world: World) -> None:
    """The same model in the same second, but by another task: its record must not stand for this one."""
    world.train()
    before = keys_of(world.store)
    world.ports = replace(world.ports, registry=Blind(world.store, world.clock))
    with pytest.raises(ArtefactExists):
        world.train(with_threshold(0.7, 0.7))
    assert keys_of(world.store) == before


def test_a_held_promotion_is_left_alone(trained: World) -> None:
    held = trained.registry.promote(trained.registry.live(TASK.name).version, "until monday", "bob", hold=True)
    trained.clock.advance(60)
    trained.store.write(NEWER, csv(seed=2))
    result = trained.train()
    version = result.document["version"]
    assert (result.outcome, result.live) == ("released", held.version)
    assert trained.recorder.events[3:] == [
        ModelReleased(version, "release", ()),
        PromotionHeld(version, str(held.version), "until monday"),
    ]
    assert trained.registry.live(TASK.name) == held
    assert trained.registry.newest(TASK.name) == trained.registry.read(
        ModelVersion.parse(TASK.name, result.document["version"])
    )
    # Not at the next training either, nor when the hold ends for another version: that is somebody's choice.
    trained.clock.advance(60)
    assert trained.train().live == held.version
    assert trained.told == [DatasetChosen, NothingNew, PromotionHeld]
    trained.registry.promote(held.version, "monday", "bob")
    trained.clock.advance(60)
    assert trained.train().live == held.version
    assert trained.told == [DatasetChosen, NothingNew]
    trained.store.write("datasets/time_to_dispatch_2021-07-03.csv", csv(seed=3))
    assert str(trained.train().live) == trained.live == str(trained.registry.newest(TASK.name).version)  # type: ignore[union-attr]


@pytest.mark.parametrize("moment", ["first", "later", "same-second"])
def test_a_promotion_that_a_crash_prevented_is_made_up_for(world: TrainingWorld, moment: str) -> None:
    if moment != "first":
        world.train()
        world.store.write(NEWER, csv(seed=2))
        world.clock.advance(60)
    if moment == "same-second":
        world.registry.promote(world.registry.live(TASK.name).version, "to be sure", "bob")
    world.store.crash_at(4, after=False)
    with pytest.raises(Crash):
        world.train()
    newest = world.registry.newest(TASK.name)
    assert newest is not None
    world.clock.advance(60)
    result = world.train()
    assert (result.outcome, result.live) == ("nothing_new", newest.version)
    reason = "its training was interrupted before the promotion"
    assert world.recorder.events[1:] == [
        NothingNew(KEY if moment == "first" else NEWER, str(newest.version)),
        ModelPromoted(str(newest.version), reason),
    ]
    assert world.registry.live(TASK.name).reason == reason
    # Once.
    world.clock.advance(60)
    assert world.train().live == newest.version
    assert world.told == [DatasetChosen, NothingNew]


@pytest.mark.parametrize(("write", "after"), [(1, False), (1, True), (2, False), (2, True), (3, False)])
def test_a_training_that_was_cut_off_before_its_publication_is_done_again(
    world: TrainingWorld, write: int, after: bool
) -> None:
    world.store.crash_at(write, after)
    with pytest.raises(Crash):
        world.train()
    with pytest.raises(NothingReleased):
        world.registry.live(TASK.name)
    result = world.train()
    assert (result.outcome, result.document["version"]) == ("released", world.live)


def test_a_training_that_was_cut_off_after_its_promotion_is_complete(world: World) -> None:
    world.store.crash_at(4, after=True)
    with pytest.raises(Crash):
        world.train()
    world.clock.advance(1)
    result = world.train()
    assert (result.outcome, str(result.live)) == ("nothing_new", world.live)
    assert world.told == [DatasetChosen, NothingNew]


def test_after_a_rollback_the_same_dataset_promotes_nothing(trained: World) -> None:
    first = trained.registry.live(TASK.name).version
    trained.store.write(NEWER, csv(seed=2))
    second = trained.train().live
    assert second != first
    trained.clock.advance(60)
    rollback = trained.registry.promote(first, "the new one is odd", "bob")
    trained.clock.advance(60)
    result = trained.train()
    assert (result.outcome, result.live) == ("nothing_new", first)
    assert result.document["version"] == str(second)
    assert trained.told == [DatasetChosen, NothingNew]
    assert trained.registry.live(TASK.name) == rollback


BAD = {
    "empty": b"",
    "header": b"hours_to_dispatch,orders_placed,product_code\n",
    "unknown product": csv().replace(b"SKU003", b"SKU999", 1),
    "text among numbers": csv().replace(b",SKU001", b"x,SKU001", 1),
    "a missing column": simulate(400, 1).drop(columns="product_code").to_csv(index=False).encode(),
    "too few rows": csv(rows=8),
    "not a table": b"\x00\xff\xfe",
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_bad_data_writes_nothing(trained: TrainingWorld, data: bytes) -> None:
    before, live = keys_of(trained.store), trained.registry.live(TASK.name)
    trained.store.write(NEWER, data)
    with pytest.raises(DataError) as caught:
        trained.train()
    assert caught.value.subject == NEWER
    assert caught.value.problems
    assert keys_of(trained.store) == before
    assert trained.registry.live(TASK.name) == live
    assert set(trained.told) <= {DatasetChosen, DatasetAdmitted}


def test_no_dataset_writes_nothing() -> None:
    world = TrainingWorld()
    with pytest.raises(DataError) as caught:
        world.train()
    [problem] = caught.value.problems
    assert "there is no dataset of time_to_dispatch" in problem.message
    assert (keys_of(world.store), world.recorder.events) == ([], [])


def test_a_format_that_cannot_hold_the_model_is_passed_over(world: World) -> None:
    class Fussy(OnnxCodec):
        """Takes no model at all."""

        def encode(self, model: object, schema: object) -> bytes:
            raise ModelError("not this one")

    world.ports = replace(world.ports, codecs=(Fussy(), SkopsCodec()))
    record = world.train().document
    note = "onnx: not this one"
    assert world.recorder.events[3] == FormatSkipped(note)
    assert world.told[4:] == [ModelReleased, ModelPromoted]
    assert (record["model"]["format"], record["model"]["key"][-6:]) == ("skops", ".skops")
    assert record["model"]["parity"]["notes"] == [note]
    assert SkopsCodec().decode(world.store.read(record["model"]["key"]).data, TASK.schema)
    world.ports = replace(world.ports, codecs=(Fussy(),))
    before = keys_of(world.store)
    with pytest.raises(ModelError, match="not this one"):
        world.train(force=True)
    assert keys_of(world.store) == before


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_dataset_is_put_under_its_proper_name(suffix: str) -> None:
    world = TrainingWorld()
    frame = simulate(30, 1)
    data = frame.to_csv(index=False).encode() if suffix == ".csv" else frame.to_parquet(index=False)
    at = datetime(2021, 7, 1, 16, 45, 38, 900_000, tzinfo=UTC)
    ref, rows = put_dataset(TASK, suffix, BytesIO(data), at, world.ports)
    assert isinstance(ref, ArtefactRef)
    assert (ref.key, rows) == (f"datasets/time_to_dispatch_2021-07-01T16-45-38Z{suffix}", 30)
    assert world.store.read(ref).data == data
    with pytest.raises(ArtefactExists):
        put_dataset(TASK, suffix, BytesIO(data), at, world.ports)


# Whether there are enough rows to train on is the split's question.
@pytest.mark.parametrize("data", [data for name, data in BAD.items() if name != "too few rows"])
def test_a_dataset_that_would_not_be_admitted_is_not_put(data: bytes) -> None:
    world = TrainingWorld()
    with pytest.raises(DataError) as caught:
        put_dataset(TASK, ".csv", BytesIO(data), datetime(2021, 7, 1, tzinfo=UTC), world.ports)
    assert caught.value.subject == "datasets/time_to_dispatch_2021-07-01T00-00-00Z.csv"
    assert world.store.attempted == []


class ReadOnlyStore(WrappedStore):
    """A store that may be read, and tells before a write that it may not be written."""

    def __init__(self, store: ArtefactStore) -> None:
        super().__init__(store)
        self.checked: list[tuple[str, int]] = []

    def check_write(self, key: str, size: int) -> None:
        self.checked.append((key, size))
        raise StoreDenied("memory://: nothing may be written")


def test_that_nothing_may_be_written_is_found_out_before_the_search(world: TrainingWorld) -> None:
    store = ReadOnlyStore(world.store)
    with pytest.raises(StoreDenied, match="nothing may be written"):
        train_and_release(TASK, replace(world.ports, store=store))
    assert world.steps.said == []
    ((key, size),) = store.checked
    kinds = ("models", "promotions", "rejected", "reports")
    written = [ref.name for kind in kinds for ref in first_release().store.list(f"{kind}/")]
    assert max(map(len, written)) <= len(key.partition("/")[2])
    assert key.startswith(f"models/{TASK.name}_")
    assert size > 0
