"""The S3 store behind a proxy that injects faults: it succeeds with what is right, or says StoreUnavailable."""

from collections.abc import Callable, Iterator
from functools import cache
from itertools import count
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from adapters.registry import StoreRegistry
from adapters.s3 import S3Store, open_client
from domain.errors import ArtefactExists, ArtefactNotFound, NothingReleased, StoreUnavailable
from domain.releases import ModelVersion
from tests.clocks import START, SettableClock
from tests.faultproxy import Fault, FaultProxy
from tests.integration.conftest import MotoServer, s3_client, shared_client
from tests.registry_contract import TASK, make_record, version_of

DATA = b"product_code,orders_placed,hours_to_dispatch\n" * 20

OK, AWAY = "succeeds", "StoreUnavailable"

#: Of each operation the first request meets the fault once, and the client does not ask again by itself.
OUTCOMES = {
    Fault.LATENCY: {"list": OK, "stems": OK, "read": OK, "write": OK, "delete": OK},
    Fault.RESET_BEFORE: {"list": AWAY, "stems": AWAY, "read": AWAY, "write": AWAY, "delete": AWAY},
    # The write went through: the object itself says so.
    Fault.RESET_AFTER: {"list": AWAY, "stems": AWAY, "read": AWAY, "write": OK, "delete": AWAY},
    Fault.ERROR_500: {"list": AWAY, "stems": AWAY, "read": AWAY, "write": AWAY, "delete": AWAY},
    Fault.SLOW_DOWN: {"list": AWAY, "stems": AWAY, "read": AWAY, "write": AWAY, "delete": AWAY},
    # A body that comes broken is asked for again; the replies to the last two have none.
    Fault.TRUNCATED: {"list": AWAY, "stems": AWAY, "read": OK, "write": OK, "delete": OK},
    Fault.DRIPPED: {"list": AWAY, "stems": AWAY, "read": AWAY, "write": AWAY, "delete": AWAY},
    Fault.LOST_REPLY: {"list": AWAY, "stems": AWAY, "read": AWAY, "write": OK, "delete": AWAY},
    Fault.FLIPPED: {"list": OK, "stems": OK, "read": OK, "write": OK, "delete": OK},
}

#: What a network does to replies, and what a client may meet in any mixture.
MIXED = [fault for fault in Fault if fault is not Fault.FLIPPED_UPLOAD]


#: Faults that only a time-out ends: a reply that does not come, or not to its end. Under the others a busy machine
#: must not look like a fault.
ENDLESS = {Fault.LOST_REPLY, Fault.DRIPPED}


@cache
def client_of(endpoint: str, attempts: int, read_timeout: float) -> Any:
    client = open_client(connect_timeout=5, read_timeout=read_timeout, attempts=attempts)
    assert client.meta.endpoint_url == endpoint
    return client


@pytest.fixture(scope="module")
def running_proxy(moto_server: MotoServer) -> Iterator[FaultProxy]:
    proxy = FaultProxy(moto_server.url)
    yield proxy
    proxy.stop()


class Setting:
    """A bucket, seen through the proxy and directly; ``pauses`` are those that the store made between attempts."""

    def __init__(
        self, proxy: FaultProxy, bucket: str, prefix: str = "", attempts: int = 1, patient: bool = False
    ) -> None:
        self.proxy = proxy
        self.pauses: list[float] = []
        client = client_of(proxy.url, attempts, 20.0 if patient else 1.0)
        deadline = 60.0 if patient else 2.0
        self.store = S3Store(client, bucket, prefix, deadline=deadline, sleep=self.pauses.append)
        self.bucket, self.prefix = bucket, prefix

    def under(self, fault: Fault, attempts: int = 1) -> "Setting":
        """With time-outs that suit the fault."""
        return Setting(self.proxy, self.bucket, self.prefix, attempts, patient=fault not in ENDLESS)


@pytest.fixture
def direct(moto_bucket: str) -> S3Store:
    """The bucket without the proxy."""
    return S3Store(shared_client(1), moto_bucket)


@pytest.fixture
def setting(
    running_proxy: FaultProxy, direct: S3Store, moto_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Setting]:
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL_S3", running_proxy.url)
        for attempts, read_timeout in ((1, 1.0), (1, 20.0), (2, 1.0), (2, 20.0)):
            client_of(running_proxy.url, attempts, read_timeout)
    running_proxy.clear()
    yield Setting(running_proxy, moto_bucket)
    running_proxy.clear()


def listed(store: S3Store) -> list[tuple[str, int]]:
    return [(ref.key, ref.size) for ref in store.list("datasets/")]


