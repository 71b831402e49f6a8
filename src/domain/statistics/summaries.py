"""What is kept of a dataset once it is gone: distributions of its columns, of bounded size, and no rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.domain.statistics.association import association
from weighbridge.domain.statistics.column_summaries import (
    KNOTS,
    CategorySummary,
    ColumnSummary,
    column_from_dict,
    column_to_dict,
    summarise_column,
)

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset import Dataset

#: Points in all for the target at each level of each category, shared out evenly.
LEVEL_KNOTS = 400
#: The fewest for one level; where that is not to be had, the levels with the most rows are kept.
FEWEST_LEVEL_KNOTS = 9


@dataclass(frozen=True, slots=True)
class Statistics:
    """The distributions of a dataset.

    Args:
        rows: of the dataset.
        features: by name, in the schema's order.
        target_name: the name of the target.
        target: its distribution.
        target_by_level: that of the target among the rows of each level, by category feature and level.
        association: how much of the target each feature tells by itself, as ``domain.association`` has it.
    """

    rows: int
    features: Mapping[str, ColumnSummary]
    target_name: str
    target: ColumnSummary
    target_by_level: Mapping[str, Mapping[str, ColumnSummary]]
    association: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON data of finite numbers: below 100 kB, written without indentation, for 20 columns."""
        return {
            "rows": self.rows,
            "features": {name: column_to_dict(column) for name, column in self.features.items()},
            "target_name": self.target_name,
            "target": column_to_dict(self.target),
            "target_by_level": {
                feature: {level: column_to_dict(column) for level, column in levels.items()}
                for feature, levels in self.target_by_level.items()
            },
            "association": dict(self.association),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Statistics:
        """Read what ``to_dict`` wrote.

        Raises:
            ValueError: it is something else.
        """
        try:
            return cls(
                rows=data["rows"],
                features={name: column_from_dict(column) for name, column in data["features"].items()},
                target_name=data["target_name"],
                target=column_from_dict(data["target"]),
                target_by_level={
                    feature: {level: column_from_dict(column) for level, column in levels.items()}
                    for feature, levels in data["target_by_level"].items()
                },
                association=dict(data["association"]),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the statistics cannot be read: {type(error).__name__}: {error}") from error


def summarise(dataset: Dataset) -> Statistics:
    """The statistics of ``dataset``: the same rows, in the same order, give the same ones."""
    target = dataset.target
    features = {name: summarise_column(dataset.frame[name]) for name in dataset.schema.feature_names}
    categories = [name for name, column in features.items() if isinstance(column, CategorySummary)]
    kept = _levels_kept({name: features[name] for name in categories})
    knots = max(FEWEST_LEVEL_KNOTS, min(KNOTS, LEVEL_KNOTS // max(1, len(kept))))
    by_level: dict[str, dict[str, ColumnSummary]] = {name: {} for name in categories}
    for name, level in kept:
        by_level[name][level] = summarise_column(target[dataset.frame[name] == level], knots)
    return Statistics(
        rows=len(dataset),
        features=features,
        target_name=dataset.schema.target.name,
        target=summarise_column(target),
        target_by_level=by_level,
        association={name: association(dataset.frame[name], target) for name in features},
    )


def _levels_kept(categories: Mapping[str, ColumnSummary]) -> list[tuple[str, str]]:
    sizes = [
        (-count, name, level)
        for name, column in categories.items()
        if isinstance(column, CategorySummary)
        for level, count in column.counts.items()
    ]
    return [(name, level) for _, name, level in sorted(sizes)[: LEVEL_KNOTS // FEWEST_LEVEL_KNOTS]]
