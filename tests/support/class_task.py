"""A release of a small task of classes, trained once per process in a moment; a service of it."""

from functools import cache
from io import BytesIO

import numpy as np
import pandas as pd

from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.system import SystemClock
from weighbridge.domain import workflow
from weighbridge.domain.data.dataset import SplitSpec
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.model.fitted import FittedModel
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.training.estimator import EstimatorSpec
from weighbridge.domain.training.task import TaskDefinition
from weighbridge.entrypoints.container import Container, wire
from weighbridge.entrypoints.settings import load_settings

CLOCK = SystemClock()
LEVELS = ("rosso", "bianco", "dolce")


def _pipeline(seed: int) -> FittedModel:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    return Pipeline([("scale", StandardScaler()), ("classifier", LogisticRegression(random_state=seed))])


WINES = TaskDefinition(
    name="wines",
    schema=Schema((Number("alcohol", minimum=0), Number("colour")), Category("wine", LEVELS), "which_wine"),
    estimator=EstimatorSpec(_pipeline, {"classifier__C": [1.0]}, folds=3, scoring="accuracy"),
    thresholds=(Threshold("accuracy", error=0.1, warning=0.2),),
    split=SplitSpec(test_size=0.25, seed=7),
)


def service_of_classes() -> PredictionService:
    """A service whose live model predicts ``LEVELS``."""
    registry = StoreRegistry(_trained().store(), CLOCK)
    telemetry = PrometheusTelemetry(SharedCounters(private_memory()), CLOCK)
    service = PredictionService(WINES.name, registry, [OnnxCodec()], CLOCK, telemetry)
    service.load()
    return service


@cache
def _trained() -> Container:
    container = wire(load_settings({"store": "memory://"}))
    made = np.random.default_rng(5)
    place = made.integers(0, 3, 120)
    frame = pd.DataFrame(
        {
            "alcohol": made.normal(12 + place, 1.0),
            "colour": made.normal(3.0 * place, 1.0),
            "wine": np.array(LEVELS, object)[place],
        }
    )
    at = CLOCK.now()
    workflow.put_dataset(WINES, ".csv", BytesIO(frame.to_csv(index=False).encode()), at, container.ports())
    workflow.train_and_release(WINES, container.ports())
    return container
