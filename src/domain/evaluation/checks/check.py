"""Behavioural checks: what a model must do at any score. All of them run, and all are reported.

Here is what a check is, and those that most tasks of numbers want; more are in
``behaviour``, ``known_rows`` and ``classes``.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from weighbridge.domain.data.schema import Category, Number
from weighbridge.domain.errors import ModelError, TaskError
from weighbridge.domain.evaluation.checks.sweep import Sweep
from weighbridge.domain.evaluation.checks.wording import SHOWN, change, exact, first_few, unlike

if TYPE_CHECKING:
    import numpy as np

    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.model.fitted import FittedModel


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
            TaskError: it names features or levels that are not there, or values out of range, or it is not
                for this kind of target.
        """

    @abstractmethod
    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Test ``model``; ``dataset`` is every valid row, training and test rows."""


@dataclass(frozen=True, slots=True)
class Increases(Check):
    """The prediction of a number rises between two values of a feature, for each level of another.

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
        return f"prediction increases from {self.feature} {exact(self.low)} to {exact(self.high)}{each}"

    def validate(self, schema: Schema) -> None:
        """See that both features exist and are of the right type, and that the values are admissible."""
        require_number_target(self, schema)
        self._sweep.validate(self.name, schema)
        if not self.low < self.high:
            raise TaskError(f"check '{self.name}': low must be less than high")

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Predict at both values for every level and compare."""
        predicted = model.predict(self._sweep.frame(dataset))
        return compare_ends(self.name, "prediction", self._sweep.levels(dataset.schema), predicted)

    @property
    def _sweep(self) -> Sweep:
        return Sweep(self.feature, (self.low, self.high), self.for_each)


@dataclass(frozen=True, slots=True)
class NotBelow(Check):
    """No prediction of a number is below a bound, over every row of the dataset."""

    bound: float

    @property
    def name(self) -> str:
        """What is demanded."""
        return f"predictions are not below {exact(self.bound)}"

    def validate(self, schema: Schema) -> None:
        """See that the target is a number and the bound finite."""
        require_number_target(self, schema)
        if not Number("bound").admits(self.bound):
            raise TaskError(f"check '{self.name}': the bound must be a finite number")

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Predict every row and look at the smallest."""
        predicted = model.predict(dataset.features)
        at_fault = ~(predicted >= self.bound)
        if at_fault.any():
            return CheckResult(self.name, False, _offenders(predicted, at_fault, "below", self.bound))
        return CheckResult(self.name, True, f"the smallest is {float(predicted.min()):.6g}")


@dataclass(frozen=True, slots=True)
class NotAboveLargestLabel(Check):
    """No prediction of a number is above a factor of the largest observed label, over every row of the dataset."""

    factor: float

    @property
    def name(self) -> str:
        """What is demanded."""
        return f"predictions are not above {exact(self.factor)} times the largest label"

    def validate(self, schema: Schema) -> None:
        """See that the target is a number, and the factor finite and positive."""
        require_number_target(self, schema)
        if not (Number("factor").admits(self.factor) and self.factor > 0):
            raise TaskError(f"check '{self.name}': the factor must be a finite number greater than 0")

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Predict every row and look at the largest."""
        predicted = model.predict(dataset.features)
        bound = self.factor * float(dataset.target.max())
        at_fault = ~(predicted <= bound)
        if at_fault.any():
            return CheckResult(self.name, False, _offenders(predicted, at_fault, "above", bound))
        return CheckResult(self.name, True, f"the largest is {float(predicted.max()):.6g}, the bound {bound:.6g}")


def run_checks(checks: Sequence[Check], model: FittedModel, dataset: Dataset) -> tuple[CheckResult, ...]:
    """Run every check, even if others have failed.

    One that cannot be run, because the model cannot predict what it asks for or gives no probabilities, has
    failed.
    """
    return tuple(_run(check, model, dataset) for check in checks)


def require_number_target(check: Check, schema: Schema) -> None:
    """See that the target is a number.

    Raises:
        TaskError: it is a category.
    """
    if not isinstance(schema.target, Number):
        raise TaskError(
            f"check '{check.name}': the target '{schema.target.name}' is a category; this check is for numbers"
        )


def require_category_target(check: Check, schema: Schema) -> Category:
    """The target, a category.

    Raises:
        TaskError: it is a number.
    """
    if not isinstance(schema.target, Category):
        raise TaskError(
            f"check '{check.name}': the target '{schema.target.name}' is a number; this check is for categories"
        )
    return schema.target


def compare_ends(name: str, subject: str, levels: Sequence[str], low_high: np.ndarray[Any, Any]) -> CheckResult:
    """Whether numbers rise from one value of a feature to another; every level at which they do not is named.

    Args:
        name: of the check.
        subject: what the numbers are.
        levels: at which they were found; an empty text for none in particular.
        low_high: of shape [levels * 2], at the low value and at the high one.
    """
    pairs = low_high.reshape(-1, 2)
    found = [
        f"{level + ': ' if level else ''}{change(low, high)}"
        for level, (low, high) in zip(levels, pairs, strict=True)
        if not high > low
    ]
    if found:
        return CheckResult(name, False, f"the {subject} does not increase for {'; '.join(found)}")
    return CheckResult(name, True, f"the smallest increase is {float((pairs[:, 1] - pairs[:, 0]).min()):.6g}")


def _run(check: Check, model: FittedModel, dataset: Dataset) -> CheckResult:
    try:
        return check.run(model, dataset)
    except (ModelError, ValueError, TypeError, ArithmeticError) as error:
        return CheckResult(check.name, False, f"it could not be run: {error}")


def _offenders(predicted: np.ndarray[Any, Any], at_fault: np.ndarray[Any, Any], side: str, bound: float) -> str:
    import numpy as np

    count = int(at_fault.sum())
    rows = np.flatnonzero(at_fault)[:SHOWN]
    worst = first_few((f"row {row + 1}: {unlike(float(predicted[row]), bound)}" for row in rows), count)
    return f"{count} of {len(predicted)} predictions are {side} {bound:.6g} ({worst})"
