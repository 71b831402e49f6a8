"""The record of a training: everything that is known of the run and of the evaluated candidate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from weighbridge.domain.data.schema import Category
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.model.encoding import EncodedModel, probabilities_of
from weighbridge.domain.model.predictions import prediction_digest
from weighbridge.domain.registry.provenance import (
    CodeSource,
    DatasetSource,
    GoldenRow,
    ModelFile,
    Record,
    Training,
)
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.statistics.column_summaries import column_to_dict

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset import Dataset, Split
    from weighbridge.domain.model.fitted import FittedModel
    from weighbridge.domain.store.artefacts import Artefact
    from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate
    from weighbridge.domain.training.phases import Phases
    from weighbridge.domain.training.search.search import Candidate
    from weighbridge.domain.training.task import TaskDefinition

#: How many rows a record keeps to try a decoded model on.
GOLDEN_ROWS = 10


@dataclass(frozen=True, slots=True)
class RunOrigin:
    """What ran a training.

    Args:
        run_id: names the run in its logs and traces; empty when it has none.
        code: the revision and version of the software.
        libraries: versions by name.
        after_promotion: the last entry of the log of promotions when it began; empty when there was none.
    """

    run_id: str
    code: CodeSource
    libraries: Mapping[str, str]
    after_promotion: str


def record_of(
    evaluated: EvaluatedCandidate,
    artefact: Artefact,
    encoded: EncodedModel,
    phases: Phases,
    origin: RunOrigin,
    now: datetime,
) -> Record:
    """The record of a training, as far as it is known before the report is written.

    Args:
        evaluated: the candidate, what it was trained on and what was found of it.
        artefact: the dataset as it was read.
        encoded: the candidate's bytes.
        phases: those that are done; ``search``, ``weigh`` and ``encode`` are the seconds of the training.
        origin: what ran it.
        now: the time of the version.
    """
    task, evaluation = evaluated.task, evaluated.evaluation
    version = ModelVersion.of(task.name, now, encoded.sha256)
    seconds = phases.seconds("search", "weigh", "encode")
    errors = evaluation.test_errors
    return Record(
        task=task.name,
        version=str(version),
        created_at=version.created,
        dataset=dataset_source(artefact, evaluated.dataset),
        run_id=origin.run_id,
        code=origin.code,
        libraries=origin.libraries,
        training=training_of(task, evaluated.candidate, evaluated.parts, seconds),
        metrics=evaluation.metrics,
        thresholds=[threshold.to_dict() for threshold in task.thresholds],
        checks=evaluation.checks,
        decision=evaluation.decision,
        model=model_file(version, encoded, kept=evaluation.decision.verdict is not Verdict.REJECT),
        schema=task.schema,
        golden=golden_rows(evaluated.candidate.model, evaluated.parts.test),
        task_fingerprint=task.fingerprint,
        after_promotion=origin.after_promotion,
        statistics=evaluation.statistics.to_dict(),
        test_errors=None if errors is None else column_to_dict(errors),
        findings=evaluation.findings,
        comparison=evaluation.live.to_dict(evaluation.metrics),
        test_predictions=prediction_digest(evaluation.predicted),
        phases=phases.to_list(),
    )


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
