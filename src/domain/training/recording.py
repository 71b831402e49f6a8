"""The parts of a release record that are made of what a training leaves behind."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from weighbridge.domain.data.schema import Category
from weighbridge.domain.model.encoding import EncodedModel, probabilities_of
from weighbridge.domain.registry.provenance import DatasetSource, GoldenRow, ModelFile, Training

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset import Dataset, Split
    from weighbridge.domain.model.fitted import FittedModel
    from weighbridge.domain.registry.releases import ModelVersion
    from weighbridge.domain.store.artefacts import Artefact
    from weighbridge.domain.training.search.search import Candidate
    from weighbridge.domain.training.task import TaskDefinition

#: How many rows a record keeps to try a decoded model on.
GOLDEN_ROWS = 10


def dataset_source(artefact: Artefact, dataset: Dataset) -> DatasetSource:
    """Where the data came from, as it was read."""
    ref = artefact.ref
    return DatasetSource(ref.key, artefact.sha256, len(artefact.data), ref.revision, ref.version_id, len(dataset))


def training_of(task: TaskDefinition, candidate: Candidate, parts: Split, seconds: float) -> Training:
    """What was fitted, how it was chosen and on what; it took ``seconds``."""
    last = candidate.model.steps[-1][1]
    return Training(
        estimator=f"{type(last).__module__}.{type(last).__qualname__}",
        params=candidate.params,
        search=candidate.search,
        seed=task.split.seed,
        split=asdict(task.split) | {"train_rows": len(parts.train), "test_rows": len(parts.test)},
        seconds=round(seconds, 3),
    )


def model_file(version: ModelVersion, encoded: EncodedModel, kept: bool) -> ModelFile:
    """The encoded model; without a key when it is not kept."""
    return ModelFile(
        key=version.model_key(encoded.format) if kept else None,
        format=encoded.format,
        sha256=encoded.sha256,
        size=len(encoded.data),
        parity=encoded.parity.to_dict() | {"notes": list(encoded.notes)},
    )


def golden_rows(model: FittedModel, test: Dataset) -> tuple[GoldenRow, ...]:
    """GOLDEN_ROWS test rows, spread evenly over the order of predictions from the smallest to the largest."""
    predicted = np.asarray(model.predict(test.features))
    order = predicted.argsort(kind="stable")
    count = min(GOLDEN_ROWS, len(order))
    chosen = [order[position * (len(order) - 1) // max(count - 1, 1)] for position in range(count)]
    features = test.features.iloc[chosen]
    rows = [
        test.schema.admit_row({str(name): value for name, value in row.items()})
        for row in features.to_dict(orient="records")
    ]
    values = predicted[chosen].tolist()
    target = test.schema.target
    if not isinstance(target, Category):
        return tuple(GoldenRow(row, float(value)) for row, value in zip(rows, values, strict=True))
    probabilities = probabilities_of(model, features, target).tolist()
    return tuple(
        GoldenRow(row, str(value), dict(zip(target.levels, likely, strict=True)))
        for row, value, likely in zip(rows, values, probabilities, strict=True)
    )
