"""A task's definition: what it cannot be, its levels, and the fingerprint of the whole of it."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from weighbridge.domain.data.dataset import SplitSpec
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import ConfigurationError, TaskError
from weighbridge.domain.evaluation.checks.check import Increases, NotAboveLargestLabel, NotBelow
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.evaluation.rules.rule import Evidence, Finding, FindingLevel, Rule
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.training.task import TaskDefinition


def ridge(seed: int) -> Pipeline:
    return Pipeline([("scale", StandardScaler()), ("regressor", Ridge(alpha=1.0, random_state=seed))])


def build() -> TaskDefinition:
    """The same definition, made anew."""
    return TaskDefinition(
        name="hours",
        schema=Schema((Number("orders", 0), Category("product", ("A", "B"))), Number("time"), "est_time"),
        estimator=EstimatorSpec(ridge, {"regressor__alpha": [0.1, 1.0], "scale__with_mean": [True]}, 3, "r2"),
        thresholds=(Threshold("r2", 0.8, 0.9), Threshold("mean_absolute_error", 10, 5)),
        split=SplitSpec(0.2, "product", 1),
        checks=(Increases("orders", 1, 2), NotBelow(0)),
    )


TASK = build()


def with_pipeline(make: Callable[[], Any]) -> TaskDefinition:
    return replace(TASK, estimator=EstimatorSpec(lambda seed: Pipeline([("regressor", make())])))


def twice(values: Any, by: int = 2) -> Any:
    return values * by


def thrice(values: Any, by: int = 3) -> Any:
    return values * by


class Opaque:
    """Something without parameters or a text of its own."""


@dataclass(frozen=True)
class NotAtAll(NotBelow):
    """Another check with the fields of the first."""


@dataclass(frozen=True)
class AlwaysFine(Rule):
    """A rule of a user's own."""

    name: str = "always fine"

    def validate(self, schema: Schema) -> None:
        pass

    def inspect(self, evidence: Evidence) -> Finding:
        return Finding(self.name, FindingLevel.OK, "always")


class LinearRidge(Ridge):
    """An estimator of a user's own."""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "Hours"}, "name: 'Hours' is not snake_case, such as time_to_dispatch"),
        ({"name": ""}, "name: '' is not snake_case, such as time_to_dispatch"),
        ({"name": "a/b"}, "name: 'a/b' is not snake_case, such as time_to_dispatch"),
        ({"thresholds": ()}, "thresholds: there is none; a model must have something to achieve"),
        (
            {"split": SplitSpec(stratify_by="orders")},
            "split: stratify_by names 'orders', which is not a category; there are product",
        ),
        (
            {"split": SplitSpec(stratify_by="colour")},
            "split: stratify_by names 'colour', which is not a category; there are product",
        ),
        (
            {"checks": (NotBelow(0), NotBelow(1), NotBelow(0.0))},
            (
                "checks: one name stands twice in ['predictions are not below 0', 'predictions are not below 1', "
                "'predictions are not below 0']"
            ),
        ),
        (
            {"checks": (NotBelow(0), Increases("orders", -1, 2))},
            ("check 'prediction increases from orders -1 to 2': -1 is not allowed; expected a number not below 0"),
        ),
    ],
)
def test_what_a_task_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError) as caught:
        replace(TASK, **change)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"folds": 1}, "estimator: folds is 1; cross-validation needs at least 2"),
        ({"folds": 0}, "estimator: folds is 0; cross-validation needs at least 2"),
        ({"grid": {"a": [1], "b": []}}, "estimator: grid['b'] must be a non-empty list of values"),
        ({"grid": {"a": "gini"}}, "estimator: grid['a'] must be a non-empty list of values"),
        ({"grid": {"a": 5}}, "estimator: grid['a'] must be a non-empty list of values"),
        ({"grid": {"a": None}}, "estimator: grid['a'] must be a non-empty list of values"),
    ],
)
def test_what_an_estimator_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError) as caught:
        replace(TASK.estimator, **change)
    assert str(caught.value) == message


def test_an_estimator_may_have_two_folds_and_any_grid() -> None:
    assert replace(TASK.estimator, folds=2, grid={}).points == 1
    grid: dict[str, Any] = {"a": range(3), "b": [None], "c": ("x", "y"), "d": np.array([1.0, 2.0])}
    assert replace(TASK.estimator, grid=grid).points == 12


