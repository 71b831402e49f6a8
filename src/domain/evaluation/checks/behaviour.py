"""More behavioural checks: monotone along a grid of values, indifferent to a feature."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from weighbridge.domain.data.schema import Category, Number
from weighbridge.domain.errors import TaskError
from weighbridge.domain.evaluation.checks.check import Check, CheckResult, require_number_target
from weighbridge.domain.evaluation.checks.sweep import Sweep
from weighbridge.domain.evaluation.checks.wording import change, exact, first_few, shown

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.model.fitted import FittedModel

#: The shares of the dataset's rows at whose values a number feature is tried: the least value, nine deciles and
#: the greatest one.
QUANTILES = tuple(step / 10 for step in range(11))

#: Of the shuffle that chooses the rows of ``Invariant``.
SAMPLE_SEED = 0


@dataclass(frozen=True, slots=True)
class Monotone(Check):
    """The prediction of a number never turns along a grid of values, for each level of another feature.

    Further features are held at a typical value of the dataset: the median of a number, the commonest level
    of a category. A prediction that is not finite is at fault.

    Args:
        feature: a number feature.
        values: of it, at least two, each greater than the one before.
        for_each: a category feature, all of whose levels are tried; None to hold it like the others.
        direction: of the prediction as the feature rises.
        strict: whether it has to move at every step; if not it may stay.
    """

    feature: str
    values: tuple[float, ...]
    for_each: str | None = None
    direction: Literal["increasing", "decreasing"] = "increasing"
    strict: bool = False

    @property
    def name(self) -> str:
        """What is demanded."""
        each = f" for each {self.for_each}" if self.for_each else ""
        kind = f"{'strictly ' if self.strict else ''}{self.direction}"
        return f"prediction is {kind} over {self.feature} {', '.join(map(exact, self.values))}{each}"

    def validate(self, schema: Schema) -> None:
        """See that both features exist and are of the right type, and that the values are admissible and rise."""
        require_number_target(self, schema)
        if self.direction not in ("increasing", "decreasing"):
            raise TaskError(
                f"check '{self.name}': the direction is {self.direction!r}; there are increasing and decreasing"
            )
        self._sweep.validate(self.name, schema)
        if len(self.values) < 2 or not all(low < high for low, high in self._steps):
            raise TaskError(f"check '{self.name}': values must be at least two, each greater than the one before")

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Predict at every value for every level, and look at each step."""
        levels = self._sweep.levels(dataset.schema)
        predicted = np.asarray(model.predict(self._sweep.frame(dataset)), np.float64)
        predicted = predicted.reshape(len(levels), len(self.values))
        with np.errstate(invalid="ignore", over="ignore"):
            moves = np.diff(predicted) if self.direction == "increasing" else -np.diff(predicted)
        at_fault = ~((moves > 0) if self.strict else (moves >= 0))
        at_fault |= ~(np.isfinite(predicted[:, 1:]) & np.isfinite(predicted[:, :-1]))
        if not at_fault.any():
            move = "rise" if self.direction == "increasing" else "fall"
            return CheckResult(self.name, True, f"the smallest {move} is {abs(float(moves.min())):.6g}")
        places = np.argwhere(at_fault)
        faults = (
            f"{levels[level] + ': ' if levels[level] else ''}{change(*predicted[level, step : step + 2])} "
            f"from {exact(self._steps[step][0])} to {exact(self._steps[step][1])}"
            for level, step in places
        )
        detail = f"{len(places)} of {moves.size} steps break it ({first_few(faults, len(places), '; ')})"
        return CheckResult(self.name, False, detail)

    @property
    def _sweep(self) -> Sweep:
        return Sweep(self.feature, self.values, self.for_each)

    @property
    def _steps(self) -> list[tuple[float, float]]:
        return list(zip(self.values[:-1], self.values[1:], strict=True))


