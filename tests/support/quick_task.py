"""A store with two releases of the shipped task, trained once per process on a small grid; tests take copies."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from io import BytesIO

from tests.support.clocks import SettableClock
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.system import SystemClock
from weighbridge.domain import workflow
from weighbridge.domain.registry.releases import Release
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate
from weighbridge.entrypoints.container import Container, wire
from weighbridge.entrypoints.settings import load_settings

#: The shipped task with one point in its grid: a matter of milliseconds to train.
QUICK = replace(
    TIME_TO_DISPATCH, estimator=replace(TIME_TO_DISPATCH.estimator, grid={"regressor__max_depth": [8]})
)


def csv(rows: int = 400, seed: int = 0) -> bytes:
    """A dataset of the shipped task."""
    return simulate(rows, seed).to_csv(index=False).encode()


def store_of_two() -> MemoryStore:
    """A fresh store with two releases and their datasets; the second release is live."""
    store = MemoryStore(SystemClock())
    copy(_trained().store(), store)
    return store


def two_releases() -> tuple[Release, Release]:
    """The releases in every ``store_of_two``, in the order in which they were promoted."""
    registry = _trained().registry()
    second = registry.live(QUICK.name).version
    newest, oldest = registry.releases(QUICK.name)
    assert newest.version == second
    return oldest, newest


def copy(source: ArtefactStore, target: ArtefactStore) -> None:
    """Write every artefact of one store into another."""
    for kind in ("datasets", "models", "promotions"):
        for ref in source.list(f"{kind}/"):
            target.write(ref.key, source.read(ref).data)


@cache
def _trained() -> Container:
    container = wire(load_settings({"store": "memory://", "no_report": True}))
    # Long ago: what is trained by this clock is older than all else.
    clock = SettableClock(datetime(2021, 7, 3, tzinfo=UTC))
    container.clock.override(clock)
    for day, hours in ((1, 2), (2, 7)):
        at = datetime(2021, 7, day, tzinfo=UTC)
        clock.advance(3600 * hours)
        workflow.put_dataset(QUICK, ".csv", BytesIO(csv(seed=day)), at, container.ports())
        workflow.train_and_release(QUICK, container.ports())
    return container
