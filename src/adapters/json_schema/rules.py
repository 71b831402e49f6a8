"""The JSON Schemas of the records in a store, and what a record has that they do not allow.

The schemas are in ``schemas/``; the copies in docs/ are for people and other programs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from weighbridge.domain.registry.record_rules import RecordKind, RecordRules

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator

SCHEMAS: Mapping[RecordKind, str] = {
    "release": "release-record.schema.json",
    "promotion": "promotion.schema.json",
}


class JsonSchemaRules(RecordRules):
    """The rules of records as JSON Schemas, draft 2020-12."""

    def faults(self, kind: RecordKind, document: object) -> list[str]:
        """Validate against the JSON Schema of the kind; one text for each violation, by its place."""
        try:
            errors = list(_validator(kind).iter_errors(document))
        except (ValueError, RecursionError) as error:
            # What no JSON document holds, or too deep a one.
            return [f"the record: {_shortened(str(error))}"]
        errors.sort(key=lambda error: [str(part) for part in error.instance_path])
        return [f"{_place(error.instance_path)}: {_shortened(error.message)}" for error in errors]


def schema_of(kind: RecordKind) -> dict[str, Any]:
    """The JSON Schema of a kind of record."""
    text = (files("weighbridge.adapters.json_schema") / "schemas" / SCHEMAS[kind]).read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@cache
def _validator(kind: RecordKind) -> Draft202012Validator:
    # Not every command reads a record.
    from jsonschema_rs import Draft202012Validator

    return Draft202012Validator(schema_of(kind))


def _place(path: Any) -> str:
    return ".".join(str(part) for part in path) or "the record"


def _shortened(message: str) -> str:
    return message if len(message) <= 200 else f"{message[:100]} ... {message[-90:]}"
