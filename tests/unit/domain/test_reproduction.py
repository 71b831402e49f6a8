"""Reproducing a release: everything matches, or exactly what was tampered with does not."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.quick_task import QUICK, csv, store_of_two, two_releases
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import DataError, TaskError, UnknownVersion
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.model.predictions import prediction_digest
from weighbridge.domain.ports import Ports
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.reproduction import Compared, Reproduction, reproduce
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.training.task import TaskDefinition
from weighbridge.domain.workflow import put_dataset, train_and_release
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.settings import load_settings

#: A grid in which the recorded depth is not alone.
SEARCHED = replace(QUICK, estimator=replace(QUICK.estimator, grid={"regressor__max_depth": [2, 8]}))


def ports_on(store: MemoryStore) -> Ports:
    container = wire(load_settings({"store": "memory://", "no_report": True, "git_commit_hash": "0123abcd"}))
    container.store.override(store)
    ports: Ports = container.ports()
    return ports


def again(
    store: MemoryStore,
    version: ModelVersion | None = None,
    task: TaskDefinition = QUICK,
    whole_search: bool = False,
) -> Reproduction:
    return reproduce(version or two_releases()[1].version, task, ports_on(store), whole_search)


def tamper(store: MemoryStore, version: ModelVersion, change: Callable[[dict[str, Any]], object]) -> None:
    """Write a record anew, with one thing changed."""
    document = json.loads(store.read(version.record_key).data)
    change(document)
    store.delete(version.record_key)
    store.write(version.record_key, json.dumps(document).encode())


def different(found: Reproduction) -> list[str]:
    assert found.holds == all(one.same for one in found.results)
    return [one.what for one in found.results if not one.same]


NUMBER_ROWS = [
    "rows of the dataset",
    "parameter regressor__max_depth",
    "metric r2",
    "metric mean_absolute_error",
    "metric root_mean_squared_error",
    "predictions on the golden rows",
    "predictions on the test rows",
]


@pytest.mark.parametrize("which", [0, 1])
def test_an_untouched_release_is_reproduced(which: int) -> None:
    store, release = store_of_two(), two_releases()[which]
    before = {kind: [ref.key for ref in store.list(f"{kind}/")] for kind in ("datasets", "models", "promotions")}
    found = again(store, release.version)
    assert (found.version, found.holds) == (str(release.version), True)
    assert [one.what for one in found.results] == NUMBER_ROWS
    record = release.record
    golden = repr([row.prediction for row in record.golden])
    shown = ["400", "8", *map(repr, record.metrics.values()), golden, repr(record.test_predictions)]
    assert found.results[:-1] == tuple(
        Compared(what, value, value) for what, value in zip(NUMBER_ROWS[:-1], shown[:-1], strict=True)
    )
    assert record.test_predictions in found.results[-1].reproduced
    # Nothing is written.
    assert before == {
        kind: [ref.key for ref in store.list(f"{kind}/")] for kind in ("datasets", "models", "promotions")
    }


def test_the_whole_search_is_repeated_when_asked_for() -> None:
    found = again(store_of_two(), whole_search=True)
    assert found.holds
    assert [one.what for one in found.results] == [NUMBER_ROWS[0], "search score", *NUMBER_ROWS[1:]]
    score = repr(two_releases()[1].record.training.search.score)
    assert found.results[1] == Compared("search score", score, score)


def test_a_larger_grid_chooses_again() -> None:
    assert again(store_of_two(), task=SEARCHED, whole_search=True).holds
    # Without the search the grid is not looked at.
    fewer = replace(QUICK, estimator=replace(QUICK.estimator, grid={"regressor__max_depth": [2]}))
    assert again(store_of_two(), task=fewer).holds
    found = again(store_of_two(), task=fewer, whole_search=True)
    assert not found.holds
    assert found.results[2] == Compared("parameter regressor__max_depth", "8", "2")
    assert different(found) == ["search score", *NUMBER_ROWS[1:]]


def test_parameters_of_which_only_one_side_knows_are_compared() -> None:
    more = replace(
        QUICK,
        estimator=replace(QUICK.estimator, grid={**QUICK.estimator.grid, "regressor__min_samples_leaf": [1]}),
    )
    found = again(store_of_two(), task=more, whole_search=True)
    assert different(found) == ["parameter regressor__min_samples_leaf"]
    [row] = [one for one in found.results if not one.same]
    assert (row.recorded, row.reproduced) == ("None", "1")


def nudge(number: float) -> float:
    """The nearest greater number."""
    return float(np.nextafter(number, np.inf))


def _metric(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda record: record["metrics"].update({name: nudge(record["metrics"][name])})


def _golden(record: dict[str, Any]) -> None:
    record["golden"][3]["prediction"] = nudge(record["golden"][3]["prediction"])


def _golden_input(record: dict[str, Any]) -> None:
    record["golden"][0]["inputs"]["orders_placed"] = 1e6


TAMPERED: dict[str, tuple[Callable[[dict[str, Any]], object], list[str]]] = {
    "r2": (_metric("r2"), ["metric r2"]),
    "mean_absolute_error": (_metric("mean_absolute_error"), ["metric mean_absolute_error"]),
    "no metric": (lambda record: record["metrics"].update(r2=None), ["metric r2"]),
    "a metric less": (lambda record: record["metrics"].pop("r2"), ["metric r2"]),
    "a metric more": (lambda record: record["metrics"].update(weather=1.0), ["metric weather"]),
    "golden": (_golden, ["predictions on the golden rows"]),
    "golden inputs": (_golden_input, ["predictions on the golden rows"]),
    "test_predictions": (
        lambda record: record.update(test_predictions="0" * 64),
        ["predictions on the test rows"],
    ),
    "rows": (lambda record: record["dataset"].update(rows=399), ["rows of the dataset"]),
}


@pytest.mark.parametrize("case", TAMPERED)
def test_exactly_what_was_tampered_with_differs(case: str) -> None:
    change, expected = TAMPERED[case]
    store, (_, release) = store_of_two(), two_releases()
    tamper(store, release.version, change)
    found = again(store)
    assert not found.holds
    assert different(found) == expected


def test_tampered_parameters_differ_from_what_is_searched_and_fit_another_model() -> None:
    store, (_, release) = store_of_two(), two_releases()
    tamper(store, release.version, lambda record: record["training"]["params"].update(regressor__max_depth=2))
    assert different(again(store, whole_search=True)) == ["parameter regressor__max_depth"]
    assert different(again(store)) == NUMBER_ROWS[2:]


def test_a_tampered_score_of_the_search_differs() -> None:
    store, (_, release) = store_of_two(), two_releases()
    tamper(
        store,
        release.version,
        lambda record: record["training"]["search"].update(score=nudge(release.record.training.search.score)),
    )
    assert different(again(store, whole_search=True)) == ["search score"]
    assert again(store).holds


@pytest.mark.parametrize(
    "change",
    [
        lambda record: record["training"].update(seed=7),
        lambda record: record["training"]["split"].update(seed=7),
        lambda record: record["training"]["split"].update(test_size=0.4),
        lambda record: record["training"]["split"].update(stratify_by=None),
    ],
    ids=["seed", "split seed", "test size", "stratum"],
)
def test_seeds_and_split_are_those_of_the_record(change: Callable[[dict[str, Any]], object]) -> None:
    store, (_, release) = store_of_two(), two_releases()
    # The task's own are not looked at.
    other = replace(QUICK, split=replace(QUICK.split, seed=1, test_size=0.5, stratify_by=None))
    assert again(store, task=other).holds
    tamper(store, release.version, change)
    found = again(store)
    assert not found.holds
    assert set(different(found)) <= set(NUMBER_ROWS[2:])


def test_parameters_that_do_not_fit_the_pipeline_are_a_task_error() -> None:
    store, (_, release) = store_of_two(), two_releases()
    tamper(store, release.version, lambda record: record["training"]["params"].update(regressor__colour="red"))
    with pytest.raises(TaskError, match="colour"):
        again(store)


def test_a_dataset_that_is_gone_is_told() -> None:
    store, (_, release) = store_of_two(), two_releases()
    store.delete(release.record.dataset.key)
    with pytest.raises(DataError) as caught:
        again(store)
    assert str(caught.value) == (f"{release.record.dataset.key}: 1 problem\n  the dataset is gone from the store")


def test_a_dataset_that_was_replaced_is_told() -> None:
    store, (_, release) = store_of_two(), two_releases()
    source = release.record.dataset
    data = store.read(source.key).data + b"\n"
    store.delete(source.key)
    written = store.write(source.key, data)
    with pytest.raises(DataError) as caught:
        again(store)
    assert caught.value.subject == source.key
    [problem] = caught.value.problems
    assert problem.message == (
        f"its sha256 is {store.read(written).sha256}, not {source.sha256} as recorded: it was replaced since"
    )
    # The very same bytes, written anew, are as good as the first.
    store.delete(source.key)
    store.write(source.key, csv(seed=2))
    assert again(store).holds


def test_a_task_of_another_schema_is_refused() -> None:
    _, release = two_releases()
    other = replace(QUICK, schema=replace(QUICK.schema, prediction="hours"))
    with pytest.raises(TaskError) as caught:
        again(store_of_two(), task=other)
    assert str(caught.value) == (
        f"the schema of task 'time_to_dispatch' is not the one that {release.version} was trained with"
    )


def test_only_a_release_is_reproduced() -> None:
    with pytest.raises(UnknownVersion):
        again(store_of_two(), replace(two_releases()[0].version, digest="00000000"))


def test_an_environment_that_differs_is_listed_and_decides_nothing() -> None:
    store, (_, release) = store_of_two(), two_releases()

    def change(record: dict[str, Any]) -> None:
        record["code"] = {"revision": "fedcba9", "version": "0.0.1"}
        record["libraries"]["numpy"] = "1.0"
        record["libraries"]["abacus"] = "3.1"
        del record["libraries"]["pandas"]

    tamper(store, release.version, change)
    ports = ports_on(store)
    now = ports.revisions.libraries()
    found = again(store)
    assert found.holds
    assert found.environment == (
        Compared("code revision", "fedcba9", "0123abcd"),
        Compared("code version", "0.0.1", ports.software_version),
        Compared("library abacus", "3.1", "none"),
        Compared("library numpy", "1.0", now["numpy"]),
        Compared("library pandas", "none", now["pandas"]),
    )


def test_the_same_environment_is_not_listed() -> None:
    store, (_, release) = store_of_two(), two_releases()
    assert release.record.code.revision != "0123abcd"
    tamper(store, release.version, lambda record: record["code"].update(revision="0123abcd"))
    assert again(store).environment == ()


def test_as_plain_data() -> None:
    same, other = Compared("a", "1", "1"), Compared("b", "1", "2")
    assert Reproduction("v", (other,), (same, other)).to_dict() == {
        "version": "v",
        "holds": False,
        "environment": [{"what": "b", "recorded": "1", "reproduced": "2"}],
        "results": [
            {"what": "a", "recorded": "1", "reproduced": "1", "same": True},
            {"what": "b", "recorded": "1", "reproduced": "2", "same": False},
        ],
    }
    assert Reproduction("v", (other,), (same,)).holds


# Classes, with further metrics and slices


def pipeline(seed: int) -> Any:
    """A forest of three."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.pipeline import Pipeline

    return Pipeline([("forest", RandomForestClassifier(3, random_state=seed))])


