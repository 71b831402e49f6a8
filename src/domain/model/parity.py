"""How the predictions of decoded bytes compare with the model's own."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

#: The greatest difference between the model and its decoded bytes: relative for numbers, absolute for
#: probabilities, which lie between 0 and 1. Labels may not differ at all.
PARITY_TOLERANCE = 1e-5

#: Predictions nearer to zero than this, in the target's unit, are compared as if they were this large.
PARITY_FLOOR = 1e-9


@dataclass(frozen=True, slots=True)
class Parity:
    """How the predictions of decoded bytes compare with the model's.

    Args:
        rows: how many were compared.
        max_relative_difference: the greatest of ``|model - decoded| / max(|model|, PARITY_FLOOR)``; for a
            category, the greatest absolute difference of two probabilities. Infinite when one is not finite.
        exact: on how many rows the two are equal to the bit; for a category, label and all probabilities.
        tolerance: the greatest difference that is accepted, itself included.
        labels_equal: for a category, on how many rows the labels are equal; None for numbers.
    """

    rows: int
    max_relative_difference: float
    exact: int
    tolerance: float = PARITY_TOLERANCE
    labels_equal: int | None = None

    @property
    def max_difference(self) -> float:
        """``max_relative_difference``, by a name that suits probabilities as well."""
        return self.max_relative_difference

    @property
    def holds(self) -> bool:
        """Whether the difference is within the tolerance and every label is equal."""
        return self.max_difference <= self.tolerance and self.labels_equal in (None, self.rows)

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for records."""
        rest: dict[str, Any] = {"exact": self.exact, "tolerance": self.tolerance}
        if self.labels_equal is None:
            return {"rows": self.rows, "max_relative_difference": self.max_relative_difference, **rest}
        return {
            "rows": self.rows,
            "max_difference": self.max_difference,
            "labels_equal": self.labels_equal,
            **rest,
        }

    def __str__(self) -> str:
        if self.labels_equal is None:
            return (
                f"predictions differ from the model's by up to {self.max_difference:.3g} relative, over "
                f"{self.tolerance:g} ({self.exact} of {self.rows} rows are equal)"
            )
        return (
            f"{self.labels_equal} of {self.rows} labels are the model's, probabilities differ by up to "
            f"{self.max_difference:.3g}, {self.tolerance:g} is allowed ({self.exact} rows are equal)"
        )


def compare(expected: Sequence[float], decoded: Sequence[float]) -> Parity:
    """Compare the model's predictions with those of its decoded bytes.

    It needs no NumPy, so that a service can do without it.
    """
    rows = len(expected)
    if len(decoded) != rows:
        return Parity(rows, math.inf, 0)
    exact = sum(map(operator.eq, expected, decoded))
    if not (all(map(math.isfinite, expected)) and all(map(math.isfinite, decoded))):
        return Parity(rows, math.inf, exact)
    # Two finite numbers can be further apart than any float says; that is infinite, not an error.
    differences = (
        abs(one - other) / max(abs(one), PARITY_FLOOR) for one, other in zip(expected, decoded, strict=True)
    )
    return Parity(rows, max(differences, default=0.0), exact)


def compare_classes(
    expected_labels: np.ndarray[Any, Any],
    expected_probabilities: np.ndarray[Any, Any],
    labels: np.ndarray[Any, Any],
    probabilities: np.ndarray[Any, Any],
) -> Parity:
    """Compare a classifier with its decoded bytes: labels of shape [rows], probabilities of [rows, levels].

    The difference is the greatest absolute one; infinite when a shape differs or a probability is not finite.
    """
    import numpy as np

    rows = len(expected_labels)
    same = expected_labels == labels if expected_labels.shape == labels.shape else np.zeros(rows, bool)
    equal = int(np.count_nonzero(same))
    if expected_probabilities.shape != probabilities.shape:
        return Parity(rows, float("inf"), 0, labels_equal=equal)
    exact = int(np.count_nonzero(same & (expected_probabilities == probabilities).all(axis=1)))
    if not (np.isfinite(expected_probabilities).all() and np.isfinite(probabilities).all()):
        return Parity(rows, float("inf"), exact, labels_equal=equal)
    difference = float(np.abs(expected_probabilities - probabilities).max(initial=0.0))
    return Parity(rows, difference, exact, labels_equal=equal)


def worse(first: Parity, second: Parity) -> Parity:
    """What holds for two ways to the same predictions: a format may read rows otherwise than columns."""
    difference = max(first.max_relative_difference, second.max_relative_difference)
    return replace(first, max_relative_difference=difference, exact=min(first.exact, second.exact))
