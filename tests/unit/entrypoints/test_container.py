"""The container: each port is what it should be, and nothing is built before it is asked for."""

import sys

import pytest

from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.observers.every_observer import EveryObserver
from weighbridge.adapters.observers.prediction_logging import PredictionLogging
from weighbridge.adapters.observers.shadowing import Shadowing
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.adapters.system import SystemClock, SystemRevision
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.adapters.telemetry_log import LogEventSink
from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.ports import Ports
from weighbridge.domain.registry.history import History
from weighbridge.domain.serving.service import PredictionService
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.hidden_modules import hidden_modules
from weighbridge.entrypoints.settings import load_settings


def test_every_port_is_wired() -> None:
    container = wire(load_settings({"store": "memory://", "git_commit_hash": "0a1b2c3"}))
    ports = container.ports()
    assert isinstance(ports, Ports)
    assert [type(codec) for codec in ports.codecs] == [OnnxCodec, SkopsCodec]
    kinds = [type(port) for port in (ports.store, ports.registry, ports.reader, ports.clock, ports.events)]
    assert kinds == [MemoryStore, StoreRegistry, TabularReader, SystemClock, LogEventSink]
    assert isinstance(ports.revisions, SystemRevision)
    assert ports.revisions.revision() == "0a1b2c3"
    assert ports.software_version
    assert ports.operator
    # There is one store; whatever asks for it gets the same.
    assert container.store() is ports.store is container.ports().store
    assert container.registry() is ports.registry
    service = container.service("time_to_dispatch")
    assert isinstance(service, PredictionService)
    assert (service.task, service.loaded) == ("time_to_dispatch", None)


def test_containers_share_nothing() -> None:
    one, other = (wire(load_settings({"store": "memory://"})) for _ in range(2))
    one.store().write("datasets/a", b"")
    assert list(other.store().list("datasets/")) == []


def test_nothing_is_reached_for_until_it_is_asked_for() -> None:
    container = wire(load_settings({"store": "xs://nowhere"}))
    assert container.settings().store == "xs://nowhere"
    assert isinstance(container.clock(), SystemClock)
    with pytest.raises(ConfigurationError):
        container.store()


def test_tracing_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "weighbridge.adapters.tracing_otel", raising=False)
    with hidden_modules("opentelemetry"):
        assert wire(load_settings({})).tracing() is None
        with pytest.raises(ConfigurationError) as caught:
            wire(load_settings({"tracing": True})).tracing()
    assert str(caught.value) == "WEIGHBRIDGE_TRACING needs the extra 'otel': pip install 'weighbridge[otel]'"


def test_observers_are_those_that_the_settings_ask_for() -> None:
    asked = {"store": "memory://", "shadow": "newest-unpromoted", "prediction_log": True}
    kinds = {
        name: type(container.observer(container.service("time_to_dispatch")))
        for name, container in {
            "none": wire(load_settings({"store": "memory://"})),
            "shadow": wire(load_settings(asked | {"prediction_log": False})),
            "log": wire(load_settings(asked | {"shadow": None})),
            "both": wire(load_settings(asked)),
        }.items()
    }
    assert kinds == {"none": type(None), "shadow": Shadowing, "log": PredictionLogging, "both": EveryObserver}


def test_the_page_has_a_history_unless_there_is_no_page() -> None:
    assert isinstance(wire(load_settings({"store": "memory://"})).history("time_to_dispatch"), History)
    assert wire(load_settings({"store": "memory://", "no_page": True})).history("time_to_dispatch") is None