def levels(error: float | None, warning: float | None) -> tuple[float, float]:
    """The levels of the first threshold, when they were changed and nothing else was."""
    changed = TASK.with_levels(error, warning)
    first = changed.thresholds[0]
    assert changed == replace(
        TASK,
        thresholds=(replace(TASK.thresholds[0], error=first.error, warning=first.warning), *TASK.thresholds[1:]),
    )
    return first.error, first.warning


@pytest.mark.parametrize(
    ("error", "warning", "expected"),
    [
        (None, None, (0.8, 0.9)),
        (0.5, None, (0.5, 0.9)),
        (None, 0.95, (0.8, 0.95)),
        (0.9, None, (0.9, 0.9)),
        (0.99, None, (0.99, 0.99)),  # the warning level follows
        (0.9, 0.99, (0.9, 0.99)),
        (0.0, 0.0, (0.0, 0.0)),
        (None, 0.8, (0.8, 0.8)),
    ],
)
def test_levels_can_be_changed(error: float | None, warning: float | None, expected: tuple[float, float]) -> None:
    assert levels(error, warning) == expected


@pytest.mark.parametrize(
    ("error", "warning", "message"),
    [
        (None, 0.7, "the warning threshold of r2, 0.7, is out of order"),
        (0.9, 0.85, "the warning threshold of r2, 0.85, is out of order"),
        (1.5, None, "the error threshold of r2 is 1.5, out of its range: from 0 to 1"),
        (math.nan, None, "the error threshold of r2 is nan, out of its range: from 0 to 1"),
        (None, -0.5, "the warning threshold of r2 is -0.5, out of its range: from 0 to 1"),
        (0.5, 1.5, "the warning threshold of r2 is 1.5, out of its range: from 0 to 1"),
    ],
)
def test_levels_that_cannot_be(error: float | None, warning: float | None, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        TASK.with_levels(error, warning)
    assert str(caught.value).startswith(message)


def test_levels_of_an_error_are_mirrored() -> None:
    task = replace(TASK, thresholds=(Threshold("mean_absolute_error", error=10, warning=5),))
    assert task.with_levels(3, None).thresholds == (Threshold("mean_absolute_error", 3, 3),)
    assert task.with_levels(20, None).thresholds == (Threshold("mean_absolute_error", 20, 5),)
    with pytest.raises(ConfigurationError, match="out of order"):
        task.with_levels(None, 11)


@given(st.floats(0, 1), st.none() | st.floats(0, 1))
def test_given_levels_are_taken_as_they_are_or_refused(error: float, warning: float | None) -> None:
    if warning is not None and warning < error:
        with pytest.raises(ConfigurationError):
            TASK.with_levels(error, warning)
    else:
        assert levels(error, warning) == (error, max(error, 0.9) if warning is None else warning)


def test_equal_definitions_have_one_fingerprint() -> None:
    assert build() == TASK
    assert build().fingerprint == TASK.fingerprint
    assert len(TASK.fingerprint) == 64
    assert TASK.with_levels(0.8, 0.9).fingerprint == TASK.fingerprint


CHANGES: list[dict[str, Any]] = [
    {"name": "minutes"},
    {"schema": replace(TASK.schema, prediction="est")},
    {"schema": replace(TASK.schema, target=Number("time", 0))},
    {"schema": replace(TASK.schema, features=TASK.schema.features[::-1])},
    {"schema": replace(TASK.schema, features=(Number("orders", 0), Category("product", ("A", "C"))))},
    {"thresholds": TASK.thresholds[:1]},
    {"thresholds": TASK.thresholds[::-1]},
    {"thresholds": (Threshold("r2", 0.7, 0.9), *TASK.thresholds[1:])},
    {"thresholds": (Threshold("r2", 0.8, 0.95), *TASK.thresholds[1:])},
    {"split": replace(TASK.split, seed=2)},
    {"split": replace(TASK.split, test_size=0.25)},
    {"split": replace(TASK.split, stratify_by=None)},
    {"checks": ()},
    {"checks": TASK.checks[::-1]},
    {"checks": (Increases("orders", 1, 3), NotBelow(0))},
    {"checks": (Increases("orders", 1, 2, "product"), NotBelow(0))},
    {"checks": (Increases("orders", 1, 2), NotBelow(-1))},
    {"checks": (Increases("orders", 1, 2), NotAtAll(0))},
    {"checks": (Increases("orders", 1, 2), NotAboveLargestLabel(1))},
    {"checks": (Increases("orders", 1, 2), NotAboveLargestLabel(2))},
    {"estimator": replace(TASK.estimator, folds=4)},
    {"estimator": replace(TASK.estimator, scoring="neg_mean_absolute_error")},
    {"estimator": replace(TASK.estimator, grid={})},
    {"estimator": replace(TASK.estimator, grid={"regressor__alpha": [0.1, 1.0], "scale__with_mean": [False]})},
    {"estimator": replace(TASK.estimator, grid={"regressor__alpha": [1.0, 0.1], "scale__with_mean": [True]})},
    {"estimator": replace(TASK.estimator, grid={"regressor__alpha": [0.1, 1.0], "scale__with_std": [True]})},
    {"estimator": replace(TASK.estimator, pipeline=lambda seed: ridge(seed).set_params(regressor__alpha=2.0))},
    {"estimator": replace(TASK.estimator, pipeline=lambda seed: ridge(seed + 1))},
    {"estimator": replace(TASK.estimator, pipeline=lambda seed: ridge(seed).set_params(scale="passthrough"))},
]


def test_any_change_changes_the_fingerprint() -> None:
    fingerprints = [TASK.fingerprint, *(replace(TASK, **change).fingerprint for change in CHANGES)]
    assert len(set(fingerprints)) == len(fingerprints)


def test_a_unit_does_not_change_the_fingerprint() -> None:
    schema = TASK.schema
    measured = replace(
        schema,
        features=tuple(replace(one, unit="m") if isinstance(one, Number) else one for one in schema.features),
    )
    task = replace(TASK, schema=measured)
    assert task.describe() != TASK.describe()
    assert task.fingerprint == TASK.fingerprint


def columns(transformer: Any, which: Any) -> Any:
    return ColumnTransformer([("part", transformer, which)])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LinearRegression, Ridge),
        (lambda: FunctionTransformer(twice), lambda: FunctionTransformer(thrice)),
        (lambda: FunctionTransformer(np.log1p), lambda: FunctionTransformer(np.sqrt)),
        (lambda: FunctionTransformer(partial(twice, by=2)), lambda: FunctionTransformer(partial(twice, by=4))),
        (
            lambda: FunctionTransformer(twice, kw_args={"by": 2}),
            lambda: FunctionTransformer(twice, kw_args={"by": 4}),
        ),
        (lambda: columns(StandardScaler(), ["a"]), lambda: columns(StandardScaler(), ["b"])),
        (lambda: columns(StandardScaler(), slice(0, 2)), lambda: columns(StandardScaler(), slice(0, 3))),
        (lambda: columns("drop", ["a"]), lambda: columns("passthrough", ["a"])),
        (lambda: OneHotEncoder(categories=[["A", "B"]]), lambda: OneHotEncoder(categories=[["B", "A"]])),
        (lambda: OneHotEncoder(dtype=np.float32), lambda: OneHotEncoder(dtype=np.float64)),
        (lambda: OneHotEncoder(dtype=np.dtype("float32")), lambda: OneHotEncoder(dtype=np.dtype("float64"))),
        (lambda: Ridge(alpha=np.array([1.0, 2.0])), lambda: Ridge(alpha=np.array([1.0, 3.0]))),
        (lambda: Ridge(alpha=1), lambda: Ridge(alpha=np.float64(2))),
        (lambda: Ridge(alpha={1, 2}), lambda: Ridge(alpha={1, 3})),
    ],
)
def test_parameters_of_every_kind_are_part_of_the_fingerprint(
    one: Callable[[], Any], other: Callable[[], Any]
) -> None:
    assert with_pipeline(one).fingerprint == with_pipeline(one).fingerprint
    assert with_pipeline(one).fingerprint != with_pipeline(other).fingerprint


