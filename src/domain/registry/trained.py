"""Which versions were trained on a dataset, found by the dataset's bytes in one listing.

For every release and refusal there is a key ``trained/<task>_<dataset>-<fingerprint>-<version>-released.json``, or
``-refused.json``: the first 16 digits of the dataset's sha256, and 8 of the task's fingerprint. It is written
before the record, so that a crash leaves a key that leads to nothing: the record is what counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.domain.errors import StoreDenied, UnknownVersion
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.store.artefacts import TRAINED

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from weighbridge.domain.store.artefact_store import ArtefactStore

_DATASET, _FINGERPRINT = 16, 8
_RELEASED, _REFUSED = "-released.json", "-refused.json"


def trained_key(version: ModelVersion, sha256: str, fingerprint: str, is_released: bool) -> str:
    """Where it is kept that a version was trained on a dataset.

    Args:
        version: of the model.
        sha256: of the dataset, in hexadecimal.
        fingerprint: of the task, in hexadecimal.
        is_released: whether it was released, or refused.
    """
    suffix = _RELEASED if is_released else _REFUSED
    return f"{TRAINED}/{version.task}_{sha256[:_DATASET]}-{fingerprint[:_FINGERPRINT]}-{version}{suffix}"


def trained_version(task: str, name: str) -> tuple[ModelVersion, str, bool] | None:
    """What such a name (a key's second level) tells: the version, the fingerprint's digits, whether it was
    released.

    None for any other name.
    """
    suffix = next((suffix for suffix in (_RELEASED, _REFUSED) if name.endswith(suffix)), None)
    if suffix is None or not name.startswith(f"{task}_"):
        return None
    dataset, _, rest = name[len(task) + 1 : -len(suffix)].partition("-")
    fingerprint, _, text = rest.partition("-")
    if len(dataset) != _DATASET:
        return None
    try:
        return ModelVersion.parse(task, text), fingerprint, suffix == _RELEASED
    except UnknownVersion:
        return None


def versions_trained_on(
    store: ArtefactStore, task: str, sha256: str, fingerprints: Collection[str]
) -> list[tuple[ModelVersion, bool]]:
    """The versions of a dataset and a task, and whether they were released: releases first, newest first.

    One request, unless there are more than a page of them. Empty where the store denies a look at these keys.
    """
    wanted = {fingerprint[:_FINGERPRINT] for fingerprint in fingerprints}
    found = []
    try:
        for ref in store.list(f"{TRAINED}/{task}_{sha256[:_DATASET]}-"):
            trained = trained_version(task, ref.name)
            if trained is not None and trained[1] in wanted:
                found.append((trained[0], trained[2]))
    except StoreDenied:
        return []
    return sorted(found, key=lambda one: (one[1], one[0]), reverse=True)


def trained_keys(store: ArtefactStore, task: str) -> Iterator[tuple[ModelVersion, str]]:
    """Every such key of a task with its version; nothing where the store denies it."""
    try:
        for ref in store.list(f"{TRAINED}/{task}_"):
            trained = trained_version(task, ref.name)
            if trained is not None:
                yield trained[0], ref.key
    except StoreDenied:
        return
