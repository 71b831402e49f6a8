"""The true labels of rows that were predicted, from later datasets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import DataError
from weighbridge.domain.store.artefacts import DATASETS, dataset_timestamp

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.data.dataset_reader import DatasetReader
    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.store.artefact_store import ArtefactStore
    from weighbridge.domain.store.artefacts import ArtefactRef

#: A name's zone moves its time by less than a day.
_ZONES = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows with their labels.

    Args:
        places: of the rows that have one, of shape [found], in their order.
        labels: of shape [found].
        ambiguous: rows for which there are several labels that differ.
        unlabelled: rows for which there is none.
    """

    places: pd.Index[int]
    labels: pd.Series
    ambiguous: int
    unlabelled: int


def datasets_since(
    store: ArtefactStore, reader: DatasetReader, schema: Schema, task: str, start: datetime
) -> tuple[list[Dataset], list[tuple[str, str]]]:
    """The datasets of a task taken at ``start`` or later, and the keys of those that cannot be read, with why."""
    from weighbridge.domain.data.admission import admit

    found, bad = [], []
    for ref in _refs_since(store, task, start):
        try:
            found.append(admit(reader.read(store.read(ref), schema), schema, ref.key))
        except DataError as error:
            bad.append((ref.key, str(error.problems[0])))
    return found, bad


def find_labels(rows: pd.DataFrame, datasets: Sequence[Dataset], join: Sequence[str], schema: Schema) -> Labelled:
    """Look for the labels of rows by the columns that tell one from another.

    A label that several datasets have, or several rows, is one label as long as it is the same. What differs is
    ambiguous, and left out.

    Args:
        rows: of any shape with the columns of ``join``; numbered from zero.
        datasets: with labels, in any order.
        join: at least one feature.
        schema: of the datasets.
    """
    import pandas as pd

    target, names = schema.target.name, list(join)
    if not datasets:
        return Labelled(pd.Index([], dtype="int64"), pd.Series([], dtype="float64"), 0, len(rows))
    known = pd.concat([one.frame[[*names, target]] for one in datasets], ignore_index=True).drop_duplicates()
    texts = [name for name in names if isinstance(schema.feature(name), Category)]
    known = known.astype(dict.fromkeys(texts, "object"))
    known["__several"] = known.duplicated(names, keep=False)
    wanted = rows[names].astype(dict.fromkeys(texts, "object"))
    wanted["__place"] = wanted.index
    joined = wanted.merge(known.drop_duplicates(names), on=names, how="left")
    several = joined["__several"].eq(True)
    chosen = joined[joined["__several"].eq(False)]
    return Labelled(
        places=pd.Index(chosen["__place"]),
        labels=chosen[target].reset_index(drop=True),
        ambiguous=int(several.sum()),
        unlabelled=int(joined["__several"].isna().sum()),
    )


def _refs_since(store: ArtefactStore, task: str, start: datetime) -> list[ArtefactRef]:
    prefix = f"{DATASETS}/{task}_"
    first = max(start.replace(tzinfo=None), datetime.min + _ZONES) - _ZONES
    found = []
    for ref in store.list(prefix, start_after=f"{prefix}{first:%Y-%m-%d}"):
        at = dataset_timestamp(task, ref.name)
        if at is not None and at >= start:
            found.append(ref)
    return found