@pytest.mark.parametrize(
    "value", [Opaque, partial(twice, Opaque()), Opaque(), [Opaque()], {"a", "b", "c"}, lambda: None]
)
def test_no_address_in_memory_is_part_of_a_fingerprint(value: object) -> None:
    text = json.dumps(with_pipeline(lambda: Ridge(alpha=value)).describe())
    assert "0x" not in text
    assert f"{id(value):x}" not in text


def moved(kind: type[Any]) -> type[Any]:
    """The same class as another module would define it."""
    return type(kind.__name__, (kind,), {"__module__": "company.checks", "__qualname__": kind.__qualname__})


def test_where_a_class_or_a_function_lives_is_no_part_of_a_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    def build() -> TaskDefinition:
        task = with_pipeline(
            lambda: FunctionTransformer(partial(twice, Opaque()), kw_args={"by": [thrice, Opaque]})
        )
        return replace(task, checks=(NotAtAll(0),), rules=(AlwaysFine(),))

    before = build()
    described, fingerprint = before.describe(), before.fingerprint
    assert __name__ not in json.dumps(described)
    for one in (Opaque, NotAtAll, AlwaysFine, twice, thrice):
        monkeypatch.setattr(one, "__module__", "company.moved")
    assert build().describe() == described
    assert build().fingerprint == fingerprint
    pipelines = [with_pipeline(lambda kind=kind: kind(alpha=2.0)) for kind in (Ridge, moved(Ridge), LinearRidge)]
    assert pipelines[0].fingerprint == pipelines[1].fingerprint != pipelines[2].fingerprint


