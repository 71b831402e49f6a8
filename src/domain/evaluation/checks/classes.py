"""Behavioural checks of models that predict classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weighbridge.domain.errors import TaskError
from weighbridge.domain.evaluation.checks.check import Check, CheckResult, compare_ends, require_category_target
from weighbridge.domain.evaluation.checks.sweep import Sweep
from weighbridge.domain.evaluation.checks.wording import exact, first_few
from weighbridge.domain.model.encoding import probabilities_of

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.model.fitted import FittedModel


@dataclass(frozen=True, slots=True)
class EveryClassPredicted(Check):
    """Every level of the target that occurs in the dataset is predicted for some row of it."""

    @property
    def name(self) -> str:
        """What is demanded."""
        return "every class is predicted"

    def validate(self, schema: Schema) -> None:
        """See that the target is a category."""
        require_category_target(self, schema)

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Predict every row, and look for each level; for a missing level, say what its rows are predicted as."""
        target = require_category_target(self, dataset.schema)
        labels = dataset.target.to_numpy(object)
        predicted = np.asarray(model.predict(dataset.features), object)
        occurring = [level for level in target.levels if (labels == level).any()]
        counts = {level: int((predicted == level).sum()) for level in occurring}
        missing = [level for level in occurring if not counts[level]]
        if not missing:
            rarest = min(occurring, key=counts.__getitem__)
            rows = f"{counts[rarest]} of {len(dataset)} rows"
            return CheckResult(self.name, True, f"the one predicted least is {rarest}, for {rows}")
        faults = (f"{level}: {_instead(labels == level, predicted)}" for level in missing)
        count = f"{len(missing)} of {len(occurring)} classes are never predicted"
        detail = f"{count} ({first_few(faults, len(missing), '; ')})"
        return CheckResult(self.name, False, detail)


@dataclass(frozen=True, slots=True)
class ProbabilityIncreases(Check):
    """The probability of a class rises between two values of a feature, for each level of another.

    Further features are held at a typical value of the dataset: the median of a number, the commonest level
    of a category. A model that gives no probabilities fails; of a class that it never saw, they are 0.

    Args:
        label: a level of the target.
        feature: a number feature.
        low: a value of it.
        high: a greater one.
        for_each: a category feature, all of whose levels are tried; None to hold it like the others.
    """

    label: str
    feature: str
    low: float
    high: float
    for_each: str | None = None

    @property
    def name(self) -> str:
        """What is demanded."""
        each = f" for each {self.for_each}" if self.for_each else ""
        ends = f"{exact(self.low)} to {exact(self.high)}"
        return f"probability of {self.label} increases from {self.feature} {ends}{each}"

    def validate(self, schema: Schema) -> None:
        """See that the label is a level, both features exist and are of the right type, the values admissible."""
        target = require_category_target(self, schema)
        if not target.admits(self.label):
            raise TaskError(f"check '{self.name}': {self.label!r} is not allowed; {target.expectation}")
        self._sweep.validate(self.name, schema)
        if not self.low < self.high:
            raise TaskError(f"check '{self.name}': low must be less than high")

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Predict probabilities at both values for every level and compare.

        Raises:
            IncompatibleModel: the model gives none, or knows a class that is not a level.
        """
        target = require_category_target(self, dataset.schema)
        probabilities = probabilities_of(model, self._sweep.frame(dataset), target)
        of_label = probabilities[:, target.levels.index(self.label)]
        return compare_ends(
            self.name, f"probability of {self.label}", self._sweep.levels(dataset.schema), of_label
        )

    @property
    def _sweep(self) -> Sweep:
        return Sweep(self.feature, (self.low, self.high), self.for_each)


def _instead(chosen: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]) -> str:
    rows = np.flatnonzero(chosen)
    return first_few((f"row {row + 1} as {predicted[row]}" for row in rows), len(rows))
