"""The JSON Schemas of records: valid, complete, published, and strict where it matters."""

import json
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.support.clocks import START
from tests.support.quick_task import store_of_two, two_releases
from tests.support.record_docs import DOCS, PAGE, fields, page
from tests.support.record_rules import count_valid_records, valid_record
from tests.support.registry_contract import make_record, version_of
from weighbridge.adapters.json_schema.rules import SCHEMAS, JsonSchemaRules, schema_of
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.registry.promotions import Origin, Promotion
from weighbridge.domain.registry.record_rules import RecordKind

RULES = JsonSchemaRules()
RECORD = make_record(b"model", START)
OLD_PROMOTION = Promotion(version_of(RECORD), START.replace(microsecond=0), "why", "ann")
PROMOTION = replace(OLD_PROMOTION, entry="000000000012", origin=Origin.PERSON, rollback_to="000000000007")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_is_one_of_its_draft_and_says_what_every_field_is(kind: RecordKind) -> None:
    schema = schema_of(kind)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    told = list(fields(schema, schema))
    assert len(told) > 6
    assert [name for name, _, says in told if not says.endswith(".")] == []


def test_what_is_published_is_what_is_verified_by() -> None:
    for name in SCHEMAS.values():
        assert (DOCS / name).read_bytes() == (
            files("weighbridge.adapters.json_schema") / "schemas" / name
        ).read_bytes()
    # 'python -m tests.support.record_docs' writes both anew.
    assert PAGE.read_text("utf-8") == page()


def test_records_of_trainings_are_valid() -> None:
    assert count_valid_records(store_of_two()) == 4
    for verdict in Verdict:
        valid_record(make_record(b"model", START, verdict=verdict).to_dict())
    valid_record(PROMOTION.to_dict(), "promotion")
    valid_record(OLD_PROMOTION.to_dict(), "promotion")


def test_every_field_that_is_written_is_documented() -> None:
    schema = schema_of("release")
    documented = {name.strip("*`") for name, _, _ in fields(schema, schema)}
    for document in (two_releases()[1].document, RECORD.to_dict()):
        assert {path for path in _paths(document) if path not in documented} == set()
    assert set(PROMOTION.to_dict()) == set(schema_of("promotion")["properties"])


#: Their names are not ours.
_MAPPINGS = {"libraries", "metrics", "training.params", "golden[].inputs", "golden[].probabilities"}
_NAMED = {"comparison.metrics": 1, "findings[].numbers": 0, "statistics.features": 1, "statistics.association": 0}


def _paths(node: Any, path: str = "") -> Iterator[str]:
    if path in _MAPPINGS or path.endswith(".counts"):
        return
    if path in _NAMED or path == "statistics.target_by_level":
        levels = 2 if path == "statistics.target_by_level" else _NAMED[path]
        for one in node.values() if levels else ():
            for below in one.values() if levels == 2 else (one,):
                yield from _paths(below, path + ".*" * levels)
    elif isinstance(node, dict):
        for name, value in node.items():
            here = f"{path}.{name}" if path else name
            yield here
            yield from _paths(value, here)
    elif isinstance(node, list) and node and isinstance(node[0], dict):
        for one in node:
            yield from _paths(one, f"{path}[]")


@pytest.mark.parametrize(
    ("place", "value", "fault"),
    [
        (("schema_version",), 3, "schema_version: 3 is not one of 1 or 2"),
        (("task",), "Time", 'task: "Time" does not match'),
        (("created_at",), "2021-07-03", 'created_at: "2021-07-03" does not match'),
        (("created_at",), "2021-07-03T23:05:32+00:00", "created_at: "),
        (("dataset", "sha256"), "0", 'dataset.sha256: "0" does not match'),
        (("dataset", "rows"), -1, "dataset.rows: -1 is less than the minimum of 0"),
        (("training", "search", "points"), 0, "training.search.points: 0 is less than the minimum of 1"),
        (("metrics", "r2"), "0.9", 'metrics.r2: "0.9" is not of types "null", "number"'),
        (("decision", "verdict"), "perhaps", 'decision.verdict: "perhaps" is not one of'),
        (("decision", "verdict"), "reject", "model.key: "),
        (("model", "key"), None, 'model.key: null is not of type "string"'),
        (("schema", "features"), [], "schema.features: [] has less than 1 item"),
        (
            ("schema", "target"),
            {"name": "a", "type": "category"},
            'schema.target: "levels" is a required property',
        ),
        (("golden",), [{"inputs": {"a": None}, "prediction": 1}], "golden.0.inputs.a: null is not of type"),
        (("libraries",), {}, 'libraries: "python" is a required property'),
        (("statistics",), {"rows": 1}, 'statistics: "features" is a required property'),
        (("test_errors",), {"type": "number"}, "test_errors: "),
    ],
)
def test_a_fault_is_named_with_its_place(place: tuple[str, ...], value: Any, fault: str) -> None:
    document = json.loads(RECORD.to_json())
    node = document
    for name in place[:-1]:
        node = node[name]
    node[place[-1]] = value
    found = RULES.faults("release", document)
    assert [one for one in found if one.startswith(fault)] != [], found
    assert max(map(len, found)) < 300


@given(st.data())
def test_a_fixed_field_may_not_be_missing_and_others_may_stand_beside(data: st.DataObject) -> None:
    document = json.loads(RECORD.to_json())
    schema = schema_of("release")
    for node in (document, document["dataset"], document["training"], document["model"], document["schema"]):
        node["later"] = data.draw(st.none() | st.integers() | st.text())
    valid_record(document)
    name = data.draw(st.sampled_from(schema["required"]))
    del document[name]
    assert f'the record: "{name}" is a required property' in RULES.faults("release", document)


@pytest.mark.parametrize("document", [None, [], "text", 1])
def test_what_is_no_record_at_all_is_a_fault(document: object) -> None:
    for kind in SCHEMAS:
        assert RULES.faults(kind, document) == [f'the record: {json.dumps(document)} is not of type "object"']


@pytest.mark.parametrize("change", [{"hold": 1}, {"promoted_at": "now"}, {"version": "1"}, {"reason": None}])
def test_promotions_have_rules_too(change: dict[str, Any]) -> None:
    (name,) = change
    (fault,) = RULES.faults("promotion", PROMOTION.to_dict() | change)
    assert fault.startswith(f"{name}: ")
