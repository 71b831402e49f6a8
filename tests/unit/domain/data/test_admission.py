"""Admitting a table: all of its problems at once, each with its column, row and value."""

import hashlib
import math
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.support.strategies import admissible_frames, schemas
from weighbridge.adapters.tables.dataset_reader import TabularReader
from weighbridge.domain.data.admission import admit
from weighbridge.domain.data.dataset import Dataset
from weighbridge.domain.data.schema import Category, Feature, Number, Schema
from weighbridge.domain.errors import DataError, Problem
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef

SCHEMA = Schema((Number("orders", minimum=0), Category("product", ("A", "1"))), Number("hours", maximum=100), "p")


def frame(**columns: Any) -> pd.DataFrame:
    """Two admissible rows, with these columns instead of their own."""
    return pd.DataFrame({"orders": [1, 2], "product": ["A", "1"], "hours": [0.5, 1.5], **columns})


def problems(untrusted: pd.DataFrame, schema: Schema = SCHEMA) -> list[Problem]:
    with pytest.raises(DataError) as caught:
        admit(untrusted, schema, "datasets/a.csv")
    assert caught.value.subject == "datasets/a.csv"
    return list(caught.value.problems)


def read(csv: str) -> pd.DataFrame:
    data = csv.encode()
    ref = ArtefactRef("datasets/a.csv", len(data), "1", None, datetime(2021, 7, 3, tzinfo=UTC))
    return TabularReader().read(Artefact(ref, data, hashlib.sha256(data).hexdigest()), SCHEMA)


def admit_csv(csv: str) -> Dataset:
    return admit(read(csv), SCHEMA, "datasets/a.csv")


def objects(*cells: object) -> "pd.Series[Any]":
    return pd.Series(cells, dtype=object)


def test_an_admitted_dataset_has_the_schemas_columns_in_order() -> None:
    untrusted = frame()[["hours", "product", "orders"]].set_index(pd.Index([7, 3]))
    dataset = admit(untrusted, SCHEMA, "a")
    assert list(dataset.frame.columns) == ["orders", "product", "hours"]
    assert dataset.frame.to_dict("list") == {"orders": [1.0, 2.0], "product": ["A", "1"], "hours": [0.5, 1.5]}
    assert {name: str(dtype) for name, dtype in dataset.frame.dtypes.items()} == {
        "orders": "float64",
        "product": "str",
        "hours": "float64",
    }
    assert list(dataset.frame.index) == [0, 1]
    assert dataset.schema == SCHEMA
    assert len(dataset) == 2
    assert list(dataset.features.columns) == ["orders", "product"]
    assert dataset.target.tolist() == [0.5, 1.5]


