"""The record of a run: the same after a journey through its bytes, and strict about what it cannot read."""

import json
import math
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.reasons import warnings
from tests.support.strategies import admissible_rows, moments, schemas
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.evaluation.checks.check import CheckResult
from weighbridge.domain.evaluation.gate import GateDecision, Verdict
from weighbridge.domain.evaluation.reason import Reason, Severity, Source
from weighbridge.domain.evaluation.rules.rule import Finding, FindingLevel
from weighbridge.domain.registry.provenance import (
    RECORD_SCHEMA_VERSION,
    CodeSource,
    DatasetSource,
    GoldenRow,
    ModelFile,
    Record,
    SearchSummary,
    Training,
)

SCHEMA = Schema((Number("orders", 0), Category("product", ("A", "B"))), Number("hours"), "est_hours")

RECORD = Record(
    task="time",
    version="2021-07-03T23-05-32Z-0a1b2c3d",
    created_at=datetime(2021, 7, 3, 23, 5, 32, tzinfo=UTC),
    dataset=DatasetSource("datasets/time_2021-07-03.csv", "ab" * 32, 100, '"etag"', None, 10),
    code=CodeSource("unknown", "0.1.0"),
    libraries={"numpy": "2.4"},
    training=Training(
        estimator="sklearn.tree.DecisionTreeRegressor",
        params={"regressor__max_depth": None, "regressor__criterion": "squared_error"},
        search=SearchSummary("grid", 2, 5, 0.95, "r2"),
        seed=42,
        split={"test_size": 0.2, "stratify_by": None, "seed": 42, "train_rows": 8, "test_rows": 2},
        seconds=0.125,
    ),
    metrics={"r2": 0.85, "mean_absolute_error": 1.5},
    checks=(CheckResult("predictions are not below 0", True, "the smallest is 0"),),
    decision=GateDecision(Verdict.RELEASE_WITH_WARNING, warnings("r2 0.85 is below its warning threshold 0.9")),
    model=ModelFile("models/time_2021-07-03T23-05-32Z-0a1b2c3d.onnx", "onnx", "0a1b2c3d" * 8, 5, {"rows": 2}),
    schema=SCHEMA,
    golden=(GoldenRow({"orders": 1.0, "product": "A"}, 2.5),),
    thresholds=[{"metric": "r2", "error": 0.8, "warning": 0.9}],
    task_fingerprint="cd" * 32,
    comparison={
        "live_version": "2021-07-02T23-05-32Z-0a1b2c3d",
        "note": "",
        "metrics": {"r2": {"candidate": 0.85, "live": 0.84}},
    },
    findings=(Finding("too few rows", FindingLevel.WARNING, "10 rows", {"rows": 10.0}),),
    phases=({"name": "read", "seconds": 0.5, "peak_bytes": 1000},),
    test_predictions="ef" * 32,
    test_errors={"rows": 2, "mean": 1.5},
    statistics={"rows": 10},
    run_id="0123456789abcdef",
    after_promotion="000000000012",
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
counts = st.integers(0, 2**63)
floats = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), floats, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=4,
)
plain_fields = st.dictionaries(texts, plain, max_size=3)


reasons = st.builds(Reason, st.sampled_from(Severity), st.sampled_from(Source), texts, texts, texts)


@st.composite
def records(draw: st.DrawFn) -> Record:
    schema = draw(schemas())
    search = st.builds(SearchSummary, texts, counts, counts, floats, texts)
    return Record(
        task=draw(texts),
        version=draw(texts),
        created_at=draw(moments()),
        dataset=draw(st.builds(DatasetSource, texts, texts, counts, texts, st.none() | texts, counts)),
        code=draw(st.builds(CodeSource, texts, texts)),
        libraries=draw(st.dictionaries(texts, texts, max_size=3)),
        training=draw(st.builds(Training, texts, plain_fields, search, counts, plain_fields, floats)),
        metrics=draw(st.dictionaries(texts, floats, max_size=3)),
        checks=tuple(draw(st.lists(st.builds(CheckResult, texts, st.booleans(), texts), max_size=3))),
        decision=draw(st.builds(GateDecision, st.sampled_from(Verdict), st.lists(reasons, max_size=3).map(tuple))),
        model=draw(st.builds(ModelFile, st.none() | texts, texts, texts, counts, plain_fields)),
        schema=schema,
        golden=tuple(draw(st.lists(st.builds(GoldenRow, admissible_rows(schema), floats), max_size=3))),
        thresholds=tuple(draw(st.lists(plain_fields, max_size=2))),
        task_fingerprint=draw(texts),
        run_id=draw(texts),
        after_promotion=draw(st.none() | texts),
    )


