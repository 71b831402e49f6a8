"""A tree as a table answers what its walk answers, which is what scikit-learn answers."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeRegressor

from tests.unit.domain.model.test_tree_walk import EXTREMES, LEVELS, NUMBERS, PIPELINES, SCHEMA, data
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.domain.data.column_admission import admit_columns
from weighbridge.domain.data.columns import Encoded
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.model.predictor import columns_of_rows
from weighbridge.domain.model.single_tree import tree_of
from weighbridge.domain.model.tree_table import TreeTable
from weighbridge.domain.model.tree_walk import TreeData, TreeWalk


def tree(name: str, **options: Any) -> TreeData:
    frame, target = data()
    regressor = DecisionTreeRegressor(random_state=0, **options)
    found = tree_of(Pipeline([("columns", PIPELINES[name]()), ("tree", regressor)]).fit(frame, target), SCHEMA)
    assert found is not None
    return found


def looked_up(table: TreeTable, schema: Schema, rows: list[Any]) -> list[float]:
    columns = {name: [row[name] for row in rows] for name in schema.feature_names}
    found = table.predict(admit_columns(schema, columns))
    assert len(found) == len(rows)
    return list(found.plain().tolist())


@pytest.mark.parametrize("name", PIPELINES)
def test_a_table_answers_as_the_walk(name: str) -> None:
    one = tree(name, max_depth=6)
    walk, table = TreeWalk(one), TreeTable(one, SCHEMA)
    near = [value for column, value in zip(one.column, one.threshold, strict=True) if column >= 0]
    probes = [*EXTREMES, *near, *(math.nextafter(each, math.inf) for each in near), 1e300, -1e300]
    rows = [{"x": x, "kind": LEVELS[place % 3], "y": x / 7} for place, x in enumerate(probes)]
    rows += data(seed=1)[0].to_dict("records")  # type: ignore[arg-type]
    assert looked_up(table, SCHEMA, rows) == [walk.predict_row(row) for row in rows]
    assert looked_up(table, SCHEMA, []) == []


def test_any_rows_are_looked_up_to_the_bit() -> None:
    one = tree("ordinal, scaled", max_depth=7)
    walk, table = TreeWalk(one), TreeTable(one, SCHEMA)
    floats = st.floats(-1e30, 1e30) | st.floats(-300, 300, width=32)
    # Whole numbers alone take a way of their own, and so do those that are nearly so.
    numbers = st.one_of(
        st.lists(floats, min_size=1, max_size=5),
        st.lists(st.integers(-400, 400).map(float), min_size=1, max_size=5),
        st.lists(st.integers(-70_000, 70_000).map(float), min_size=1, max_size=5),
        st.lists(st.integers(-400, 400).map(lambda half: half / 2), min_size=1, max_size=5),
        st.lists(st.sampled_from([1e-20, -5.0, 3.0]), min_size=1, max_size=5),
    )

    @given(numbers, st.sampled_from(LEVELS), floats)
    def check(xs: list[float], kind: str, y: float) -> None:
        rows: list[Any] = [{"x": x, "kind": kind, "y": y} for x in xs]
        assert looked_up(table, SCHEMA, rows) == [walk.predict_row(row) for row in rows]

    check()


def test_levels_are_those_of_the_schema_not_of_the_tree() -> None:
    one = tree("one-hot, the rest as it is", max_depth=5)
    turned = Schema((SCHEMA.features[2], Category("kind", LEVELS[::-1]), SCHEMA.features[0]), SCHEMA.target, "p")
    rows = data(seed=2)[0].to_dict("records")
    assert looked_up(TreeTable(one, turned), turned, rows) == looked_up(TreeTable(one, SCHEMA), SCHEMA, rows)


def test_two_columns_of_one_category_and_of_one_number() -> None:
    parts = tree("one-hot, the rest as it is").parts
    twice = TreeData(
        {"x": "number", "kind": "category", "y": "number"},
        (*parts, *parts),
        [0, 3, 6, 8, *[-1] * 5],
        [0.5, 1.0, 0.5, -1.0, *[0.0] * 5],
        [1, 2, 4, 5, *[0] * 5],
        [3, 8, 7, 6, *[0] * 5],
        [0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0],
    )
    walk, rows = (
        TreeWalk(twice),
        [{"x": x, "kind": kind, "y": 0.0} for x in (-2.0, 0.0, 1.0, 2.0) for kind in LEVELS],
    )
    assert looked_up(TreeTable(twice, SCHEMA), SCHEMA, rows) == [walk.predict_row(row) for row in rows]


def test_a_tree_of_one_leaf_has_a_table_of_one_place() -> None:
    alone = TreeData(
        {"x": "number", "y": "number"}, tree("nothing for one part").parts, [-1], [0.0], [0], [0], [2.5]
    )
    assert looked_up(TreeTable(alone, NUMBERS), NUMBERS, [{"x": 1, "y": 2}] * 3) == [2.5] * 3


def test_a_table_that_would_be_too_large_is_left_to_the_runtime() -> None:
    rng = np.random.default_rng(0)
    schema = Schema(tuple(Number(name) for name in "abcde"), Number("t"), "p")
    values = rng.normal(size=(600, 5))
    model = DecisionTreeRegressor(random_state=0)
    frame = pd.DataFrame(values, columns=list("abcde"))
    model.fit(frame, values.sum(axis=1))
    found = tree_of(model, schema)
    assert found is not None
    with pytest.raises(ValueError, match=r"would have [0-9,]+ places"):
        TreeTable(found, schema)
    codec = OnnxCodec()
    predictor = codec.decode(codec.encode(model, schema), schema)
    columns = admit_columns(schema, {name: frame[name].to_numpy() for name in "abcde"})
    predicted = predictor.predict_columns(columns)
    assert isinstance(predicted, np.ndarray)
    assert predicted.tolist() == model.predict(frame).tolist()


def test_a_table_of_the_greatest_size_is_made() -> None:
    one = tree("one-hot, dense", max_depth=4)
    with pytest.raises(ValueError, match="places") as caught:
        TreeTable(one, SCHEMA, 0)
    places = int(str(caught.value).split()[-2].replace(",", ""))
    TreeTable(one, SCHEMA, places)
    with pytest.raises(ValueError, match="places"):
        TreeTable(one, SCHEMA, places - 1)


def test_the_codec_looks_many_rows_up() -> None:
    frame, target = data()
    model = Pipeline([("columns", PIPELINES["ordinal, scaled"]()), ("tree", DecisionTreeRegressor(max_depth=6))])
    model.fit(frame, target)
    codec = OnnxCodec()
    predictor = codec.decode(codec.encode(model, SCHEMA), SCHEMA)
    columns = admit_columns(SCHEMA, {name: frame[name].tolist() for name in frame})
    predicted = predictor.predict_columns(columns)
    assert isinstance(predicted, Encoded)
    assert predicted.plain().tolist() == model.predict(frame).tolist()
    rows = [SCHEMA.admit_row(row) for row in frame.to_dict("records")]
    assert predictor.predict(columns_of_rows(rows)).tolist() == model.predict(frame).tolist()
