"""What people want to know of the datasets in a store: what is in one, and which releases were trained on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.domain.errors import RegistryError
from weighbridge.domain.statistics.column_summaries import CategorySummary, ColumnSummary, summarise_column
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.releases import Release

#: How many of the first rows are shown.
FIRST_ROWS = 5

_QUARTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class Uses:
    """Which releases were trained on which dataset.

    Args:
        releases: by the key of the dataset, newest first.
        unreadable: records that could not be read, and why; they may name any dataset.
    """

    releases: Mapping[str, tuple[Release, ...]]
    unreadable: tuple[str, ...]

    def of(self, ref: ArtefactRef) -> list[dict[str, Any]]:
        """The releases of a dataset as plain data.

        Where ``same_revision`` is false, the dataset was replaced since, or the store is a copy; where
        ``same_size`` is false, too, it was replaced.
        """
        return [
            {
                "version": str(one.version),
                "same_revision": one.record.dataset.revision == ref.revision,
                "same_size": one.record.dataset.size == ref.size,
            }
            for one in self.releases.get(ref.key, ())
        ]


def uses_of_datasets(registry: ModelRegistry, task: str) -> Uses:
    """Look through the records of all releases of a task: one request for each. Store errors pass through."""
    found: dict[str, list[Release]] = {}
    unreadable = []
    for version in registry.versions(task):
        try:
            release = registry.read(version)
        except RegistryError as error:
            unreadable.append(str(error))
        else:
            found.setdefault(release.record.dataset.key, []).append(release)
    return Uses({key: tuple(releases) for key, releases in found.items()}, tuple(unreadable))


def describe_dataset(artefact: Artefact, dataset: Dataset) -> dict[str, Any]:
    """A dataset as plain data: where it is, its schema, the distribution of each column, its first rows."""
    schema, ref = dataset.schema, artefact.ref
    first = dataset.frame.head(FIRST_ROWS).astype(object)
    return {
        "key": ref.key,
        "size": ref.size,
        "revision": ref.revision,
        "version_id": ref.version_id,
        "sha256": artefact.sha256,
        "rows": len(dataset),
        "schema": schema.to_dict(),
        "statistics": {
            one.name: dict(_statistics(summarise_column(dataset.frame[one.name])))
            for one in (*schema.features, schema.target)
        },
        "first_rows": [dict(zip(first.columns, row, strict=True)) for row in first.to_numpy().tolist()],
    }


def _statistics(column: ColumnSummary) -> Iterator[tuple[str, Any]]:
    yield "distinct", column.distinct
    if isinstance(column, CategorySummary):
        yield "counts", dict(sorted(column.counts.items(), key=lambda pair: (-pair[1], pair[0])))
        return
    yield "mean", column.mean
    yield "std", column.std
    yield "minimum", column.minimum
    yield "quartiles", [column.quantile(share) for share in _QUARTILES]
    yield "maximum", column.maximum