def written(record: Record = RECORD) -> dict[str, Any]:
    document = json.loads(record.to_json())
    assert isinstance(document, dict)
    return document


@given(records())
def test_a_record_survives_its_bytes(record: Record) -> None:
    data = record.to_json()
    read = Record.from_dict(json.loads(data))
    assert read == record
    assert read.created_at.utcoffset() == timedelta(0)
    assert read.to_json() == data


def test_how_a_record_is_written() -> None:
    assert written() == {
        "schema_version": 2,
        "task": "time",
        "version": "2021-07-03T23-05-32Z-0a1b2c3d",
        "created_at": "2021-07-03T23:05:32Z",
        "run_id": "0123456789abcdef",
        "dataset": {
            "key": "datasets/time_2021-07-03.csv",
            "sha256": "ab" * 32,
            "size": 100,
            "revision": '"etag"',
            "version_id": None,
            "rows": 10,
        },
        "code": {"revision": "unknown", "version": "0.1.0"},
        "libraries": {"numpy": "2.4"},
        "training": {
            "estimator": "sklearn.tree.DecisionTreeRegressor",
            "params": {"regressor__max_depth": None, "regressor__criterion": "squared_error"},
            "search": {"kind": "grid", "points": 2, "folds": 5, "score": 0.95, "scoring": "r2"},
            "seed": 42,
            "split": {"test_size": 0.2, "stratify_by": None, "seed": 42, "train_rows": 8, "test_rows": 2},
            "seconds": 0.125,
        },
        "metrics": {"r2": 0.85, "mean_absolute_error": 1.5},
        "thresholds": [{"metric": "r2", "error": 0.8, "warning": 0.9}],
        "checks": [{"name": "predictions are not below 0", "passed": True, "detail": "the smallest is 0"}],
        "decision": {
            "verdict": "release_with_warning",
            "summary": "Released: 1 warning",
            "reasons": [
                {
                    "severity": "warning",
                    "source": "threshold",
                    "name": "r2",
                    "text": "r2 0.85 is below its warning threshold 0.9",
                    "next_step": RECORD.decision.reasons[0].next_step,
                }
            ],
        },
        "model": {
            "key": "models/time_2021-07-03T23-05-32Z-0a1b2c3d.onnx",
            "format": "onnx",
            "sha256": "0a1b2c3d" * 8,
            "size": 5,
            "parity": {"rows": 2},
        },
        "schema": SCHEMA.to_dict() | {"fingerprint": SCHEMA.fingerprint},
        "golden": [{"inputs": {"orders": 1.0, "product": "A"}, "prediction": 2.5}],
        "task_fingerprint": "cd" * 32,
        "after_promotion": "000000000012",
        "comparison": {
            "live_version": "2021-07-02T23-05-32Z-0a1b2c3d",
            "note": "",
            "metrics": {"r2": {"candidate": 0.85, "live": 0.84}},
        },
        "findings": [{"name": "too few rows", "level": "warning", "detail": "10 rows", "numbers": {"rows": 10.0}}],
        "phases": [{"name": "read", "seconds": 0.5, "peak_bytes": 1000}],
        "report": None,
        "test_predictions": "ef" * 32,
        "test_errors": {"rows": 2, "mean": 1.5},
        "statistics": {"rows": 10},
    }
    data = RECORD.to_json()
    assert data.startswith(b'{\n  "schema_version": 2,\n')
    assert data.endswith(b"\n}\n")


def test_the_bytes_are_utf_8_and_readable() -> None:
    assert "日🚚" in replace(RECORD, task="日🚚").to_json().decode()


def test_the_time_is_written_in_utc() -> None:
    there = RECORD.created_at.astimezone(timezone(timedelta(hours=5)))
    assert replace(RECORD, created_at=there).to_json() == RECORD.to_json()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_not_finite_is_null_and_reads_as_nan(value: float) -> None:
    record = replace(RECORD, metrics={"r2": value, "mean_absolute_error": 1.5})
    assert written(record)["metrics"] == {"r2": None, "mean_absolute_error": 1.5}
    assert record.to_dict()["metrics"] == {"r2": None, "mean_absolute_error": 1.5}
    read = Record.from_dict(written(record))
    assert math.isnan(read.metrics["r2"])
    assert read.metrics["mean_absolute_error"] == 1.5
    assert read.to_json() == record.to_json()


