"""The evaluation as a whole: what is asked of the live model, what becomes a reason, and what blocks nothing."""

import json
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.support.quick_task import QUICK, csv, store_of_two
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.data.admission import admit
from weighbridge.domain.data.dataset import Dataset, Split, SplitSpec, split
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import ModelError
from weighbridge.domain.evaluation.checks.check import CheckResult, NotBelow
from weighbridge.domain.evaluation.comparison import NotWorseThanLive
from weighbridge.domain.evaluation.gate import Threshold, Verdict
from weighbridge.domain.evaluation.metrics import measure
from weighbridge.domain.evaluation.rules.rule import Evidence, Finding, FindingLevel, Rule
from weighbridge.domain.model.fitted import FittedModel
from weighbridge.domain.model.predictor import Columns, Predictor
from weighbridge.domain.statistics.column_summaries import column_to_dict
from weighbridge.domain.statistics.summaries import summarise
from weighbridge.domain.tasks.time_to_dispatch import simulate
from weighbridge.domain.training.candidate_evaluation import Evaluation, evaluate
from weighbridge.domain.training.live_model import DecodedModel, LiveModel, live_model
from weighbridge.domain.training.search.search import fit
from weighbridge.domain.training.task import TaskDefinition
from weighbridge.domain.workflow import Outcome, train_and_release
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.settings import load_settings

#: The task without anything but one threshold.
PLAIN = replace(QUICK, checks=(), comparisons=(), rules=())


@cache
def data() -> tuple[Dataset, Split]:
    dataset = admit(simulate(400, 13), QUICK.schema, "a test")
    return dataset, split(dataset, QUICK.split, QUICK.estimator.folds, "a test")


@cache
def fitted(depth: int = 8) -> FittedModel:
    return fit(QUICK.estimator, data()[1].train, 42, {"regressor__max_depth": depth})


@cache
def live() -> LiveModel:
    registry = StoreRegistry(store_of_two(), SystemClock())
    found = live_model(registry, [OnnxCodec()], QUICK.name, QUICK.schema)
    assert found.model is not None
    return found


def evaluated(
    task: TaskDefinition, depth: int = 8, against: LiveModel | None = None, history: Any = ()
) -> Evaluation:
    return evaluate(
        task, fitted(depth), *data(), LiveModel(note="nothing is live") if against is None else against, history
    )


@dataclass(frozen=True)
class Always(Rule):
    """Finds what it was told to, and keeps the evidence."""

    level: FindingLevel
    called: str = "always"
    seen: list[Evidence] = field(default_factory=list, compare=False)

    @property
    def name(self) -> str:
        return self.called

    def validate(self, schema: Schema) -> None:
        """Fits any."""

    def inspect(self, evidence: Evidence) -> Finding:
        self.seen.append(evidence)
        return Finding(self.name, self.level, f"it is {self.level}", {"one": 1.0})


def test_both_models_are_scored_on_the_same_rows() -> None:
    _, parts = data()
    found = evaluated(PLAIN, against=live())
    model = live().model
    assert model is not None
    assert found.metrics == measure(fitted(), parts.test)
    assert found.live.metrics == measure(model, parts.test)
    assert found.live.version == str(live().version)
    assert found.live.metrics["r2"] != found.metrics["r2"]
    assert found.live.to_dict(found.metrics) == {
        "live_version": str(live().version),
        "note": "",
        "metrics": {
            name: {"candidate": found.metrics[name], "live": found.live.metrics[name]}
            for name in ("r2", "mean_absolute_error", "root_mean_squared_error")
        },
    }
    assert found.predicted.tolist() == fitted().predict(parts.test.features).tolist()


def test_the_statistics_are_of_every_row_and_the_errors_of_the_test_rows() -> None:
    dataset, parts = data()
    found = evaluated(PLAIN)
    assert found.statistics == summarise(dataset)
    assert found.statistics.rows == 400
    errors = np.abs(parts.test.target.to_numpy() - found.predicted)
    assert found.test_errors is not None
    assert (found.test_errors.rows, found.test_errors.maximum) == (80, errors.max())
    assert found.test_errors.mean == pytest.approx(found.metrics["mean_absolute_error"])


def test_further_metrics_and_slices_are_measured_where_a_threshold_asks_for_them() -> None:
    task = replace(
        PLAIN,
        thresholds=(
            Threshold("r2", 0.8, 0.9),
            Threshold("neg_max_error", -500.0, -0.001),
            Threshold("mean_absolute_error", 50, 0.001, slice_by="product_code", smallest=2),
        ),
    )
    _, parts = data()
    found = evaluated(task)
    errors = pd.Series(np.abs(parts.test.target.to_numpy() - found.predicted))
    by_product = errors.groupby(parts.test.frame["product_code"]).mean()
    assert list(found.metrics) == [
        *("r2", "mean_absolute_error", "root_mean_squared_error", "neg_max_error"),
        *(f"mean_absolute_error[product_code={product}]" for product in by_product.index),
    ]
    assert found.metrics["neg_max_error"] == -errors.max()
    for product, error in by_product.items():
        assert found.metrics[f"mean_absolute_error[product_code={product}]"] == pytest.approx(error)
    assert found.decision.verdict == Verdict.RELEASE_WITH_WARNING
    assert [reason.name for reason in found.decision.reasons] == list(found.metrics)[3:]


