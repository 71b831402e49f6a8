"""What is fitted and how it is searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, Literal, get_args

from weighbridge.domain.errors import TaskError

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline


#: The ways in which scikit-learn searches: every candidate of the grid; candidates drawn at random; and
#: every candidate on few rows, then ever fewer candidates on ever more rows.
SearchKind = Literal["grid", "random", "halving"]


@dataclass(frozen=True, slots=True)
class EstimatorSpec:
    """One stock scikit-learn Pipeline, and how its parameters are searched for.

    Args:
        pipeline: makes a fresh, unfitted pipeline that takes the schema's features as named columns. It sets
            its own random states, from the seed that it is given.
        grid: a list of values to try by parameter, named as ``Pipeline.set_params`` takes them; empty to fit
            the pipeline as it is. For a random search a parameter may have a distribution instead of values: a
            frozen one of ``scipy.stats``, or anything else with its method ``rvs``.
        folds: of the cross-validation, at least 2.
        scoring: a scikit-learn scorer's name.
        search: ``grid``, ``random`` or ``halving``, as scikit-learn's GridSearchCV, RandomizedSearchCV and
            HalvingGridSearchCV do it. Halving makes rows the resource: its score is one on the rows that were
            left to the last of its rounds.
        iterations: how many candidates a random search draws, at least 1; the others do not look at it.

    Raises:
        TaskError: one of them is not what it may be.
    """

    pipeline: Callable[[int], Pipeline]
    grid: Mapping[str, Any] = field(default_factory=dict)
    folds: int = 5
    scoring: str = "r2"
    search: SearchKind = "grid"
    iterations: int = 50

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise TaskError(f"estimator: folds is {self.folds}; cross-validation needs at least 2")
        kinds = get_args(SearchKind)
        if self.search not in kinds:
            raise TaskError(f"estimator: search is {self.search!r}; allowed are {', '.join(kinds)}")
        if type(self.iterations) is not int or self.iterations < 1:
            raise TaskError(f"estimator: iterations is {self.iterations!r}; allowed is a whole number, at least 1")
        for name, values in self.grid.items():
            if _is_distribution(values):
                if self.search != "random":
                    raise TaskError(
                        f"estimator: grid['{name}'] is a distribution, which only search='random' draws from; "
                        f"for search='{self.search}' a non-empty list of values is allowed"
                    )
            elif isinstance(values, str) or not hasattr(values, "__len__") or not len(values):
                raise TaskError(f"estimator: grid['{name}'] must be a non-empty list of values")

    @property
    def points(self) -> int:
        """How many combinations a search will try; where it draws from lists alone, none is drawn twice."""
        if any(_is_distribution(values) for values in self.grid.values()):
            return self.iterations
        combinations = prod(len(values) for values in self.grid.values())
        return min(self.iterations, combinations) if self.search == "random" else combinations

    def first_point(self, seed: int) -> dict[str, Any]:
        """A candidate to try the pipeline with: the first of each list, a drawn one of each distribution."""
        return {
            name: values.rvs(random_state=seed) if _is_distribution(values) else next(iter(values))
            for name, values in self.grid.items()
        }


def _is_distribution(values: object) -> bool:
    return hasattr(values, "rvs")
