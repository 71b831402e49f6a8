"""The S3 store behind a proxy that injects faults: it succeeds with what is right, or says StoreUnavailable."""

from collections.abc import Callable
from hashlib import sha256
from io import BytesIO

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.integration.conftest import s3_client
from tests.support.clocks import SettableClock
from tests.support.events import retries_in
from tests.support.faultproxy import Fault
from tests.support.faulty_servers import ENDLESS, MIXED, Setting, is_too_busy
from tests.support.registry_contract import TASK, make_record, version_of
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.s3.store import S3Store
from weighbridge.domain.errors import ArtefactExists, ArtefactNotFound, NothingReleased, StoreUnavailable
from weighbridge.domain.registry.releases import ModelVersion

DATA = b"product_code,orders_placed,hours_to_dispatch\n" * 20

DIGEST = sha256(DATA).hexdigest()

#: Of the operations, those that write, of bytes and of a file; and those that change something.
WRITES = {"write", "put"}
CHANGES = {*WRITES, "delete"}

OK, AWAY = "succeeds", "StoreUnavailable"

#: Of each operation the first request meets the fault once, and the client does not ask again by itself.
OUTCOMES = {
    Fault.LATENCY: {"list": OK, "read": OK, "write": OK, "put": OK, "delete": OK},
    Fault.RESET_BEFORE: {"list": AWAY, "read": AWAY, "write": AWAY, "put": AWAY, "delete": AWAY},
    # The write went through: the object itself says so.
    Fault.RESET_AFTER: {"list": AWAY, "read": AWAY, "write": OK, "put": OK, "delete": AWAY},
    Fault.ERROR_500: {"list": AWAY, "read": AWAY, "write": AWAY, "put": AWAY, "delete": AWAY},
    Fault.SLOW_DOWN: {"list": AWAY, "read": AWAY, "write": AWAY, "put": AWAY, "delete": AWAY},
    # A body that comes broken is asked for again; the replies to the last two have none.
    Fault.TRUNCATED: {"list": AWAY, "read": OK, "write": OK, "put": OK, "delete": OK},
    # Python takes what has come for a whole head, without a length.
    Fault.TRUNCATED_HEAD: {"list": OK, "read": OK, "write": OK, "put": OK, "delete": OK},
    Fault.DRIPPED: {"list": AWAY, "read": AWAY, "write": AWAY, "put": AWAY, "delete": AWAY},
    Fault.LOST_REPLY: {"list": AWAY, "read": AWAY, "write": OK, "put": OK, "delete": AWAY},
    Fault.FLIPPED: {"list": OK, "read": OK, "write": OK, "put": OK, "delete": OK},
}


def listed(store: S3Store) -> list[tuple[str, int]]:
    return [(ref.key, ref.size) for ref in store.list("datasets/")]