def test_sets_are_described_in_order() -> None:
    names = [f"name {number}" for number in range(50)]
    one = with_pipeline(lambda: Ridge(alpha=set(names)))
    other = with_pipeline(lambda: Ridge(alpha={*names[25:], *names[:25]}))
    assert one.describe()["estimator"]["pipeline"]["regressor__alpha"]["items"] == sorted(
        f'"{name}"' for name in names
    )
    assert one.fingerprint == other.fingerprint


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("name", None, "name: it is None; it must be of the type str"),
        ("schema", "x", "schema: it is 'x'; it must be of the type Schema"),
        ("estimator", 1, "estimator: it is 1; it must be of the type EstimatorSpec"),
        ("split", 0.2, "split: it is 0.2; it must be of the type SplitSpec"),
        ("thresholds", None, "thresholds: it is None; it must be a tuple, such as (Threshold(...),)"),
        ("checks", NotBelow(0), "checks: it is NotBelow(bound=0); it must be a tuple, such as (Check(...),)"),
        ("checks", (NotBelow,), f"checks: {NotBelow!r} is not a Check"),
        ("rules", (NotBelow(0),), "rules: NotBelow(bound=0) is not a Rule"),
        ("comparisons", (NotBelow(0),), "comparisons: NotBelow(bound=0) is not a NotWorseThanLive"),
    ],
)
def test_a_part_of_the_wrong_type(field: str, value: object, message: str) -> None:
    with pytest.raises(TaskError) as caught:
        replace(TASK, **{field: value})
    assert str(caught.value) == message


def test_the_whole_definition_is_described() -> None:
    described = TASK.describe()
    assert described["name"] == "hours"
    assert described["schema"] == TASK.schema.to_dict()
    assert described["split"] == {"test_size": 0.2, "stratify_by": "product", "seed": 1}
    assert described["thresholds"] == [
        {"metric": "r2", "error": 0.8, "warning": 0.9},
        {"metric": "mean_absolute_error", "error": 10, "warning": 5},
    ]
    assert described["checks"] == [
        {
            "type": "Increases",
            "feature": "orders",
            "low": 1,
            "high": 2,
            "for_each": None,
        },
        {"type": "NotBelow", "bound": 0},
    ]
    assert described["comparisons"] == []
    assert described["rules"] == []
    estimator = described["estimator"]
    assert {name: estimator[name] for name in ("grid", "folds", "scoring")} == {
        "grid": {"regressor__alpha": [0.1, 1.0], "scale__with_mean": [True]},
        "folds": 3,
        "scoring": "r2",
    }
    assert estimator["pipeline"]["regressor__alpha"] == 1.0
    assert estimator["pipeline"]["regressor__random_state"] == 1
    assert estimator["pipeline"]["scale"] == {
        "type": "StandardScaler",
        "params": {"copy": True, "with_mean": True, "with_std": True},
    }
    assert json.loads(json.dumps(described)) == described


@pytest.mark.parametrize("error", [ValueError("no such step"), TypeError("seed is not taken")])
def test_a_pipeline_that_cannot_be_built(error: Exception) -> None:
    def broken(seed: int) -> Pipeline:
        raise error

    task = replace(TASK, estimator=EstimatorSpec(broken))
    with pytest.raises(TaskError) as caught:
        task.describe()
    assert str(caught.value) == f"estimator: the pipeline cannot be built: {error}"
