"""Which old releases, refusals and reports go, and in what order, so that what is cut off leaves no lie."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

from weighbridge.domain.errors import ArtefactNotFound
from weighbridge.domain.registry.promoting import live_or_none
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.registry.rollback import rollback_targets
from weighbridge.domain.registry.trained import trained_keys
from weighbridge.domain.store.artefacts import MODELS, REPORTS

if TYPE_CHECKING:
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.promotions import Promotion
    from weighbridge.domain.store.artefact_store import ArtefactStore
    from weighbridge.domain.system import Clock

#: Bytes without a record may be those of a training under way; after a day they are of one that was cut off.
_UNDER_WAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Removal:
    """What goes together, in this order.

    Args:
        version: whose it is.
        kind: ``release``, ``refusal``, or ``leftover``: bytes or a report without a record.
        keys: the record first: without it, what follows is garbage, and the next pruning finds it.
    """

    version: ModelVersion
    kind: str
    keys: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"version": str(self.version), "kind": self.kind, "keys": list(self.keys)}


def plan_pruning(
    store: ArtefactStore, registry: ModelRegistry, clock: Clock, task: str, keep: int, older_than: timedelta
) -> list[Removal]:
    """What is to go, oldest first.

    A release goes when it is older than ``older_than`` and is none of the ``keep`` newest, nor the live one, nor
    one that ``keep`` rollbacks from there would go to. Refusals go by their age alone, and so do bytes without a
    record, which a training or a pruning that was cut off has left. The report of a version goes with its record.
    Datasets and promotions stay.

    Args:
        store: where everything is.
        registry: on that store.
        clock: what the age is counted to.
        task: the task's name.
        keep: at least 1.
        older_than: by the time of training.

    Raises:
        RegistryError: what is live cannot be read; nothing may be removed then.
    """
    now = clock.now().replace(microsecond=0)  # versions tell whole seconds
    newest_first = registry.versions(task)
    released, refused = set(newest_first), set(registry.refused_versions(task))
    files, reports = _files(store, MODELS, task), _files(store, REPORTS, task)
    trained: dict[ModelVersion, list[str]] = {}
    for version, key in trained_keys(store, task):
        trained.setdefault(version, []).append(key)
    kept = {*newest_first[:keep], *_needed(registry, task, released, keep)}
    removals = []
    for version in sorted({*released, *refused, *files, *reports, *trained} - kept):
        if now - version.created <= older_than:
            continue
        keys = [version.record_key] if version in released else []
        keys += [version.rejected_key] if version in refused else []
        if keys or now - version.created > _UNDER_WAY:
            keys += [key for key in files.get(version, ()) if key != version.record_key]
            keys += trained.get(version, ())
        keys += reports.get(version, ())
        if keys:
            kind = "release" if version in released else "refusal" if version in refused else "leftover"
            removals.append(Removal(version, kind, tuple(keys)))
    return removals


def prune(store: ArtefactStore, registry: ModelRegistry, removals: list[Removal]) -> Iterator[Removal]:
    """Remove, one after another; each is yielded when it is gone.

    What was promoted since the plan was made stays. What somebody else has removed already is no matter.
    """
    promoted = _Promoted(registry)
    for removal in removals:
        if removal.kind == "release" and promoted.includes(removal.version):
            continue
        for key in removal.keys:
            with suppress(ArtefactNotFound):
                store.delete(key)
        yield removal


class _Promoted:
    """What was promoted while releases are removed: one small request for each question."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry
        self._live: Promotion | None = None
        self._token: Hashable = None
        self._found: set[ModelVersion] = set()

    def includes(self, version: ModelVersion) -> bool:
        """Whether a version is live now, or was since the first question."""
        token = None if self._live is None else self._registry.change_token(self._live)
        if self._live is None or token != self._token:
            self._live = live_or_none(self._registry, version.task)
            if self._live is not None:
                self._found.add(self._live.version)
                self._token = token
        return version in self._found


def parse_age(text: str) -> timedelta:
    """Read ``90d``, ``12h`` or ``4w``.

    Raises:
        ValueError: it is nothing of the kind, or longer than anything lasts.
    """
    found = re.fullmatch(r"([0-9]{1,6})([hdw])", text.strip())
    if found is None:
        raise ValueError(f"'{text}' is no age; one looks like 90d, 12h or 4w")
    return int(found[1]) * {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}[found[2]]


def _needed(registry: ModelRegistry, task: str, there: set[ModelVersion], rollbacks: int) -> set[ModelVersion]:
    """The live version, and those that so many rollbacks from it would go to: pruned ones are skipped."""
    live = live_or_none(registry, task)
    if live is None:
        return set()
    targets = (target.version for target in rollback_targets(registry, live) if target.version in there)
    return {live.version, *islice(targets, rollbacks)}


def _files(store: ArtefactStore, kind: str, task: str) -> dict[ModelVersion, list[str]]:
    """The keys of a kind by the version that their names tell, whatever their suffix."""
    found: dict[ModelVersion, list[str]] = {}
    for ref in store.list(f"{kind}/{task}_"):
        version = ModelVersion.in_name(task, ref.name)
        if version is not None:
            found.setdefault(version, []).append(ref.key)
    return found