def test_everything_against_a_candidate_is_a_reason_in_order() -> None:
    task = replace(
        QUICK,
        thresholds=(Threshold("r2", 0.99, 0.995),),
        checks=(NotBelow(1e6),),
        comparisons=(NotWorseThanLive("r2", warning=0.01, error=0.5), NotWorseThanLive("mean_absolute_error")),
        rules=(
            Always(FindingLevel.ERROR, "bad"),
            Always(FindingLevel.OK, "fine"),
            Always(FindingLevel.WARNING, "odd"),
        ),
    )
    found = evaluated(task, depth=2, against=live())
    ours, theirs = found.metrics["r2"], found.live.metrics["r2"]
    [check] = found.checks
    assert isinstance(check, CheckResult)
    assert found.decision.verdict == Verdict.REJECT
    texts = [one.text.partition("; worst slices: ")[0] for one in found.decision.reasons]
    assert texts == [
        f"r2 {ours:.6g} is below its error threshold 0.99",
        "rule 'bad': it is error",
        f"check '{check.name}' failed: {check.detail}",
        f"r2 {ours:.6g} is worse than the live model's {theirs:.6g} on the same rows by more than 0.01",
        "rule 'odd': it is warning",
    ]
    assert [(str(one.severity), str(one.source), one.name) for one in found.decision.reasons] == [
        ("error", "threshold", "r2"),
        ("error", "rule", "bad"),
        ("error", "check", check.name),
        ("warning", "comparison", "r2 against the live model"),
        ("warning", "rule", "odd"),
    ]
    assert found.decision.summary == "Refused: 3 errors, 2 warnings"
    assert [finding.name for finding in found.findings] == ["bad", "fine", "odd"]


@pytest.mark.parametrize(
    ("level", "verdict"),
    [
        (FindingLevel.OK, Verdict.RELEASE),
        (FindingLevel.WARNING, Verdict.RELEASE_WITH_WARNING),
        (FindingLevel.ERROR, Verdict.REJECT),
    ],
)
def test_a_finding_alone_decides(level: FindingLevel, verdict: Verdict) -> None:
    found = evaluated(replace(PLAIN, rules=(Always(level),)))
    assert found.decision.verdict == verdict
    texts = [] if level is FindingLevel.OK else [f"rule 'always': it is {level}"]
    assert [reason.text for reason in found.decision.reasons] == texts


@pytest.mark.parametrize(
    ("warning", "error", "verdict"),
    [(0.001, 0.9, Verdict.RELEASE_WITH_WARNING), (0.0001, 0.001, Verdict.REJECT), (0.8, 0.9, Verdict.RELEASE)],
)
def test_a_comparison_alone_decides(warning: float, error: float, verdict: Verdict) -> None:
    task = replace(
        PLAIN, comparisons=(NotWorseThanLive("r2", warning, error),), thresholds=(Threshold("r2", 0, 0),)
    )
    assert evaluated(task, depth=2, against=live()).decision.verdict == verdict
    # Nothing to compare with is nothing against it.
    assert evaluated(task, depth=2).decision.verdict == Verdict.RELEASE


def test_what_the_rules_see() -> None:
    dataset, parts = data()
    history = [{"r2": 0.5}, {"r2": 0.75}]
    rule = Always(FindingLevel.OK)
    found = evaluated(replace(PLAIN, rules=(rule,)), against=live(), history=history)
    [evidence] = rule.seen
    record, model = live().record, live().model
    assert record is not None
    assert model is not None
    assert (evidence.dataset, evidence.split, evidence.history) == (dataset, parts, tuple(history))
    assert (evidence.statistics, evidence.metrics) == (found.statistics, found.metrics)
    assert evidence.predicted is found.predicted
    assert evidence.live is not None
    assert evidence.live.metrics == record.metrics
    assert evidence.live.test_rows == 80
    assert evidence.live.statistics is not None
    assert evidence.live.statistics.to_dict() == record.statistics
    assert evidence.live.errors is not None
    assert column_to_dict(evidence.live.errors) == record.test_errors
    assert evidence.live.predicted is not None
    assert evidence.live.predicted.tolist() == model.predict(parts.test.features).tolist()


def test_of_a_live_model_with_another_schema_only_columns_are_compared() -> None:
    record = live().record
    assert record is not None
    other = replace(record, schema=replace(record.schema, prediction="hours"))
    rule = Always(FindingLevel.OK)
    evaluated(replace(PLAIN, rules=(rule,)), against=LiveModel(live().version, other, note="other"))
    seen = rule.seen[0].live
    assert seen is not None
    assert (seen.predicted, seen.errors) == (None, None)
    assert seen.statistics is not None


