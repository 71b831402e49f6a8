"""A store with two releases of the shipped task, trained once per process on a small grid; tests take copies."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

from adapters.memory import MemoryStore
from adapters.system import SystemClock
from domain import workflow
from domain.ports import ArtefactStore
from domain.releases import Release
from domain.tasks.time_to_dispatch import TIME_TO_DISPATCH, simulate
from entrypoints.container import Container, wire
from entrypoints.settings import load_settings

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
    first = next(release for release in registry.releases(QUICK.name) if release.version != second)
    return first, registry.read(second)


def copy(source: ArtefactStore, target: ArtefactStore) -> None:
    """Write every artefact of one store into another."""
    for kind in ("datasets", "models", "promotions"):
        for ref in source.list(f"{kind}/"):
            target.write(ref.key, source.read(ref).data)


@cache
def _trained() -> Container:
    container = wire(load_settings({"store": "memory://"}))
    for day in (1, 2):
        at = datetime(2021, 7, day, tzinfo=UTC)
        workflow.put_dataset(QUICK, ".csv", csv(seed=day), at, container.ports())
        workflow.train_and_release(QUICK, container.ports())
    return container
