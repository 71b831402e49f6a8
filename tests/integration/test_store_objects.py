"""The store of the clouds: the contract over obstore's own store in memory, and its errors in our words."""

import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import obstore.exceptions as vendor
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from obstore.store import MemoryStore

from tests.support.clocks import SettableClock
from tests.support.events import Recorder, retries_in
from weighbridge.adapters.cloud.connection import connect
from weighbridge.adapters.cloud.errors import translate
from weighbridge.adapters.cloud.store import ObjectStore
from weighbridge.adapters.telemetry_log import LogEventSink
from weighbridge.adapters.testing.store_contract import NewStore, StoreContract
from weighbridge.adapters.testing.store_machine import run_machine
from weighbridge.domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreError,
    StoreNotFound,
    StoreUnavailable,
)
from weighbridge.entrypoints.hidden_modules import hidden_modules
from weighbridge.entrypoints.settings import load_settings
from weighbridge.entrypoints.store_urls import open_store


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


class Faulty(MemoryStore):
    """Meets what is planned, one after the other: nothing, an error instead of the request, or one after it."""

    def __init__(self) -> None:
        super().__init__()
        self.plan: list[str] = []

    def head(self, path: str) -> Any:
        return self._meet(lambda: MemoryStore.head(self, path))

    def get(self, path: str, **options: Any) -> Any:
        return self._meet(lambda: MemoryStore.get(self, path, **options))

    def put(self, path: str, data: Any, **options: Any) -> Any:  # type: ignore[override]
        return self._meet(lambda: MemoryStore.put(self, path, data, **options))

    def delete(self, path: str) -> None:  # type: ignore[override]
        def delete() -> None:
            MemoryStore.head(self, path)  # which tells what is missing, as Azure's deletions do
            MemoryStore.delete(self, path)

        self._meet(delete)

    def list(self, *arguments: Any, **options: Any) -> Any:  # type: ignore[override]
        pages = MemoryStore.list(self, *arguments, **options)
        while (page := self._meet(lambda: next(pages, None))) is not None:
            yield page

    def _meet(self, request: Callable[[], Any]) -> Any:
        fault = self.plan.pop(0) if self.plan else "none"
        if fault == "before":
            raise vendor.GenericError("Server returned non-2xx status code: 503 Service Unavailable: busy")
        if fault == "gone":
            raise FileNotFoundError
        answer = request()
        if fault == "after":
            raise vendor.GenericError("error sending request")
        return answer


def faulty_store(attempts: int) -> tuple[ObjectStore, Faulty, Recorder, list[float]]:
    client, events, pauses = Faulty(), Recorder(), list[float]()
    return (
        ObjectStore(client, "memory", attempts=attempts, sleep=pauses.append, events=events),
        client,
        events,
        pauses,
    )


def outcome(store: ObjectStore, operation: str) -> object:
    """What an operation gave, told plainly."""
    match operation:
        case "list":
            return [(ref.key, ref.size) for ref in store.list("models/")]
        case "read":
            return store.read("models/m").data
        case "write":
            return store.write("models/n", b"mine").key
        case _:
            return store.delete("models/m")


OPERATIONS = {
    "list": ("list", [("models/m", 1)]),
    "read": ("get", b"1"),
    "write": ("put", "models/n"),
    "delete": ("head", None),
}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(("fault", "reason"), [("before", "503"), ("after", "no answer")])
def test_what_may_pass_is_tried_again_and_told(operation: str, fault: str, reason: str) -> None:
    store, client, events, pauses = faulty_store(attempts=3)
    store.write("models/m", b"1")
    name, expected = OPERATIONS[operation]
    client.plan = [fault, fault]
    # The object itself tells that a write went through whose answer was lost, when it can be asked.
    asked_again = operation == "write" and fault == "after"
    if operation == "write" and fault == "before":
        client.plan = ["before", "none", "before"]
    assert outcome(store, operation) == expected
    assert retries_in(events) == [(name, reason)] * 2 if not asked_again else [(name, reason)]
    assert all(0 <= pause < 0.1 * 2**number for number, pause in enumerate(pauses, 1))
    assert len(pauses) == len(retries_in(events))
    client.plan = ["before"] * 9
    if operation in {"list", "read"}:
        with pytest.raises(StoreUnavailable, match="503 Service Unavailable: busy; check the network"):
            outcome(store, operation)
        assert client.plan == ["before"] * 6


