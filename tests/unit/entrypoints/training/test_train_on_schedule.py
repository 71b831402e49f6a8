"""Training on a schedule: what it does at its turns, with a clock that the waiting itself moves."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.clocks import SettableClock
from tests.support.events import Recorder
from weighbridge.adapters.memory import MemoryStore
from weighbridge.domain.errors import (
    ComputeUnavailable,
    ConfigurationError,
    DataError,
    Problem,
    StoreDenied,
    StoreUnavailable,
    WeighbridgeError,
)
from weighbridge.domain.ports import Ports
from weighbridge.domain.store.artefacts import ArtefactRef
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.settings import load_settings
from weighbridge.entrypoints.training.schedule import Cron, Every, Schedule
from weighbridge.entrypoints.training.train_on_schedule import TrainingSchedule

TASK = "orders"
START = datetime(2021, 7, 3, 12, tzinfo=UTC)
HOURLY = Every(timedelta(hours=1))


class Scene:
    """A schedule over a memory store. Waiting moves the clock; trainings are told by when they began."""

    def __init__(self, schedule: Schedule = HOURLY, always: bool = False) -> None:
        self.clock = SettableClock(START)
        self.recorder = Recorder()
        self.store = MemoryStore(self.clock)
        container = wire(load_settings({"store": "memory://", "no_report": True}))
        container.clock.override(self.clock)
        container.events.override(self.recorder)
        container.store.override(self.store)
        self.ports: Ports = container.ports()
        self.trained: list[datetime] = []
        #: What each training raises, in turn; None for one that ends well.
        self.faults: list[WeighbridgeError | None] = []
        #: What happens once a time has come.
        self.plans: list[tuple[datetime, Callable[[], object]]] = []
        self.schedule = TrainingSchedule(TASK, self.ports, schedule, self._train, always)

    def _train(self) -> None:
        self.trained.append(self.clock.now())
        fault = self.faults.pop(0) if self.faults else None
        if fault is not None:
            raise fault

    def put(self, name: str = "1") -> ArtefactRef:
        return self.store.write(f"datasets/{TASK}_2021-07-0{name}.csv", b"a\n1\n")

    def run(self, until: datetime) -> list[datetime]:
        """Run until then; when the trainings began."""

        def wait(seconds: float) -> bool:
            assert 0 < seconds <= 60
            self.clock.advance(seconds)
            for plan in [plan for plan in self.plans if plan[0] <= self.clock.now()]:
                self.plans.remove(plan)
                plan[1]()
            return self.clock.now() >= until

        self.schedule.run(wait)
        return self.trained

    @property
    def told(self) -> list[str]:
        return [str(event) for event in self.recorder.events]


def hours(*after: float) -> list[datetime]:
    return [START + timedelta(hours=number) for number in after]


def test_a_dataset_is_trained_on_once_and_the_next_one_when_it_appears() -> None:
    scene = Scene()
    scene.put("1")
    scene.plans.append((START + timedelta(hours=2.5), lambda: scene.put("2")))
    assert scene.run(START + timedelta(hours=5.5)) == hours(0, 3)
    assert scene.told == [
        f"the next check for a new dataset is at 2021-07-03T{hour}:00:00Z" for hour in (13, 14, 15, 16, 17, 18)
    ]


def test_one_that_is_replaced_under_its_name_is_another_dataset() -> None:
    scene = Scene()
    ref = scene.put()

    def replace() -> None:
        scene.store.delete(ref.key)
        scene.put()

    scene.plans.append((START + timedelta(hours=0.5), replace))
    assert scene.run(START + timedelta(hours=2.5)) == hours(0, 1)


def test_by_force_it_trains_at_every_turn() -> None:
    scene = Scene(always=True)
    scene.put()
    assert scene.run(START + timedelta(hours=2.5)) == hours(0, 1, 2)


def test_a_cron_expression_is_waited_for() -> None:
    scene = Scene(Cron("30 12 * * *"))
    scene.put()
    scene.plans.append((START + timedelta(hours=1), lambda: scene.put("2")))
    assert scene.run(START + timedelta(hours=48)) == hours(0.5, 24.5)
    assert scene.told[0] == "the next check for a new dataset is at 2021-07-03T12:30:00Z"


def test_data_that_cannot_be_admitted_is_left_until_there_is_other_data() -> None:
    scene = Scene()
    scene.faults.append(DataError("datasets/x", [Problem("it is empty")]))
    scene.put("1")
    scene.plans.append((START + timedelta(hours=1.5), lambda: scene.put("2")))
    assert scene.run(START + timedelta(hours=3.5)) == hours(0, 2)
    assert scene.told[0] == "this run failed, and the schedule continues: datasets/x: 1 problem\n  it is empty"


def test_it_starts_before_there_is_a_dataset() -> None:
    scene = Scene()
    scene.plans.append((START + timedelta(hours=0.5), scene.put))
    assert scene.run(START + timedelta(hours=1.5)) == hours(1)
    assert "there is no dataset of orders" in scene.told[0]


@pytest.mark.parametrize("fault", [StoreUnavailable("the store is away"), ComputeUnavailable("no cluster")])
def test_what_is_away_is_tried_again_with_growing_pauses(fault: WeighbridgeError) -> None:
    scene = Scene()
    scene.put()
    scene.faults += [fault] * 9
    # 30 s, 1, 2, 4, 8, 16 min; then, rather than 30 min later, the turn of the next hour; and then 30 min again.
    minutes = (0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 60, 90, 120)
    assert scene.run(START + timedelta(hours=4)) == [START + timedelta(minutes=number) for number in minutes]
    assert [told for told in scene.told if "failed" in told] == [
        f"this run failed, and the schedule continues: {fault}"
    ] * 9


def test_after_a_recovery_the_pauses_are_short_again() -> None:
    scene = Scene(always=True)
    scene.put()
    away = StoreUnavailable("away")
    scene.faults += [away, away, None, away]
    minutes = (0, 0.5, 1.5, 60, 60.5)
    assert scene.run(START + timedelta(minutes=100)) == [START + timedelta(minutes=number) for number in minutes]


def test_a_look_that_finds_nothing_new_is_a_recovery_too() -> None:
    scene = Scene()
    scene.put("1")
    away = StoreUnavailable("away")
    scene.faults += [away, None, away]
    scene.plans.append((START + timedelta(hours=1.5), lambda: scene.put("2")))
    minutes = (0, 0.5, 120, 120.5)
    assert scene.run(START + timedelta(hours=3)) == [START + timedelta(minutes=number) for number in minutes]


@pytest.mark.parametrize("fault", [ConfigurationError("no such task"), StoreDenied("who are you?")])
def test_what_needs_a_person_ends_it_at_the_first_turn_and_only_then(fault: WeighbridgeError) -> None:
    scene = Scene()
    scene.put("1")
    scene.faults.append(fault)
    with pytest.raises(type(fault)):
        scene.run(START + timedelta(hours=1))
    later = Scene()
    later.put("1")
    later.faults += [None, fault, None]
    later.plans.append((START + timedelta(hours=0.5), lambda: later.put("2")))
    assert later.run(START + timedelta(hours=3.5)) == hours(0, 1, 2)


def test_a_bug_ends_it() -> None:
    scene = Scene()
    scene.put()

    def bug() -> None:
        raise ZeroDivisionError

    schedule = TrainingSchedule(TASK, scene.ports, HOURLY, bug)
    with pytest.raises(ZeroDivisionError):
        schedule.run(lambda _: True)