COLOURS = TaskDefinition(
    name="colours",
    schema=Schema((Number("x"), Number("y")), Category("colour", ("red", "blue")), "predicted_colour"),
    estimator=EstimatorSpec(pipeline, {"forest__max_depth": [3]}, folds=2, scoring="accuracy"),
    thresholds=(
        Threshold("accuracy", 0.0, 0.0),
        Threshold("f1_weighted", 0.0, 0.0),
        Threshold("accuracy", 0.0, 0.0, slice_by="colour", smallest=2),
    ),
)


@cache
def _coloured() -> tuple[MemoryStore, ModelVersion]:
    random = np.random.default_rng(3)
    x, y = random.normal(size=(2, 200))
    colour = np.where(x + random.normal(0, 0.7, 200) > 0, "red", "blue")
    data = pd.DataFrame({"x": x, "y": y, "colour": colour}).to_csv(index=False).encode()
    store = MemoryStore(SystemClock())
    ports = ports_on(store)
    put_dataset(COLOURS, ".csv", BytesIO(data), ports.clock.now(), ports)
    live = train_and_release(COLOURS, ports).live
    assert live is not None
    return store, live


def coloured() -> tuple[MemoryStore, ModelVersion]:
    """A store of its own with one release, and its version."""
    source, version = _coloured()
    store = MemoryStore(SystemClock())
    for kind in ("datasets", "models", "promotions"):
        for ref in source.list(f"{kind}/"):
            store.write(ref.key, source.read(ref).data)
    return store, version


