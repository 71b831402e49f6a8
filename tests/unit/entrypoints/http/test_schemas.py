"""The validator of requests admits exactly what the domain admits; the OpenAPI schema says the same."""

import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from weighbridge.domain.data.schema import Category, Number, Row, Schema
from weighbridge.domain.errors import DataError
from weighbridge.entrypoints.http.errors import bad_row
from weighbridge.entrypoints.http.row_reading import RowReader
from weighbridge.entrypoints.http.schemas import answer_schema, request_schema

#: Where an int and its nearest float begin to differ.
EXACT = 2**53

NAMES = st.one_of(
    st.sampled_from(
        ["x", "a b", "a.b", "class", "self", "__pydantic_config__", "__closed__", "model_config", "$ref"]
    ),
    st.text(min_size=1, max_size=5).filter(lambda text: text.isprintable() and text.strip() != ""),
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=3)
NUMBERS = st.one_of(
    st.integers(-3, 3),
    st.integers(EXACT - 2, EXACT + 2),
    st.integers(-EXACT - 2, -EXACT + 2),
    st.sampled_from([2**63, 2**64, 10**308, 10**309, 2**1024 - 2**970, 2**1024 - 2**970 - 1, -(10**400)]),
    st.floats(),
)
BOUNDS = st.none() | NUMBERS.filter(lambda number: abs(number) < 1e300).map(float)


@st.composite
def number_features(draw: st.DrawFn, names: st.SearchStrategy[str]) -> Number:
    low, high = draw(BOUNDS), draw(BOUNDS)
    if low is not None and high is not None and low > high:
        low, high = high, low
    return Number(draw(names), low, high)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique=True))
    levels = st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(tuple)
    features = [
        draw(number_features(st.just(name)) | st.builds(Category, st.just(name), levels)) for name in names[1:]
    ]
    return Schema(tuple(features), Number(names[0]), "prediction")


