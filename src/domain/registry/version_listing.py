"""The versions that a store has records of. No record is read."""

from __future__ import annotations

from datetime import datetime

from weighbridge.domain.registry.releases import ModelVersion, version_of_record
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.discovery import find_last
from weighbridge.domain.system import Clock


def versions_under(store: ArtefactStore, kind: str, task: str, after: str | None = None) -> list[ModelVersion]:
    """The versions of a task's records of one kind, newest first; empty when there is none.

    Args:
        store: where the records are.
        kind: ``models`` or ``rejected``.
        task: the task's name.
        after: only keys greater than this one count.
    """
    names = (ref.name for ref in store.list(f"{kind}/{task}_", after))
    versions = (version_of_record(task, name) for name in names)
    return sorted((version for version in versions if version is not None), reverse=True)


def last_version(store: ArtefactStore, clock: Clock, kind: str, task: str) -> ModelVersion | None:
    """The newest version of a task's records of one kind, found in few requests; None when there is none."""
    found = find_last(store, f"{kind}/{task}_", lambda name: _created(task, name), clock)
    return None if found is None else version_of_record(task, found.ref.name)


def _created(task: str, name: str) -> datetime | None:
    version = version_of_record(task, name)
    return None if version is None else version.created
