"""The container: each address opens its store, and each port is what it should be."""

import os
import sys
from pathlib import Path

import pytest

from tests.support.clocks import SettableClock
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.s3.store import S3Store
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.adapters.system import SystemClock, SystemRevision
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.adapters.telemetry_log import LogEventSink
from weighbridge.domain.errors import ConfigurationError, StoreNotFound
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.workflow import Ports
from weighbridge.entrypoints.container import open_store, wire
from weighbridge.entrypoints.hidden_modules import hidden_modules
from weighbridge.entrypoints.settings import load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with one folder in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my store").mkdir()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    return tmp_path


def opened(url: str, create: bool = False) -> ArtefactStore:
    return open_store(load_settings({"store": url, "create_store": create}), SettableClock(), LogEventSink())


@pytest.mark.parametrize(
    "address",
    [
        "my store",
        "./my store",
        "{}/my store",
        "file://{}/my%20store",
        "file://{}/my store",
        "file://localhost{}/my%20store",
        "FILE://{}/my%20store/",
    ],
)
def test_a_folder(folder: Path, address: str) -> None:
    store = opened(address.format(folder))
    assert isinstance(store, LocalStore)
    assert store.url == (folder / "my store").as_uri()


@pytest.mark.parametrize("address", ["./nowhere", "{}/nowhere", "file://{}/nowhere"])
def test_a_folder_that_is_not_there(folder: Path, address: str) -> None:
    with pytest.raises(StoreNotFound, match="nowhere"):
        opened(address.format(folder))
    assert not (folder / "nowhere").exists()
    assert isinstance(opened(address.format(folder), create=True), LocalStore)
    assert (folder / "nowhere").is_dir()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("s3://bucket/deep/prefix/", "s3://bucket/deep/prefix"),
        ("s3://bucket/what?not#that", "s3://bucket/what?not#that"),
        ("s3://Bucket/Prefix", "s3://Bucket/Prefix"),
    ],
)
def test_a_bucket(address: str, url: str) -> None:
    store = opened(address)
    assert isinstance(store, S3Store)
    assert store.url == url


def test_a_bucket_is_asked_as_the_settings_say() -> None:
    settings = load_settings(
        {
            "store": "s3://bucket",
            "store_timeout_seconds": 7,
            "store_attempts": 3,
            "store_deadline_seconds": 11,
        }
    )
    store = open_store(settings, SettableClock(), LogEventSink())
    assert isinstance(store, S3Store)
    config = store._client.meta.config
    assert (config.read_timeout, config.retries["total_max_attempts"], store._deadline) == (7.0, 3, 11.0)


def test_memory() -> None:
    assert isinstance(opened("memory://"), MemoryStore)


@pytest.mark.parametrize(
    "address",
    [
        *(
            "http://bucket/prefix",
            "gs://",
            "az://a?b",
            "s3://",
            "s3:///prefix",
            "file://",
            "file:///",
            "://",
            "x://y",
        ),
        *("file://elsewhere/dir", "memory://shared", "memory:///shared", "file:///dir?query", "file:///dir#part"),
        *("s3://bucket?query", "s3://bucket#part", "s3://buc?ket/prefix", "s3://[bucket/prefix", "memory://?a"),
    ],
)
def test_any_other_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        opened(address)
    assert str(caught.value) == (
        f"the store '{address}' cannot be opened; an address is ./dir, file:///abs/dir, "
        "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or memory://"
    )


@pytest.mark.parametrize("address", ["", "  "])
def test_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="the store's address is empty"):
        opened(address, create=True)


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
