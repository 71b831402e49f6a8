"""Addresses of stores: each opens the adapter of its scheme, and any other is refused."""

import os
from pathlib import Path

import pytest

from tests.support.clocks import SettableClock
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.s3.client import open_client
from weighbridge.adapters.s3.store import S3Store
from weighbridge.adapters.telemetry_log import LogEventSink
from weighbridge.domain.errors import ConfigurationError, StoreNotFound
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.entrypoints.settings import load_settings
from weighbridge.entrypoints.store_urls import open_store


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


def test_a_bucket_is_asked_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def record_client(**options: object) -> object:
        asked.update(options)
        return open_client(read_timeout=1, attempts=1)

    def record_store(*arguments: object, **options: object) -> None:
        asked.update(options, bucket=arguments[1], prefix=arguments[2])

    monkeypatch.setattr("weighbridge.adapters.s3.client.open_client", record_client)
    monkeypatch.setattr("weighbridge.adapters.s3.store.S3Store", record_store)
    events = LogEventSink()
    settings = load_settings(
        {
            "store": "s3://bucket/prefix",
            "store_timeout_seconds": 7,
            "store_attempts": 3,
            "store_deadline_seconds": 11,
            "store_anonymous": True,
            "store_requester_pays": True,
        }
    )
    open_store(settings, SettableClock(), events)
    assert asked == {
        "bucket": "bucket",
        "prefix": "prefix",
        "read_timeout": 7.0,
        "attempts": 3,
        "anonymous": True,
        "requester_pays": True,
        "deadline": 11.0,
        "events": events,
        "trusted": True,
    }


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
