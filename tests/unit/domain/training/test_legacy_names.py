"""Fingerprints that version 0.1.0 recorded: whoever has one does not train again because of new names."""

from dataclasses import replace

import numpy as np
import pytest
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from weighbridge.domain.data.dataset import SplitSpec
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.evaluation.checks.behaviour import Invariant, Monotone
from weighbridge.domain.evaluation.checks.check import Increases, NotAboveLargestLabel, NotBelow
from weighbridge.domain.evaluation.checks.classes import EveryClassPredicted, ProbabilityIncreases
from weighbridge.domain.evaluation.checks.known_rows import KnownRow, KnownRows
from weighbridge.domain.evaluation.comparison import NotWorseThanLive
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.evaluation.rules.defaults import default_rules
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.training.task import TaskDefinition


def numbers(seed: int) -> Pipeline:
    encoder = ColumnTransformer(
        [
            ("product", OneHotEncoder(dtype=np.float32), ["product"]),
            ("log", FunctionTransformer(np.log1p), ["orders"]),
        ]
    )
    return Pipeline([("features", encoder), ("regressor", Ridge(random_state=seed))])


def classes(seed: int) -> Pipeline:
    encoder = ColumnTransformer([("product", OneHotEncoder(), ["product"])], remainder="passthrough")
    return Pipeline([("features", encoder), ("classifier", RandomForestClassifier(random_state=seed))])


FEATURES = (Number("orders", 0), Category("product", ("A", "B")))
ROW = {"orders": 1.0, "product": "A"}
#: With every check and rule for a target that is a number.
NUMBERS = TaskDefinition(
    name="hours",
    schema=Schema(FEATURES, Number("time"), "est_time"),
    estimator=EstimatorSpec(numbers, {"regressor__alpha": [0.1, 1.0]}),
    thresholds=(Threshold("r2", 0.8, 0.9), Threshold("mean_absolute_error", 10, 5, slice_by="product")),
    split=SplitSpec(0.2, "product", 1),
    checks=(
        Increases("orders", 1, 2),
        NotBelow(0),
        NotAboveLargestLabel(1.5),
        Monotone("orders", (1, 2, 3), "product"),
        Invariant("product", 0.5),
        KnownRows((KnownRow(ROW, 1, 2),)),
    ),
    comparisons=(NotWorseThanLive("r2", 0.02, 0.1),),
    rules=default_rules(),
)
#: With every check and rule for a target that is a category.
CLASSES = TaskDefinition(
    name="late",
    schema=Schema(FEATURES, Category("late", ("no", "yes")), "est_late"),
    estimator=EstimatorSpec(classes, scoring="accuracy"),
    thresholds=(Threshold("accuracy", 0.6, 0.7),),
    checks=(
        EveryClassPredicted(),
        ProbabilityIncreases("yes", "orders", 1, 2, "product"),
        KnownRows((KnownRow(ROW, label="no"),)),
    ),
    rules=default_rules("accuracy"),
)
#: What version 0.1.0, at its commit 284ae98 and with scikit-learn 1.9, wrote into the records of these tasks.
WRITTEN = (
    (TIME_TO_DISPATCH, "c56bbe7a809879900bf68ab2482b3370b76fc43bb88e8eff68b4a12a4f8e892c"),
    (NUMBERS, "8c2845c1b0fcaf90b7b92aff9f0066db92bf5d26e42a28281543da2b6e375996"),
    (CLASSES, "032c239813b72aabdd584d758719a4c7b08fd4cf957891752db1ae60e0a8a6a7"),
)


@pytest.mark.skipif(
    not sklearn.__version__.startswith("1.9."),
    reason="the parameters of scikit-learn 1.9 are part of these digests",
)
@pytest.mark.parametrize(("task", "recorded"), WRITTEN, ids=[task.name for task, _ in WRITTEN])
def test_a_fingerprint_of_version_0_1_0_is_recognised(task: TaskDefinition, recorded: str) -> None:
    assert task.fingerprint != recorded
    assert task.has_fingerprint(recorded)
    assert not replace(task, name="other").has_fingerprint(recorded)


def test_the_fingerprint_of_this_version_is_recognised_and_no_other() -> None:
    assert NUMBERS.has_fingerprint(NUMBERS.fingerprint)
    assert not NUMBERS.has_fingerprint(CLASSES.fingerprint)
    assert not NUMBERS.has_fingerprint("")
