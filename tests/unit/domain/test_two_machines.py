"""Two machines whose clocks differ by up to a day train, roll back, hold and upload in any order."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.support.clocks import START, SettableClock, SettableMemory
from tests.support.events import Recorder
from tests.support.registry_contract import TASKS
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.system import SystemRevision
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.adapters.terminal.search_progress import search_progress
from weighbridge.domain.errors import NothingReleased
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.ports import Ports
from weighbridge.domain.registry.promoting import release_hold
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.registry.rollback import roll_back
from weighbridge.domain.store.artefacts import dataset_key
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate
from weighbridge.domain.workflow import Outcome, train_and_release

TASK = replace(
    TIME_TO_DISPATCH,
    estimator=replace(TIME_TO_DISPATCH.estimator, grid={"regressor__max_depth": [6]}, folds=2),
    checks=(),
    rules=(),
    thresholds=(Threshold("r2", 0.0, 0.0),),
)
assert TASK.name == TASKS[1]
machines = st.sampled_from([0, 1])


@cache
def csv(seed: int) -> bytes:
    return simulate(200, seed).to_csv(index=False).encode()


class TwoMachines(RuleBasedStateMachine):
    """The store against the list of what was decided."""

    def __init__(self) -> None:
        super().__init__()
        self.time = START
        self.store = MemoryStore(SettableClock())
        self.ports: list[Ports] = []
        #: Datasets by the time of their names; the seed stands for the bytes.
        self.datasets: dict[datetime, int] = {}
        #: What was trained: the version by the seed.
        self.trained: dict[int, ModelVersion] = {}
        self.live: ModelVersion | None = None
        self.held = False
        #: What rollbacks go down; the last one is live.
        self.stack: list[ModelVersion] = []

    @initialize(offsets=st.lists(st.integers(-43_200, 43_200), min_size=2, max_size=2))
    def two_clocks(self, offsets: list[int]) -> None:
        for offset in offsets:
            clock = SettableClock(START + timedelta(seconds=offset))
            registry = StoreRegistry(self.store, clock)
            self.ports.append(
                Ports(
                    store=self.store,
                    registry=registry,
                    reader=TabularReader(),
                    codecs=(OnnxCodec(),),
                    clock=clock,
                    memory=SettableMemory(),
                    revisions=SystemRevision("0a1b2c3"),
                    events=Recorder(),
                    progress=search_progress(clock),
                    software_version="1",
                    operator="ann",
                )
            )
        self.put(machine=0, seed=1, seconds=0)

    @rule(machine=machines, seed=st.integers(1, 3), seconds=st.sampled_from([1, 3600]))
    def put(self, machine: int, seed: int, seconds: int) -> None:
        for ports in self.ports:
            ports.clock.advance(seconds)  # type: ignore[attr-defined]
        at = self.ports[machine].clock.now().astimezone(UTC).replace(microsecond=0)
        if at not in self.datasets:
            self.store.write(dataset_key(TASK.name, at, ".csv"), csv(seed))
            self.datasets[at] = seed

    @rule(machine=machines)
    def train(self, machine: int) -> None:
        seed = self.datasets[max(self.datasets)]
        result = train_and_release(TASK, self.ports[machine])
        version = ModelVersion.parse(TASK.name, result.document["version"])
        if seed in self.trained:
            assert (result.outcome, version) == (Outcome.NOTHING_NEW, self.trained[seed])
        else:
            assert result.outcome is Outcome.RELEASED
            assert all(version > earlier for earlier in self.trained.values())
            self.trained[seed] = version
            if not self.held:
                self._decided(version)
        assert result.live == self.live

    @rule(machine=machines, hold=st.booleans())
    def roll_back(self, machine: int, hold: bool) -> None:
        registry = self.ports[machine].registry
        if len(self.stack) < 2:
            try:
                roll_back(registry, registry.read, TASK.name, "complaints", "bob", hold)
            except NothingReleased:
                return
            raise AssertionError("there was nothing to go back to")
        self.stack.pop()
        promotion = roll_back(registry, registry.read, TASK.name, "complaints", "bob", hold)
        assert promotion.version == self.stack[-1]
        self.live, self.held = promotion.version, hold

    @rule(machine=machines, hold=st.booleans())
    def promote(self, machine: int, hold: bool) -> None:
        if self.trained:
            version = min(self.trained.values())
            self.ports[machine].registry.promote(version, "a decision", "bob", hold)
            self._decided(version)
            self.held = hold

    @rule(machine=machines)
    def release_hold(self, machine: int) -> None:
        if self.live is not None:
            _, is_new = release_hold(self.ports[machine].registry, TASK.name, "it is over", "bob")
            assert is_new is self.held
            self.held = False

    @invariant()
    def live_is_what_the_last_decision_says(self) -> None:
        for ports in self.ports:
            try:
                live = ports.registry.live(TASK.name)
            except NothingReleased:
                assert self.live is None
            else:
                assert (live.version, live.hold) == (self.live, self.held)

    def _decided(self, version: ModelVersion) -> None:
        self.live = version
        if self.stack[-1:] != [version]:
            self.stack.append(version)


def test_nothing_is_trained_twice_and_the_last_decision_stands() -> None:
    usual = settings.default
    assert usual is not None
    run_state_machine_as_test(
        TwoMachines, settings=settings(usual, max_examples=max(8, usual.max_examples // 8), stateful_step_count=12)
    )
