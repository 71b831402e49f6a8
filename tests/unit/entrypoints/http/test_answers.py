"""From a row to the bytes of an answer: numbers, classes, and predictions that are no numbers."""

import asyncio
import json
import math
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START
from tests.support.registry_contract import TASK, make_record, version_of
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.model.predictor import Answer, Classification, Columns, Predictor, label_or_value
from weighbridge.domain.registry.promotions import Promotion
from weighbridge.domain.registry.releases import Release
from weighbridge.domain.serving.service import LoadedModel
from weighbridge.entrypoints.http.answers import Answers
from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.schemas import answer_schema

LEVELS = ("rosso", "bianco", 'dolce "é"')
CLASSES = Schema((Number("x"),), Category("wine", LEVELS), "which wine")
NUMBERS = Schema((Number("x"),), Number("hours"), "est_hours")


class Told(Predictor):
    """Answers what it was told to."""

    def __init__(self, likely: list[float]) -> None:
        self.likely = likely

    def predict(self, columns: Columns) -> "np.ndarray[object, np.dtype[np.object_]]":
        if len(self.likely) == 1:
            return np.array(self.likely * len(columns["x"]))
        return np.array(["bianco"] * len(columns["x"]), dtype=object)

    def predict_proba(self, columns: Columns) -> "np.ndarray[object, np.dtype[np.float64]]":
        return np.array([self.likely] * len(columns["x"]))


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with ThreadPoolExecutor(1) as executor:
        yield executor


def telemetry() -> PrometheusTelemetry:
    return PrometheusTelemetry(SharedCounters(private_memory()), SystemClock())


def answers_of(schema: Schema, likely: list[float], executor: Executor) -> Answers:
    record = replace(make_record(b"model", START), schema=schema)
    version = version_of(record)
    release = Release(version, record, record.to_dict())
    promotion = Promotion(version, START, "", "")
    return Answers(LoadedModel(release, Told(likely), promotion, START), executor, telemetry())


def answer(answers: Answers) -> Answer:
    async def ask() -> Answer:
        return (await answers.predict({"x": 1.0}, "id")).answer

    return asyncio.run(ask())


VERSION = f"{TASK}/{make_record(b'model', START).version}"


def test_classes_are_answered_with_their_probabilities_in_order(executor: Executor) -> None:
    answers = answers_of(CLASSES, [0.125, 0.625, 0.25], executor)
    found = answer(answers)
    assert found == Classification("bianco", [0.125, 0.625, 0.25])
    document = json.loads(answers.write(found))
    assert document == {
        "which wine": "bianco",
        "probabilities": {"rosso": 0.125, "bianco": 0.625, 'dolce "é"': 0.25},
        "model_version": VERSION,
    }
    assert list(document) == answer_schema(CLASSES)["required"]
    assert list(document["probabilities"]) == list(LEVELS)
    assert label_or_value(found) == "bianco"


@given(st.lists(st.floats(0, 1), min_size=3, max_size=3))
def test_probabilities_read_back_to_the_last_bit(likely: list[float]) -> None:
    with ThreadPoolExecutor(1) as executor:
        answers = answers_of(CLASSES, likely, executor)
        written = answers.write(Classification("rosso", likely))
    assert list(json.loads(written)["probabilities"].values()) == likely


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_probabilities_that_are_not_finite_are_a_problem_of_the_request(
    executor: Executor, strange: float, place: int
) -> None:
    likely = [0.5, 0.25, 0.25]
    likely[place] = strange
    with pytest.raises(RequestProblem) as caught:
        answer(answers_of(CLASSES, likely, executor))
    assert caught.value.status == 422
    assert caught.value.detail == "the model has no finite prediction for this row: its numbers are too large"


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_not_finite_is_a_problem_of_the_request(executor: Executor, strange: float) -> None:
    with pytest.raises(RequestProblem) as caught:
        answer(answers_of(NUMBERS, [strange], executor))
    assert caught.value.status == 422


def test_a_number_is_answered_alone(executor: Executor) -> None:
    answers = answers_of(NUMBERS, [0.1], executor)
    found = answer(answers)
    assert (found, label_or_value(found)) == (0.1, 0.1)
    assert answers.write(found) == f'{{"est_hours": 0.1, "model_version": "{VERSION}"}}'.encode()
    assert answer_schema(NUMBERS) == {
        "title": "A prediction, and the model that made it",
        "type": "object",
        "properties": {
            "est_hours": {"type": "number"},
            "model_version": {"type": "string", "description": "task/version"},
        },
        "required": ["est_hours", "model_version"],
    }
