"""Trainings of one dataset at once, and promotions and rollbacks at once, on each store."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier, Lock

import pytest

from tests.integration.conftest import shared_client
from tests.support.clocks import START, SettableClock
from tests.support.quick_task import QUICK, csv
from tests.support.registry_contract import TASK as RACED
from tests.support.registry_contract import make_record, version_of
from weighbridge.adapters.local.store import LocalStore
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.s3.store import S3Store
from weighbridge.adapters.system import SystemClock
from weighbridge.domain.errors import NothingReleased
from weighbridge.domain.registry.promotions import Promotion
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.registry.rollback import roll_back
from weighbridge.domain.report.renderer import ReportRenderer
from weighbridge.domain.report.shapes import Report
from weighbridge.domain.report.writing import Reports
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.workflow import Outcome, TrainingResult, train_and_release
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.settings import load_settings

TASK = replace(QUICK.with_levels(0.0, 0.1), estimator=replace(QUICK.estimator, folds=2), checks=(), rules=())
TRAININGS = 2
WRITERS = 16


@pytest.fixture(params=["memory", "local", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ArtefactStore]:
    if request.param == "memory":
        yield MemoryStore(SettableClock())
    elif request.param == "local":
        yield LocalStore(tmp_path / "store", create=True)
    else:
        bucket = request.getfixturevalue("bucket")
        yield S3Store(shared_client(), bucket)


class Together(ReportRenderer):
    """Draws a report once all trainings are to have one: by then each has seen that there is no release yet."""

    def __init__(self, barrier: Barrier) -> None:
        self._barrier = barrier

    def render(self, report: Report) -> bytes:
        self._barrier.wait(timeout=60)
        return report.headline.encode()


def train_at_once(store: ArtefactStore, seconds_apart: int) -> list[TrainingResult]:
    barrier = Barrier(TRAININGS)
    containers = []
    for number in range(TRAININGS):
        container = wire(load_settings({"store": "memory://", "no_report": True}))
        container.store.override(store)
        container.clock.override(SettableClock(START + timedelta(seconds=number * seconds_apart)))
        containers.append(container)
    drawn = Reports(Together(barrier))
    with ThreadPoolExecutor(TRAININGS) as pool:
        ports = [replace(container.ports(), reports=drawn) for container in containers]
        return list(pool.map(lambda each: train_and_release(TASK, each), ports))


@pytest.mark.parametrize("seconds_apart", [0, 1], ids=["in the same second", "a second apart"])
def test_trainings_of_one_dataset_at_once_all_end_well(store: ArtefactStore, seconds_apart: int) -> None:
    store.write(f"datasets/{TASK.name}_2021-07-01.csv", csv(100))
    results = train_at_once(store, seconds_apart)
    registry = StoreRegistry(store, SystemClock())
    releases = [release.version for release in registry.releases(TASK.name)]
    released = [result for result in results if result.outcome is Outcome.RELEASED]
    # Each has a release of its own, or there was nothing left to do for it.
    assert sorted(result.document["version"] for result in released) == sorted(map(str, releases))
    assert len(releases) == (TRAININGS if seconds_apart else 1)
    assert {result.outcome for result in results} <= {Outcome.RELEASED, Outcome.NOTHING_NEW}
    for release in registry.releases(TASK.name):
        registry.fetch(release)
    live = registry.live(TASK.name).version
    assert live in releases
    assert all(result.live in releases for result in results)
    # And the next one finds nothing to do, and changes nothing.
    container = wire(load_settings({"store": "memory://", "no_report": True}))
    container.store.override(store)
    again = train_and_release(TASK, container.ports())
    assert (again.outcome, again.live) == (Outcome.NOTHING_NEW, live)


def test_sixteen_writers_publish_promote_and_roll_back_at_once(store: ArtefactStore) -> None:
    barrier, lock = Barrier(WRITERS), Lock()
    first = make_record(b"42", START - timedelta(days=100))
    registry = StoreRegistry(store, SystemClock())
    registry.publish(b"42", first)
    registry.promote(version_of(first), "the first", "a test")
    made: list[Promotion] = []

    def work(writer: int) -> None:
        own = StoreRegistry(store, SystemClock())
        record = make_record(b"42", START - timedelta(days=writer + 1))
        barrier.wait(timeout=60)
        own.publish(b"42", record)

        def check(version: ModelVersion) -> None:
            assert own.fetch(own.read(version)) == b"42"

        promotions = [own.promote(version_of(record), f"by {writer}", "a race")]
        if writer % 4 == 0:
            # When the others have gone back to the first one already, nothing is before it.
            with suppress(NothingReleased):
                promotions.append(roll_back(own, check, RACED, f"back by {writer}", "a race"))
        with lock:
            made.extend(promotions)
        check(own.live(RACED).version)

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(work, range(WRITERS)))
    seen = list(registry.promotions(RACED))
    # Every promotion that somebody made is there once, and was not overwritten; all readers see one order.
    assert sorted(made, key=lambda each: -each.number) == seen[:-1]
    assert [each.number for each in seen] == list(range(len(made) + 1, 0, -1))
    assert seen[-1].reason == "the first"
    with ThreadPoolExecutor(4) as pool:
        for other in pool.map(lambda _: list(StoreRegistry(store, SystemClock()).promotions(RACED)), range(4)):
            assert other == seen
    assert registry.live(RACED) == seen[0]
    assert [each.at for each in seen] == sorted((each.at for each in seen), reverse=True)
    assert seen[0].at > datetime(2021, 1, 1, tzinfo=UTC)
