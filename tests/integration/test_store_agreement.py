"""The stores against each other: one history, three stores, the same answers."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from tests.integration.conftest import shared_client
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.s3.store import S3Store
from weighbridge.adapters.testing.keys import keys, kinds, unlawful_keys
from weighbridge.adapters.testing.store_machine import run_machine
from weighbridge.domain.errors import WeighbridgeError
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import ArtefactRef
from weighbridge.domain.system import Clock


class StandingClock(Clock):
    """A clock that stands still."""

    def now(self) -> datetime:
        return datetime(2021, 7, 3, tzinfo=UTC)

    def seconds(self) -> float:
        return 0.0


class Agreement(RuleBasedStateMachine):
    """Whatever is asked, every store gives the same answer or the same class of error."""

    known = Bundle("known")
    refs = Bundle("refs")

    def __init__(self, stores: list[ArtefactStore]) -> None:
        super().__init__()
        self.stores = stores
        self.writes = 0

    @rule(target=known, key=keys() | unlawful_keys())
    def think_of(self, key: str) -> str:
        return key

    @rule(target=refs, key=known, data=st.binary(max_size=64))
    def write(self, key: str, data: bytes) -> list[ArtefactRef] | None:
        # The same bytes again may rightly be the same revision again; the number makes each write another one.
        self.writes += 1
        data += str(self.writes).encode()
        refs: list[ArtefactRef] = []

        def write(store: ArtefactStore) -> object:
            refs.append(store.write(key, data))
            return (refs[-1].key, refs[-1].size)

        self.agree([lambda store=store: write(store) for store in self.stores])
        return refs or None

    @rule(key=known)
    def read(self, key: str) -> None:
        self.agree([lambda store=store: contents(store, key) for store in self.stores])

    @rule(refs=refs.filter(bool))
    def read_revision(self, refs: list[ArtefactRef]) -> None:
        pairs = zip(self.stores, refs, strict=True)
        self.agree([lambda store=store, ref=ref: contents(store, ref) for store, ref in pairs])

    @rule(key=known)
    def delete(self, key: str) -> None:
        self.agree([lambda store=store: store.delete(key) for store in self.stores])

    @rule(prefix=st.builds("{}/".format, kinds()) | keys() | st.text("dm/", max_size=3), after=st.none() | keys())
    def listing(self, prefix: str, after: str | None) -> None:
        self.agree(
            [lambda store=store: [(r.key, r.size) for r in store.list(prefix, after)] for store in self.stores]
        )

    def agree(self, questions: list[Callable[[], object]]) -> None:
        answers = [outcome(question) for question in questions]
        assert answers == [answers[0]] * len(self.stores)


def contents(store: ArtefactStore, what: ArtefactRef | str) -> object:
    artefact = store.read(what)
    return (artefact.ref.key, artefact.ref.size, artefact.data, artefact.sha256)


def outcome(question: Callable[[], object]) -> object:
    try:
        return question()
    except WeighbridgeError as error:
        return type(error)


def test_memory_local_and_s3_agree(tmp_path: Path, bucket: str) -> None:
    client, numbers = shared_client(), count()

    def machine() -> Agreement:
        number = next(numbers)
        local = LocalStore(tmp_path / str(number), create=True)
        return Agreement([MemoryStore(StandingClock()), local, S3Store(client, bucket, f"agreement/{number}")])

    run_machine(machine, slowness=2)
