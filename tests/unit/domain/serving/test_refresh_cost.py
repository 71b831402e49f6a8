"""What following the registry costs: a log in which nothing happened, one small request."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.clocks import SettableClock
from tests.support.events import Recorder
from tests.support.quick_task import QUICK, copy, store_of_two, two_releases
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.events import ModelLoaded
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef, format_timestamp


class CountingStore(ArtefactStore):
    """Notes what it is asked for, and how many refs of a listing are taken."""

    def __init__(self, store: ArtefactStore) -> None:
        self._store = store
        self.asked: list[str] = []
        self.listed = 0

    @property
    def url(self) -> str:
        return self._store.url

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        self.asked.append(f"list {prefix}")
        for ref in self._store.list(prefix, start_after):
            self.listed += 1
            yield ref

    def read(self, what: ArtefactRef | str) -> Artefact:
        self.asked.append(f"read {what if isinstance(what, str) else what.key}")
        return self._store.read(what)

    def write(self, key: str, data: bytes) -> ArtefactRef:
        return self._store.write(key, data)

    def delete(self, key: str) -> None:
        self._store.delete(key)


class World:
    """A service on a store that counts, with as many promotions of long ago as a test wants."""

    def __init__(self, old: int = 0) -> None:
        self.clock = SettableClock()
        self.recorder = Recorder()
        self.store = CountingStore(MemoryStore(self.clock))
        copy(store_of_two(), self.store)
        for number in range(old):
            at = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(hours=number)
            key = f"promotions/{QUICK.name}_{format_timestamp(at)}-00000000.json"
            self.store.write(key, b"{}")
        self.registry = StoreRegistry(self.store, self.clock)
        self.service = PredictionService(QUICK.name, self.registry, [OnnxCodec()], self.clock, self.recorder)
        self.service.load()
        self.service.load()
        self.forget()

    def forget(self) -> None:
        self.store.asked, self.store.listed = [], 0
        self.recorder.take()

    @property
    def serving(self) -> str:
        assert self.service.loaded is not None
        return str(self.service.loaded.release.version)


def test_a_look_at_an_unchanged_log_is_one_small_request() -> None:
    world = World(old=3000)
    for _ in range(3):
        world.service.refresh()
        assert world.store.asked == [f"list promotions/{QUICK.name}_"]
        assert world.store.listed <= 2
        assert (world.service.problem, world.recorder.take()) == (None, [])
        world.forget()


def test_after_a_promotion_one_small_request_is_enough_again() -> None:
    world = World()
    first, second = two_releases()
    for release in (first, second, first):
        world.registry.promote(release.version, "", "a test")
        world.forget()
        world.service.refresh()
        assert world.serving == str(release.version)
        assert [type(event) for event in world.recorder.take()] == [ModelLoaded]
        world.service.refresh()
        world.forget()
        world.service.refresh()
        assert len(world.store.asked) == 1


def test_a_log_that_lost_its_last_promotion_is_looked_at_anew() -> None:
    world = World()
    first, second = two_releases()
    world.registry.promote(first.version, "", "a test")
    for _ in range(3):
        world.service.refresh()
    last = max(ref.key for ref in world.store.list(f"promotions/{QUICK.name}_"))
    world.store.delete(last)
    world.service.refresh()
    assert world.serving == str(second.version)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["promote", "look", "look twice"])), max_size=8))
def test_whatever_happens_a_look_finds_what_the_registry_says_is_live(steps: list[tuple[int, str]]) -> None:
    world = World()
    releases = two_releases()
    for which, step in steps:
        if step == "promote":
            world.registry.promote(releases[which].version, "", "a test")
            world.clock.advance(1800)
        for _ in range({"promote": 0, "look": 1, "look twice": 2}[step]):
            world.service.refresh()
    world.service.refresh()
    assert world.serving == str(world.registry.live(QUICK.name).version)
    assert world.service.loaded is not None
    assert world.service.loaded.promotion == world.registry.live(QUICK.name)
