"""Made-up rows between which a single number feature moves, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighbridge.domain.data.schema import Category, Number
from weighbridge.domain.errors import TaskError

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.data.schema import Schema, Value


@dataclass(frozen=True, slots=True)
class Sweep:
    """The values of a number feature at which a model is asked, for each level of a category feature.

    Further features are held at a typical value of the dataset: the median of a number, the commonest level
    of a category (of several, the first by name).

    Args:
        feature: the number feature.
        values: of it, at least two, each greater than the one before.
        for_each: the category feature; None to hold it like the others.
    """

    feature: str
    values: tuple[float, ...]
    for_each: str | None = None

    def validate(self, check: str, schema: Schema) -> None:
        """See that both features exist and are of the right type, and that the values are admissible.

        Args:
            check: the name of the check, for the message.
            schema: of the task.

        Raises:
            TaskError: something does not fit.
        """
        feature = schema.feature(self.feature)
        if not isinstance(feature, Number):
            raise TaskError(f"check '{check}': '{self.feature}' is not a number feature")
        for value in self.values:
            if not feature.admits(value):
                raise TaskError(f"check '{check}': {value!r} is not allowed; {feature.expectation}")
        if self.for_each is not None and not isinstance(schema.feature(self.for_each), Category):
            raise TaskError(f"check '{check}': '{self.for_each}' is not a category feature")

    def levels(self, schema: Schema) -> tuple[str, ...]:
        """The levels of ``for_each``, or a single empty text without it."""
        if self.for_each is None:
            return ("",)
        feature = schema.feature(self.for_each)
        assert isinstance(feature, Category)
        return feature.levels

    def frame(self, dataset: Dataset) -> pd.DataFrame:
        """Of shape [levels * values, features]: every value at the first level, then at the next."""
        import pandas as pd

        held = _typical_row(dataset)
        return pd.DataFrame([held | row for row in self._rows(dataset.schema)])[list(dataset.schema.feature_names)]

    def _rows(self, schema: Schema) -> Iterator[dict[str, Value]]:
        for level in self.levels(schema):
            moved: dict[str, Value] = {} if self.for_each is None else {self.for_each: level}
            for value in self.values:
                yield moved | {self.feature: float(value)}


def _typical_row(dataset: Dataset) -> dict[str, Value]:
    return {
        feature.name: (
            float(dataset.frame[feature.name].median())
            if isinstance(feature, Number)
            else str(dataset.frame[feature.name].mode().iloc[0])
        )
        for feature in dataset.schema.features
    }
