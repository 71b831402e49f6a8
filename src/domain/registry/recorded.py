"""Finding what a person names: a version, or the live one, and the record of it, released or refused."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from weighbridge.domain.errors import RegistryError, UnknownVersion
from weighbridge.domain.registry.releases import ModelVersion

if TYPE_CHECKING:
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.releases import Refusal, Release
    from weighbridge.domain.store.artefact_store import ArtefactStore

#: The word for whatever version is live.
LIVE = "live"


def version_named(registry: ModelRegistry, task: str, text: str) -> ModelVersion:
    """The version that a text names; ``live`` stands for the live one. Whether it was published is not looked up.

    Raises:
        UnknownVersion: the text is neither a version nor ``live``.
        NothingReleased: the text is ``live``, and nothing is.
        RegistryError: the newest promotion cannot be read as one.
    """
    return registry.live(task).version if text == LIVE else ModelVersion.parse(task, text)


def read_recorded(registry: ModelRegistry, version: ModelVersion) -> Release | Refusal:
    """The release of a version, or else its refusal.

    Raises:
        UnknownVersion: there is neither.
        RegistryError: its record cannot be read as one.
    """
    try:
        return registry.read(version)
    except UnknownVersion as unknown:
        try:
            return registry.read_refusal(version)
        except UnknownVersion:
            raise unknown from None


def read_report(store: ArtefactStore, registry: ModelRegistry, version: ModelVersion) -> bytes:
    """The report of an evaluation as it was written: its digest is that of the record.

    Raises:
        ArtefactNotFound: there is none.
        UnknownVersion: there is one, and no record of its version.
        RegistryError: the record cannot be read, or the report is not the one that it names.
        StoreError: the store fails.
    """
    data = store.read(version.report_key).data
    recorded = (read_recorded(registry, version).record.report or {}).get("sha256")
    found = hashlib.sha256(data).hexdigest()
    if recorded != found:
        raise RegistryError(
            f"the report '{version.report_key}' is not the one that was recorded: its sha256 is {found}, "
            f"the record says {recorded or 'nothing'}; put it back from a backup or the bucket's versions"
        )
    return data