@pytest.mark.parametrize("operation", ["list", "stems", "read", "write", "delete"])
@pytest.mark.parametrize("fault", OUTCOMES, ids=lambda fault: fault.value)
def test_each_fault_on_each_operation(setting: Setting, direct: S3Store, operation: str, fault: Fault) -> None:
    setting = setting.under(fault)
    key = "datasets/a_2021-07-03.csv"
    store, expected = setting.store, OUTCOMES[fault][operation]
    if operation != "write":
        direct.write(key, DATA)
    operations: dict[str, Callable[[], object]] = {
        "list": lambda: listed(store) == [(key, len(DATA))],
        "stems": lambda: list(store.stems("datasets/a_", "-")) == ["datasets/a_2021-"],
        "read": lambda: store.read(key).data == DATA,
        "write": lambda: store.write(key, DATA) == next(direct.list(key)),
        "delete": lambda: store.delete(key) is None,
    }
    setting.proxy.plan(fault)
    if expected is OK:
        right = operations[operation]()
        # An object's own time may be told in more than one precision.
        assert right or (operation == "write" and direct.read(key).data == DATA)
    else:
        with pytest.raises(StoreUnavailable, match="try again") as caught:
            operations[operation]()
        assert "\n" not in str(caught.value)
        assert ("no whole answer within 2 seconds" in str(caught.value)) is (fault is Fault.DRIPPED)
    assert [met for _, met in setting.proxy.met if met] == [fault]
    # Whatever it said, what is in the bucket is whole: all of it, or nothing where it was written or deleted.
    contents = [direct.read(ref).data for ref in direct.list("datasets/")]
    assert contents in {"write": [[DATA], []], "delete": [[DATA], []]}.get(operation, [[DATA]])
    if expected is OK and operation in {"write", "delete"}:
        assert contents == ([DATA] if operation == "write" else [])


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.LOST_REPLY, Fault.DRIPPED])
def test_a_deletion_whose_reply_is_lost_may_be_done(setting: Setting, direct: S3Store, fault: Fault) -> None:
    setting = setting.under(fault)
    direct.write("datasets/a", DATA)
    setting.proxy.plan(fault, operation="delete")
    with pytest.raises(StoreUnavailable):
        setting.store.delete("datasets/a")
    assert bool(listed(direct)) is (fault is Fault.RESET_BEFORE)


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("list", Fault.SLOW_DOWN),
        ("read", Fault.RESET_BEFORE),
        ("write", Fault.LOST_REPLY),
        ("write", Fault.ERROR_500),
    ],
)
def test_a_second_attempt_makes_it_good(setting: Setting, direct: S3Store, operation: str, fault: Fault) -> None:
    store = setting.under(fault, attempts=2).store
    setting.proxy.plan(fault)
    if operation == "write":
        store.write("datasets/a", DATA)
    else:
        direct.write("datasets/a", DATA)
        assert listed(store) == [("datasets/a", len(DATA))] if operation == "list" else store.read("datasets/a")
    assert direct.read("datasets/a").data == DATA
    assert setting.proxy.met[0][1] is fault


def test_a_body_that_never_comes_whole_is_given_up(setting: Setting, direct: S3Store) -> None:
    ref = direct.write("datasets/a", DATA)
    for fault in (Fault.TRUNCATED, Fault.FLIPPED):
        setting.proxy.clear()
        setting.pauses.clear()
        setting.proxy.plan(*[fault] * 4, operation="get")
        with pytest.raises(StoreUnavailable, match="datasets/a came broken 4 times"):
            setting.store.read(ref)
        assert len(setting.pauses) == 3
        assert all(0 <= pause < 0.1 * 2 ** (number + 1) for number, pause in enumerate(setting.pauses))


def test_a_flipped_byte_of_what_others_put_is_not_taken(setting: Setting, direct: S3Store) -> None:
    s3_client().put_object(Bucket=setting.bucket, Key="datasets/a", Body=DATA)
    setting.proxy.plan(Fault.FLIPPED, operation="get")
    assert setting.store.read("datasets/a").data == DATA
    assert [met for _, met in setting.proxy.met] == [Fault.FLIPPED, None]


def test_what_was_damaged_on_its_way_up_is_never_read(setting: Setting, direct: S3Store) -> None:
    # A server that compares the Content-MD5 refuses it at once. This one does not.
    setting.proxy.plan(Fault.FLIPPED_UPLOAD)
    setting.store.write("datasets/a", DATA)
    with pytest.raises(StoreUnavailable, match="datasets/a came broken"):
        setting.store.read("datasets/a")