def test_what_will_not_pass_is_not_tried_again() -> None:
    store, _, events, pauses = faulty_store(attempts=3)
    with pytest.raises(ArtefactNotFound):
        store.read("models/m")
    store.write("models/m", b"1")
    with pytest.raises(ArtefactExists):
        store.write("models/m", b"2")
    assert (retries_in(events), pauses) == ([], [])


def test_a_deletion_whose_reply_was_lost_is_done_and_another_finds_nothing() -> None:
    store, client, events, _ = faulty_store(attempts=2)
    store.write("models/m", b"1")
    client.plan = ["none", "after"]
    store.delete("models/m")
    assert retries_in(events) == [("delete", "no answer")]
    with pytest.raises(ArtefactNotFound):
        store.delete("models/m")
    # Gone between the look and the deletion: another has deleted it.
    store.write("models/m", b"1")
    client.plan = ["none", "gone"]
    with pytest.raises(ArtefactNotFound):
        store.delete("models/m")


def test_a_broken_body_is_told_as_a_retry() -> None:
    store, client, events, _ = faulty_store(attempts=1)
    client.put("models/m", b"flipped", attributes={"weighbridge_sha256": "0" * 64})
    with pytest.raises(StoreUnavailable, match="models/m came broken 3 times"):
        store.read("models/m")
    assert retries_in(events) == [("get", "broken body")] * 2


def test_a_listing_goes_on_where_it_broke_off() -> None:
    store, client, _, _ = faulty_store(attempts=2)
    for number in range(2500):
        MemoryStore.put(client, f"datasets/{number:05}", b"")
    client.plan = ["none", "after", "none", "before"]
    assert [int(ref.name) for ref in store.list("datasets/")] == list(range(2500))


def test_whatever_fails_nothing_wrong_is_taken_for_right() -> None:
    run_machine(FaultyMachine, 2)


class FaultyMachine(RuleBasedStateMachine):
    """Any history of operations under any mixture of faults, against what is in the bucket."""

    keys = st.sampled_from(["models/a", "models/b"])

    def __init__(self) -> None:
        super().__init__()
        self.store, self.client, _, _ = faulty_store(attempts=2)
        self.model: dict[str, bytes] = {}
        self.writes = 0

    @rule(faults=st.lists(st.sampled_from(["none", "before", "after"]), max_size=5))
    def trouble(self, faults: list[str]) -> None:
        self.client.plan = faults

    @rule(key=keys)
    def write(self, key: str) -> None:
        self.writes += 1
        data = f"{self.writes}".encode()
        try:
            self.store.write(key, data)
        except ArtefactExists:
            assert key in self.model
        except StoreUnavailable:
            if key not in self.model and key in self._contents():
                self.model[key] = data
        else:
            assert key not in self.model
            self.model[key] = data

    @rule(key=keys)
    def delete(self, key: str) -> None:
        try:
            self.store.delete(key)
        except ArtefactNotFound:
            assert key not in self.model
        except StoreUnavailable:
            if key not in self._contents():
                self.model.pop(key, None)
        else:
            del self.model[key]

    @rule(key=keys)
    def read(self, key: str) -> None:
        try:
            assert self.store.read(key).data == self.model[key]
        except ArtefactNotFound:
            assert key not in self.model
        except StoreUnavailable:
            pass

    @rule()
    def listing(self) -> None:
        with suppress(StoreUnavailable):
            assert [ref.key for ref in self.store.list("models/")] == sorted(self.model)

    @invariant()
    def what_is_in_the_bucket_is_what_was_said(self) -> None:
        assert self._contents() == self.model

    def _contents(self) -> dict[str, bytes]:
        pages = MemoryStore.list(self.client)
        paths = [str(meta["path"]) for page in pages for meta in page]
        return {path: bytes(MemoryStore.get(self.client, path).bytes()) for path in paths}


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
    monkeypatch.delitem(sys.modules, "weighbridge.adapters.cloud.connection")
    with hidden_modules("obstore"), pytest.raises(ConfigurationError, match=r"pip install 'weighbridge\[cloud\]'"):
        open_store(load_settings({"store": "gs://bucket"}), SettableClock(), LogEventSink())
