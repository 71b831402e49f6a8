"""A decoded model, and what it takes and gives."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol, TypeAlias, cast

from weighbridge.domain.errors import IncompatibleModel

if TYPE_CHECKING:
    import numpy as np

    from weighbridge.domain.data.columns import AdmittedColumns, Encoded
    from weighbridge.domain.data.schema import Row, Value


#: One array of shape [rows] per feature: float64 for numbers, object (of str) for categories.
Columns: TypeAlias = "Mapping[str, np.ndarray[Any, Any]]"


#: How long a predictor takes for one row: ``instant`` is a few microseconds; ``short`` is well below a
#: millisecond, nearly all of it for the call and not for the row; ``long`` is anything above.
LatencyClass: TypeAlias = Literal["instant", "short", "long"]


class Classification(NamedTuple):
    """A label, and the probabilities of all levels in the order of the target's."""

    label: str
    probabilities: list[float]


#: What a model answers for one row: the number, or for a category the label and its probabilities.
Answer: TypeAlias = "Value | Classification"


def label_or_value(answer: Answer) -> Value:
    """The prediction without its probabilities."""
    return answer.label if isinstance(answer, Classification) else answer


class Predictor(Protocol):
    """A decoded model. Safe to call from several threads at once."""

    latency_class: ClassVar[LatencyClass] = "long"

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
        return cast("list[Value]", self.predict(columns_of_rows(rows)).tolist())

    def classify_rows(self, rows: Sequence[Row]) -> list[Classification]:
        """For a category target: the label and the probabilities for admitted rows; no rows give none."""
        if not rows:
            return []
        columns = columns_of_rows(rows)
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


def columns_of_rows(rows: Sequence[Row]) -> Columns:
    """Admitted rows as a predictor takes them, in the order of the first row's features.

    Args:
        rows: of one schema. No rows give no columns: without a row, nothing says what the features are.
    """
    import numpy as np

    if not rows:
        return {}
    return {
        name: np.array([row[name] for row in rows], dtype=object if isinstance(value, str) else np.float64)
        for name, value in rows[0].items()
    }
