"""A single tree as plain data answers what scikit-learn answers, to the bit."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeRegressor

from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.model.single_tree import tree_of
from weighbridge.domain.model.tree_walk import TreeData, TreeWalk

LEVELS = ("SKU001", "Ünïcode ☃", "other")
SCHEMA = Schema((Number("x"), Category("kind", LEVELS), Number("y")), Number("hours"), "prediction")
NUMBERS = Schema((Number("x"), Number("y")), Number("hours"), "prediction")
ROWS = 300


def data(seed: int = 0) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "x": rng.normal(size=ROWS) * 100,
            "kind": rng.choice(np.array(LEVELS, object), ROWS),
            "y": rng.integers(0, 9, ROWS).astype(float),
        }
    )
    return frame, frame["x"] * (1 + frame["kind"].map(LEVELS.index)) + frame["y"] ** 2


def columns(*parts: Any, **options: Any) -> ColumnTransformer:
    return ColumnTransformer([(str(place), *part) for place, part in enumerate(parts)], **options)


PIPELINES: dict[str, Any] = {
    "one-hot, the rest as it is": lambda: columns((OneHotEncoder(), ["kind"]), remainder="passthrough"),
    "one-hot, dense": lambda: columns((OneHotEncoder(sparse_output=False), ["kind"]), remainder="passthrough"),
    "ordinal, scaled": lambda: columns((OrdinalEncoder(), ["kind"]), (StandardScaler(), ["y", "x"])),
    "scaled by mean alone": lambda: columns((StandardScaler(with_std=False), ["x"]), (OneHotEncoder(), ["kind"])),
    "scaled by deviation alone": lambda: columns((StandardScaler(with_mean=False), ["x"])),
    "named passthrough, the rest dropped": lambda: columns(("passthrough", ["y"]), (OneHotEncoder(), ["kind"])),
    "nothing for one part": lambda: columns(("drop", ["y"]), (StandardScaler(), []), ("passthrough", ["x"])),
}

#: What 32 bits cannot hold apart, and what they cannot hold at all.
EXTREMES = [0.0, -0.0, 5e-324, 1e-45, 16777217.0, 3.4028235e38, -3.4028235e38, 0.1, 1 / 3]


def walk_of(model: Any, schema: Schema) -> TreeWalk:
    tree = tree_of(model, schema)
    assert tree is not None
    again = TreeData.from_dict(json.loads(json.dumps(tree.to_dict())))
    assert again.to_dict() == tree.to_dict()
    return TreeWalk(again)


def test_single_trees_are_walked_to_scikit_learns_answer() -> None:
    for name, make in PIPELINES.items():
        frame, target = data()
        model = Pipeline([("columns", make()), ("tree", DecisionTreeRegressor(random_state=0))]).fit(frame, target)
        walk = walk_of(model, SCHEMA)
        near = model[-1].tree_.threshold.tolist()
        probes = [*EXTREMES, *near, *(math.nextafter(each, math.inf) for each in near)]
        rows = [{"x": x, "kind": LEVELS[place % 3], "y": x / 7} for place, x in enumerate(probes)]
        rows += data(seed=1)[0].to_dict("records")  # type: ignore[arg-type]
        found = [walk.predict_row(row) for row in rows]
        assert found == model.predict(pd.DataFrame(rows)).tolist(), name
        assert {type(value) for value in found} == {float}


def test_any_row_is_predicted_to_the_bit() -> None:
    frame, target = data()
    model = Pipeline(
        [("columns", PIPELINES["ordinal, scaled"]()), ("tree", DecisionTreeRegressor(random_state=0))]
    ).fit(frame, target)
    walk = walk_of(model, SCHEMA)
    numbers = st.floats(-1e30, 1e30) | st.floats(-300, 300, width=32)

    @given(numbers, st.sampled_from(LEVELS), numbers)
    def check(x: float, kind: str, y: float) -> None:
        row: Any = {"x": x, "kind": kind, "y": y}
        assert walk.predict_row(row) == model.predict(pd.DataFrame([row]))[0]

    check()


def test_numbers_alone_need_no_columns_made() -> None:
    frame, target = data()
    tree = DecisionTreeRegressor(max_depth=4).fit(frame[["x", "y"]], target)
    rows = frame[["x", "y"]].to_dict("records")
    for model in (tree, Pipeline([("tree", tree)])):
        walk = walk_of(model, NUMBERS)
        assert [walk.predict_row(row) for row in rows] == tree.predict(frame[["x", "y"]]).tolist()  # type: ignore[arg-type]


def test_a_number_too_large_for_32_bits_goes_the_way_of_infinity() -> None:
    frame, target = data()
    model = DecisionTreeRegressor(max_depth=4).fit(frame[["x", "y"]], target)
    walk = walk_of(model, NUMBERS)
    largest = 3.4028235e38
    for sign in (1.0, -1.0):
        expected = walk.predict_row({"x": sign * largest, "y": 0.0})
        assert walk.predict_row({"x": sign * 1e300, "y": 0.0}) == expected
    assert walk.predict_row({"x": 1e300, "y": 0.0}) != walk.predict_row({"x": -1e300, "y": 0.0})


def test_a_tree_of_one_leaf_is_its_value() -> None:
    frame, target = data()
    model = DecisionTreeRegressor(min_samples_leaf=ROWS).fit(frame[["x", "y"]], target)
    assert walk_of(model, NUMBERS).predict_row({"x": 1.0, "y": 2.0}) == model.tree_.value.item()


def test_a_level_that_training_never_saw_is_zero_in_every_column() -> None:
    frame, target = data()
    seen = frame["kind"] != "other"
    make = columns((OneHotEncoder(handle_unknown="ignore"), ["kind"]), remainder="passthrough")
    model = Pipeline([("columns", make), ("tree", DecisionTreeRegressor())]).fit(frame[seen], target[seen])
    walk = walk_of(model, SCHEMA)
    rows = frame.to_dict("records")
    assert [walk.predict_row(row) for row in rows] == model.predict(frame).tolist()  # type: ignore[arg-type]


NOT_SINGLE: dict[str, Any] = {
    "forest": (columns(("passthrough", ["x"])), RandomForestRegressor(2)),
    "classifier": (columns(("passthrough", ["x"])), DecisionTreeClassifier()),
    "another splitter": (columns((MinMaxScaler(), ["x"])), ExtraTreeRegressor()),
    "another scaler": (columns((MinMaxScaler(), ["x"])), DecisionTreeRegressor()),
    "a level left out": (columns((OneHotEncoder(drop="first"), ["kind"])), DecisionTreeRegressor()),
    "rare levels together": (columns((OneHotEncoder(min_frequency=200), ["kind"])), DecisionTreeRegressor()),
    "few levels": (columns((OneHotEncoder(max_categories=2), ["kind"])), DecisionTreeRegressor()),
    "weights": (columns(("passthrough", ["x"]), transformer_weights={"0": 2.0}), DecisionTreeRegressor()),
    "two steps": (
        Pipeline([("a", columns(("passthrough", ["x"]))), ("b", StandardScaler())]),
        DecisionTreeRegressor(),
    ),
}


@pytest.mark.parametrize("name", NOT_SINGLE)
def test_what_is_no_known_single_tree_is_left_to_the_runtime(name: str) -> None:
    frame, target = data()
    make, regressor = NOT_SINGLE[name]
    labels = target.round() if name == "classifier" else target
    model = Pipeline([("columns", make), ("model", regressor)]).fit(frame, labels)
    if name == "another splitter":
        assert isinstance(regressor, DecisionTreeRegressor)
    assert tree_of(model, SCHEMA) is None


def test_several_outputs_and_too_many_nodes_are_left_to_the_runtime() -> None:
    frame, target = data()
    two = DecisionTreeRegressor(max_depth=2).fit(frame[["x", "y"]], np.c_[target, target])
    assert tree_of(two, NUMBERS) is None
    one = DecisionTreeRegressor(max_depth=2).fit(frame[["x", "y"]], target)
    assert tree_of(one, NUMBERS, one.tree_.node_count) is not None
    assert tree_of(one, NUMBERS, one.tree_.node_count - 1) is None


def whole() -> dict[str, Any]:
    frame, target = data()
    make = PIPELINES["one-hot, the rest as it is"]()
    model = Pipeline([("columns", make), ("tree", DecisionTreeRegressor(max_depth=3))]).fit(frame, target)
    tree = tree_of(model, SCHEMA)
    assert tree is not None
    return json.loads(json.dumps(tree.to_dict()))  # type: ignore[no-any-return]


def at(name: str, place: int, value: Any) -> Any:
    return lambda tree: tree[name].__setitem__(place, value)


BROKEN: dict[str, Any] = {
    "another layout": lambda tree: tree.update(layout=2),
    "no inputs": lambda tree: tree.pop("inputs"),
    "no nodes": lambda tree: tree.update(column=[], threshold=[], left=[], right=[], value=[]),
    "a value short": lambda tree: tree["value"].pop(),
    "a loop": at("left", 0, 0),
    "a way back": at("right", 1, 1),
    "a child beyond the end": at("right", 0, 10_000),
    "a column beyond the last": at("column", 0, 5),
    "a threshold that is none": at("threshold", 0, math.nan),
    "a leaf that is no number": at("value", -1, math.inf),
    "an input of another kind": lambda tree: tree["inputs"].update(kind="number"),
    "an input that is missing": lambda tree: tree["inputs"].pop("x"),
    "a scale of zero": lambda tree: tree["parts"][1].update(scale=0.0),
    "a shift that is none": lambda tree: tree["parts"][1].update(shift=math.inf),
    "levels of several widths": lambda tree: tree["parts"][0]["levels"].update(other=[1.0]),
    "texts for numbers": at("threshold", 0, "1"),
    "a text for an answer": at("value", -1, "a"),
    "a text for a column": lambda tree: tree.update(column="abc"),
    "a truth for a number": at("threshold", 0, True),
    "a fraction for a column": at("column", 0, 0.5),
    "a fraction for a place": at("left", 0, 1.0),
    "a number beyond floats": at("value", -1, 10**400),
    "a threshold beyond floats": at("threshold", 0, 10**400),
    "a shift beyond floats": lambda tree: tree["parts"][1].update(shift=10**400),
    "a scale that overflows": lambda tree: tree["parts"][1].update(scale=5e-324),
    "no levels": lambda tree: tree["parts"][0].update(levels={}),
    "levels that are texts": lambda tree: tree["parts"][0]["levels"].update(other="x"),
    "levels that are no numbers": lambda tree: tree["parts"][0]["levels"].update(other=[math.nan] * 4),
    "a feature that is a list": lambda tree: tree["parts"][0].update(feature=["a"]),
    "a part that is a list": lambda tree: tree.update(parts=[[1]]),
    "inputs that are a list": lambda tree: tree.update(inputs=["a"]),
    "more nodes than are written": lambda tree: tree.update(
        {name: tree[name] * 10_000 for name in ("column", "threshold", "left", "right", "value")}
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_anything_else_is_no_tree(name: str) -> None:
    tree = whole()
    TreeData.from_dict(tree)
    BROKEN[name](tree)
    with pytest.raises(ValueError, match=r"tree|levels"):
        TreeData.from_dict(tree)


def test_the_last_column_is_one() -> None:
    tree = TreeData.from_dict(whole())
    assert TreeData.from_dict(replace(tree, column=[4, *tree.column[1:]]).to_dict()).column[0] == 4
