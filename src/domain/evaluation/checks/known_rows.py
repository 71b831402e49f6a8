"""A behavioural check: rows whose predictions are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from weighbridge.domain.data.schema import Category, Number
from weighbridge.domain.errors import DataError, TaskError
from weighbridge.domain.evaluation.checks.check import Check, CheckResult
from weighbridge.domain.evaluation.checks.wording import exact, first_few, shown, unlike

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.data.schema import Schema, Value
    from weighbridge.domain.model.fitted import FittedModel


@dataclass(frozen=True, slots=True)
class KnownRow:
    """A row whose prediction is known: a range for a number, a label for a category.

    Args:
        inputs: a value for every feature.
        low: the least prediction allowed, itself included, in the target's unit; None for no bound.
        high: the greatest one, itself included; None for no bound.
        label: the only one allowed.
    """

    inputs: Mapping[str, Value]
    low: float | None = None
    high: float | None = None
    label: str | None = None

    @property
    def expectation(self) -> str:
        """What the prediction has to be, in words."""
        if self.label is not None:
            return f"expected {self.label}"
        if self.high is None:
            return f"expected at least {exact(self.low)}"
        return f"expected {'at most' if self.low is None else f'{exact(self.low)} to'} {exact(self.high)}"

    def problem(self, schema: Schema) -> str | None:
        """What does not fit the schema, in words; None when all does."""
        try:
            schema.admit_row(self.inputs)
        except DataError as error:
            return "; ".join(map(str, error.problems))
        if isinstance(schema.target, Category):
            if self.low is not None or self.high is not None:
                return "it names a range; the target is a category, of which it has to name a label"
            known = schema.target.admits(self.label)
            return None if known else f"the label is {self.label!r}; {schema.target.expectation}"
        if self.label is not None:
            return "it names a label; the target is a number, of which it has to name low, high or both"
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        if not bounds or not all(map(Number("bound").admits, bounds)) or bounds[0] > bounds[-1]:
            return "low, high or both must be given, as finite numbers in order"
        return None

    def fault(self, prediction: Any) -> str | None:
        """The prediction as it is to be written when it is not what is expected; None when it is."""
        if self.label is not None:
            return None if prediction == self.label else str(prediction)
        value = float(prediction)
        if self.low is not None and not value >= self.low:
            return unlike(value, self.low)
        if self.high is not None and not value <= self.high:
            return unlike(value, self.high)
        return None


@dataclass(frozen=True, slots=True)
class KnownRows(Check):
    """Rows whose predictions are known are predicted as they should be.

    Args:
        rows: at least one.
        name: what is demanded; a task with several lists gives each its own.
    """

    rows: tuple[KnownRow, ...]
    name: str = "known rows are predicted as expected"

    def validate(self, schema: Schema) -> None:
        """See that every row fits the features, and its expectation the target."""
        if not self.rows:
            raise TaskError(f"check '{self.name}': rows is empty; name at least one")
        for number, row in enumerate(self.rows, 1):
            problem = row.problem(schema)
            if problem is not None:
                raise TaskError(f"check '{self.name}': row {number}: {problem}")

    def run(self, model: FittedModel, dataset: Dataset) -> CheckResult:
        """Predict the rows, all at once, and compare each; rows are numbered as in the list."""
        import pandas as pd

        schema = dataset.schema
        frame = pd.DataFrame([schema.admit_row(row.inputs) for row in self.rows])
        predicted = np.asarray(model.predict(frame[list(schema.feature_names)]), object)
        faults = [
            f"row {number} ({_inputs(row.inputs)}): {fault}, {row.expectation}"
            for number, (row, prediction) in enumerate(zip(self.rows, predicted, strict=True), 1)
            if (fault := row.fault(prediction)) is not None
        ]
        if not faults:
            return CheckResult(self.name, True, f"all {len(self.rows)} rows are predicted as expected")
        count = f"{len(faults)} of {len(self.rows)} rows are not predicted as expected"
        detail = f"{count} ({first_few(faults, len(faults), '; ')})"
        return CheckResult(self.name, False, detail)


def _inputs(inputs: Mapping[str, Value]) -> str:
    return ", ".join(f"{name} {shown(value)}" for name, value in inputs.items())
