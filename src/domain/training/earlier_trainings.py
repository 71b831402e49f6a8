"""What was trained before: whether a dataset needs a training, and what an interrupted one still owes."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from weighbridge.domain.errors import RegistryError
from weighbridge.domain.registry.promoting import live_or_none
from weighbridge.domain.registry.releases import Release

if TYPE_CHECKING:
    from datetime import datetime

    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.promotions import Promotion
    from weighbridge.domain.registry.releases import Refusal
    from weighbridge.domain.store.artefacts import Artefact
    from weighbridge.domain.system import Clock
    from weighbridge.domain.training.task import TaskDefinition

#: How many records of one dataset and task are read at most.
_MOST = 20


def trained_before(
    registry: ModelRegistry, task: TaskDefinition, artefact: Artefact, live: Promotion | None
) -> Release | Refusal | None:
    """The release of a dataset's bytes and a task, whichever it is; or their refusal beside the same live model.

    None when there is neither: the dataset needs a training. One listing and one record, as a rule.
    """
    beside = None if live is None else str(live.version)
    found = registry.trained_on(task.name, artefact.sha256, task.fingerprints)
    for one in islice(found, _MOST):
        if isinstance(one, Release) or one.record.comparison.get("live_version") == beside:
            return one
    # Version 0.1 may have published the newest release; nothing finds that by its dataset. A record that cannot be
    # read tells of no training: it must not keep a better model from being trained.
    with suppress(RegistryError):
        newest = registry.newest(task.name)
        if newest is not None and is_trained_on(newest, artefact, task):
            return newest
    return None


def released_meanwhile(registry: ModelRegistry, task: TaskDefinition, artefact: Artefact) -> Release | None:
    """The release of a dataset's bytes and a task that another process has published by now; None for none."""
    found = next(registry.trained_on(task.name, artefact.sha256, task.fingerprints), None)
    return found if isinstance(found, Release) else None


def is_trained_on(release: Release, artefact: Artefact, task: TaskDefinition) -> bool:
    """Whether a release is of a dataset's bytes and a task."""
    record = release.record
    return record.dataset.sha256 == artefact.sha256 and task.has_fingerprint(record.task_fingerprint)


def is_promotion_owed(registry: ModelRegistry, release: Release) -> bool:
    """Whether nothing was promoted since a release was trained: the run that published it was interrupted.

    Raises:
        RegistryError: the last promotion cannot be read.
    """
    live = live_or_none(registry, release.version.task)
    if live is None:
        return True
    if live.version == release.version:
        return False
    seen = release.record.after_promotion
    # Version 0.1 recorded no place in the log, and its promotions are ordered by nothing but their time.
    return live.entry == seen if seen is not None else not live.number and live.at <= release.version.created


def moment_of_version(registry: ModelRegistry, task: str, clock: Clock) -> datetime:
    """The time that a new version tells: now, or a second after the newest known version if that is later.

    Raises:
        RegistryError: the newest version is dated at the end of time.
    """
    now = clock.now().replace(microsecond=0)
    newest = registry.newest_version(task)
    if newest is None or newest.created < now:
        return now
    try:
        return newest.created + timedelta(seconds=1)
    except OverflowError as error:
        raise RegistryError(f"no version of {task} can be later than {newest}; remove that one") from error