def test_an_etag_that_is_no_md5_costs_a_second_read_and_no_more(setting: Setting, direct: S3Store) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    s3_client().put_object(Bucket=setting.bucket, Key="datasets/a", Body=DATA)
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[setting.bucket].keys["datasets/a"]._etag = "0" * 32
    assert setting.store.read("datasets/a").data == DATA
    assert [operation for operation, _ in setting.proxy.met] == ["get", "get"]


def test_whatever_the_network_does_nothing_wrong_is_taken_for_right(setting: Setting, direct: S3Store) -> None:
    numbers = count()
    usual = settings.default
    assert usual is not None
    run_state_machine_as_test(
        lambda: FaultMachine(setting, f"machine/{next(numbers)}"),
        settings=settings(usual, max_examples=max(5, usual.max_examples // 10), stateful_step_count=15),
    )


class FaultMachine(RuleBasedStateMachine):
    """Any history of operations under any mixture of faults, against what is in the bucket."""

    def __init__(self, setting: Setting, prefix: str) -> None:
        super().__init__()
        setting.proxy.clear()
        self.proxy = setting.proxy
        self.store = Setting(setting.proxy, setting.bucket, prefix).store
        self.direct = S3Store(shared_client(1), setting.bucket, prefix)
        self.model: dict[str, bytes] = {}
        self.writes = 0

    keys = st.sampled_from(["datasets/a", "datasets/b", "datasets/c"])

    @precondition(lambda self: not self.proxy.met)
    @rule(faults=st.lists(st.none() | st.sampled_from(MIXED), min_size=1, max_size=4))
    def trouble(self, faults: list[Fault | None]) -> None:
        self.proxy.plan(*faults)

    @rule(key=keys)
    def write(self, key: str) -> None:
        self.writes += 1
        data = f"{self.writes},".encode() * 50
        try:
            self.store.write(key, data)
        except ArtefactExists:
            assert key in self.model
        except StoreUnavailable:
            self._settle(key, data)
        else:
            assert key not in self.model
            self.model[key] = data
        self._check(key)

    @rule(key=keys)
    def delete(self, key: str) -> None:
        try:
            self.store.delete(key)
        except ArtefactNotFound:
            assert key not in self.model
        except StoreUnavailable:
            if key in self.model and not list(self.direct.list(key)):
                del self.model[key]
        else:
            del self.model[key]
        self._check(key)

    @rule(key=keys)
    def read(self, key: str) -> None:
        try:
            assert self.store.read(key).data == self.model[key]
        except ArtefactNotFound:
            assert key not in self.model
        except StoreUnavailable:
            assert any(fault for _, fault in self.proxy.met)
        self._check(key)

    @rule()
    def listing(self) -> None:
        try:
            assert listed(self.store) == [(key, len(data)) for key, data in sorted(self.model.items())]
        except StoreUnavailable:
            assert any(fault for _, fault in self.proxy.met)
        self._check()

    def _settle(self, key: str, data: bytes) -> None:
        """A write that failed so is in the bucket, or is not."""
        if key not in self.model and list(self.direct.list(key)):
            self.model[key] = data

    def _check(self, *keys: str) -> None:
        for key in keys:
            found = [self.direct.read(ref).data for ref in self.direct.list(key)]
            assert found == ([self.model[key]] if key in self.model else [])
        self.proxy.clear()


@pytest.mark.parametrize("seed", range(3))
def test_a_registry_under_faults_never_shows_half_a_release(setting: Setting, direct: S3Store, seed: int) -> None:
    clock = SettableClock()
    registry, truth = StoreRegistry(setting.store, clock), StoreRegistry(direct, clock)
    setting.proxy.mix(seed, 0.25, [fault for fault in MIXED if fault is not Fault.DRIPPED])
    published: set[ModelVersion] = set()
    for number in range(12):
        clock.advance(1)
        model = f"model {number}".encode() * 100
        record = make_record(model, clock.now())
        try:
            version = registry.publish(model, record).version
            published.add(version)
            registry.promote(version, "faults", "nobody")
        except StoreUnavailable:
            published.update({version_of(record)} & {release.version for release in truth.releases(TASK)})
        releases = list(truth.releases(TASK))
        assert {release.version for release in releases} == published
        for release in releases:
            assert truth.fetch(release)
        try:
            assert truth.live(TASK).version in published
        except NothingReleased:
            assert not list(direct.list("promotions/"))
    assert any(fault for _, fault in setting.proxy.met)
    assert published
    assert clock.now() > START