@pytest.mark.parametrize(
    "change",
    [
        {"statistics": {}, "test_errors": None},
        {"statistics": {"rows": 5}, "test_errors": {"type": "colour"}},
        {"statistics": {"features": 5}, "test_errors": {"type": "category", "rows": 1, "nulls": 0, "counts": {}}},
    ],
    ids=["none", "nonsense", "other"],
)
def test_a_live_record_without_statistics_that_can_be_read_blocks_nothing(change: dict[str, Any]) -> None:
    record = live().record
    assert record is not None
    against = replace(live(), record=replace(record, **change))
    rule = Always(FindingLevel.OK)
    found = evaluated(replace(QUICK, rules=(rule, *QUICK.rules)), against=against)
    seen = rule.seen[0].live
    assert seen is not None
    assert (seen.statistics, seen.errors) == (None, None)
    assert found.decision.verdict == Verdict.RELEASE
    assert {finding.level for finding in found.findings} == {FindingLevel.OK}


class Broken(Predictor):
    """Cannot predict."""

    def predict(self, columns: Columns) -> "np.ndarray[Any, Any]":
        raise ModelError(f"no answer for {len(next(iter(columns.values())))} rows")


def test_a_live_model_that_cannot_predict_is_a_note() -> None:
    against = replace(live(), model=DecodedModel(Broken(), QUICK.schema))
    rule = Always(FindingLevel.OK)
    found = evaluated(replace(QUICK, rules=(rule, *QUICK.rules)), against=against)
    assert found.decision.verdict == Verdict.RELEASE
    assert found.live.to_dict(found.metrics) == {
        "live_version": str(live().version),
        "note": f"the live model {live().version} cannot predict these rows: no answer for 80 rows",
        "metrics": {},
    }
    seen = rule.seen[0].live
    assert seen is not None
    assert seen.predicted is None
    assert seen.statistics is not None


class Lost(Predictor):
    """Answers what is no number."""

    def predict(self, columns: Columns) -> "np.ndarray[Any, Any]":
        return np.full(len(next(iter(columns.values()))), np.nan)


def test_a_live_model_whose_scores_are_not_numbers_blocks_nothing() -> None:
    found = evaluated(
        replace(PLAIN, comparisons=QUICK.comparisons),
        against=replace(live(), model=DecodedModel(Lost(), QUICK.schema)),
    )
    assert found.decision.verdict == Verdict.RELEASE
    assert found.live.to_dict(found.metrics)["metrics"]["r2"] == {"candidate": found.metrics["r2"], "live": None}


def test_classes_have_no_errors_and_their_live_probabilities_count() -> None:
    schema = Schema((Number("x"),), Category("colour", ("red", "blue")), "p")
    frame = pd.DataFrame({"x": np.linspace(0.01, 0.99, 40), "colour": ["red"] * 20 + ["blue"] * 20})
    dataset = admit(frame, schema, "a test")
    parts = split(dataset, SplitSpec(test_size=0.5), 2, "a test")

    class Colours(Predictor):
        def predict(self, columns: Columns) -> "np.ndarray[Any, Any]":
            return np.where(columns["x"] > 0.5, "blue", "red").astype(object)

        def predict_proba(self, columns: Columns) -> "np.ndarray[Any, Any]":
            return np.stack([1 - columns["x"], columns["x"]], axis=1)

    model = DecodedModel(Colours(), schema)
    task = TaskDefinition(
        "colours",
        schema,
        QUICK.estimator,
        (Threshold("accuracy", 1, 1, slice_by="colour", smallest=2),),
        comparisons=(NotWorseThanLive("log_loss", error=0),),
    )
    found = evaluate(task, model, dataset, parts, LiveModel(live().version, None, model), [])
    assert found.test_errors is None
    assert found.decision.verdict == Verdict.RELEASE
    assert found.metrics["accuracy[colour=red]"] == found.metrics["accuracy[colour=blue]"] == 1
    assert 0 < found.metrics["log_loss"] == found.live.metrics["log_loss"] < 1
    assert found.predicted.tolist() == parts.test.target.tolist()


# The history, as the workflow gives it


def retrain(store: MemoryStore, data: bytes) -> Any:
    container = wire(load_settings({"store": "memory://", "no_report": True}))
    container.store.override(store)
    store.write(f"datasets/{QUICK.name}_2999-01-01.csv", data)
    return train_and_release(QUICK, container.ports())


@pytest.mark.parametrize("broken", ["newest", "oldest"])
def test_a_history_that_cannot_be_read_does_not_block(broken: str) -> None:
    store = store_of_two()
    registry = StoreRegistry(store, SystemClock())
    versions = [release.version for release in registry.releases(QUICK.name)]
    chosen = versions[0 if broken == "newest" else -1]
    store.delete(chosen.record_key)
    store.write(chosen.record_key, json.dumps({"schema_version": 99}).encode())
    result = retrain(store, csv(seed=3))
    assert (result.outcome, str(result.live)) == (Outcome.RELEASED, result.document["version"])
    compared = result.document["comparison"]
    assert compared["live_version"] == str(versions[0])
    if broken == "newest":
        # It is the live one too.
        assert compared["note"].startswith(f"the live model {chosen} cannot be read: the record")
        assert compared["metrics"] == {}
    else:
        assert compared["note"] == ""
        assert set(compared["metrics"]) == {"r2", "mean_absolute_error", "root_mean_squared_error"}
