"""What a schema admits of a single row, and how it is written down."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.strategies import admissible_rows, schemas
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import DataError, Problem, TaskError

SCHEMA = Schema(
    (Number("orders", minimum=0), Number("weight", maximum=10.5), Category("product", ("A", "B"))),
    Number("hours"),
    "est_hours",
)
ROW = {"orders": 3, "weight": 1.5, "product": "A"}


def problems(row: dict[str, Any], schema: Schema = SCHEMA) -> list[str]:
    with pytest.raises(DataError) as caught:
        schema.admit_row(row)
    assert caught.value.subject == "the row"
    assert all(problem.row is None and problem.value is None for problem in caught.value.problems)
    return [str(problem) for problem in caught.value.problems]


def test_an_admitted_row_is_in_the_schemas_order_and_its_numbers_are_floats() -> None:
    admitted = SCHEMA.admit_row({"product": "B", "weight": -2, "orders": 7})
    assert list(admitted.items()) == [("orders", 7.0), ("weight", -2.0), ("product", "B")]
    assert [type(value) for value in admitted.values()] == [float, float, str]


@pytest.mark.parametrize(
    "value", [0, 0.0, -0.0, 5e-324, 2**53, 1e308, 1.7976931348623157e308, np.float64(2.5), 2.0**53 + 2]
)
def test_numbers_that_are_admitted(value: float) -> None:
    assert SCHEMA.admit_row(ROW | {"orders": value})["orders"] == float(value)


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, False, "", "10", "nan", b"10", [], {}, [1.0], 1j),
        *(math.nan, math.inf, -math.inf, 10**309, -1, -5e-324, np.float64("nan"), np.bool_(True)),
    ],
)
def test_numbers_that_are_refused(value: object) -> None:
    expected = f"column 'orders': expected a number not below 0, found {value!r}"
    assert problems(ROW | {"orders": value}) == [expected]


@pytest.mark.parametrize("value", [2**53 + 1, 2**53 + 2, 2**60, 10**308])
def test_whole_numbers_that_would_be_rounded_are_refused(value: int) -> None:
    expected = "expected a whole number within ±9,007,199,254,740,992 (2^53): beyond it would be rounded"
    assert problems(ROW | {"orders": value}) == [f"column 'orders': {expected}, found {value}"]


@pytest.mark.parametrize("value", [None, "", "a", "A ", " A", "AB", "C", 1, True, b"A", ["A"], ("A",), math.nan])
def test_categories_that_are_refused(value: object) -> None:
    assert problems(ROW | {"product": value}) == [f"column 'product': expected one of A, B, found {value!r}"]


@pytest.mark.parametrize(
    ("feature", "inside", "outside", "expected"),
    [
        (Number("n", -1, 2), [-1, 0, 2, 2.0], [-1.0000000000000002, 2.0000000000000004, 3], "from -1 to 2"),
        (Number("n", 3, 3), [3], [2.9999999999999996, 3.0000000000000004], "from 3 to 3"),
        (Number("n", 0.5), [0.5, 1e308], [0.49999999999999994], "not below 0.5"),
        (Number("n", maximum=0.5), [-1e308, 0.5], [0.5000000000000001], "not above 0.5"),
    ],
)
def test_bounds_are_admitted_themselves(
    feature: Number, inside: list[float], outside: list[float], expected: str
) -> None:
    schema = replace(SCHEMA, features=(feature,))
    for value in inside:
        assert schema.admit_row({"n": value}) == {"n": value}
    for value in outside:
        assert problems({"n": value}, schema) == [f"column 'n': expected a number {expected}, found {value!r}"]


def test_without_bounds_a_number_is_only_finite() -> None:
    assert Number("n").expectation == "expected a finite number"
    assert Number("n").admits(-1e308)
    assert not Number("n").admits(-math.inf)


def test_every_problem_of_a_row_is_told_at_once() -> None:
    row = {"product": "C", "orders": "10", "colour": "red", "Weight": 1}
    assert problems(row) == [
        "column 'weight': missing; expected a number not above 10.5",
        "column 'orders': expected a number not below 0, found '10'",
        "column 'product': expected one of A, B, found 'C'",
        "column 'colour': unknown field; there are orders, weight, product",
        "column 'Weight': unknown field; there are orders, weight, product",
    ]
    assert len(problems({})) == 3


def test_a_target_in_a_row_of_features_is_an_unknown_field() -> None:
    assert problems(ROW | {"hours": 3.0}) == ["column 'hours': unknown field; there are orders, weight, product"]


@given(st.data())
def test_what_is_admitted_is_admitted_unchanged(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    row = data.draw(admissible_rows(schema))
    admitted = schema.admit_row(row)
    assert admitted == row
    assert tuple(admitted) == schema.feature_names
    assert all(type(value) in (float, str) for value in admitted.values())
    assert schema.admit_row(admitted) == admitted


@given(st.data())
def test_exactly_the_fields_at_fault_are_told(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    row = data.draw(admissible_rows(schema))
    bad = data.draw(st.sets(st.sampled_from(schema.feature_names)))
    missing = data.draw(st.sets(st.sampled_from(schema.feature_names)))
    unknown = data.draw(st.sets(st.sampled_from(["x", "y", schema.target.name]))) - set(row)
    assume(bad or missing or unknown)
    row |= {name: data.draw(st.sampled_from([None, True, math.nan, b"", [1]])) for name in bad}
    row |= dict.fromkeys(unknown, 1.0)
    row = {name: value for name, value in row.items() if name not in missing}
    with pytest.raises(DataError) as caught:
        schema.admit_row(row)
    found = [problem.column for problem in caught.value.problems]
    names = schema.feature_names
    assert found == [
        *(name for name in names if name in missing),
        *(name for name in names if name in bad - missing),
        *(name for name in row if name in unknown),
    ]


@given(schemas())
def test_a_schema_survives_being_written_as_json(schema: Schema) -> None:
    read = Schema.from_dict(json.loads(json.dumps(schema.to_dict())))
    assert read == schema
    assert read.fingerprint == schema.fingerprint


@given(schemas(), st.sampled_from(["hours", "°C", "orders per day"]))
def test_a_unit_is_kept_and_changes_nothing_else(schema: Schema, unit: str) -> None:
    features = tuple(replace(one, unit=unit) if isinstance(one, Number) else one for one in schema.features)
    target = replace(schema.target, unit=unit) if isinstance(schema.target, Number) else schema.target
    measured = replace(schema, features=features, target=target)
    assert (measured, measured.fingerprint) == (schema, schema.fingerprint)
    read = Schema.from_dict(json.loads(json.dumps(measured.to_dict())))
    numbers = [one for one in (*read.features, read.target) if isinstance(one, Number)]
    assert [one.unit for one in numbers] == [unit] * len(numbers)
    assert not any("unit" in column for column in (*schema.to_dict()["features"], schema.to_dict()["target"]))


@pytest.mark.parametrize("unit", [" hours", "hours\n", "a\x00", None, 1])
def test_units_that_are_none(unit: Any) -> None:
    with pytest.raises(TaskError) as caught:
        Number("weight", unit=unit)
    assert str(caught.value) == f"feature 'weight': the unit {unit!r} is not a printable text such as 'hours'"


@given(schemas(), schemas())
def test_schemas_are_equal_when_their_fingerprints_are(one: Schema, other: Schema) -> None:
    assert (one == other) == (one.fingerprint == other.fingerprint)


@given(st.data())
def test_a_change_anywhere_changes_the_fingerprint(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    features = schema.features
    target = schema.target
    changed = [
        replace(schema, features=(*features, Number("one more"))),
        replace(schema, prediction=f"{schema.prediction}s"),
        replace(schema, target=replace(target, name="another one")),
        replace(
            schema,
            target=Number(target.name) if isinstance(target, Category) else Category(target.name, ("a", "b")),
        ),
        replace(schema, features=(replace(features[0], name="another one"), *features[1:])),
    ]
    if len(features) > 1:
        changed.append(replace(schema, features=features[::-1]))
    fingerprints = {other.fingerprint for other in changed}
    assert schema.fingerprint not in fingerprints
    assert len(fingerprints) == len(changed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Number("n", 0), Number("n", 0.0)),
        (Number("n", -0.0), Number("n", 0)),
        (Number("n", maximum=2.0**60), Number("n", maximum=2**60)),
        (Number("n", -3.0, 4), Number("n", -3, 4.0)),
    ],
)
def test_equal_bounds_of_different_types_have_one_fingerprint(one: Number, other: Number) -> None:
    assert one == other
    assert replace(SCHEMA, features=(one,)).fingerprint == replace(SCHEMA, features=(other,)).fingerprint
    assert replace(SCHEMA, target=one).fingerprint == replace(SCHEMA, target=other).fingerprint


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Number("n", 0), Number("n", None)),
        (Number("n", 0), Number("n", maximum=0)),
        (Number("n", 0), Number("n", 5e-324)),
        (Number("n", 2.0**53), Number("n", 2**53 + 1)),
        (Category("n", ("1",)), Category("n", ("1.0",))),
        (Category("n", ("a", "b")), Category("n", ("b", "a"))),
        (Category("n", ("a,b",)), Category("n", ("a", "b"))),
        (Number("n"), Category("n", ("number",))),
    ],
)
def test_different_features_have_different_fingerprints(one: Any, other: Any) -> None:
    assert replace(SCHEMA, features=(one,)).fingerprint != replace(SCHEMA, features=(other,)).fingerprint


def test_how_a_schema_is_written() -> None:
    assert SCHEMA.to_dict() == {
        "features": [
            {"name": "orders", "type": "number", "minimum": 0, "maximum": None},
            {"name": "weight", "type": "number", "minimum": None, "maximum": 10.5},
            {"name": "product", "type": "category", "levels": ["A", "B"]},
        ],
        "target": {"name": "hours", "type": "number", "minimum": None, "maximum": None},
        "prediction": "est_hours",
    }
    written = SCHEMA.to_dict() | {"fingerprint": "of the record's, passed over"}
    assert Schema.from_dict(written) == SCHEMA


@pytest.mark.parametrize("field", ["features", "target", "prediction"])
@pytest.mark.parametrize("value", [None, 5, [], {}, [5], [{}], "", {"type": "number"}, [{"type": "category"}]])
def test_what_is_no_written_schema_is_a_task_error(field: str, value: object) -> None:
    with pytest.raises(TaskError):
        Schema.from_dict(SCHEMA.to_dict() | {field: value})
    with pytest.raises(TaskError, match="no schema can be read from"):
        Schema.from_dict({name: part for name, part in SCHEMA.to_dict().items() if name != field})


def test_a_feature_of_an_unknown_type_is_named() -> None:
    with pytest.raises(TaskError) as caught:
        Schema.from_dict(SCHEMA.to_dict() | {"target": {"name": "hours", "type": "date"}})
    assert str(caught.value) == "schema: there is no feature type 'date'"


def test_a_feature_is_found_by_its_name() -> None:
    assert SCHEMA.feature_names == ("orders", "weight", "product")
    assert [SCHEMA.feature(name) for name in SCHEMA.feature_names] == list(SCHEMA.features)
    with pytest.raises(TaskError) as caught:
        SCHEMA.feature("hours")
    assert str(caught.value) == "there is no feature 'hours'; there are orders, weight, product"


N = Number("n")


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Number(""), "schema: the name '' is not a non-empty printable text"),
        (lambda: Number(" "), "schema: the name ' ' is not a non-empty printable text"),
        (lambda: Number("a\nb"), "schema: the name 'a\\nb' is not a non-empty printable text"),
        (lambda: Category("a\0", ("x",)), "schema: the name 'a\\x00' is not a non-empty printable text"),
        (lambda: Number(5), "schema: the name 5 is not a non-empty printable text"),  # type: ignore[arg-type]
        (lambda: Number("n", math.nan), "feature 'n': the bound nan is not a finite number"),
        (lambda: Number("n", maximum=math.inf), "feature 'n': the bound inf is not a finite number"),
        (lambda: Number("n", True), "feature 'n': the bound True is not a finite number"),
        (lambda: Number("n", "0"), "feature 'n': the bound '0' is not a finite number"),  # type: ignore[arg-type]
        (lambda: Number("n", 2, 1), "feature 'n': minimum 2 is greater than maximum 1"),
        (lambda: Category("c", ()), "feature 'c': levels is empty; name at least one"),
        (lambda: Category("c", ("a", "")), "feature 'c': levels must be non-empty texts, not ('a', '')"),
        (lambda: Category("c", ("a", 1)), "feature 'c': levels must be non-empty texts, not ('a', 1)"),  # type: ignore[arg-type]
        (lambda: Category("c", ("a", "b", "a")), "feature 'c': levels names one twice"),
        (lambda: Schema((), N, "p"), "schema: features is empty; name at least one"),
        (lambda: Schema((N, N), Number("t"), "p"), "schema: a feature is named twice in ['n', 'n']"),
        (lambda: Schema((N,), N, "p"), "schema: the target 'n' is also a feature"),
        (
            lambda: Schema((N,), Category("t", ("a",)), "p"),
            "schema: the target 't' has one level; there is nothing to predict",
        ),
        (lambda: Schema((N,), Number("t"), ""), "schema: the name '' is not a non-empty printable text"),
        (
            lambda: Schema((N,), Number("t"), "model_version"),
            "schema: the prediction cannot be named 'model_version', which every answer has",
        ),
    ],
)
def test_what_a_schema_cannot_be(build: Any, message: str) -> None:
    with pytest.raises(TaskError) as caught:
        build()
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("m"), "m"),
        (Problem("m", "c"), "column 'c': m"),
        (Problem("m", "c", 3, "x"), "column 'c', row 3: m (found 'x')"),
        (Problem("m", None, 3, 0), "row 3: m (found 0)"),
        (Problem("m, found nothing", "c", 3, None), "column 'c', row 3: m, found nothing"),
    ],
)
def test_a_problem_says_where_it_is_and_what_was_found(problem: Problem, text: str) -> None:
    assert str(problem) == text


@given(st.integers(1, 2 * DataError.SHOWN + 5))
def test_bad_data_shows_the_first_problems_and_keeps_them_all(count: int) -> None:
    found = [Problem(f"fault {number}") for number in range(count)]
    error = DataError("a.csv", iter(found))
    assert error.problems == tuple(found)
    shown = [f"  fault {number}" for number in range(min(count, DataError.SHOWN))]
    more = [f"  ... and {count - DataError.SHOWN} more"] if count > DataError.SHOWN else []
    head = "a.csv: 1 problem" if count == 1 else f"a.csv: {count} problems"
    assert str(error).split("\n") == [head, *shown, *more]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Category("a", "abc"), "feature 'a': levels is 'abc'; it must be a tuple of texts"),
        (
            lambda: Schema("ab", Number("t"), "p"),
            "schema: features is 'ab'; it must be a tuple of Number and Category",
        ),
        (
            lambda: Schema(("a",), Number("t"), "p"),
            "schema: features is ('a',); it must be a tuple of Number and Category",
        ),
        (lambda: Schema((Number("a"),), "t", "p"), "schema: target is 't'; it must be a Number or a Category"),
    ],
)
def test_parts_of_the_wrong_type(make: Any, message: str) -> None:
    with pytest.raises(TaskError) as caught:
        make()
    assert str(caught.value) == message
