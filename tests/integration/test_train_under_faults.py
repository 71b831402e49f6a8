"""Whole trainings, and a service that follows them, on a bucket whose network fails.

Either it ends well and all is right, or with StoreUnavailable; and what everybody else sees is whole at any time.
``HYPOTHESIS_PROFILE=thorough`` tries each fault at each request, and many more mixtures.
"""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.support.clocks import SettableClock
from tests.support.events import Recorder
from tests.support.faultproxy import Fault
from tests.support.faulty_servers import ENDLESS, MIXED, Setting, Trial, is_too_busy
from tests.support.quick_task import QUICK, csv
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.s3.store import S3Store
from weighbridge.domain.errors import NothingReleased, StoreUnavailable
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.report.renderer import ReportRenderer
from weighbridge.domain.report.shapes import Report
from weighbridge.domain.report.writing import Reports
from weighbridge.domain.serving.row_predictor import RowPredictor
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.workflow import Outcome, TrainingResult, train_and_release
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.settings import load_settings

#: The shipped task with nothing that a hundred rows might fail.
TASK = replace(QUICK.with_levels(0.0, 0.1), estimator=replace(QUICK.estimator, folds=2), checks=(), rules=())
ROW = {"product_code": "SKU003", "orders_placed": 57}

#: In a training each request meets one of the faults, another at each; thorough: each of them.
THOROUGH = (settings.default or settings()).max_examples >= 1000


class PlainReport(ReportRenderer):
    """Draws next to nothing, which takes no time."""

    def render(self, report: Report) -> bytes:
        return report.headline.encode()


def dataset(direct: S3Store, day: int) -> None:
    at = datetime(2021, 7, 1, tzinfo=UTC) + timedelta(days=day)
    direct.write(f"datasets/{TASK.name}_{at:%Y-%m-%d}.csv", csv(100, seed=day))


def train(store: S3Store, clock: SettableClock, *, draws: bool = False) -> TrainingResult:
    container = wire(load_settings({"store": "memory://", "no_report": True}))
    container.store.override(store)
    container.clock.override(clock)
    container.events.override(Recorder())
    ports = container.ports()
    return train_and_release(TASK, replace(ports, reports=Reports(PlainReport())) if draws else ports)


def check_all_is_whole(direct: S3Store, clock: SettableClock) -> ModelVersion | None:
    """What is live, once it is known to be whole as every other release is."""
    registry = StoreRegistry(direct, clock)
    releases = {release.version: release for release in registry.releases(TASK.name)}
    for release in releases.values():
        registry.fetch(release)
        # A report is whole where the record names it. Where it could not be stored, the record says why.
        report = release.document["report"] or {}
        if "key" in report:
            assert direct.read(report["key"]).sha256 == report["sha256"]
        elif report:
            assert "try again" in report["problem"]
    try:
        live = registry.live(TASK.name).version
    except NothingReleased:
        return None
    assert live in releases
    return live


def test_a_training_under_each_fault_at_any_of_its_requests(setting: Setting) -> None:
    clock = SettableClock()
    trial = setting.folder()
    dataset(trial.direct, 0)
    assert train(trial.store, clock, draws=True).outcome is Outcome.RELEASED
    requests = [operation for operation, _ in setting.proxy.met]
    # The report, the model, the key that finds the release by its dataset, the record, and the promotion.
    assert requests.count("put") == 5
    for number in range(len(requests)):
        for fault in MIXED if THOROUGH else [MIXED[number % len(MIXED)]]:
            for trial in setting.trials(fault):
                if attempt_with_one_fault(setting, trial, fault, number):
                    break


def attempt_with_one_fault(setting: Setting, trial: Trial, fault: Fault, number: int) -> bool:
    """Whether it could be tried: a short time-out may come where there is no fault."""
    clock = SettableClock()
    dataset(trial.direct, 0)
    setting.proxy.plan(*[None] * number, fault)
    try:
        result = train(trial.store, clock, draws=True)
    except StoreUnavailable:
        result = None
    setting.settle()
    met = any(fault for _, fault in setting.proxy.met)
    live = check_all_is_whole(trial.direct, clock)
    published = list(StoreRegistry(trial.direct, clock).releases(TASK.name))
    if is_too_busy(trial.seconds, met):
        return False
    assert met
    if result is not None:
        assert result.outcome is Outcome.RELEASED
        assert [release.version for release in published] == [live] == [result.live]

    # Once the network is well, the next run makes up for whatever the first one owes.
    setting.clear()
    clock.advance(60)
    again = train(trial.direct, clock)
    assert again.outcome is (Outcome.NOTHING_NEW if published else Outcome.RELEASED)
    assert again.live == check_all_is_whole(trial.direct, clock)
    assert [release.version for release in StoreRegistry(trial.direct, clock).releases(TASK.name)] == [again.live]
    return True


