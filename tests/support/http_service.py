"""The service with a real release, in the test's own process: as an application, and behind a real socket."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from tests.support.quick_task import QUICK, store_of_two
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.system import EventSink
from weighbridge.entrypoints.http.fast.front import Front
from weighbridge.entrypoints.http.lifecycle import Lifecycle
from weighbridge.entrypoints.service.app import create_app
from weighbridge.entrypoints.service.server import listen, make_server
from weighbridge.entrypoints.settings import load_settings

CLOCK = SystemClock()


def service_on(store: ArtefactStore, events: EventSink) -> PredictionService:
    """A service of the shipped task, without a model yet."""
    return PredictionService(QUICK.name, StoreRegistry(store, CLOCK), [OnnxCodec()], CLOCK, events)


def service_of_two(store: MemoryStore | None = None) -> PredictionService:
    """A service with the second of two releases."""
    service = service_on(store or store_of_two(), PrometheusTelemetry(SharedCounters(private_memory()), CLOCK))
    service.load()
    return service


def app_of(**given: Any) -> tuple[Front, PrometheusTelemetry]:
    """The application over ``service_of_two`` with settings, and what counts its requests."""
    telemetry = PrometheusTelemetry(SharedCounters(private_memory()), CLOCK)
    return create_app(service_of_two(), load_settings(given), telemetry, Lifecycle()), telemetry


@contextmanager
def serving(service: PredictionService, **given: Any) -> Iterator[httpx.Client]:
    """A client of the service, which runs on a free port and, unless settings say so, looks for no other model."""
    settings = load_settings({"refresh_seconds": 3600, **given})
    listener = listen("127.0.0.1", 0)
    server = make_server(service, settings, PrometheusTelemetry(SharedCounters(private_memory()), CLOCK))
    front = server.config.app
    assert isinstance(front, Front)
    # Here rather than beside the test: the framework meddles with the filters of warnings.
    front.prepare()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join(timeout=120)
    assert not thread.is_alive()
