"""A validated dataset, and its split into rows to train on and rows to evaluate on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import DataError, Problem, TaskError

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.data.schema import Schema


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows that ``schema`` admitted.

    Args:
        frame: of shape [rows, features + 1], the schema's features in order, then its target.
        schema: what admitted it.
    """

    frame: pd.DataFrame
    schema: Schema

    @property
    def features(self) -> pd.DataFrame:
        """Of shape [rows, features]."""
        return self.frame[list(self.schema.feature_names)]

    @property
    def target(self) -> pd.Series[Any]:
        """Of shape [rows], in the target's unit."""
        return self.frame[self.schema.target.name]

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True, slots=True)
class SplitSpec:
    """How a dataset is split.

    Args:
        test_size: the share of rows to evaluate on, greater than 0 and less than 1.
        stratify_by: the category whose levels keep their shares on both sides, to within one row; None for the
            target, when that is a category, and for no stratification when it is not.
        seed: of the shuffle.
    """

    test_size: float = 0.2
    stratify_by: str | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        if isinstance(self.test_size, bool) or not isinstance(self.test_size, int | float):
            raise TaskError(f"split: test_size is {self.test_size!r}; it must be a number between 0 and 1")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int) or not 0 <= self.seed < 2**32:
            raise TaskError(f"split: seed is {self.seed!r}; it must be a whole number from 0 to {2**32 - 1}")
        if not 0 < self.test_size < 1:
            raise TaskError(f"split: test_size is {self.test_size}; it must be greater than 0 and less than 1")


@dataclass(frozen=True, slots=True)
class Split:
    """Two disjoint parts of a dataset that together are all of it."""

    train: Dataset
    test: Dataset


def split(dataset: Dataset, spec: SplitSpec, folds: int, subject: str) -> Split:
    """Shuffle and split ``dataset``; the same rows and spec give the same split.

    Args:
        dataset: at least one row.
        spec: how.
        folds: of the cross-validation to come; the training part must have a row for each.
        subject: what the dataset was read from, for the message.

    Raises:
        DataError: too few rows to split, to fill the folds, or for each level to be on both sides.
    """
    from sklearn.model_selection import train_test_split

    target = dataset.schema.target
    stratum = spec.stratify_by or (target.name if isinstance(target, Category) else None)
    strata = None if stratum is None else dataset.frame[stratum]
    problems = _size_problems(len(dataset), spec, folds)
    if strata is not None:
        problems += _strata_problems(strata, spec)
    if problems:
        raise DataError(subject, problems)
    train, test = train_test_split(
        dataset.frame, test_size=spec.test_size, stratify=strata, random_state=spec.seed
    )
    return Split(
        Dataset(train.reset_index(drop=True), dataset.schema), Dataset(test.reset_index(drop=True), dataset.schema)
    )


def _sizes(rows: int, spec: SplitSpec) -> tuple[int, int]:
    """Rows to train on and to test on, rounded as scikit-learn's ``train_test_split`` rounds them."""
    test = -int(-rows * spec.test_size // 1)
    return rows - test, test


def _size_problems(rows: int, spec: SplitSpec, folds: int) -> list[Problem]:
    train, test = _sizes(rows, spec)
    # A score such as r2 is not defined on a single row: two in every fold, and two to evaluate on.
    if train < 2 * folds or test < 2:
        return [
            Problem(
                f"{rows} {'row is' if rows == 1 else 'rows are'} too few: of the {train} to train on, each of "
                f"{folds} folds needs 2, and {test} of the 2 needed are left to evaluate on"
            )
        ]
    return []


def _strata_problems(strata: pd.Series[Any], spec: SplitSpec) -> list[Problem]:
    counts = strata.value_counts(sort=False)
    problems = [
        Problem(
            "the only row of its level, which cannot be on both sides of the split",
            str(strata.name),
            int((strata == level).to_numpy().argmax()) + 1,
            level,
        )
        for level, count in counts.items()
        if count < 2
    ]
    smaller = min(_sizes(len(strata), spec))
    if not problems and smaller < len(counts):
        problems.append(
            Problem(
                f"{len(strata)} rows are too few to have each of {len(counts)} levels on both sides of the split",
                str(strata.name),
            )
        )
    return problems
