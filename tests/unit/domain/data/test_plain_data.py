"""Anything as plain data: JSON, the same in every process, and different for what differs."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import loguniform, randint
from sklearn.linear_model import Lasso, Ridge

from tests.support.quick_task import QUICK
from weighbridge.domain.data.plain_data import plain
from weighbridge.domain.errors import TaskError
from weighbridge.domain.tasks.time_to_dispatch import TIME_TO_DISPATCH

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_json_data_stays_what_it_is(data: Any) -> None:
    assert repr(plain(data)) == repr(data)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float64(0.1), 0.1),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
        ((1, (2.5, "b")), [1, [2.5, "b"]]),
        (range(3), [0, 1, 2]),
        (np.array([[1, 2]]), [[1, 2]]),
        ({1: None}, {"1": None}),
        (float("nan"), {"type": "float", "text": "nan"}),
        (np.float64("-inf"), {"type": "float", "text": "-inf"}),
        (Ridge, "sklearn.linear_model._ridge.Ridge"),
        (np.log1p, "numpy.log1p"),
        ({"b", "a"}, {"type": "set", "items": ['"a"', '"b"']}),
    ],
)
def test_everything_else_is_told_as_json(value: object, expected: object) -> None:
    assert repr(plain(value)) == repr(expected)


DIFFERENT = (
    *(Ridge(), Ridge(alpha=2.0), Lasso()),
    *(loguniform(1, 10), loguniform(1, 11), loguniform(a=1, b=10), randint(1, 10)),
    *(float("nan"), float("inf"), "nan", None, True, 1, 1.5, [1.5], object()),
)


def test_descriptions_tell_things_apart() -> None:
    texts = [json.dumps(plain(value), allow_nan=False) for value in DIFFERENT]
    assert len(set(texts)) == len(DIFFERENT)
    assert not any("0x" in text for text in texts)


def test_the_search_is_part_of_a_task_s_definition() -> None:
    spec = TIME_TO_DISPATCH.estimator
    depth = "regressor__max_depth"
    fingerprints = {
        replace(QUICK, estimator=replace(spec, **changes)).fingerprint
        for changes in (
            {},
            {"search": "random"},
            {"search": "random", "iterations": 51},
            {"search": "halving"},
            {"search": "random", "grid": {depth: randint(1, 9)}},
            {"search": "random", "grid": {depth: randint(1, 8)}},
        )
    }
    assert len(fingerprints) == 6
    described = replace(QUICK, estimator=replace(spec, search="random")).describe()["estimator"]
    assert (described["search"], described["iterations"]) == ("random", 50)
    # A grid does not look at iterations, and so its definition does not either.
    assert replace(QUICK, estimator=replace(spec, iterations=3)).describe()["estimator"]["iterations"] is None
    with pytest.raises(TaskError):
        replace(spec, search="all")  # type: ignore[arg-type]
