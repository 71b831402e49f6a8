"""Every record that the tests make is held to its JSON Schema."""

from collections.abc import Mapping
from typing import Any, TypeVar

from weighbridge.adapters.json_schema.rules import JsonSchemaRules
from weighbridge.domain.registry.record_rules import RecordKind
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import MODELS, PROMOTIONS, REJECTED

RULES = JsonSchemaRules()

Document = TypeVar("Document", bound=Mapping[str, Any])


def valid_record(document: Document, kind: RecordKind = "release") -> Document:
    """The document; fails when its JSON Schema refuses it."""
    assert RULES.faults(kind, document) == []
    return document


def count_valid_records(store: ArtefactStore) -> int:
    """Check every record in a store; returns how many there are."""
    import json

    kinds: dict[str, RecordKind] = {MODELS: "release", REJECTED: "release", PROMOTIONS: "promotion"}
    keys = [(kind, ref.key) for folder, kind in kinds.items() for ref in store.list(f"{folder}/")]
    records = [(kind, key) for kind, key in keys if key.endswith(".json")]
    for kind, key in records:
        valid_record(json.loads(store.read(key).data), kind)
    return len(records)
