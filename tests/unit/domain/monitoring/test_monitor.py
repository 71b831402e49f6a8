"""Monitoring: what is said of answers that are as they should be, of drift, of labels, and of a log in pieces."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.class_task import LEVELS, WINES, service_of_classes
from tests.support.clocks import START, SettableClock
from tests.support.http_service import service_of_two
from tests.support.quick_task import QUICK, two_releases
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.prediction_log.parquet import ParquetPredictions
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.errors import DataError, TaskError
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.evaluation.rules.distribution import PopulationStability
from weighbridge.domain.evaluation.rules.rule import FindingLevel
from weighbridge.domain.monitoring.labels import find_labels
from weighbridge.domain.monitoring.monitor import monitor, read_log
from weighbridge.domain.monitoring.monitor_report import MonitorReport
from weighbridge.domain.monitoring.prediction_log import LoggedAnswer, log_key, write_file
from weighbridge.domain.serving.service import LoadedModel
from weighbridge.domain.statistics.column_summaries import CategorySummary, NumberSummary, summarise_column
from weighbridge.domain.statistics.drift import compare_columns
from weighbridge.domain.statistics.prediction_drift import unexplained_classes, unexplained_numbers
from weighbridge.domain.statistics.summaries import Statistics
from weighbridge.domain.tasks.time_to_dispatch import simulate
from weighbridge.domain.training.task import TaskDefinition

TABLES = ParquetPredictions()
HOUR = timedelta(hours=1)
BY_ROW = replace(QUICK, join=("orders_placed", "product_code"))


def loaded() -> LoadedModel:
    model = service_of_two().loaded
    assert model is not None
    return model


MODEL = loaded()
ROWS = simulate(600, 77)
FEATURES = list(QUICK.schema.feature_names)


class Bench:
    """A store with a log of what was answered, and a look at it."""

    def __init__(self, task: TaskDefinition = QUICK, model: LoadedModel = MODEL) -> None:
        self.task, self.model = task, model
        self.store = MemoryStore(SettableClock())

    def log(self, frame: pd.DataFrame, answers: Sequence[Any] | None = None, hidden: Sequence[str] = ()) -> None:
        rows = [self.model.schema.admit_row(row) for row in frame.to_dict("records")]  # type: ignore[arg-type]
        given = answers if answers is not None else self.model.predictor.predict_rows(rows)
        pairs = zip(rows, given, strict=True)
        logged = [LoggedAnswer(self.model, row, one, f"{place}", START) for place, (row, one) in enumerate(pairs)]
        write_file(self.store, TABLES, logged, hidden)

    def put(self, frame: pd.DataFrame, hours: int = 1) -> None:
        name = f"{self.task.name}_{START + hours * HOUR:%Y-%m-%dT%H:%M:%S}.csv"
        self.store.write(f"datasets/{name}", frame.to_csv(index=False).encode())

    def look(self) -> MonitorReport:
        start, end = START - HOUR, START + HOUR
        log = read_log(self.store, TABLES, self.task.name, start, end)
        return monitor(self.task, self.model.release, log, start, end, self.store, TabularReader())


def by_name(report: MonitorReport) -> dict[str, FindingLevel]:
    return {finding.name: finding.level for finding in report.every_finding}


def test_nothing_logged_is_nothing_found() -> None:
    report = Bench().look()
    assert (report.level, report.log.rows, report.every_finding) == (FindingLevel.OK, 0, ())
    assert report.to_dict()["rows"] == 0


def test_rows_of_the_same_source_are_fine() -> None:
    bench = Bench()
    bench.log(ROWS[FEATURES])
    report = bench.look()
    assert by_name(report) == {
        "feature drift by population stability index": FindingLevel.OK,
        "feature drift by Kolmogorov-Smirnov distance": FindingLevel.OK,
        "predictions against the training target": FindingLevel.OK,
    }
    assert report.log.versions == {str(MODEL.release.version): 600}
    document = report.to_dict()
    assert (document["level"], document["reasons"], document["warnings"]) == ("ok", [], [])
    assert document["labels"]["problem"] == "the task names no columns to join by"


def test_the_measures_are_those_of_training() -> None:
    bench = Bench()
    bench.log(ROWS[FEATURES])
    trained = Statistics.from_dict(MODEL.release.record.statistics)
    expected = [
        compare_columns(name, trained.features[name], summarise_column(ROWS[name])) for name in trained.features
    ]
    assert list(bench.look().drifts) == expected


def test_drifted_inputs_reach_the_error_level_and_say_why() -> None:
    bench = Bench()
    bench.log(ROWS[FEATURES].assign(orders_placed=lambda frame: frame["orders_placed"] + 80))
    report = bench.look()
    assert report.level is FindingLevel.ERROR
    first, second = report.reasons(FindingLevel.ERROR)[:2]
    assert first.startswith("feature drift by population stability index: 'orders_placed' (PSI ")
    assert second.startswith("feature drift by Kolmogorov-Smirnov distance: 'orders_placed' (KS distance 0.")
    assert report.to_dict()["reasons"] == report.reasons(FindingLevel.ERROR)


def test_the_levels_are_those_of_the_task() -> None:
    mild = ROWS[FEATURES].assign(orders_placed=lambda frame: frame["orders_placed"] + 25)
    for level in (0.01, 5.0):
        rules = (PopulationStability(warning=level, error=level),)
        bench = Bench(replace(QUICK, rules=rules))
        bench.log(mild)
        found = by_name(bench.look())["feature drift by population stability index"]
        assert found is (FindingLevel.ERROR if level < 1 else FindingLevel.OK)


def test_predictions_alone_can_be_wrong() -> None:
    bench = Bench()
    bench.log(ROWS[FEATURES], [500.0] * len(ROWS))
    assert by_name(bench.look()) == {
        "feature drift by population stability index": FindingLevel.OK,
        "feature drift by Kolmogorov-Smirnov distance": FindingLevel.OK,
        "predictions against the training target": FindingLevel.ERROR,
    }


def test_what_other_versions_answered_says_nothing_of_the_live_one() -> None:
    bench = Bench()
    bench.model = replace(MODEL, release=two_releases()[0])
    bench.log(ROWS[FEATURES], [500.0] * len(ROWS))
    bench.model = MODEL
    report = bench.look()
    assert report.level is FindingLevel.OK
    assert report.findings[2].detail == "skipped: no prediction of the live release is logged"
    assert list(report.log.versions) == [str(two_releases()[0].version)]


def test_what_is_redacted_is_not_looked_at() -> None:
    bench = Bench(BY_ROW)
    bench.log(ROWS[FEATURES], hidden=["product_code"])
    report = bench.look()
    assert [drift.column for drift in report.drifts] == ["orders_placed"]
    assert report.findings[-1].detail == "skipped: product_code not logged"
    assert report.labels is not None
    assert report.labels.problem.startswith("no row of the live release is logged with the columns to join by")


def distinct() -> pd.DataFrame:
    """Rows that their features tell apart, with their labels."""
    return ROWS.drop_duplicates(FEATURES).reset_index(drop=True)


def test_labels_that_came_later_give_the_metrics() -> None:
    bench, rows = Bench(BY_ROW), distinct()
    bench.log(rows[FEATURES])
    bench.put(rows)
    bench.put(rows.head(9), hours=2)
    bench.put(rows.assign(hours_to_dispatch=0.0), hours=-2)
    labels = bench.look().labels
    assert labels is not None
    assert (labels.labelled, labels.ambiguous, labels.unlabelled, labels.datasets) == (len(rows), 0, 0, 2)
    assert labels.metrics is not None
    assert labels.metrics["r2"] > 0.9
    predicted = np.array(MODEL.predictor.predict_rows(rows[FEATURES].to_dict("records")))  # type: ignore[arg-type]
    expected = np.abs(predicted - rows["hours_to_dispatch"]).mean()
    assert labels.metrics["mean_absolute_error"] == pytest.approx(expected)
    assert labels.findings == ()


def test_labels_that_disagree_with_the_model_reach_the_error_level() -> None:
    bench, rows = Bench(BY_ROW), distinct()
    bench.log(rows[FEATURES])
    bench.put(rows.assign(hours_to_dispatch=rows["hours_to_dispatch"].to_numpy()[::-1]))
    report = bench.look()
    assert report.level is FindingLevel.ERROR
    (reason,) = report.reasons(FindingLevel.ERROR)
    assert reason.startswith("labels that came later: r2 ")
    assert reason.endswith("is below its error threshold 0.8")


def test_thresholds_of_what_is_not_logged_are_said_not_to_be_weighed() -> None:
    thresholds = (
        Threshold("r2", error=0.1, warning=0.2),
        Threshold("mean_absolute_error", error=1e-6, warning=1e-7, slice_by="product_code", smallest=2),
        Threshold("neg_median_absolute_error", error=-1e-6, warning=-1e-7),
    )
    rows = distinct().drop_duplicates("orders_placed").reset_index(drop=True)
    for hidden, said, reasons in (
        ([], ("neg_median_absolute_error",), 5),
        (["product_code"], ("mean_absolute_error by product_code", "neg_median_absolute_error"), 0),
    ):
        bench = Bench(replace(QUICK, thresholds=thresholds, join=("orders_placed",)))
        bench.log(rows[FEATURES], hidden=hidden)
        bench.put(rows)
        labels = bench.look().labels
        assert labels is not None
        assert labels.not_weighed == said
        assert len(labels.findings) == reasons


def test_what_is_ambiguous_or_too_little_is_counted_and_left_out() -> None:
    bench, rows = Bench(BY_ROW), distinct().head(60)
    bench.log(rows[FEATURES])
    bench.put(rows.head(39))
    bench.put(rows.head(10).assign(hours_to_dispatch=0.123), hours=2)
    bench.store.write(f"datasets/{QUICK.name}_2021-07-05.csv", b"nothing\n1\n")
    labels = bench.look().labels
    assert labels is not None
    assert (labels.labelled, labels.ambiguous, labels.unlabelled) == (29, 10, 21)
    assert labels.problem == "fewer than 30 rows have a label"
    assert labels.metrics is None
    assert [key for key, _ in labels.passed_over] == [f"datasets/{QUICK.name}_2021-07-05.csv"]


KEYS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), max_size=12)


@given(KEYS, KEYS, st.lists(st.integers(0, 3), max_size=8))
def test_a_label_is_found_when_it_is_the_only_one(
    one: list[tuple[int, int]], other: list[tuple[int, int]], wanted: list[int]
) -> None:
    frames = [
        pd.DataFrame(
            {
                "orders_placed": [float(key) for key, _ in pairs],
                "product_code": ["SKU001"] * len(pairs),
                "hours_to_dispatch": [float(label) for _, label in pairs],
            }
        )
        for pairs in (one, other)
    ]
    rows = pd.DataFrame({"orders_placed": np.array(wanted, np.float64)})
    datasets = [Dataset(frame, QUICK.schema) for frame in frames]
    found = find_labels(rows, datasets, ("orders_placed",), QUICK.schema)
    labels = {key: {label for other_key, label in (*one, *other) if other_key == key} for key in wanted}
    single = [place for place, key in enumerate(wanted) if len(labels[key]) == 1]
    assert list(found.places) == single
    assert list(found.labels) == [float(next(iter(labels[wanted[place]]))) for place in single]
    assert found.ambiguous == sum(len(labels[key]) > 1 for key in wanted)
    assert found.unlabelled == sum(not labels[key] for key in wanted)


NUMBERS = st.floats(-1e6, 1e6)


@given(st.lists(st.tuples(NUMBERS, st.floats(-1e3, 1e3)), min_size=1, max_size=60))
def test_errors_explain_the_predictions_that_they_are_of(pairs: list[tuple[float, float]]) -> None:
    target = pd.Series([label for label, _ in pairs])
    predicted = pd.Series([label + error for label, error in pairs])
    summaries = [summarise_column(one) for one in (target, predicted, (predicted - target).abs())]
    numbers = [one for one in summaries if isinstance(one, NumberSummary)]
    assert unexplained_numbers(*numbers) <= 1e-9


@given(st.lists(NUMBERS, min_size=1, max_size=60), st.floats(0, 10), st.booleans())
def test_errors_do_not_explain_what_is_beyond_them(values: list[float], error: float, below: bool) -> None:
    shift = (max(values) - min(values) + error + 1) * (-1 if below else 1)
    target, predicted, errors = (
        summarise_column(pd.Series(one)) for one in (values, [value + shift for value in values], [error])
    )
    assert isinstance(target, NumberSummary)
    assert isinstance(predicted, NumberSummary)
    assert isinstance(errors, NumberSummary)
    assert unexplained_numbers(target, predicted, errors) == 1.0


LABELS = st.sampled_from("abc")


@given(st.lists(st.tuples(LABELS, LABELS), min_size=1, max_size=30))
def test_wrong_labels_explain_the_shares_that_they_are_of(pairs: list[tuple[str, str]]) -> None:
    target, predicted = (summarise_column(pd.Series(list(one), dtype=object)) for one in zip(*pairs, strict=True))
    assert isinstance(target, CategorySummary)
    assert isinstance(predicted, CategorySummary)
    accuracy = sum(one == other for one, other in pairs) / len(pairs)
    assert unexplained_classes(target, predicted, accuracy) <= 1e-9
    elsewhere = CategorySummary(5, 0, {"d": 5})
    assert unexplained_classes(target, elsewhere, 0.75) == pytest.approx(0.75)


def test_classes_are_looked_at_as_well() -> None:
    model = service_of_classes().loaded
    assert model is not None
    made = np.random.default_rng(8)
    place = made.integers(0, 3, 200)
    frame = pd.DataFrame({"alcohol": made.normal(12 + place, 1.0), "colour": made.normal(place, 1.0)})
    rows = [model.schema.admit_row(row) for row in frame.to_dict("records")]  # type: ignore[arg-type]
    bench = Bench(replace(WINES, join=("alcohol", "colour")), model)
    bench.log(frame, model.predictor.classify_rows(rows))
    bench.put(frame.assign(wine=np.array(LEVELS)[place]))
    labels = bench.look().labels
    assert labels is not None
    assert labels.metrics is not None
    assert labels.labelled == 200
    assert set(labels.metrics) == {"accuracy", "balanced_accuracy", "f1_macro", "log_loss", "roc_auc"}
    assert all(np.isfinite(value) for value in labels.metrics.values())


def test_rows_outside_of_the_window_are_left_out() -> None:
    bench = Bench()
    bench.log(ROWS[FEATURES])
    for start, end, rows in ((START, START + HOUR, 600), (START - HOUR, START, 0)):
        log = read_log(bench.store, TABLES, QUICK.name, start, end)
        assert (log.rows, log.files) == (rows, 1)


def test_every_file_that_cannot_be_read_is_told() -> None:
    bench = Bench()
    keys = [log_key(QUICK.name, START + timedelta(seconds=second), "0" * 64) for second in (1, 2)]
    for key in keys:
        bench.store.write(key, b"nothing")
    with pytest.raises(DataError) as caught:
        bench.look()
    assert len(caught.value.problems) == 2


def test_columns_to_join_by_are_features_and_change_the_fingerprint() -> None:
    assert BY_ROW.fingerprint != QUICK.fingerprint
    assert "join" not in QUICK.describe()
    for join, fault in (
        (("orders",), "join: 'orders' is not a feature; there are orders_placed, product_code"),
        (("hours_to_dispatch",), "join: 'hours_to_dispatch' is not a feature"),
        (("product_code",) * 2, "join: a feature is named twice"),
        ("product_code", "join: it is 'product_code'; it must be a tuple"),
    ):
        with pytest.raises(TaskError, match=fault):
            replace(QUICK, join=join)
