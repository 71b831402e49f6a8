"""Two records side by side: everything that either has, in a sensible order, and what differs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START
from tests.support.quick_task import two_releases
from tests.support.registry_contract import make_record
from weighbridge.domain.registry.record_diff import Compared, compare_records
from weighbridge.entrypoints.cli.record_texts import layout_of_comparison

RECORD = json.loads(make_record(b"model", START).to_json())


def changed(change: dict[str, Any]) -> dict[str, Any]:
    other = json.loads(json.dumps(RECORD))
    for place, value in change.items():
        *above, last = place.split(".")
        node = other
        for name in above:
            node = node[int(name)] if isinstance(node, list) else node[name]
        node[last] = value
    return other


def test_a_record_differs_in_nothing_from_itself() -> None:
    record = two_releases()[0].document
    rows = compare_records(record, record)
    assert not any(row.differs for row in rows)
    sections = list(dict.fromkeys(row.section for row in rows))
    assert sections == [
        *("decision", "metrics", "thresholds", "checks", "parameters", "search", "split", "dataset"),
        *("schema", "model", "code", "libraries"),
    ]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"metrics.r2": 0.5}, [("metrics", "r2", 0.95, 0.5)]),
        (
            {"metrics": {"r2": None, "rmse": 2.0}},
            [
                ("metrics", "r2", 0.95, "undefined"),
                ("metrics", "mean_absolute_error", 1.25, None),
                ("metrics", "rmse", None, 2.0),
            ],
        ),
        (
            {"training.params": {"a": 1}},
            [
                ("parameters", "regressor__max_depth", "None", None),
                ("parameters", "a", None, 1),
            ],
        ),
        ({"libraries.python": "3.14.0"}, [("libraries", "python", "3.11.9", "3.14.0")]),
        ({"libraries": {"python": "3.11.9", "numpy": "2.1"}}, [("libraries", "numpy", None, "2.1")]),
        ({"dataset.sha256": "1"}, [("dataset", "sha256", "0" * 64, "1")]),
        ({"schema.features.0.minimum": 1}, [("schema", "feature orders", "number from 0", "number from 1")]),
        ({"schema.features.0.maximum": 9}, [("schema", "feature orders", "number from 0", "number from 0 to 9")]),
        ({"schema.features.1.levels": ["a"]}, [("schema", "feature product", "one of a, b", "one of a")]),
        ({"schema.prediction": "p"}, [("schema", "prediction", "est_hours", "p")]),
        (
            {"checks.0.passed": False},
            [
                ("checks", "predictions are not below 0", "passed", "FAILED"),
            ],
        ),
        (
            {"thresholds.0.error": 0.7},
            [
                ("thresholds", "r2", '{"error": 0.8, "warning": 0.9}', '{"error": 0.7, "warning": 0.9}'),
            ],
        ),
        (
            {"decision": {"verdict": "reject", "reasons": ["a", "b"]}},
            [
                ("decision", "verdict", "release", "reject"),
                ("decision", "reasons", "", "a; b"),
            ],
        ),
        # When it was made, and where, is in their names.
        ({"created_at": "2020-01-01T00:00:00Z"}, []),
    ],
)
def test_what_differs_is_found(change: dict[str, Any], expected: list[Any]) -> None:
    rows = compare_records(RECORD, changed(change))
    assert [row for row in rows if row.differs] == [Compared(*one) for one in expected]


@given(
    st.dictionaries(st.text(max_size=3), st.floats(0, 1)), st.dictionaries(st.text(max_size=3), st.floats(0, 1))
)
def test_every_metric_of_either_is_there_once(one: dict[str, float], other: dict[str, float]) -> None:
    rows = compare_records(RECORD | {"metrics": one}, RECORD | {"metrics": other})
    metrics = [row for row in rows if row.section == "metrics"]
    assert [row.field for row in metrics] == [*one, *(name for name in other if name not in one)]
    for row in metrics:
        assert (row.one, row.other) == (one.get(row.field), other.get(row.field))
        assert row.differs == (one.get(row.field) != other.get(row.field))


def test_people_see_a_star_and_programs_a_flag() -> None:
    row = Compared("metrics", "r2", 0.123456789, None)
    assert list(layout_of_comparison([row])) == [("*", "metrics", "r2", "0.123457", "-")]
    assert list(layout_of_comparison([Compared("split", "seed", 1, 1)])) == [("", "split", "seed", "1", "1")]
    expected = {"section": "metrics", "field": "r2", "a": 0.123456789, "b": None, "differs": True}
    assert row.to_dict() == expected