JSON = st.recursive(
    st.one_of(
        st.none(), st.booleans(), NUMBERS, TEXTS, st.text(max_size=2), st.sampled_from(["10", "1e400", "nan"])
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)


def value_of(feature: Number | Category) -> st.SearchStrategy[Any]:
    if isinstance(feature, Category):
        return st.sampled_from(feature.levels) | JSON
    around = [bound for bound in (feature.minimum, feature.maximum) if bound is not None]
    near = [
        step
        for bound in around
        for step in (bound, math.nextafter(bound, -math.inf), math.nextafter(bound, math.inf))
    ]
    whole = [int(bound) + step for bound in around for step in (-1, 0, 1)]
    return st.one_of(NUMBERS, st.sampled_from([0, *near, *whole]), JSON)


@st.composite
def cases(draw: st.DrawFn) -> tuple[Schema, dict[str, Any]]:
    """A schema and an object that keeps to it in most of its fields."""
    schema = draw(schemas())
    row = {feature.name: draw(value_of(feature)) for feature in schema.features}
    for name in draw(st.sets(st.sampled_from(schema.feature_names), max_size=1)) if draw(st.booleans()) else ():
        del row[name]
    if draw(st.integers(0, 3)) == 0:
        row |= draw(st.dictionaries(NAMES, JSON, max_size=2))
    return schema, row


def by_domain(schema: Schema, body: bytes) -> Row | set[str | None]:
    """The row, or the fields at fault."""
    try:
        return schema.admit_row(json.loads(body))
    except DataError as error:
        return {problem.column for problem in error.problems}


def by_service(schema: Schema, body: bytes) -> Row | set[str | None]:
    try:
        return RowReader(schema)(body)
    except ValidationError as error:
        return {str(fault["loc"][0]) if fault["loc"] else None for fault in error.errors()}


BEYOND = Schema((Number("x", maximum=float(EXACT)),), Number("y"), "prediction")
PLAIN = Schema((Number("x", 0, 1), Category("c", ("A", "B"))), Number("y"), "prediction")
BELOW = Schema((Number("x", minimum=float(-EXACT)),), Number("y"), "prediction")


@given(cases())
@example((BEYOND, {"x": EXACT + 1}))
@example((BELOW, {"x": -EXACT - 1}))
@example((BELOW, {"x": 10**400}))
@example((BELOW, {"x": "10"}))
@example((BELOW, {"x": True}))
@example((PLAIN, {"x": 1, "c": "B"}))
@example((PLAIN, {"x": 0, "c": "a"}))
def test_the_service_admits_exactly_what_the_domain_admits(case: tuple[Schema, dict[str, Any]]) -> None:
    schema, row = case
    body = json.dumps(row).encode()
    admitted = by_service(schema, body)
    assert admitted == by_domain(schema, body)
    if isinstance(admitted, dict):
        assert tuple(admitted) == schema.feature_names
        assert {type(value) for value in admitted.values()} <= {float, str}


@given(schemas(), st.one_of(JSON.filter(lambda value: not isinstance(value, dict)), st.just([{}])))
def test_anything_but_an_object_is_a_problem_of_the_whole(schema: Schema, value: Any) -> None:
    assert by_service(schema, json.dumps(value).encode()) == {None}


@given(cases(), st.integers(0, 40))
def test_a_body_that_is_cut_off_is_a_problem_of_the_whole(case: tuple[Schema, dict[str, Any]], cut: int) -> None:
    schema, row = case
    body = json.dumps(row).encode()
    assert by_service(schema, body[: min(cut, len(body) - 1)]) == {None}


@given(schemas())
def test_the_json_schema_says_what_is_admitted(schema: Schema) -> None:
    described = request_schema(schema)
    assert (described["type"], described["additionalProperties"]) == ("object", False)
    assert sorted(described["required"]) == sorted(schema.feature_names)
    assert set(described["properties"]) == set(schema.feature_names)
    for feature in schema.features:
        told = described["properties"][feature.name]
        if isinstance(feature, Category):
            assert told["type"] == "string"
            assert told.get("enum", [told.get("const")]) == list(feature.levels)
        else:
            assert told["type"] == "number"
            assert (told.get("minimum"), told.get("maximum")) == (feature.minimum, feature.maximum)
    answer = answer_schema(schema)
    assert answer["required"] == list(answer["properties"]) == [schema.prediction, "model_version"]


@given(cases())
def test_a_problem_names_each_field_with_what_was_found(case: tuple[Schema, dict[str, Any]]) -> None:
    schema, row = case
    body = json.dumps(row).encode()
    try:
        RowReader(schema)(body)
    except ValidationError as error:
        problem = bad_row(error)
    else:
        return
    assert problem.status == 422
    assert problem.errors is not None
    assert {one["field"] for one in problem.errors} == by_domain(schema, body)
    for one in problem.errors:
        assert set(one) == {"field", "message", "found"}
        assert f"{one['field']}: {one['message']}" in problem.detail
        if isinstance(row.get(one["field"]), str | bool):
            assert one["found"] == row[one["field"]]
    json.dumps(problem.errors, allow_nan=False)


def problem_of(row: dict[str, Any]) -> Any:
    with pytest.raises(ValidationError) as caught:
        RowReader(BEYOND)(json.dumps(row).encode())
    return bad_row(caught.value)


def test_a_problem_repeats_no_more_of_a_request_than_is_useful() -> None:
    long = problem_of({"x": "v" * 101, "k" * 101: 1})
    assert [(one["field"], one["found"]) for one in long.errors] == [
        ("x", "v" * 100 + "..."),
        ("k" * 100 + "...", 1),
    ]
    just = problem_of({"x": "v" * 100, "k" * 100: 1})
    assert [(one["field"], one["found"]) for one in just.errors] == [("x", "v" * 100), ("k" * 100, 1)]


@pytest.mark.parametrize(("unknown", "more"), [(99, ""), (100, "; and 1 more"), (60_000, "; and 59901 more")])
def test_a_problem_lists_a_hundred_faults_and_counts_the_rest(unknown: int, more: str) -> None:
    problem = problem_of({f"f{number}": 1 for number in range(unknown)})
    assert [one["field"] for one in problem.errors] == ["x", *(f"f{number}" for number in range(99))]
    assert problem.detail.endswith(f"f98: {problem.errors[-1]['message']}{more}")
    assert problem.detail.count(": ") == 100


HUGE = 2**53
FLOATS = Schema((Number("x"), Category("c", ("A", "B"))), Number("y"), "prediction")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"x": 1, "x": 2, "c": "A"}', "x"),
        (b'{"x": 1, "c": "B", "c": "A"}', "c"),
        (b'{"c": "A", "x": 1, "c": "A"}', "c"),
        (b'{"x": 1, "c": "A", "\\u0078": 1}', "x"),
        (b'{"x": 1, "c": "A", "\\u0063": "A"}', "c"),
    ],
)
def test_a_name_that_is_there_twice_is_refused(body: bytes, field: str) -> None:
    for kind in (bytes, bytearray):
        with pytest.raises(ValidationError) as caught:
            RowReader(FLOATS)(kind(body))
        problem = bad_row(caught.value)
        assert (problem.status, problem.errors) == (
            422, [{"field": field, "message": "Field is there more than once", "found": None}]
        )  # fmt: skip


def test_names_and_texts_with_quotes_in_them_are_no_double_names() -> None:
    schema = Schema((Number('a "name"'), Category("c", ('"', "B"))), Number("y"), "prediction")
    for row in ({'a "name"': 1.0, "c": '"'}, {'a "name"': 1.0, "c": "B"}):
        assert RowReader(schema)(json.dumps(row).encode()) == row


@pytest.mark.parametrize("value", [HUGE + 1, -HUGE - 1, HUGE + 2, 2**60, -(2**63), 10**30, 10**308])
def test_a_whole_number_that_would_be_rounded_is_refused(value: int) -> None:
    for schema in (FLOATS, Schema((Number("x", 0), Category("c", ("A",))), Number("y"), "prediction")):
        body = json.dumps({"x": value, "c": "A"}).encode()
        with pytest.raises(ValidationError) as caught:
            RowReader(schema)(body)
        errors = bad_row(caught.value).errors
        assert errors is not None
        assert [one["field"] for one in errors] == ["x"]
        assert "(2^53)" in errors[0]["message"]


@pytest.mark.parametrize("text", ["9007199254740992", "-9007199254740992", "9007199254740993.0", "1e300", "-1E25"])
def test_numbers_that_are_floats_may_be_as_large_as_floats_are(text: str) -> None:
    assert RowReader(FLOATS)(f'{{"x": {text}, "c": "A"}}'.encode()) == {"x": float(text), "c": "A"}
