"""Every answer is shown to the observer once, whichever way it went, with the model that gave it."""

import asyncio
import json
from typing import Any

import pytest

from tests.support.asgi_client import ask
from tests.support.http_service import service_of_two
from tests.unit.entrypoints.http.fast.test_front import CLOCK, PATH, QUICKLY, SLOWLY, body_of
from weighbridge.adapters.observers.every_observer import EveryObserver, one_observer
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.domain.data.schema import Row, Value
from weighbridge.domain.model.predictor import Classification
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.service import LoadedModel
from weighbridge.entrypoints.http.lifecycle import Lifecycle
from weighbridge.entrypoints.service.app import create_app
from weighbridge.entrypoints.settings import load_settings


class Notes(AnswerObserver):
    """Writes down what it sees."""

    def __init__(self, name: str = "", into: list[Any] | None = None) -> None:
        self.name = name
        self.seen: list[Any] = [] if into is None else into

    def start(self) -> None:
        self.seen.append((self.name, "start"))

    def observe(self, model: LoadedModel, row: Row, answer: Value | Classification, request_id: str) -> None:
        self.seen.append((self.name, model, row, answer, request_id))

    def stop(self) -> None:
        self.seen.append((self.name, "stop"))


@pytest.mark.parametrize("headers", [QUICKLY, SLOWLY])
def test_an_answer_is_seen_once_and_a_refusal_never(headers: dict[str, str]) -> None:
    notes, serving = Notes(), service_of_two()
    telemetry = PrometheusTelemetry(SharedCounters(private_memory()), CLOCK)
    app = create_app(serving, load_settings({}), telemetry, Lifecycle(), notes)
    reply = ask(app, "POST", PATH, body_of("SKU001", 10), headers | {"X-Request-Id": "mine/1"})
    ask(app, "POST", PATH, body_of("SKU001", "ten"), headers)
    ask(app, "GET", "/readyz")
    value = json.loads(reply.body)["est_hours_to_dispatch"]
    assert notes.seen == [("", serving.loaded, {"product_code": "SKU001", "orders_placed": 10.0}, value, "mine/1")]
    made = ask(app, "POST", PATH, body_of("SKU001", 10), headers).headers["x-request-id"]
    assert notes.seen[-1][-1] == made


def test_it_starts_and_stops_with_the_application() -> None:
    notes = Notes()
    telemetry = PrometheusTelemetry(SharedCounters(private_memory()), CLOCK)
    app = create_app(service_of_two(), load_settings({}), telemetry, Lifecycle(), notes)

    async def live() -> list[str]:
        coming: asyncio.Queue[Any] = asyncio.Queue()
        going: asyncio.Queue[Any] = asyncio.Queue()
        running = asyncio.create_task(app({"type": "lifespan", "state": {}}, coming.get, going.put))
        said = []
        for word in ("startup", "shutdown"):
            await coming.put({"type": f"lifespan.{word}"})
            said.append((await going.get())["type"])
            said.append(notes.seen[-1][1])
        await running
        return said

    assert asyncio.run(live()) == ["lifespan.startup.complete", "start", "lifespan.shutdown.complete", "stop"]
    assert notes.seen == [("", "start"), ("", "stop")]


def test_several_are_one_and_none_is_none() -> None:
    seen: list[Any] = []
    one, other = Notes("one", seen), Notes("other", seen)
    loaded = service_of_two().loaded
    assert loaded is not None
    assert one_observer() is one_observer(None, None) is None
    assert one_observer(None, one) is one
    both = one_observer(one, None, other)
    assert isinstance(both, EveryObserver)
    both.start()
    both.observe(loaded, {"a": 1.0}, 2.0, "id")
    both.stop()
    assert seen == [
        ("one", "start"),
        ("other", "start"),
        ("one", loaded, {"a": 1.0}, 2.0, "id"),
        ("other", loaded, {"a": 1.0}, 2.0, "id"),
        ("other", "stop"),
        ("one", "stop"),
    ]
