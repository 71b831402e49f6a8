"""Reading records: JSON that keeps the rules, of the version or the entry that its key names."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from weighbridge.domain.errors import ArtefactNotFound, ConfigurationError, RegistryError
from weighbridge.domain.registry.promotions import Promotion
from weighbridge.domain.registry.provenance import Record

if TYPE_CHECKING:
    from weighbridge.domain.registry.record_rules import RecordKind, RecordRules
    from weighbridge.domain.registry.releases import ModelVersion
    from weighbridge.domain.store.artefact_store import ArtefactStore


class RecordReader:
    """Reads the records of a store; whatever is wrong with one is a RegistryError.

    Args:
        store: where the records are.
        rules: that a record must keep before anything uses it.
    """

    def __init__(self, store: ArtefactStore, rules: RecordRules) -> None:
        self._store = store
        self._rules = rules

    def record(self, version: ModelVersion, key: str) -> tuple[Record, Mapping[str, Any]]:
        """The record of a version under a key, and its document as it is stored.

        Raises:
            ArtefactNotFound: there is none.
            RegistryError: it is not a record of that version.
        """
        try:
            document = self._document("release", key)
            return _record_of(version, document), document
        except (ValueError, RecursionError) as error:
            raise RegistryError(f"the record '{key}' in {self._store.url} cannot be read: {error}") from error

    def promotion(self, task: str, entry: str, key: str) -> Promotion:
        """The promotion of an entry of the log, under its key.

        Raises:
            RegistryError: there is none, or it is not a promotion of that task and entry.
        """
        try:
            return Promotion.from_dict(task, self._document("promotion", key), entry)
        except (ValueError, RecursionError, ArtefactNotFound, ConfigurationError) as error:
            raise RegistryError(f"the promotion '{key}' in {self._store.url} cannot be read: {error}") from error

    def _document(self, kind: RecordKind, key: str) -> Mapping[str, Any]:
        document = json.loads(self._store.read(key).data)
        if not isinstance(document, dict):
            raise ValueError("it is not a JSON object")
        fault = next(iter(self._rules.faults(kind, document)), None)
        if fault is not None:
            raise ValueError(fault)
        return document


def _record_of(version: ModelVersion, document: Mapping[str, Any]) -> Record:
    record = Record.from_dict(document)
    if (record.task, record.version) != (version.task, str(version)):
        raise ValueError(f"it is the record of {record.task}/{record.version}")
    # What the bytes are found, checked and decoded by; a record of a refusal has no key.
    model = record.model
    if not isinstance(model.key, str | None) or not all(isinstance(x, str) for x in (model.format, model.sha256)):
        raise ValueError("its model's key, format and sha256 are not texts")
    return record
