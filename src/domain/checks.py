"""Behavioural checks: what a model must do, whatever its score. All of them run, and all are reported."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from domain.errors import TaskError
from domain.schema import Category, Number

if TYPE_CHECKING:
    import numpy as np

    from domain.dataset import Dataset
    from domain.estimator import FittedModel
    from domain.schema import Schema, Value


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What one check found; ``detail`` says it in words, passed or not."""

    name: str
    passed: bool
    detail: str


class Check(Protocol):
    """A demand on the behaviour of a model. Implementations are frozen dataclasses of plain values."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What is demanded, in a few words; unique within a task."""

    @abstractmethod
    def validate(self, schema: Schema) -> None:
        """See that the check fits the task.

        Raises:
            TaskError: it names features or levels that are not there, or values out of range.
        """

    @abstractmethod
    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Put ``model`` to the test; ``dataset`` is every admitted row, those trained on and those weighed on."""


@dataclass(frozen=True, slots=True)
class Increases(Check):
    """The prediction rises between two values of a feature, for each level of another.

    Further features are held at a typical value of the dataset: the median of a number, the commonest level
    of a category.

    Args:
        feature: a number feature.
        low: a value of it.
        high: a greater one.
        for_each: a category feature, all of whose levels are tried; None to hold it like the others.
    """

    feature: str
    low: float
    high: float
    for_each: str | None = None

    @property
    def name(self) -> str:
        """What is demanded."""
        each = f" for each {self.for_each}" if self.for_each else ""
        return f"prediction increases from {self.feature} {self.low:g} to {self.high:g}{each}"

    def validate(self, schema: Schema) -> None:
        """See that both features exist and are of the right type, and that the values are admissible."""
        feature = schema.feature(self.feature)
        if not isinstance(feature, Number):
            raise TaskError(f"check '{self.name}': '{self.feature}' is not a number feature")
        for value in (self.low, self.high):
            if not feature.admits(value):
                raise TaskError(f"check '{self.name}': {value!r} is not allowed; {feature.expectation}")
        if not self.low < self.high:
            raise TaskError(f"check '{self.name}': low must be less than high")
        if self.for_each is not None and not isinstance(schema.feature(self.for_each), Category):
            raise TaskError(f"check '{self.name}': '{self.for_each}' is not a category feature")

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Predict at both values for every level and compare."""
        import pandas as pd

        levels = _levels(dataset.schema, self.for_each)
        typical = _typical_row(dataset)
        rows = [
            typical | {self.feature: value} | ({self.for_each: level} if self.for_each else {})
            for level in levels
            for value in (self.low, self.high)
        ]
        frame = pd.DataFrame(rows)[list(dataset.schema.feature_names)]
        low_high = model.predict(frame).reshape(-1, 2)
        found = [
            f"{level + ': ' if level else ''}{low:.6g} -> {high:.6g}"
            for level, (low, high) in zip(levels, low_high, strict=True)
            if not high > low
        ]
        if found:
            return CheckResult(self.name, False, f"the prediction does not increase for {'; '.join(found)}")
        smallest = float((low_high[:, 1] - low_high[:, 0]).min())
        return CheckResult(self.name, True, f"the smallest increase is {smallest:.6g}")


@dataclass(frozen=True, slots=True)
class NotBelow(Check):
    """No prediction is below a bound, over every row of the dataset."""

    bound: float

    @property
    def name(self) -> str:
        """What is demanded."""
        return f"predictions are not below {self.bound:g}"

    def validate(self, schema: Schema) -> None:  # noqa: ARG002
        """See that the bound is finite."""
        if not math.isfinite(self.bound):
            raise TaskError(f"check '{self.name}': the bound must be a finite number")

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Predict every row and look at the smallest."""
        predicted = model.predict(dataset.features)
        at_fault = ~(predicted >= self.bound)
        if at_fault.any():
            return CheckResult(self.name, False, _offenders(predicted, at_fault, f"below {self.bound:g}"))
        return CheckResult(self.name, True, f"the smallest is {float(predicted.min()):.6g}")


@dataclass(frozen=True, slots=True)
class NotAboveLargestLabel(Check):
    """No prediction is above a factor of the largest observed label, over every row of the dataset."""

    factor: float

    @property
    def name(self) -> str:
        """What is demanded."""
        return f"predictions are not above {self.factor:g} times the largest label"

    def validate(self, schema: Schema) -> None:  # noqa: ARG002
        """See that the factor is finite and positive."""
        if not 0 < self.factor < math.inf:
            raise TaskError(f"check '{self.name}': the factor must be a finite number greater than 0")

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Predict every row and look at the largest."""
        predicted = model.predict(dataset.features)
        bound = self.factor * float(dataset.target.max())
        at_fault = ~(predicted <= bound)
        if at_fault.any():
            return CheckResult(self.name, False, _offenders(predicted, at_fault, f"above {bound:.6g}"))
        return CheckResult(self.name, True, f"the largest is {float(predicted.max()):.6g}, the bound {bound:.6g}")


def run_checks(checks: Sequence[Check], model: FittedModel, dataset: Dataset) -> tuple[CheckResult, ...]:
    """Run every check, whatever the others found.

    One that cannot be run, because the model cannot predict what it asks for, has failed.
    """
    return tuple(_run(check, model, dataset) for check in checks)


def _run(check: Check, model: FittedModel, dataset: Dataset) -> CheckResult:
    try:
        return check.run(model, dataset)
    except (ValueError, TypeError, ArithmeticError) as error:
        return CheckResult(check.name, False, f"it could not be run: {error}")


def _offenders(predicted: np.ndarray[Any, Any], at_fault: np.ndarray[Any, Any], where: str) -> str:
    import numpy as np

    worst = ", ".join(f"row {row + 1}: {predicted[row]:.6g}" for row in np.flatnonzero(at_fault)[:5])
    count = int(at_fault.sum())
    return f"{count} of {len(predicted)} predictions are {where} ({worst}{', ...' if count > 5 else ''})"


def _levels(schema: Schema, name: str | None) -> tuple[str, ...]:
    if name is None:
        return ("",)
    feature = schema.feature(name)
    assert isinstance(feature, Category)
    return feature.levels


def _typical_row(dataset: Dataset) -> dict[str, Value]:
    return {
        feature.name: (
            float(dataset.frame[feature.name].median())
            if isinstance(feature, Number)
            else str(dataset.frame[feature.name].mode().iloc[0])
        )
        for feature in dataset.schema.features
    }