def test_trainings_and_a_service_in_any_mixture_of_faults(setting: Setting) -> None:
    usual = settings.default
    assert usual is not None
    run_state_machine_as_test(
        lambda: WholeMachine(setting),
        # To find the smallest history that fails would take hundreds of trainings.
        settings=settings(
            usual,
            max_examples=max(2, usual.max_examples // 40),
            stateful_step_count=10,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
        ),
    )


class WholeMachine(RuleBasedStateMachine):
    """Trainings, promotions and refreshes under mixtures of faults, each with a seed that gives it again."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        setting.clear()
        self.setting, self.proxy = setting, setting.proxy
        trial = setting.folder(ENDLESS)
        self.impatient, self.direct = trial.store, trial.direct
        self.patient = setting.folder(prefix=trial.prefix).store
        self.clock, self.days = SettableClock(), count(1)
        self.is_calm = True
        dataset(self.direct, 0)
        train(self.direct, self.clock)
        self.services = [self._service(store) for store in (self.patient, self.impatient)]
        self.been_live = [check_all_is_whole(self.direct, self.clock)]

    @rule(
        seed=st.integers(0, 2**32 - 1),
        rate=st.sampled_from([0.1, 0.3, 1.0]),
        faults=st.lists(st.sampled_from(MIXED), min_size=1, max_size=4, unique_by=lambda fault: fault.value),
    )
    def trouble(self, seed: int, rate: float, faults: list[Fault]) -> None:
        self.setting.clear()
        self.proxy.mix(seed, rate, faults)
        self.is_endless = bool(ENDLESS.intersection(faults))
        self.is_calm = False

    @rule()
    def calm(self) -> None:
        self.setting.clear()
        self.is_calm = True

    @rule()
    def train_on_newer_data(self) -> None:
        dataset(self.direct, next(self.days))
        self.clock.advance(60)
        before = self._released()
        try:
            result = train(self.store, self.clock)
        except StoreUnavailable:
            self._excuse()
        else:
            # It may be worse than the one that is live.
            new = [result.document["version"]] if result.outcome is Outcome.RELEASED else []
            assert [str(version) for version in self._released()] == [*map(str, before), *new]
            assert result.live == check_all_is_whole(self.direct, self.clock)
        self._look()

    @rule(number=st.integers(0, 5))
    def promote(self, number: int) -> None:
        released = self._released()
        version = released[number % len(released)]
        self.clock.advance(60)
        registry = StoreRegistry(self.store, self.clock)
        try:
            promotion = registry.promote(version, "a test", "nobody")
        except StoreUnavailable:
            self._excuse()
        else:
            assert StoreRegistry(self.direct, self.clock).live(TASK.name) == promotion
        self._look()

    @rule()
    def refresh(self) -> None:
        service = self.services[self.store is self.impatient]
        before = service.loaded
        service.refresh()
        if service.problem is None:
            assert service.loaded is not None
            assert service.loaded.release.version == self.been_live[-1]
        else:
            self._excuse()
            assert service.loaded is before
        if service.loaded is not None:
            row = service.loaded.schema.admit_row(ROW)
            assert isinstance(RowPredictor(service.loaded).predict(row).answer, float)

    @property
    def store(self) -> S3Store:
        """With time-outs that suit the faults that there may be."""
        return self.impatient if not self.is_calm and self.is_endless else self.patient

    def _service(self, store: S3Store) -> PredictionService:
        return PredictionService(
            TASK.name, StoreRegistry(store, self.clock), [OnnxCodec()], self.clock, Recorder()
        )

    def _excuse(self) -> None:
        """Nothing fails without a fault, unless a time-out is short."""
        self.setting.settle()
        assert not self.is_calm
        assert self.store is self.impatient or any(fault for _, fault in self.proxy.met)

    def _released(self) -> list[ModelVersion]:
        registry = StoreRegistry(self.direct, self.clock)
        return sorted(release.version for release in registry.releases(TASK.name))

    def _look(self) -> None:
        live = check_all_is_whole(self.direct, self.clock)
        assert live is not None
        if live != self.been_live[-1]:
            self.been_live.append(live)
