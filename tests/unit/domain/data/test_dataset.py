"""Splitting a dataset: nothing lost, nothing shared, the levels' shares kept."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weighbridge.domain.data.dataset import Dataset, Split, SplitSpec, split
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.errors import DataError, TaskError

LEVELS = ("A", "B", "C")
SCHEMA = Schema((Number("n"), Category("c", LEVELS)), Number("t"), "p")
PLAIN = SplitSpec(0.2, None, 7)
STRATIFIED = SplitSpec(0.2, "c", 7)


def dataset(*levels: str) -> Dataset:
    """Rows of these levels, each told from the others by its number."""
    rows = range(len(levels))
    frame = pd.DataFrame({"n": [float(row) for row in rows], "c": list(levels), "t": [row / 2 for row in rows]})
    return Dataset(frame, SCHEMA)


def of_counts(*counts: int) -> Dataset:
    return dataset(*(level for level, count in zip(LEVELS, counts, strict=False) for _ in range(count)))


def problems(rows: Dataset, spec: SplitSpec, folds: int = 2) -> list[str]:
    with pytest.raises(DataError) as caught:
        split(rows, spec, folds, "datasets/a.csv")
    assert caught.value.subject == "datasets/a.csv"
    return [str(problem) for problem in caught.value.problems]


def rows_of(part: Dataset) -> list[tuple[Any, ...]]:
    return list(part.frame.itertuples(index=False, name=None))


specs = st.builds(
    SplitSpec,
    st.integers(10, 90).map(lambda percent: percent / 100),
    st.sampled_from([None, "c"]),
    st.integers(0, 9),
)
levels = st.lists(st.sampled_from(LEVELS), min_size=25, max_size=60).map(lambda drawn: [*drawn, *(LEVELS * 2)])


@given(levels, specs)
def test_nothing_is_lost_or_shared(drawn: list[str], spec: SplitSpec) -> None:
    whole = dataset(*drawn)
    parts = split(whole, spec, 1, "a")
    assert sorted(rows_of(parts.train) + rows_of(parts.test)) == rows_of(whole)
    assert len(parts.test) == math.ceil(len(whole) * spec.test_size)
    for part in (parts.train, parts.test):
        assert part.schema == SCHEMA
        assert list(part.frame.index) == list(range(len(part)))
        assert list(part.frame.columns) == ["n", "c", "t"]
        assert part.features.equals(part.frame[["n", "c"]])
        assert part.target.equals(part.frame["t"])


@given(levels, specs)
def test_each_level_keeps_its_share_within_one_row(drawn: list[str], spec: SplitSpec) -> None:
    whole = dataset(*drawn)
    parts = split(whole, replace(spec, stratify_by="c"), 1, "a")
    for level in LEVELS:
        share = drawn.count(level) * len(parts.test) / len(whole)
        assert abs((parts.test.frame["c"] == level).sum() - share) < 1


@given(levels, specs)
def test_the_same_rows_and_spec_give_the_same_split(drawn: list[str], spec: SplitSpec) -> None:
    one, other = split(dataset(*drawn), spec, 1, "a"), split(dataset(*drawn), spec, 1, "b")
    assert rows_of(one.train) == rows_of(other.train)
    assert rows_of(one.test) == rows_of(other.test)


def test_the_seed_the_size_and_the_stratum_matter() -> None:
    whole = dataset(*(LEVELS * 10))

    def tested(parts: Split) -> list[tuple[Any, ...]]:
        return rows_of(parts.test)

    base = tested(split(whole, STRATIFIED, 2, "a"))
    assert tested(split(whole, replace(STRATIFIED, seed=8), 2, "a")) != base
    assert tested(split(whole, replace(STRATIFIED, test_size=0.5), 2, "a")) != base
    assert tested(split(whole, replace(STRATIFIED, stratify_by=None), 2, "a")) != base


def test_the_split_is_scikit_learns() -> None:
    from sklearn.model_selection import train_test_split

    whole = dataset(*(LEVELS * 10))
    train, test = train_test_split(whole.frame, test_size=0.2, stratify=whole.frame["c"], random_state=7)
    parts = split(whole, STRATIFIED, 2, "a")
    assert parts.train.frame.equals(train.reset_index(drop=True))
    assert parts.test.frame.equals(test.reset_index(drop=True))


@given(st.integers(1, 80), st.integers(1, 99).map(lambda percent: percent / 100), st.integers(2, 6))
def test_every_fold_and_the_evaluation_get_two_rows_or_the_data_is_too_small(
    count: int, share: float, folds: int
) -> None:
    spec = SplitSpec(share, None, 0)
    test = math.ceil(count * share)
    train = count - test
    if train >= 2 * folds and test >= 2:
        parts = split(of_counts(count), spec, folds, "a")
        assert (len(parts.train), len(parts.test)) == (train, test)
    else:
        rows = "1 row is" if count == 1 else f"{count} rows are"
        assert problems(of_counts(count), spec, folds) == [
            (
                f"{rows} too few: of the {train} to train on, each of {folds} folds needs 2, "
                f"and {test} of the 2 needed are left to evaluate on"
            )
        ]


def test_a_level_of_one_row_is_named_with_its_row() -> None:
    rows = dataset(*(["A"] * 10), "B", *(["A"] * 10), "C")
    assert problems(rows, STRATIFIED) == [
        "column 'c', row 11: the only row of its level, which cannot be on both sides of the split (found 'B')",
        "column 'c', row 22: the only row of its level, which cannot be on both sides of the split (found 'C')",
    ]
    assert len(split(rows, PLAIN, 2, "a").test) == 5


def test_more_levels_than_rows_on_one_side() -> None:
    assert problems(of_counts(4, 3, 3), STRATIFIED) == [
        "column 'c': 10 rows are too few to have each of 3 levels on both sides of the split"
    ]
    assert problems(of_counts(4, 3, 3), replace(STRATIFIED, test_size=0.8), 1) == [
        "column 'c': 10 rows are too few to have each of 3 levels on both sides of the split"
    ]
    assert len(split(of_counts(4, 4, 4), STRATIFIED, 2, "a").test) == 3


def test_all_that_is_wrong_is_told_at_once() -> None:
    assert problems(of_counts(3, 1), STRATIFIED, 5) == [
        (
            "4 rows are too few: of the 3 to train on, each of 5 folds needs 2, and 1 of the 2 needed are left to "
            "evaluate on"
        ),
        "column 'c', row 4: the only row of its level, which cannot be on both sides of the split (found 'B')",
    ]


def test_levels_that_have_no_row_are_not_missed() -> None:
    parts = split(of_counts(10, 10), STRATIFIED, 2, "a")
    assert sorted(parts.test.frame["c"]) == ["A", "A", "B", "B"]


@pytest.mark.parametrize("size", [0, 1, -0.1, 1.5, math.nan, math.inf])
def test_a_share_that_is_none(size: float) -> None:
    with pytest.raises(TaskError) as caught:
        SplitSpec(size)
    assert str(caught.value) == f"split: test_size is {size}; it must be greater than 0 and less than 1"


def test_shares_just_within() -> None:
    assert SplitSpec(np.nextafter(0, 1)).test_size > 0
    assert SplitSpec(np.nextafter(1, 0)).test_size < 1


def test_a_fifth_is_evaluated_on_unless_the_task_says_otherwise() -> None:
    assert SplitSpec() == SplitSpec(test_size=0.2, stratify_by=None, seed=42)


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, "x"])
def test_a_seed_that_cannot_be(seed: Any) -> None:
    with pytest.raises(TaskError) as caught:
        SplitSpec(seed=seed)
    assert str(caught.value) == f"split: seed is {seed!r}; it must be a whole number from 0 to 4294967295"


@pytest.mark.parametrize("size", [True, "0.2", None])
def test_a_test_size_that_is_no_number(size: Any) -> None:
    with pytest.raises(TaskError) as caught:
        SplitSpec(test_size=size)
    assert str(caught.value) == f"split: test_size is {size!r}; it must be a number between 0 and 1"
