"""Copying a store in an order in which nothing is named before it is there; verified, and resumed when cut off."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from weighbridge.domain.errors import ArtefactExists, ArtefactNotFound
from weighbridge.domain.store.artefacts import (
    DATASETS,
    MODELS,
    PREDICTIONS,
    PROMOTIONS,
    REJECTED,
    REPORTS,
    TRAINED,
)

if TYPE_CHECKING:
    from weighbridge.domain.store.artefact_store import ArtefactStore

_LABELS = "labels"

#: What nothing else names, or what is named by what follows.
_FIRST = (DATASETS, _LABELS, PREDICTIONS, REPORTS, TRAINED)


class Copied(StrEnum):
    """What became of a key."""

    COPIED = "copied"
    SAME = "same"
    DIFFERS = "differs"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class CopiedKey:
    """A key of the source, and what became of it.

    Args:
        key: of the artefact.
        size: in bytes, in the source.
        outcome: it was copied; the same bytes were there already; other bytes are there and stay; or it was
            removed from the source meanwhile.
    """

    key: str
    size: int
    outcome: Copied


def copy_store(source: ArtefactStore, target: ArtefactStore) -> Iterator[CopiedKey]:
    """Copy every artefact that is not in the target yet, and compare those that are.

    Datasets, labels, predictions and reports come first, then the bytes of models, then the records of refusals
    and releases, then promotions. The keys are listed in the opposite order before anything is copied, so that
    everything that is copied names only what is copied too, even while the source is written to. Run again, it
    goes on where it was cut off.

    Each artefact is read back and compared by its sha256. It is held in memory as a whole.

    Raises:
        StoreError: from either store. What was copied by then stays.
    """
    promotions = _keys(source, PROMOTIONS)
    records = [key for key in _keys(source, MODELS) if key.endswith(".json")]
    refusals = _keys(source, REJECTED)
    models = [key for key in _keys(source, MODELS) if not key.endswith(".json")]
    first = [key for kind in _FIRST for key in _keys(source, kind)]
    for key in (*first, *models, *refusals, *records, *promotions):
        yield _copy(source, target, key)


def _keys(store: ArtefactStore, kind: str) -> list[str]:
    return [ref.key for ref in store.list(f"{kind}/")]


def _copy(source: ArtefactStore, target: ArtefactStore, key: str) -> CopiedKey:
    try:
        artefact = source.read(key)
    except ArtefactNotFound:
        return CopiedKey(key, 0, Copied.GONE)
    outcome = Copied.COPIED
    try:
        target.write(key, artefact.data)
    except ArtefactExists:
        outcome = Copied.SAME
    if target.read(key).sha256 != artefact.sha256:
        outcome = Copied.DIFFERS
    return CopiedKey(key, len(artefact.data), outcome)