CLASS_ROWS = [
    *("rows of the dataset", "search score", "parameter forest__max_depth", "metric accuracy"),
    *("metric balanced_accuracy", "metric f1_macro", "metric log_loss", "metric roc_auc", "metric f1_weighted"),
    *("metric accuracy[colour=blue]", "metric accuracy[colour=red]", "predictions on the golden rows"),
    *("probabilities on the golden rows", "predictions on the test rows"),
]


def test_a_classifier_is_reproduced_with_its_slices_and_probabilities() -> None:
    store, version = coloured()
    found = again(store, version, COLOURS, whole_search=True)
    assert found.holds
    assert [one.what for one in found.results] == CLASS_ROWS
    assert again(store, version, COLOURS).holds


def _label(record: dict[str, Any]) -> None:
    golden = record["golden"][0]
    golden["prediction"] = "red" if golden["prediction"] == "blue" else "blue"


def _probability(record: dict[str, Any]) -> None:
    likely = record["golden"][0]["probabilities"]
    likely["red"] = nudge(likely["red"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_label, "predictions on the golden rows"),
        (_probability, "probabilities on the golden rows"),
        (lambda record: record["golden"][0].pop("probabilities"), "probabilities on the golden rows"),
        (lambda record: record.update(test_predictions="0" * 64), "predictions on the test rows"),
        *((_metric(row.removeprefix("metric ")), row) for row in CLASS_ROWS if row.startswith("metric ")),
    ],
)
def test_exactly_what_was_tampered_with_differs_for_classes(
    change: Callable[[dict[str, Any]], object], expected: str
) -> None:
    store, version = coloured()
    tamper(store, version, change)
    assert different(again(store, version, COLOURS)) == [expected]


def test_a_digest_tells_predictions_apart_to_the_last_bit() -> None:
    numbers = np.array([1.0, 2.0, 0.0])
    same = [numbers, numbers.copy(), np.array([1.0, 9, 2.0, 9, 0.0])[::2], numbers.astype(">f8")]
    others = [numbers[::-1], numbers[:2], np.nextafter(numbers, 3), np.array([1.0, 2.0, -0.0])]
    assert {prediction_digest(one) for one in same} == {prediction_digest(numbers)}
    assert prediction_digest(numbers) not in {prediction_digest(one) for one in others}
    labels = np.array(["red", "blue"], dtype=object)
    assert prediction_digest(labels) == prediction_digest(labels.astype("U4"))
    others = [labels[::-1], labels[:1], np.array(["red", "Blue"], dtype=object)]
    assert prediction_digest(labels) not in {prediction_digest(one) for one in others}