@pytest.mark.parametrize("operation", ["list", "read", "write", "put", "delete"])
@pytest.mark.parametrize("fault", OUTCOMES, ids=lambda fault: fault.value)
def test_each_fault_on_each_operation(setting: Setting, operation: str, fault: Fault) -> None:
    key, expected = "datasets/a_2021-07-03.csv", OUTCOMES[fault][operation]
    for store, direct, _, seconds in setting.trials(fault):
        if operation not in WRITES:
            direct.write(key, DATA)
        setting.proxy.plan(fault)
        right, problem = outcome(store, direct, operation, key)
        setting.settle()
        # Whatever it said, what is in the bucket is whole: all of it, or nothing where it was written or deleted.
        contents = [direct.read(ref).data for ref in direct.list("datasets/")]
        assert contents in ([[DATA], []] if operation in CHANGES else [[DATA]])
        met = [met for _, met in setting.proxy.met if met]
        if is_too_busy(seconds, met == [fault] and (problem is None) is (expected is OK)):
            continue
        assert met == [fault]
        if expected is OK:
            assert problem is None
            # An object's own time may be told in more than one precision.
            assert right or (operation in WRITES and direct.read(key).data == DATA)
            assert operation not in CHANGES or contents == ([DATA] if operation in WRITES else [])
        else:
            assert "try again" in str(problem)
            assert "\n" not in str(problem)
            assert (f"no whole answer within {seconds:g} seconds" in str(problem)) is (fault is Fault.DRIPPED)
        return


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER, Fault.LOST_REPLY, Fault.DRIPPED])
def test_a_deletion_whose_reply_is_lost_may_be_done(setting: Setting, fault: Fault) -> None:
    for store, direct, _, seconds in setting.trials(fault):
        direct.write("datasets/a", DATA)
        setting.proxy.plan(fault, operation="delete")
        with pytest.raises(StoreUnavailable):
            store.delete("datasets/a")
        setting.settle()
        if is_too_busy(seconds, ("delete", fault) in setting.proxy.met):
            continue
        assert bool(listed(direct)) is (fault is Fault.RESET_BEFORE)
        return


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("list", Fault.SLOW_DOWN),
        ("list", Fault.TRUNCATED),
        ("list", Fault.RESET_AFTER),
        ("read", Fault.RESET_BEFORE),
        ("write", Fault.LOST_REPLY),
        ("write", Fault.ERROR_500),
        ("put", Fault.LOST_REPLY),
        ("put", Fault.RESET_BEFORE),
        ("delete", Fault.LOST_REPLY),
        ("delete", Fault.SLOW_DOWN),
    ],
)
def test_a_second_attempt_makes_it_good(setting: Setting, operation: str, fault: Fault) -> None:
    for store, direct, _, seconds in setting.trials(fault, attempts=2):
        if operation not in WRITES:
            direct.write("datasets/a_2021-07-03.csv", DATA)
        setting.proxy.plan(fault)
        right, problem = outcome(store, direct, operation, "datasets/a_2021-07-03.csv")
        if is_too_busy(seconds, problem is None):
            continue
        assert problem is None
        assert right or operation in WRITES
        assert [direct.read(ref).data for ref in direct.list("datasets/")] == [DATA] * (operation != "delete")
        assert setting.proxy.met[0][1] is fault
        return


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Fault.SLOW_DOWN, "SlowDown"),
        (Fault.ERROR_500, "InternalError"),
        (Fault.RESET_BEFORE, "ConnectionClosedError"),
        (Fault.LOST_REPLY, "ReadTimeoutError"),
    ],
)
def test_each_retry_of_the_client_is_told(setting: Setting, fault: Fault, reason: str) -> None:
    for store, direct, _, seconds in setting.trials(fault, attempts=2):
        setting.retries.take()
        direct.write("datasets/a", DATA)
        setting.proxy.plan(fault)
        right, problem = outcome(store, direct, "read", "datasets/a")
        if is_too_busy(seconds, right and len(retries_in(setting.retries)) == 1):
            continue
        assert right
        assert problem is None
        assert retries_in(setting.retries) == [("GetObject", reason)]
        return


def test_each_retry_of_the_store_is_told(setting: Setting) -> None:
    store, direct, *_ = setting.folder()
    direct.write("datasets/a", DATA)
    setting.proxy.plan(Fault.FLIPPED, Fault.TRUNCATED)
    assert store.read("datasets/a").data == DATA
    assert retries_in(setting.retries) == [("GetObject", "broken body")] * 2
    setting.retries.take()
    setting.proxy.plan(*[Fault.TRUNCATED_HEAD] * 3)
    assert listed(store) == [("datasets/a", len(DATA))]
    assert retries_in(setting.retries) == [("ListObjectsV2", "broken head")] * 3


def test_a_head_that_never_comes_whole_is_given_up(setting: Setting) -> None:
    store, direct, *_ = setting.folder()
    direct.write("datasets/a", DATA)
    for operation in (lambda: list(store.list("datasets/")), lambda: store.delete("datasets/a")):
        setting.clear()
        setting.proxy.plan(*[Fault.TRUNCATED_HEAD] * 9)
        with pytest.raises(StoreUnavailable, match="the head of the reply broke off"):
            operation()
        assert [fault for _, fault in setting.proxy.met] == [Fault.TRUNCATED_HEAD] * 4
    assert listed(direct) == [("datasets/a", len(DATA))]


