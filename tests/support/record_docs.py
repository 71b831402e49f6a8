"""docs/release-record.md is made from the schemas: ``python -m tests.support.record_docs`` writes it anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weighbridge.adapters.json_schema.rules import SCHEMAS, schema_of
from weighbridge.domain.registry.record_rules import RecordKind

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "release-record.md"

_BEFORE = """# Records in the store

A release, a refusal and a promotion are one JSON document each, written once and never changed. Their JSON Schemas
(draft 2020-12) are [release-record.schema.json](release-record.schema.json) and
[promotion.schema.json](promotion.schema.json); `weighbridge models verify` holds every record to them. This page
is made of the schemas' own words.

Fields that are not listed may stand beside those that are: readers ignore fields that they do not know. A field in
**bold** is there wherever what it is part of is there. `[]` stands for each item of a list, `*` for each name of a
mapping.
"""

_TITLES: dict[RecordKind, str] = {
    "release": "## Release and refusal: `models/<task>_<version>.json`, `rejected/<task>_<version>.json`",
    "promotion": "## Promotion: `promotions/<task>_<12 digits>.json`",
}


def page() -> str:
    """The page as it has to be."""
    parts = [_BEFORE]
    for kind, title in _TITLES.items():
        schema = schema_of(kind)
        parts += [f"{title}\n", f"{schema['description']}\n", "| field | type | what |\n|---|---|---|"]
        parts += [f"| {name} | {types} | {says} |" for name, types, says in fields(schema, schema)]
        parts.append("")
    return "\n".join(parts)


def fields(schema: dict[str, Any], root: dict[str, Any], path: str = "") -> Iterator[tuple[str, str, str]]:
    """Every field below a schema: its path, its type and its description."""
    for name, given in schema.get("properties", {}).items():
        here = f"{path}.{name}" if path else name
        field = _resolved(given, root)
        shown = f"**`{here}`**" if name in schema.get("required", ()) else f"`{here}`"
        yield shown, _type(field, root), given.get("description", "")
        for mark, below in _below(field, root):
            yield from fields(below, root, f"{here}{mark}")


def _below(field: dict[str, Any], root: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What is inside of a field, and how its path goes on; a distribution is told once, at the target's errors."""
    if "items" in field:
        for mark, below in _below(_resolved(field["items"], root), root):
            yield f"[]{mark}", below
    elif isinstance(field.get("additionalProperties"), dict):
        for mark, below in _below(_resolved(field["additionalProperties"], root), root):
            yield f".*{mark}", below
    elif "anyOf" in field:
        yield from _below(_resolved(field["anyOf"][0], root), root)
    if "properties" in field:
        yield "", field


def _resolved(field: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    reference = field.get("$ref")
    return field if reference is None else root["$defs"][reference.rpartition("/")[2]] | {"named": reference}


def _type(field: dict[str, Any], root: dict[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_type(_resolved(one, root), root) for one in field["anyOf"])
    types = field["type"]
    return types if isinstance(types, str) else " or ".join(types)


def write() -> None:
    """Write the page and the copies of the schemas."""
    from importlib.resources import files

    PAGE.write_text(page(), "utf-8")
    for name in SCHEMAS.values():
        (DOCS / name).write_bytes((files("weighbridge.adapters.json_schema") / "schemas" / name).read_bytes())


if __name__ == "__main__":
    write()
