"""Looking a task over: every fault of the definition, what data come to, and a single training."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import uniform
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.domain.data.admission import admit
from weighbridge.domain.data.dataset import SplitSpec, split
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.evaluation.checks.check import CheckResult, Increases, NotBelow
from weighbridge.domain.evaluation.gate import Threshold, Verdict
from weighbridge.domain.evaluation.metrics import measure
from weighbridge.domain.evaluation.rules.defaults import FewRows
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.training.estimator_check import estimator_problems
from weighbridge.domain.training.task import TaskDefinition
from weighbridge.domain.training.task_check import TaskReport, check_task

READER = TabularReader()
CODECS = (OnnxCodec(), SkopsCodec())
ROWS = 60


def ridge(seed: int) -> Pipeline:
    return Pipeline([("scale", StandardScaler()), ("regressor", Ridge(random_state=seed))])


HOURS = TaskDefinition(
    name="hours",
    schema=Schema((Number("orders", 0), Number("weight")), Number("time"), "est_time"),
    estimator=EstimatorSpec(ridge, {"regressor__alpha": [100.0, 0.1], "scale__with_mean": [False, True]}, 3),
    thresholds=(Threshold("r2", 0.8, 0.9), Threshold("mean_absolute_error", 10, 5)),
    split=SplitSpec(0.25, None, 1),
    checks=(Increases("orders", 1, 2), NotBelow(1000)),
    rules=(FewRows(),),
)
KINDS = TaskDefinition(
    name="kinds",
    schema=Schema(HOURS.schema.features, Category("kind", ("0", "1")), "est_kind"),
    estimator=EstimatorSpec(lambda seed: Pipeline([("c", DummyClassifier())]), scoring="accuracy"),
    thresholds=(Threshold("accuracy", 0.5, 0.9),),
)


def frame() -> pd.DataFrame:
    random = np.random.default_rng(3)
    orders, weight = random.uniform(0, 10, ROWS), random.normal(0, 1, ROWS)
    time = 3 * orders + random.normal(0, 1, ROWS)
    return pd.DataFrame({"orders": orders, "weight": weight, "time": time})


def artefact(data: pd.DataFrame | str, name: str = "hours.csv") -> Artefact:
    text = data if isinstance(data, str) else data.to_csv(index=False)
    ref = ArtefactRef(f"datasets/{name}", len(text), "", None, datetime.now(UTC))
    return Artefact(ref, text.encode(), sha256(text.encode()).hexdigest())


def with_estimator(task: TaskDefinition = HOURS, **change: Any) -> TaskDefinition:
    return replace(task, estimator=replace(task.estimator, **change))


def ending_in(estimator: Callable[[], Any], task: TaskDefinition = HOURS, **change: Any) -> TaskDefinition:
    return with_estimator(
        task, pipeline=lambda seed: Pipeline([("regressor", estimator())]), **({"grid": {}} | change)
    )


def cubed(values: Any) -> Any:
    return values**3


def broken(seed: int) -> Pipeline:
    raise ImportError("no module\nnamed trees")


STEPS = "the name of a step (scale, regressor), two underscores, and a parameter of it"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (TIME_TO_DISPATCH, []),
        (HOURS, []),
        (KINDS, []),
        (
            with_estimator(pipeline=broken),
            ["estimator: the pipeline cannot be built: ImportError: no module named trees"],
        ),
        (
            with_estimator(pipeline=lambda seed: Ridge()),
            ["estimator: pipeline gives a Ridge; allowed is a scikit-learn Pipeline"],
        ),
        (
            ending_in(DummyClassifier),
            [
                (
                    "estimator: the pipeline ends in DummyClassifier, and the target 'time' is a number; allowed "
                    "is a regressor"
                )
            ],
        ),
        (
            ending_in(DummyRegressor, KINDS),
            [
                (
                    "estimator: the pipeline ends in DummyRegressor, and the target 'kind' is a category; allowed "
                    "is a classifier"
                )
            ],
        ),
        (
            with_estimator(grid={"alpha": [1], "scale": ["passthrough"], "tree__alpha": [1]}),
            [
                f"estimator: grid['alpha'] is no parameter of the pipeline; allowed is {STEPS}",
                f"estimator: grid['tree__alpha'] is no parameter of the pipeline; allowed is {STEPS}",
            ],
        ),
        (
            with_estimator(grid={"scale__mean": [True]}),
            [
                (
                    "estimator: grid['scale__mean'] is no parameter of the pipeline; allowed is scale__copy, "
                    "scale__with_mean, scale__with_std"
                )
            ],
        ),
    ],
)
def test_faults_of_the_estimator(task: TaskDefinition, expected: list[str]) -> None:
    assert estimator_problems(task) == expected


def allowed(problem: str) -> set[str]:
    return set(problem.partition("allowed are ")[2].split(", "))


@pytest.mark.parametrize(
    ("task", "scoring", "beginning", "some", "others"),
    [
        (
            HOURS,
            "mse",
            (
                "estimator: scoring 'mse' does not score a number, which 'time' is (ValueError: 'mse' is not a "
                "valid scoring value."
            ),
            {"r2", "neg_mean_absolute_error", "neg_mean_squared_log_error"},
            {"accuracy", "roc_auc", "mse"},
        ),
        (
            HOURS,
            "accuracy",
            (
                "estimator: scoring 'accuracy' does not score a number, which 'time' is (ValueError: continuous "
                "is not supported); allowed are "
            ),
            {"r2"},
            {"accuracy", "balanced_accuracy"},
        ),
        (
            KINDS,
            "f1",
            "estimator: scoring 'f1' does not score a category, which 'kind' is (ValueError: pos_label=1 ",
            {"balanced_accuracy", "f1_macro", "roc_auc", "neg_log_loss"},
            {"f1", "r2", "neg_mean_absolute_error"},
        ),
        (
            replace(KINDS, schema=replace(KINDS.schema, target=Category("kind", ("a", "b", "c")))),
            "roc_auc",
            "estimator: scoring 'roc_auc' does not score a category, which 'kind' is (ValueError: multi_class",
            {"balanced_accuracy", "roc_auc_ovr"},
            {"roc_auc", "r2"},
        ),
    ],
)
def test_a_scoring_that_does_not_fit(
    task: TaskDefinition, scoring: str, beginning: str, some: set[str], others: set[str]
) -> None:
    (problem,) = estimator_problems(with_estimator(task, scoring=scoring))
    assert problem[: len(beginning)] == beginning
    assert some <= allowed(problem)
    assert not others & allowed(problem)


@pytest.mark.parametrize("scoring", ["accuracy", "mse"])
def test_all_faults_are_told_at_once(scoring: str) -> None:
    ends, first, second, score = estimator_problems(
        ending_in(DummyClassifier, grid={"a": [1], "b": [1]}, scoring=scoring)
    )
    assert ["ends in" in ends, "grid['a']" in first, "grid['b']" in second, "scoring" in score] == [True] * 4
    assert len(estimator_problems(with_estimator(pipeline=broken, scoring=scoring))) == 2


def check(task: TaskDefinition, data: pd.DataFrame | str | None = None) -> TaskReport:
    report = check_task(task, None if data is None else artefact(data), READER, CODECS)
    document = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert document["ok"] is report.ok is (not document["task_problems"] and not document["data_problems"])
    return report


def test_a_definition_alone() -> None:
    assert check(HOURS).to_dict() == {
        "task": "hours",
        "ok": True,
        "definition": HOURS.describe(),
        "search": {"kind": "grid", "points": 4, "folds": 3, "scoring": "r2"},
        "dataset": None,
        "split": None,
        "trial": None,
        "task_problems": [],
        "data_problems": [],
    }


def test_a_pipeline_that_cannot_be_built_has_no_description() -> None:
    def refused(seed: int) -> Pipeline:
        raise ValueError("no")

    report = check(with_estimator(pipeline=refused), frame())
    assert report.to_dict()["definition"] is None
    assert report.task_problems == ["estimator: the pipeline cannot be built: ValueError: no"]
    # The data are looked at all the same.
    assert (report.rows, report.split, report.trial) == (ROWS, (45, 15), None)


def test_a_training_of_the_first_point() -> None:
    report = check(HOURS, frame())
    assert report.ok
    dataset = admit(frame(), HOURS.schema, "")
    parts = split(dataset, HOURS.split, 3, "")
    model = ridge(1).set_params(regressor__alpha=100.0, scale__with_mean=False)
    metrics = measure(model.fit(parts.train.features, parts.train.target), parts.test)
    document = report.to_dict()
    assert document["dataset"] == {"name": "hours.csv", "rows": ROWS}
    assert document["split"] == {"train_rows": 45, "test_rows": 15}
    trial = document["trial"]
    assert trial.pop("metrics") == pytest.approx(metrics, rel=1e-12)
    assert trial.pop("params") == {"regressor__alpha": 100.0, "scale__with_mean": False}
    assert [(each["name"], each["passed"]) for each in trial["checks"]] == [
        ("prediction increases from orders 1 to 2", True),
        ("predictions are not below 1000", False),
    ]
    (finding,) = trial.pop("findings")
    assert (finding["name"], finding["level"]) == ("too few rows", "warning")
    reasons = trial.pop("decision")
    assert reasons["verdict"] == Verdict.REJECT
    assert sorted(reason["text"].split()[0] for reason in reasons["reasons"]) == [
        "check",
        "mean_absolute_error",
        "r2",
        "rule",
    ]
    assert (trial.pop("format"), trial.pop("notes"), list(trial)) == ("onnx", [], ["checks"])


def test_without_a_grid_the_pipeline_is_taken_as_it_is() -> None:
    trial = check(ending_in(LinearRegression), frame()).trial
    assert trial is not None
    assert trial.params == {}
    assert trial.evaluation.metrics["r2"] > 0.9


def test_of_a_distribution_a_value_is_drawn() -> None:
    task = with_estimator(
        grid={"regressor__alpha": uniform(1, 2), "scale__with_mean": [True]}, search="random", iterations=7
    )
    report = check(task, frame())
    assert report.to_dict()["search"] == {"kind": "random", "points": 7, "folds": 3, "scoring": "r2"}
    params = report.to_dict()["trial"]["params"]
    assert params == {"regressor__alpha": uniform(1, 2).rvs(random_state=1), "scale__with_mean": True}


def test_categories_are_tried_as_well() -> None:
    report = check_task(TIME_TO_DISPATCH, artefact(simulate(200, 0)), READER, CODECS)
    assert report.ok
    assert report.split == (160, 40)
    assert report.trial is not None
    assert report.trial.params == {
        "regressor__criterion": "squared_error",
        "regressor__max_depth": 2,
        "regressor__min_samples_split": 2,
        "regressor__min_samples_leaf": 2,
    }


def test_everything_that_is_wrong_with_the_data() -> None:
    data = frame().astype(object)
    data.loc[2, "orders"] = -1.5
    data.loc[4, "weight"] = "heavy"
    report = check(with_estimator(scoring="accuracy"), data.rename(columns={"time": "hours"}))
    assert [str(problem) for problem in report.data_problems] == [
        "column 'time': the column is missing; expected a finite number",
        "column 'hours': the column is not part of the task, which has orders, weight, time",
        "column 'orders', row 3: expected a number not below 0 (found -1.5)",
        "column 'weight', row 5: expected a finite number (found 'heavy')",
    ]
    assert len(report.task_problems) == 1
    assert (report.rows, report.split, report.trial) == (None, None, None)
    assert report.to_dict()["data_problems"][2:] == [
        {"message": "expected a number not below 0", "column": "orders", "row": 3, "value": -1.5},
        {"message": "expected a finite number", "column": "weight", "row": 5, "value": "heavy"},
    ]


@pytest.mark.parametrize(("cell", "value"), [("inf", None), ("x", "x"), ("", None)])
def test_any_value_can_be_written(cell: str, value: object) -> None:
    lines = frame().to_csv(index=False).splitlines()
    lines[1] = f"{cell},0,0"
    (problem,) = check(HOURS, "\n".join(lines)).to_dict()["data_problems"]
    assert (problem["column"], problem["row"], problem["value"]) == ("orders", 1, value)


def test_data_that_cannot_be_read_or_split() -> None:
    unreadable = check(HOURS, "")
    assert [str(problem) for problem in unreadable.data_problems] == ["the dataset is empty"]
    assert (unreadable.dataset, unreadable.rows) == ("hours.csv", None)
    few = check(HOURS, frame().head(6))
    assert (few.rows, few.split, few.trial) == (6, None, None)
    assert [problem.message.partition(":")[0] for problem in few.data_problems] == ["6 rows are too few"]


@pytest.mark.parametrize(
    ("task", "beginning"),
    [
        (
            with_estimator(grid={"regressor__alpha": [-1.0, 1.0]}),
            (
                "estimator: the pipeline cannot be fitted with regressor__alpha=-1.0: InvalidParameterError: "
                "The 'alpha' parameter of Ridge must be "
            ),
        ),
        (
            ending_in(lambda: Ridge(alpha=-1.0)),
            "estimator: the pipeline cannot be fitted: InvalidParameterError: The 'alpha' parameter of Ridge ",
        ),
        (
            with_estimator(
                pipeline=lambda seed: Pipeline([("own", FunctionTransformer(cubed)), ("regressor", Ridge())]),
                grid={},
            ),
            "estimator: no format can hold this model; onnx: ",
        ),
    ],
)
def test_a_training_that_fails_is_a_fault_of_the_task(task: TaskDefinition, beginning: str) -> None:
    report = check(task, frame())
    (problem,) = report.task_problems
    assert problem[: len(beginning)] == beginning
    assert (report.rows, report.split, report.trial, report.data_problems) == (ROWS, (45, 15), None, [])


def test_a_check_that_breaks_is_a_fault_of_the_task() -> None:
    class Broken(NotBelow):
        def run(self, model: object, dataset: object) -> CheckResult:
            raise RuntimeError("no such file")

    report = check(replace(HOURS, checks=(Broken(0),)), frame())
    assert report.task_problems == [
        (
            "checks and rules: the model cannot be evaluated with regressor__alpha=100.0, scale__with_mean=False: "
            "RuntimeError: no such file"
        )
    ]
    assert report.trial is None


def test_a_score_that_is_not_finite_is_a_fault_of_the_task() -> None:
    data = frame()
    data["time"] *= 1e200
    report = check(ending_in(DummyRegressor, scoring="neg_mean_squared_error"), data)
    assert report.task_problems == ["estimator: scoring 'neg_mean_squared_error' gives -inf on the test rows"]


def test_a_metric_that_is_not_defined_is_written_as_nothing() -> None:
    # Of the class c there is not a single row.
    task = replace(KINDS, schema=replace(KINDS.schema, target=Category("kind", ("a", "b", "c"))))
    trial = check(task, frame().drop(columns="time").assign(kind=["a", "a", "b"] * (ROWS // 3))).to_dict()["trial"]
    assert trial["metrics"]["roc_auc"] is None
    assert trial["metrics"]["accuracy"] == 8 / 12
