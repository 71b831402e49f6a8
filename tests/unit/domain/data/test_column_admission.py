"""Admitting columns: what a row by itself would be admitted as, and every bad cell told."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.strategies import admissible_values, schemas
from weighbridge.domain.data.column_admission import admit_columns, examine_columns
from weighbridge.domain.data.columns import Encoded
from weighbridge.domain.data.schema import EXACT, Category, Feature, Number, Schema, fault_of
from weighbridge.domain.errors import DataError, Problem

SCHEMA = Schema((Number("orders", 0, 100), Category("product", ("A", "1"))), Number("hours"), "p")
GREAT = Schema((Number("n", -(2.0**60), 2.0**60),), Number("y"), "p")

ODD = st.one_of(
    st.sampled_from([None, True, False, math.nan, math.inf, -math.inf, "", "no level", "1", [], {}, b"1", 1j]),
    st.integers(-(10**400), 10**400),
    st.integers(2**53 - 2, 2**53 + 2),
    st.floats(),
    st.sampled_from([np.int64(1), np.float32(1.5), np.float64(2.5), np.bool_(True), np.str_("A")]),
)


def cells_of(feature: Feature) -> st.SearchStrategy[Any]:
    beyond: list[Any] = []
    if isinstance(feature, Number):
        bounds = [bound for bound in (feature.minimum, feature.maximum) if bound is not None]
        beyond = [math.nextafter(bound, way) for bound in bounds for way in (-math.inf, math.inf)] + bounds
    near = st.sampled_from(beyond) if beyond else st.nothing()
    return st.one_of(admissible_values(feature), admissible_values(feature), near, ODD)


@st.composite
def tables(draw: st.DrawFn) -> tuple[Schema, dict[str, list[Any]]]:
    schema = draw(st.one_of(schemas(), st.just(GREAT)))
    count = draw(st.integers(0, 6))
    columns = {
        feature.name: draw(
            st.one_of(
                st.lists(cells_of(feature), min_size=count, max_size=count),
                st.lists(admissible_values(feature), min_size=count, max_size=count),
            )
        )
        for feature in draw(st.permutations(schema.features))
    }
    return schema, columns


def forms(cells: list[Any]) -> list[Any]:
    """The same cells in every form that they can be held in without becoming something else."""
    objects = np.empty(len(cells), object)
    objects[:] = cells
    values, codes = [*cells, "not used", None], list(range(len(cells)))
    encoded = Encoded(np.array([-1 if cells[code] is None else code for code in codes], np.int32), values)
    found = [cells, tuple(cells), objects, encoded]
    kinds = set(map(type, cells))
    if kinds == {float}:
        found.append(np.array(cells, np.float64))
    if kinds == {int} and all(abs(cell) < 2**63 for cell in cells):
        found.append(np.array(cells, np.int64))
    if kinds == {bool} or kinds == {str}:
        found.append(np.array(cells))
    return found


def admits(schema: Schema, row: dict[str, Any]) -> bool:
    try:
        schema.admit_row(row)
    except DataError:
        return False
    return True


@given(tables(), st.integers(1, 10**6), st.randoms(use_true_random=False))
def test_columns_are_admitted_as_their_rows_are(
    table: tuple[Schema, dict[str, list[Any]]], first: int, random: Any
) -> None:
    schema, columns = table
    given_ = {name: random.choice(forms(cells)) for name, cells in columns.items()}
    rows = [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]
    # Not to be found by comparing rows: numpy's numbers and very great ones cannot be compared.
    are_good = [admits(schema, row) for row in rows]
    good = [row for row, is_good in zip(rows, are_good, strict=True) if is_good]
    examined = examine_columns(schema, given_, first_row=first)
    assert ([True] * len(rows) if examined.good is None else examined.good.tolist()) == are_good
    plain = examined.admitted().plain()
    assert list(plain) == list(schema.feature_names)
    found = [
        dict(zip(plain, cells, strict=True)) for cells in zip(*map(np.ndarray.tolist, plain.values()), strict=True)
    ]
    assert found == [schema.admit_row(row) for row in good]
    assert {name: array.dtype for name, array in plain.items()} == {
        feature.name: np.dtype(float if isinstance(feature, Number) else object) for feature in schema.features
    }
    assert examined.admitted().rows == len(good)
    expected = [
        (first + place, feature.name)
        for place, row in enumerate(rows)
        for feature in schema.features
        if not feature.admits(row[feature.name])
    ]
    problems = list(examined.problems())
    assert [(problem.row, problem.column) for problem in problems] == expected
    assert examined.problem_count == len(expected)
    for problem in problems:
        cell = columns[str(problem.column)][int(problem.row or 0) - first]
        feature = schema.feature(str(problem.column))
        assert problem.message == fault_of(feature, cell) + (", found nothing" if cell is None else "")
        assert problem.value is cell or problem.value == cell or cell != cell


@given(tables(), st.integers(1, 5))
def test_a_refusal_lists_so_many_problems_and_counts_the_others(
    table: tuple[Schema, dict[str, list[Any]]], listed: int
) -> None:
    schema, columns = table
    examined = examine_columns(schema, columns)
    if examined.good is None:
        assert admit_columns(schema, columns, listed=listed).rows == examined.columns.rows
        return
    with pytest.raises(DataError) as caught:
        admit_columns(schema, columns, "the body", listed=listed)
    every = list(examined.problems())
    assert repr(caught.value.problems) == repr(tuple(every[:listed]))
    assert caught.value.more == len(every) - len(caught.value.problems)
    assert str(caught.value).startswith(f"the body: {len(every)} problem")
    assert (f"\n  ... and {caught.value.more} more" in str(caught.value)) is (len(every) > listed)


@pytest.mark.parametrize(
    ("cells", "bad"),
    [
        (np.array([1, 2], np.int8), []),
        (np.array([1, 101], np.uint64), [101]),
        (np.array([0.5, 2], np.float16), []),
        (np.array([-1, 2], np.float32), [-1.0]),
        (np.array([True, False]), [True, False]),
        (np.array(["1", "2"]), ["1", "2"]),
        (np.array([b"1", b"2"]), [b"1", b"2"]),
        (np.array([1j, 2]), [1j, 2 + 0j]),
        (np.array([1.0, math.inf]), [math.inf]),
        (Encoded(np.array([0, -1]), np.array([5.0])), [None]),
    ],
)
def test_arrays_of_every_type(cells: Any, bad: list[object]) -> None:
    examined = examine_columns(SCHEMA, {"orders": cells, "product": ["A", "1"]})
    assert [problem.value for problem in examined.problems()] == bad
    if not bad:
        admitted = examined.columns.plain()["orders"]
        assert (admitted.dtype, admitted.tolist()) == (np.dtype(float), [float(cell) for cell in cells])


def test_a_float_of_more_bits_that_is_too_large() -> None:
    cells = np.array([np.finfo(np.longdouble).max, 1])
    examined = examine_columns(GREAT, {"n": cells})
    assert examined.good is not None
    assert examined.good.tolist() == [False, True]


@pytest.mark.parametrize("kind", [np.int64, np.uint64, object, float])
def test_a_whole_number_that_would_be_rounded_is_refused_and_a_float_is_not(kind: Any) -> None:
    whole = [EXACT + 1, EXACT, EXACT + 2, 2**60]
    problems = list(examine_columns(GREAT, {"n": np.array(whole, kind)}).problems())
    assert [problem.value for problem in problems] == ([] if kind is float else [EXACT + 1, EXACT + 2, 2**60])
    assert all("(2^53)" in problem.message for problem in problems)


def test_columns_that_do_not_fit() -> None:
    with pytest.raises(DataError) as caught:
        admit_columns(SCHEMA, {"orders": [1], "Product": ["A"]}, "the body")
    assert caught.value.problems == (
        Problem("the column is missing; expected one of A, 1", "product"),
        Problem("unknown column; there are orders, product", "Product"),
    )
    with pytest.raises(DataError, match="are not of one length: orders 1, product 2"):
        admit_columns(SCHEMA, {"orders": [1], "product": ["A", "A"]})


def test_other_columns_may_be_allowed() -> None:
    columns = {"id": ["x"], "product": ["A"], "orders": [1]}
    examined = examine_columns(SCHEMA, columns, others_allowed=True)
    assert list(examined.columns.columns) == ["orders", "product"]
    with pytest.raises(DataError, match="unknown column"):
        examine_columns(SCHEMA, columns)


def test_codes_are_those_of_the_schema_whatever_they_were() -> None:
    cells = Encoded(np.array([2, 0, 2], np.int8), ["1", "unused and unknown", "A"])
    column = admit_columns(SCHEMA, {"orders": [1, 2, 3], "product": cells}).columns["product"]
    assert isinstance(column, Encoded)
    assert (column.codes.tolist(), column.values) == ([0, 1, 0], ("A", "1"))
    assert len(column) == 3
