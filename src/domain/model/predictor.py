"""A decoded model, and what it takes and gives."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias, cast

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import (
    IncompatibleModel,
)

if TYPE_CHECKING:
    import numpy as np

    from weighbridge.domain.data.columns import AdmittedColumns, Encoded
    from weighbridge.domain.data.schema import Row, Schema, Value


#: One array of shape [rows] per feature: float64 for numbers, object (of str) for categories.
Columns: TypeAlias = "Mapping[str, np.ndarray[Any, Any]]"


#: How long a predictor takes for a row: a few microseconds; well below a millisecond, nearly all of it for the
#: call and not for the row; or longer.
Pace: TypeAlias = Literal["instant", "short", "long"]


class Classification(NamedTuple):
    """A label, and the probabilities of all levels in the order of the target's."""

    label: str
    probabilities: list[float]


class Predictor(Protocol):
    """A decoded model. Safe to call from several threads at once."""

    pace: ClassVar[Pace] = "long"

    @abstractmethod
    def predict(self, columns: Columns) -> np.ndarray[Any, Any]:
        """Predictions of shape [rows] for admitted columns of equal length; zero rows give zero.

        Float64 in the target's unit for a number target; object (of str), each a level, for a category.
        """

    def predict_columns(self, columns: AdmittedColumns) -> np.ndarray[Any, Any] | Encoded:
        """Predictions for many admitted rows, as ``predict`` gives them, or as codes and such values.

        A predictor that has a quicker way for columns of codes overrides it.
        """
        return self.predict(columns.plain())

    def predict_rows(self, rows: Sequence[Row]) -> list[Value]:
        """Predictions for admitted rows, as ``predict`` gives them; no rows give none.

        A predictor that has a quicker way for a few rows than columns overrides it.
        """
        if not rows:
            return []
        return cast("list[Value]", self.predict(_columns(rows)).tolist())

    def classify_rows(self, rows: Sequence[Row]) -> list[Classification]:
        """For a category target: the label and the probabilities for admitted rows; no rows give none."""
        if not rows:
            return []
        columns = _columns(rows)
        labels, likely = self.predict(columns).tolist(), self.predict_proba(columns).tolist()
        return [Classification(*pair) for pair in zip(labels, likely, strict=True)]

    def predict_row(self, row: Row) -> Value:
        """The prediction for one admitted row."""
        return self.predict_rows([row])[0]

    def predict_proba(self, columns: Columns) -> np.ndarray[Any, Any]:  # noqa: ARG002
        """For a category target: float64 of shape [rows, levels], in the order of the target's levels.

        A level that was not in the training data has the probability 0.

        Raises:
            IncompatibleModel: the model gives no probabilities, as one that predicts numbers.
        """
        raise IncompatibleModel("this model gives no probabilities")


def _columns(rows: Sequence[Row]) -> Columns:
    import numpy as np

    return {
        name: np.array([row[name] for row in rows], dtype=object if isinstance(value, str) else np.float64)
        for name, value in rows[0].items()
    }


def columns_of_rows(rows: Sequence[Row], schema: Schema) -> Columns:
    """Admitted rows, as a predictor takes them."""
    import numpy as np

    return {
        feature.name: np.array(
            [row[feature.name] for row in rows],
            dtype=object if isinstance(feature, Category) else np.float64,
        )
        for feature in schema.features
    }
