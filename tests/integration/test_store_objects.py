"""The store of the clouds: the contract over obstore's own store in memory, and its errors in our words."""

import sys
from itertools import count
from typing import Any

import obstore.exceptions as vendor
import pytest
from obstore.store import MemoryStore

from adapters.objects import ObjectStore, connect, translate
from adapters.telemetry_log import LogEventSink
from adapters.testing.store_contract import NewStore, StoreContract
from domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreError,
    StoreNotFound,
    StoreUnavailable,
)
from entrypoints.container import open_store
from entrypoints.hidden_modules import hidden_modules
from entrypoints.settings import load_settings
from tests.clocks import SettableClock


class TestObjectStore(StoreContract):
    slowness = 3

    @pytest.fixture
    def new_store(self) -> NewStore:
        client, numbers = MemoryStore(), count()
        return lambda: ObjectStore(client, "memory", f"some where/{next(numbers)}")


class TestObjectStoreOnAWholeBucket(StoreContract):
    slowness = 10

    @pytest.fixture
    def new_store(self) -> NewStore:
        return lambda: ObjectStore(MemoryStore(), "memory")


def test_what_is_no_artefact_is_never_listed() -> None:
    client = MemoryStore()
    store = ObjectStore(client, "memory", "/p/")
    for path in (
        "p/datasets/.hidden",
        "p/datasets/sub/a",
        "p/datasets",
        "p/datasets2/a",
        "datasets/a",
        "q/datasets/a",
    ):
        client.put(path, b"")
    store.write("datasets/b", b"")
    assert [ref.key for ref in store.list("datasets/")] == ["datasets/b"]


def test_a_listing_goes_on_over_pages() -> None:
    client = MemoryStore()
    store = ObjectStore(client, "memory")
    for number in range(2500):
        client.put(f"datasets/{number:05}", b"")
    assert [int(ref.name) for ref in store.list("datasets/")] == list(range(2500))
    assert [int(ref.name) for ref in store.list("datasets/01", "datasets/01500")] == list(range(1501, 2000))
    assert [int(ref.name) for ref in store.list("datasets/0")] == list(range(2500))


def test_what_others_put_is_read_and_a_replaced_object_is_another_revision() -> None:
    client = MemoryStore()
    store = ObjectStore(client, "memory")
    client.put("datasets/a", b"old")
    (old,) = store.list("datasets/")
    assert store.read(old).data == b"old"
    client.put("datasets/a", b"new")
    with pytest.raises(ArtefactNotFound, match=r"^memory: datasets/a: no longer in that revision$"):
        store.read(old)
    assert store.read("datasets/a").data == b"new"


def test_bytes_that_do_not_match_their_digest_are_no_answer() -> None:
    client = MemoryStore()
    client.put("models/m", b"flipped", attributes={"weighbridge_sha256": "0" * 64})
    with pytest.raises(StoreUnavailable, match="models/m came broken 3 times"):
        ObjectStore(client, "memory").read("models/m")


class LosesReplies(MemoryStore):
    """Puts what it is given, and says that it is there already, as the second attempt after a lost reply does."""

    error: type[Exception] = vendor.AlreadyExistsError

    def put(self, path: str, data: Any, **options: Any) -> Any:
        super().put(path, data, **options)
        raise self.error("lost")


@pytest.mark.parametrize("error", [vendor.AlreadyExistsError, vendor.GenericError])
def test_a_write_whose_reply_was_lost_is_recognised(error: type[Exception]) -> None:
    client = LosesReplies()
    client.error = error
    store = ObjectStore(client, "memory")
    ref = store.write("models/m", b"mine")
    assert store.read(ref).data == b"mine"
    with pytest.raises(ArtefactExists, match="models/m exists already"):
        store.write("models/m", b"mine")


class Stalls(MemoryStore):
    """Never answers."""

    def get(self, *arguments: Any, **options: Any) -> Any:
        from threading import Event

        Event().wait()


def test_what_takes_too_long_is_given_up() -> None:
    with pytest.raises(StoreUnavailable, match=r"^memory: models/m: no whole answer within 0\.01 seconds"):
        ObjectStore(Stalls(), "memory", deadline=0.01).read("models/m")


@pytest.mark.parametrize(
    ("error", "expected", "says"),
    [
        (FileNotFoundError("x"), ArtefactNotFound, "gs://b: k: not there"),
        (FileNotFoundError("<Code>ContainerNotFound</Code>"), StoreNotFound, "gs://b: there is no such bucket"),
        (vendor.GenericError("<Code>NoSuchBucket</Code>"), StoreNotFound, "gs://b: there is no such bucket"),
        (vendor.PreconditionError("x"), ArtefactNotFound, "gs://b: k: no longer in that revision"),
        (vendor.PermissionDeniedError("no <?xml?>"), StoreDenied, r"gs://b: k: access refused \(no\); check the"),
        (vendor.UnauthenticatedError("who"), StoreDenied, "access refused"),
        (vendor.GenericError("GET http://169.254.169.254/x"), StoreDenied, "there are no credentials"),
        (
            vendor.GenericError("reset\n\nDebug source:\nlong"),
            StoreUnavailable,
            "gs://b: k: reset; check the network",
        ),
        (vendor.GenericError("y" * 999), StoreUnavailable, r"y{300}\.\.\.; check"),
        (vendor.InvalidPathError("a//b"), ConfigurationError, "gs://b: k: a//b; check the store's address"),
        (ValueError("bad"), ConfigurationError, "gs://b: k: bad; check the store's address"),
    ],
)
def test_an_error_says_what_to_do(error: Exception, expected: type[StoreError], says: str) -> None:
    found = translate(error, "gs://b", "k", ArtefactNotFound)
    assert type(found) is expected
    assert "\n" not in str(found)
    with pytest.raises(expected, match=says):
        raise found


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", "account")
    monkeypatch.setenv("GOOGLE_SKIP_SIGNATURE", "true")
    for address, url in (
        ("gs://bucket", "gs://bucket"),
        ("GS://bucket/deep/er/", "gs://bucket/deep/er"),
        ("az://container/prefix", "az://container/prefix"),
    ):
        store = open_store(load_settings({"store": address}), SettableClock(), LogEventSink())
        assert isinstance(store, ObjectStore)
        assert store.url == url


def test_an_account_that_is_not_named_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(ConfigurationError, match=r"^az://container/p: .*[Aa]ccount.*; check its name"):
        connect("az", "container", "p")


def test_without_the_extra_the_message_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "adapters.objects")
    with hidden_modules("obstore"), pytest.raises(ConfigurationError, match=r"pip install 'weighbridge\[cloud\]'"):
        open_store(load_settings({"store": "gs://bucket"}), SettableClock(), LogEventSink())