@given(st.data())
def test_an_admissible_frame_is_admitted_unchanged(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    admissible = data.draw(admissible_frames(schema))
    before = admissible.copy(deep=True)
    dataset = admit(admissible, schema, "a")
    names = [*schema.feature_names, schema.target.name]
    assert list(dataset.frame.columns) == names
    pd.testing.assert_frame_equal(dataset.frame, admissible[names], check_exact=True)
    pd.testing.assert_frame_equal(admissible, before, check_exact=True)


@given(st.data())
def test_exactly_the_cells_at_fault_are_told(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    columns = (*schema.features, schema.target)
    cells = data.draw(admissible_frames(schema)).astype(object)
    places = st.tuples(st.integers(0, len(columns) - 1), st.integers(0, len(cells) - 1))
    faults: dict[tuple[int, int], object] = {}
    for place in data.draw(st.sets(places, min_size=1)):
        column = columns[place[0]]
        if isinstance(column, Category):
            bad = st.sampled_from([None, math.nan, 1, 1.0, True, "", "no level", [1]])
        else:
            beyond = [
                *([] if column.minimum is None else [math.nextafter(column.minimum, -math.inf)]),
                *([] if column.maximum is None else [math.nextafter(column.maximum, math.inf)]),
            ]
            bad = st.sampled_from([None, math.nan, True, False, math.inf, -math.inf, "text", "", 10**309, *beyond])
        faults[place] = data.draw(bad.filter(partial(_refuses, column)))
    for (position, row), value in faults.items():
        series = cells[columns[position].name].tolist()
        series[row] = value
        cells[columns[position].name] = objects(*series)
    found = problems(cells, schema)
    assert found == [
        Problem(
            columns[position].expectation + (", found nothing" if _is_null(value) else ""),
            columns[position].name,
            row + 1,
            None if _is_null(value) else value,
        )
        for (position, row), value in sorted(faults.items(), key=lambda fault: fault[0])
    ]


@given(st.data())
def test_missing_and_unexpected_columns_are_told_with_the_bad_cells(data: st.DataObject) -> None:
    schema = data.draw(schemas())
    columns = (*schema.features, schema.target)
    cells = data.draw(admissible_frames(schema))
    missing = data.draw(st.sets(st.sampled_from([column.name for column in columns])))
    names = {column.name for column in columns}
    unexpected = data.draw(st.sets(st.sampled_from(["extra 1", "extra 2"]))) - names
    assume(missing or unexpected)
    left = [column for column in columns if column.name not in missing]
    cells = cells.drop(columns=list(missing))
    for name in sorted(unexpected):
        cells.insert(0, name, 1.0)
    for column in left:
        cells[column.name] = objects(*([None] * len(cells)))
    listed = ", ".join(column.name for column in columns)
    assert problems(cells, schema) == [
        *(
            Problem(f"the column is missing; {column.expectation}", column.name)
            for column in columns
            if column.name in missing
        ),
        *(
            Problem(f"the column is not part of the task, which has {listed}", name)
            for name in sorted(unexpected, reverse=True)
        ),
        *(
            Problem(f"{column.expectation}, found nothing", column.name, row, None)
            for column in left
            for row in range(1, len(cells) + 1)
        ),
    ]


def test_a_frame_without_rows_or_columns() -> None:
    assert problems(frame().iloc[:0]) == [Problem("there are no rows")]
    assert [str(problem) for problem in problems(pd.DataFrame())] == [
        "column 'orders': the column is missing; expected a number not below 0",
        "column 'product': the column is missing; expected one of A, 1",
        "column 'hours': the column is missing; expected a number not above 100",
        "there are no rows",
    ]


def test_a_column_that_is_there_twice_is_told_once_and_its_first_cells_are_looked_at() -> None:
    twice = pd.concat([frame(orders=[-1, 2]), frame()[["orders", "orders"]]], axis=1)
    assert [str(problem) for problem in problems(twice)] == [
        "column 'orders': the column is there more than once",
        "column 'orders', row 1: expected a number not below 0 (found -1)",
    ]


def test_names_of_columns_that_are_not_text() -> None:
    numbered = frame().rename(columns={"orders": 0})
    assert [str(problem) for problem in problems(numbered)] == [
        "column 'orders': the column is missing; expected a number not below 0",
        "column '0': the column is not part of the task, which has orders, product, hours",
    ]


@pytest.mark.parametrize(
    "column",
    [
        np.array([1, 2], dtype=np.int8),
        np.array([1, 2], dtype=np.uint64),
        np.array([1, 2], dtype=np.float32),
        pd.array([1, 2], dtype="Int64"),
        pd.array([1, 2], dtype="Float32"),
        objects(1, 2.0),
        objects(np.int64(1), np.float32(2)),
    ],
)
def test_numbers_of_every_type_come_out_as_floats(column: Any) -> None:
    admitted = admit(frame(orders=column), SCHEMA, "a").frame["orders"]
    assert str(admitted.dtype) == "float64"
    assert admitted.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("column", "found"),
    [
        ([True, False], [True, False]),
        (objects(True, 5), [True]),
        (objects(np.bool_(False), 5), [False]),
        (pd.array([True, None], dtype="boolean"), [True, None]),
        (pd.array([1, None], dtype="Int64"), [None]),
        (pd.to_datetime(["2021-07-03", "2021-07-04"]), [pd.Timestamp("2021-07-03"), pd.Timestamp("2021-07-04")]),
        (pd.to_datetime(objects("2021-07-03", None)), [pd.Timestamp("2021-07-03"), None]),
        (pd.to_timedelta(["1s", "2s"]), [pd.Timedelta("1s"), pd.Timedelta("2s")]),
        (pd.period_range("2021", periods=2, freq="Y"), [pd.Period("2021", "Y"), pd.Period("2022", "Y")]),
        (objects(date(2021, 7, 3), 1), [date(2021, 7, 3)]),
        (objects(b"1", b"2"), [b"1", b"2"]),
        (objects(1j, 2), [1j]),
        (np.array([1j, 2]), [1j, 2 + 0j]),
        (objects(10**400, 2), [10**400]),
        (objects(Decimal(1), [2]), [Decimal(1), [2]]),
        (objects(5, "6"), ["6"]),
        (objects("x", 5), ["x"]),
        ([math.inf, -math.inf], [math.inf, -math.inf]),
        ([math.nan, 3], [None]),
        (objects(None, pd.NA), [None, None]),
    ],
)
def test_what_is_no_number_is_never_taken_for_one(column: Any, found: list[object]) -> None:
    told = problems(frame(orders=column))
    assert [problem.value for problem in told] == found
    assert [type(problem.value) for problem in told] == [type(value) for value in found]
    assert {problem.column for problem in told} == {"orders"}


@pytest.mark.parametrize("column", [["1", "2"], pd.Categorical(["1", "2"]), objects("1", "-2"), [" 1", "1e999"]])
def test_numbers_written_as_text_are_one_problem(column: Any) -> None:
    assert problems(frame(orders=column)) == [Problem("the column is text; expected numbers", "orders")]


@pytest.mark.parametrize(
    ("column", "cells", "bad"),
    [
        ("orders", [0.0, 2.5], []),
        ("orders", [-5e-324, 2.5], [1]),
        ("orders", [2.5, math.inf], [2]),
        ("orders", [-math.inf, math.nan], [1, 2]),
        ("hours", [-7.5, 100.0], []),
        ("hours", [math.nextafter(100, math.inf), 1.0], [1]),
        ("hours", [1.0, math.nan], [2]),
    ],
)
def test_floats_are_admitted_to_their_bounds(column: str, cells: list[float], bad: list[int]) -> None:
    untrusted = frame(**{column: cells})
    if bad:
        assert [(problem.column, problem.row) for problem in problems(untrusted)] == [(column, row) for row in bad]
    else:
        assert admit(untrusted, SCHEMA, "a").frame[column].tolist() == cells


def test_nulls_in_a_column_of_text_are_told_beside_it() -> None:
    assert [str(problem) for problem in problems(frame(orders=["1", None]))] == [
        "column 'orders': the column is text; expected numbers",
        "column 'orders', row 2: expected a number not below 0, found nothing",
    ]


@pytest.mark.parametrize("dtype", [object, "str", "category"])
def test_categories_of_every_type_come_out_as_text(dtype: Any) -> None:
    admitted = admit(frame(product=pd.Series(["1", "A"], dtype=dtype)), SCHEMA, "a").frame["product"]
    assert admitted.tolist() == ["1", "A"]
    assert str(admitted.dtype) == "str"


def test_a_number_is_never_taken_for_a_level_written_like_it() -> None:
    assert [problem.value for problem in problems(frame(product=[1, 2]))] == [1, 2]
    assert [problem.value for problem in problems(frame(product=objects("A", 1)))] == [1]
    assert [problem.value for problem in problems(frame(product=[1.0, math.nan]))] == [1.0, None]


HEADER = "orders,product,hours\n"


def test_a_good_csv_is_admitted_whatever_the_order_of_its_columns() -> None:
    one = admit_csv(HEADER + "1,A,0.5\n2,1,100\n")
    other = admit_csv("hours,orders,product\n0.5,1,A\n1e2,2.0,1\n")
    pd.testing.assert_frame_equal(one.frame, other.frame)
    assert one.frame.to_dict("list") == {"orders": [1.0, 2.0], "product": ["A", "1"], "hours": [0.5, 100.0]}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", ["there are no rows"]),
        ("-1,A,1\n", ["column 'orders', row 1: expected a number not below 0 (found -1.0)"]),
        ("1,A,100.5\n", ["column 'hours', row 1: expected a number not above 100 (found 100.5)"]),
        ("1,A,\n", ["column 'hours', row 1: expected a number not above 100, found nothing"]),
        ("1,A\n", ["column 'hours', row 1: expected a number not above 100, found nothing"]),
        ("1,,1\n", ["column 'product', row 1: expected one of A, 1, found nothing"]),
        ("1,1.0,1\n", ["column 'product', row 1: expected one of A, 1 (found '1.0')"]),
        ("inf,A,1\n", ["column 'orders', row 1: expected a number not below 0 (found inf)"]),
        ("1e999,A,1\n", ["column 'orders', row 1: expected a number not below 0 (found inf)"]),
        (
            "ten,A,1\n2,B,1\nNaN,A,-inf\n3,1,\n",
            [
                "column 'orders', row 1: expected a number not below 0 (found 'ten')",
                "column 'orders', row 3: expected a number not below 0, found nothing",
                "column 'product', row 2: expected one of A, 1 (found 'B')",
                "column 'hours', row 3: expected a number not above 100 (found -inf)",
                "column 'hours', row 4: expected a number not above 100, found nothing",
            ],
        ),
        (
            "true,A,1\nfalse,A,1\n",
            [
                "column 'orders', row 1: expected a number not below 0 (found True)",
                "column 'orders', row 2: expected a number not below 0 (found False)",
            ],
        ),
        (
            # A cell that is no number makes text of the whole column: the others are still read as numbers.
            "-5,A,1\n1 000,A,1\n7,A,1\n inf,A,1\n",
            [
                "column 'orders', row 1: expected a number not below 0 (found '-5')",
                "column 'orders', row 2: expected a number not below 0 (found '1 000')",
                "column 'orders', row 4: expected a number not below 0 (found ' inf')",
            ],
        ),
    ],
)
def test_bad_cells_of_a_csv(rows: str, expected: list[str]) -> None:
    found = problems(read(HEADER + rows))
    assert [str(problem) for problem in found] == expected


