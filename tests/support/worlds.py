"""Worlds for tests in one process: a clock, a store in memory, its registry, what was emitted; and a service."""

from collections.abc import Sequence
from datetime import datetime

from tests.support.clocks import START, SettableClock
from tests.support.events import Recorder
from tests.support.quick_task import QUICK, store_of_two, two_releases
from tests.support.stores import CountingStore, CrashingStore, UnsteadyStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.domain.model.codec import ModelCodec
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.serving.service import LoadedModel, PredictionService
from weighbridge.domain.store.artefact_store import ArtefactStore


class World:
    """A registry on a store that counts its operations, can go away, and can crash its process.

    Attributes:
        memory: where everything is in the end; to be changed behind everybody's back.
        unsteady: the same store, which can be told to go away.
        counting: the same store, which counts what it is asked for.
        store: the same store, which can be told to crash; the registry is on this one.
    """

    def __init__(self, memory: ArtefactStore | None = None, now: datetime = START) -> None:
        self.clock = SettableClock(now)
        self.memory = memory or MemoryStore(self.clock)
        self.unsteady = UnsteadyStore(self.memory, self.clock)
        self.counting = CountingStore(self.unsteady)
        self.store = CrashingStore(self.counting)
        self.registry = StoreRegistry(self.store, self.clock)
        self.recorder = Recorder()

    def promote(self, *versions: ModelVersion) -> None:
        for version in versions:
            self.registry.promote(version, "promoted", "ann")

    def replace(self, key: str, data: bytes | None) -> None:
        """Delete what is there, and write something else in its place, or nothing."""
        self.store.delete(key)
        if data is not None:
            self.store.write(key, data)


class ServiceWorld(World):
    """A service, without a model yet, on a store with two releases, of which the second is live."""

    def __init__(
        self,
        memory: ArtefactStore | None = None,
        now: datetime = START,
        codecs: Sequence[ModelCodec] = (OnnxCodec(), SkopsCodec()),
    ) -> None:
        super().__init__(memory or store_of_two(), now)
        self.service = PredictionService(QUICK.name, self.registry, codecs, self.clock, self.recorder)
        self.first, self.second = (release.version for release in two_releases())

    @property
    def loaded(self) -> LoadedModel:
        """The model that is served."""
        assert self.service.loaded is not None
        return self.service.loaded

    @property
    def serving(self) -> ModelVersion | None:
        """The version that is served, if there is one."""
        return None if self.service.loaded is None else self.service.loaded.release.version

    @property
    def problem(self) -> str:
        """Why the service could not follow the registry."""
        assert self.service.problem is not None
        return self.service.problem