@given(
    st.sampled_from(
        [
            (),
            ("dataset",),
            ("code",),
            ("training",),
            ("training", "search"),
            ("model",),
            ("decision",),
            ("schema",),
        ]
    ),
    plain,
)
def test_fields_that_are_not_known_are_passed_over(path: tuple[str, ...], value: Any) -> None:
    document = written()
    part = document
    for name in path:
        part = part[name]
    part["a field of the future"] = value
    assert Record.from_dict(document) == Record.from_dict(written())


def test_fields_of_lists_that_are_not_known_are_passed_over() -> None:
    document = written()
    document["checks"][0]["severity"] = "low"
    document["golden"][0]["weight"] = 1
    assert Record.from_dict(document) == Record.from_dict(written())


#: Fields that the first records did not have, with what stands for them.
LATER_FIELDS: dict[str, object] = {
    "thresholds": (),
    "task_fingerprint": "",
    "comparison": {},
    "findings": (),
    "phases": (),
    "run_id": "",
    "after_promotion": None,
    "report": None,
    "test_predictions": "",
    "test_errors": None,
    "statistics": {},
}


@pytest.mark.parametrize("name", sorted(set(written()) - set(LATER_FIELDS)))
def test_no_field_may_be_missing(name: str) -> None:
    document = written()
    del document[name]
    with pytest.raises(ValueError, match="the record cannot be read: KeyError"):
        Record.from_dict(document)


def test_a_record_of_layout_1_has_texts_for_reasons() -> None:
    document = written() | {"schema_version": 1}
    document["decision"]["reasons"] = ["r2 0.85 is below its warning threshold 0.9"]
    del document["decision"]["summary"]
    assert Record.from_dict(document) == Record.from_dict(written())


def test_an_early_record_lacks_the_later_fields() -> None:
    document = written()
    for name in LATER_FIELDS:
        del document[name]
    del document["schema"]["fingerprint"]
    assert Record.from_dict(document) == replace(RECORD, **LATER_FIELDS)


@pytest.mark.parametrize("version", [RECORD_SCHEMA_VERSION + 1, RECORD_SCHEMA_VERSION + 0.5, 99])
def test_a_later_layout_is_refused(version: float) -> None:
    with pytest.raises(ValueError, match=f"^the record has the later layout {version}$"):
        Record.from_dict(written() | {"schema_version": version})


def test_a_schema_that_is_not_its_fingerprints_is_refused() -> None:
    document = written()
    document["schema"]["features"][1]["levels"].append("C")
    with pytest.raises(ValueError, match=r"^the record's schema is not the one that its fingerprint names$"):
        Record.from_dict(document)


@given(st.sampled_from([*sorted(set(written()) - {"task", "version", "libraries", "task_fingerprint"})]), plain)
def test_a_field_of_another_type_is_a_value_error_or_nothing(name: str, value: Any) -> None:
    with suppress(ValueError):
        Record.from_dict(written() | {name: value})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": "1"}, "the record cannot be read: TypeError"),
        ({"created_at": "yesterday"}, "Invalid isoformat string: 'yesterday'"),
        ({"created_at": 5}, "the record cannot be read: TypeError"),
        ({"created_at": "2021-07-03T23:05:32"}, "the record's created_at has no zone"),
        ({"decision": {"verdict": "maybe", "reasons": []}}, "'maybe' is not a valid Verdict"),
        ({"dataset": []}, "the record cannot be read: TypeError"),
        ({"checks": [5]}, "the record cannot be read: TypeError"),
        ({"golden": None}, "the record cannot be read: TypeError"),
        ({"metrics": {"r2": "high"}}, "could not convert string to float: 'high'"),
        ({"metrics": {"r2": []}}, "the record cannot be read: TypeError"),
        ({"metrics": {"r2": 10**400}}, "the record cannot be read: OverflowError"),
        ({"metrics": []}, "the record cannot be read: AttributeError"),
        (
            {"schema": SCHEMA.to_dict() | {"features": []}},
            "the record cannot be read: TaskError: schema: features",
        ),
        ({"schema": SCHEMA.to_dict() | {"target": None}}, "the record cannot be read: TaskError: no schema"),
    ],
)
def test_what_cannot_be_read_is_a_value_error(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Record.from_dict(written() | change)


@pytest.mark.parametrize("document", [None, 5, "text", [], {}, [written()]])
def test_what_is_no_record_is_a_value_error(document: Any) -> None:
    with pytest.raises(ValueError, match="the record cannot be read"):
        Record.from_dict(document)