def test_an_integer_of_a_csv_that_no_float_can_hold() -> None:
    (found,) = problems(read(f"{HEADER}1{'0' * 400},A,1\n2,A,1\n"))
    assert (found.column, found.row) == ("orders", 1)


def test_columns_of_a_csv_that_do_not_fit() -> None:
    assert [str(problem) for problem in problems(read("orders,Product,hours\n1,A,-\n"))] == [
        "column 'product': the column is missing; expected one of A, 1",
        "column 'Product': the column is not part of the task, which has orders, product, hours",
        "column 'hours', row 1: expected a number not above 100 (found '-')",
    ]


def _is_null(value: object) -> bool:
    return value is None or value != value


def _refuses(column: Feature, value: object) -> bool:
    return not column.admits(value)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Unnamed: 0", "the column has no name, as an index has that was written with the rows"),
        ("__index_level_0__", "the column has no name, as an index has that was written with the rows"),
        ("Unnamed: x", "the column is not part of the task"),
        ("my__index_level_0__", "the column is not part of the task"),
    ],
)
def test_an_index_that_was_written_is_told_as_one(name: str, expected: str) -> None:
    schema = Schema((Number("orders"),), Number("hours"), "p")
    frame = pd.DataFrame({name: [0], "orders": [1.0], "hours": [2.0]})
    with pytest.raises(DataError) as caught:
        admit(frame, schema, "s")
    (problem,) = caught.value.problems
    assert problem.column == name
    assert problem.message.startswith(expected)


@given(cells=st.lists(st.sampled_from(["x", "y", "z", None, 7]), min_size=1, max_size=5))
def test_categories_are_admitted_and_refused_as_their_texts_are(cells: list[object]) -> None:
    schema = Schema((Category("c", ("x", "y")),), Number("t"), "p")

    def outcome(column: "pd.Series[Any]") -> object:
        try:
            frame = admit(pd.DataFrame({"c": column, "t": 1.0}), schema, "s").frame
        except DataError as error:
            return [str(problem) for problem in error.problems]
        assert frame["c"].dtype == "str"
        return frame["c"].tolist()

    assert outcome(pd.Series(cells, dtype="category")) == outcome(pd.Series(cells, dtype=object))