@dataclass(frozen=True, slots=True)
class Replacements:
    """What became of predictions as a feature was replaced, of shape [replacements] each.

    Args:
        row: which row of the dataset, by position.
        value: what stood in for the feature's own value.
        own: that value.
        before: the prediction with it.
        after: the prediction without it.
    """

    row: np.ndarray[Any, Any]
    value: np.ndarray[Any, Any]
    own: np.ndarray[Any, Any]
    before: np.ndarray[Any, Any]
    after: np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Invariant(Check):
    """A feature does not matter: no other value of it changes the prediction for a row of the dataset.

    A category is replaced by each of its other levels, a number by the other ones of the dataset's least,
    deciles and greatest. Labels must stay the same; numbers may change by the tolerance.

    Args:
        feature: any.
        tolerance: the greatest change allowed, in the target's unit, itself included. At 0 predictions must be
            equal to the bit, which those of a model that adds up many terms need not be. 0 for a category
            target.
        rows: how many rows of the dataset are tried, chosen by a fixed shuffle; all when it has no more.
    """

    feature: str
    tolerance: float = 0.0
    rows: int = 100

    @property
    def name(self) -> str:
        """What is demanded."""
        by = f" by more than {exact(self.tolerance)}" if self.tolerance else ""
        return f"predictions for {self.rows} rows do not change with {self.feature}{by}"

    def validate(self, schema: Schema) -> None:
        """See that the feature exists and has a second value, and that tolerance and rows are in range."""
        if not Number("tolerance", minimum=0).admits(self.tolerance):
            raise TaskError(f"check '{self.name}': the tolerance must be a finite number not below 0")
        if isinstance(schema.target, Category) and self.tolerance:
            raise TaskError(f"check '{self.name}': the tolerance must be 0, as labels are equal or they are not")
        if not (isinstance(self.rows, int) and Number("rows", minimum=1).admits(self.rows)):
            raise TaskError(f"check '{self.name}': rows must be a whole number not below 1")
        match schema.feature(self.feature):
            case Category(levels=levels) if len(levels) < 2:
                alone = f"the level {levels[0]}"
            case Number(minimum=low, maximum=high) if low is not None and low == high:
                alone = f"the value {exact(low)}"
            case _:
                return
        raise TaskError(f"check '{self.name}': '{self.feature}' has only {alone}, which nothing can replace")

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Predict the rows as they are, and with every other value."""
        tried = self.replacements(model, dataset)
        if tried is None:
            return CheckResult(
                self.name, True, f"{self.feature} has one value in the dataset; nothing replaces it"
            )
        places, greatest = self._changes(tried.before, tried.after)
        total = f"{len(tried.row)} replacements in {min(self.rows, len(dataset))} rows"
        if not len(places):
            what = "no label" if greatest is None else f"a prediction by at most {greatest:.6g}"
            return CheckResult(self.name, True, f"{total} change {what}")
        faults = (
            f"row {tried.row[at] + 1}: {_change(tried.before[at], tried.after[at])} "
            f"with {shown(tried.value[at])} for {shown(tried.own[at])}"
            for at in places
        )
        detail = f"{len(places)} of {total} change the prediction ({first_few(faults, len(places), '; ')})"
        return CheckResult(self.name, False, detail)

    def replacements(self, model: FittedModel, dataset: Dataset) -> Replacements | None:
        """Every chosen row with every value but its own; None when the dataset has one value only."""
        chosen = _sample(len(dataset), self.rows)
        rows = dataset.features.iloc[chosen].reset_index(drop=True)
        values = _other_values(dataset, self.feature)
        # Every row with every value, but for its own.
        position = np.repeat(np.arange(len(rows)), len(values))
        value = np.tile(values, len(rows))
        own = rows[self.feature].to_numpy(values.dtype)[position]
        position, value, own = (column[value != own] for column in (position, value, own))
        if not len(position):
            return None
        replaced = rows.iloc[position].reset_index(drop=True)
        replaced[self.feature] = value
        kind = object if isinstance(dataset.schema.target, Category) else np.float64
        before = np.asarray(model.predict(rows), kind)[position]
        return Replacements(chosen[position], value, own, before, np.asarray(model.predict(replaced), kind))

    def _changes(
        self, before: np.ndarray[Any, Any], after: np.ndarray[Any, Any]
    ) -> tuple[np.ndarray[Any, Any], float | None]:
        """The places of changes that are not allowed, and the greatest change of a number."""
        if before.dtype == object:
            return np.flatnonzero(before != after), None
        with np.errstate(invalid="ignore", over="ignore"):
            distance = np.abs(after - before)
        return np.flatnonzero(~(distance <= self.tolerance)), float(distance.max())


def _sample(rows: int, wanted: int) -> np.ndarray[Any, Any]:
    """The positions of ``wanted`` rows in ascending order, or of all; the same for the same numbers."""
    if rows <= wanted:
        return np.arange(rows)
    return np.sort(np.random.default_rng(SAMPLE_SEED).choice(rows, wanted, replace=False))


def _other_values(dataset: Dataset, name: str) -> np.ndarray[Any, Any]:
    """What a feature is tried with: all its levels, or the quantiles of a number, each a value of some row."""
    feature = dataset.schema.feature(name)
    if isinstance(feature, Category):
        return np.array(feature.levels, object)
    column = dataset.frame[name].to_numpy(np.float64)
    return np.unique(np.quantile(column, QUANTILES, method="inverted_cdf"))


def _change(before: Any, after: Any) -> str:
    return change(before, after) if isinstance(before, float) else f"{before} -> {after}"