def test_of_what_was_given_up_nothing_more_is_sent(setting: Setting) -> None:
    for store, direct, _, seconds in setting.trials(Fault.DRIPPED, attempts=2):
        direct.write("datasets/a", DATA)
        setting.proxy.plan(Fault.DRIPPED)
        with pytest.raises(StoreUnavailable, match="no whole answer within"):
            store.delete("datasets/a")
        # The reply breaks off, and the client would ask again.
        setting.settle()
        if is_too_busy(seconds, bool(setting.proxy.met)):
            continue
        assert setting.proxy.met == [("head", Fault.DRIPPED)]
        assert retries_in(setting.retries) == []
        assert listed(direct)
        return


def outcome(store: S3Store, direct: S3Store, operation: str, key: str) -> tuple[bool, StoreUnavailable | None]:
    """Whether an operation gave what is right, and how it failed."""
    operations: dict[str, Callable[[], bool]] = {
        "list": lambda: listed(store) == [(key, len(DATA))],
        "read": lambda: store.read(key).data == DATA,
        "write": lambda: store.write(key, DATA) == next(direct.list(key)),
        "put": lambda: store.write_file(key, BytesIO(DATA), DIGEST) == next(direct.list(key)),
        "delete": lambda: store.delete(key) is None,
    }
    try:
        return operations[operation](), None
    except StoreUnavailable as error:
        return False, error


def test_a_body_that_never_comes_whole_is_given_up(setting: Setting) -> None:
    store, direct, *_ = setting.folder()
    ref = direct.write("datasets/a", DATA)
    for fault in (Fault.TRUNCATED, Fault.FLIPPED):
        setting.clear()
        setting.pauses.clear()
        setting.proxy.plan(*[fault] * 4, operation="get")
        with pytest.raises(StoreUnavailable, match="datasets/a came broken 4 times"):
            store.read(ref)
        assert len(setting.pauses) == 3
        assert all(0 <= pause < 0.1 * 2 ** (number + 1) for number, pause in enumerate(setting.pauses))


def test_a_flipped_byte_of_what_others_put_is_not_taken(setting: Setting) -> None:
    store, _, prefix, _ = setting.folder()
    s3_client().put_object(Bucket=setting.bucket, Key=f"{prefix}/datasets/a", Body=DATA)
    setting.proxy.plan(Fault.FLIPPED, operation="get")
    assert store.read("datasets/a").data == DATA
    assert [met for _, met in setting.proxy.met] == [Fault.FLIPPED, None]


@pytest.mark.parametrize("operation", sorted(WRITES))
def test_what_was_damaged_on_its_way_up_is_removed(setting: Setting, operation: str) -> None:
    # A server that compares the Content-MD5 refuses it at once. This one does not.
    store, direct, *_ = setting.folder()
    setting.proxy.plan(Fault.FLIPPED_UPLOAD)
    right, problem = outcome(store, direct, operation, "datasets/a")
    assert (right, "datasets/a arrived damaged, and was removed; try again" in str(problem)) == (False, True)
    assert [operation for operation, _ in setting.proxy.met] == ["put", "get", "delete"]
    assert listed(direct) == []
    assert outcome(store, direct, operation, "datasets/a") == (True, None)


def test_an_etag_that_is_no_md5_costs_a_second_read_and_no_more(setting: Setting) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends

    store, _, prefix, _ = setting.folder()
    key = f"{prefix}/datasets/a"
    s3_client().put_object(Bucket=setting.bucket, Key=key, Body=DATA)
    s3_backends[DEFAULT_ACCOUNT_ID]["aws"].buckets[setting.bucket].keys[key]._etag = "0" * 32
    assert store.read("datasets/a").data == DATA
    assert [operation for operation, _ in setting.proxy.met] == ["get", "get"]


def test_whatever_the_network_does_nothing_wrong_is_taken_for_right(setting: Setting) -> None:
    usual = settings.default
    assert usual is not None
    run_state_machine_as_test(
        lambda: FaultMachine(setting),
        settings=settings(usual, max_examples=max(5, usual.max_examples // 10), stateful_step_count=15),
    )


class FaultMachine(RuleBasedStateMachine):
    """Any history of operations under any mixture of faults, against what is in the bucket."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        setting.clear()
        self.setting, self.proxy = setting, setting.proxy
        self.patient = setting.folder()
        # The same folder, for faults that only a time-out ends.
        self.impatient = setting.folder(ENDLESS, prefix=self.patient.prefix)
        self.direct = self.patient.direct
        self.planned: list[Fault | None] = []
        self.model: dict[str, bytes] = {}
        self.writes = 0

    keys = st.sampled_from(["datasets/a", "datasets/b", "datasets/c"])

    @precondition(lambda self: not self.planned)
    @rule(faults=st.lists(st.none() | st.sampled_from(MIXED), min_size=1, max_size=4))
    def trouble(self, faults: list[Fault | None]) -> None:
        self.planned = faults
        self.proxy.plan(*faults)

    @rule(key=keys, as_file=st.booleans())
    def write(self, key: str, as_file: bool) -> None:
        self.writes += 1
        data = f"{self.writes},".encode() * 50
        try:
            if as_file:
                self.store.write_file(key, BytesIO(data), sha256(data).hexdigest())
            else:
                self.store.write(key, data)
        except ArtefactExists:
            assert key in self.model
        except StoreUnavailable as error:
            self._excuse(error)
            # It is in the bucket, or it is not.
            if key not in self.model and list(self.direct.list(key)):
                self.model[key] = data
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
        except StoreUnavailable as error:
            self._excuse(error)
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
        except StoreUnavailable as error:
            self._excuse(error)
        self._check(key)

    @rule()
    def listing(self) -> None:
        try:
            assert listed(self.store) == [(key, len(data)) for key, data in sorted(self.model.items())]
        except StoreUnavailable as error:
            self._excuse(error)
        self._check()

    @property
    def store(self) -> S3Store:
        """With time-outs that suit the faults that are planned."""
        return (self.impatient if ENDLESS.intersection(self.planned) else self.patient).store

    def _excuse(self, error: StoreUnavailable) -> None:
        """Without a fault nothing fails, but where a short time-out has made one of a busy machine."""
        self.setting.settle()
        timed_out = "Read timeout" in str(error) or "no whole answer within" in str(error)
        assert any(fault for _, fault in self.proxy.met) or (timed_out and self.store is self.impatient.store)

    def _check(self, *keys: str) -> None:
        self.setting.clear()
        self.planned = []
        for key in keys:
            found = [self.direct.read(ref).data for ref in self.direct.list(key)]
            assert found == ([self.model[key]] if key in self.model else [])


@pytest.mark.parametrize("seed", range(3))
def test_a_registry_under_faults_never_shows_half_a_release(setting: Setting, seed: int) -> None:
    clock = SettableClock()
    trial = setting.folder(ENDLESS)
    registry, truth = StoreRegistry(trial.store, clock), StoreRegistry(trial.direct, clock)
    setting.proxy.mix(seed, 0.25, MIXED)
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
            setting.settle()
            published.update({version_of(record)} & {release.version for release in truth.releases(TASK)})
        releases = list(truth.releases(TASK))
        assert {release.version for release in releases} == published
        for release in releases:
            assert truth.fetch(release)
        try:
            assert truth.live(TASK).version in published
        except NothingReleased:
            assert not list(trial.direct.list("promotions/"))
    assert any(fault for _, fault in setting.proxy.met)
    # Once it is over, everything goes on.
    setting.clear()
    clock.advance(1)
    record = make_record(b"at last", clock.now())
    registry.publish(b"at last", record)
    assert registry.promote(version_of(record), "faults", "nobody") == truth.live(TASK)
    assert {each.version for each in truth.releases(TASK)} == published | {version_of(record)}
