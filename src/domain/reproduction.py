"""Proving a release: the same data, parameters and seeds must give the same model again."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.admission import admit
from weighbridge.domain.data.dataset import SplitSpec, split
from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import ArtefactNotFound, DataError, Problem, TaskError
from weighbridge.domain.evaluation.metrics import METRICS, Metrics, Slice, measure
from weighbridge.domain.model.encoding import probabilities_of
from weighbridge.domain.model.predictions import prediction_digest
from weighbridge.domain.registry.recorded import read_recorded
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef
from weighbridge.domain.training.search.search import fit, search

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.model.fitted import FittedModel
    from weighbridge.domain.ports import Ports
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.registry.releases import ModelVersion
    from weighbridge.domain.training.task import TaskDefinition


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing that was recorded, and what came out now."""

    what: str
    recorded: str
    reproduced: str

    @property
    def same(self) -> bool:
        """Whether they are equal."""
        return self.recorded == self.reproduced


@dataclass(frozen=True, slots=True)
class Reproduction:
    """How a reproduction went.

    Args:
        version: what was reproduced.
        environment: code and libraries that differ from the record.
        results: everything that was compared.
    """

    version: str
    environment: tuple[Compared, ...]
    results: tuple[Compared, ...]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "version": self.version,
            "holds": self.holds,
            "environment": [asdict(one) for one in self.environment],
            "results": [asdict(one) | {"same": one.same} for one in self.results],
        }

    @property
    def holds(self) -> bool:
        """Whether all results are the same."""
        return all(result.same for result in self.results)


def reproduce(
    version: ModelVersion, task: TaskDefinition, ports: Ports, whole_search: bool = False
) -> Reproduction:
    """Train again what a record describes, and compare.

    Args:
        version: of a release, or of a candidate that was refused.
        task: its definition; of it the pipeline and, for the whole search, the grid are used.
        ports: the world; nothing is written.
        whole_search: repeat the search as well, and compare what it chooses.

    Raises:
        UnknownVersion: there is neither.
        DataError: the dataset is gone, or its bytes are no longer those that were recorded.
        TaskError: the task's schema is not the record's, or the recorded parameters do not fit its pipeline.
    """
    record = read_recorded(ports.registry, version).record
    if task.schema.fingerprint != record.schema.fingerprint:
        raise TaskError(f"the schema of task '{task.name}' is not the one that {version} was trained with")
    artefact = _fetch(record, ports)
    dataset = admit(ports.reader.read(artefact, record.schema), record.schema, artefact.ref.key)
    recorded = record.training.split
    spec = SplitSpec(recorded["test_size"], recorded["stratify_by"], recorded["seed"])
    parts = split(dataset, spec, record.training.search.folds, artefact.ref.key)
    results = [Compared("rows of the dataset", str(record.dataset.rows), str(len(dataset)))]
    if whole_search:
        candidate = search(task.estimator, parts.train, record.training.seed, ports.progress)
        score, found = record.training.search.score, candidate.search.score
        results.append(Compared("search score", _say(score), _say(found)))
        params, model = candidate.params, candidate.model
    else:
        params = record.training.params
        model = fit(task.estimator, parts.train, record.training.seed, params)
    names = [*record.training.params, *(name for name in params if name not in record.training.params)]
    results += [
        Compared(f"parameter {name}", _say(record.training.params.get(name)), _say(params.get(name)))
        for name in names
    ]
    metrics = _measure(record, model, parts.test)
    results += [
        Compared(f"metric {name}", _say(record.metrics.get(name)), _say(metrics.get(name)))
        for name in [*record.metrics, *(name for name in metrics if name not in record.metrics)]
    ]
    results += _golden_rows(record, model)
    if record.test_predictions:
        digest = prediction_digest(model.predict(parts.test.features))
        results.append(Compared("predictions on the test rows", record.test_predictions, digest))
    return Reproduction(str(version), tuple(_environment(record, ports)), tuple(results))


def _fetch(record: Record, ports: Ports) -> Artefact:
    source = record.dataset
    what: ArtefactRef | str = source.key
    if source.version_id is not None:
        what = ArtefactRef(source.key, source.size, source.revision, source.version_id, record.created_at)
    try:
        artefact = ports.store.read(what)
    except ArtefactNotFound as error:
        raise DataError(source.key, [Problem("the dataset is gone from the store")]) from error
    if artefact.sha256 != source.sha256:
        raise DataError(
            source.key,
            [Problem(f"its sha256 is {artefact.sha256}, not {source.sha256} as recorded: it was replaced since")],
        )
    return artefact


def _measure(record: Record, model: FittedModel, test: Dataset) -> Metrics:
    """What was measured then: further metrics and slices are those of the recorded thresholds."""
    scorers = [each["metric"] for each in record.thresholds if each["metric"] not in METRICS]
    slices = [
        Slice(each["metric"], each["slice_by"], each["smallest"])
        for each in record.thresholds
        if "slice_by" in each
    ]
    return measure(model, test, scorers, slices)


def _golden_rows(record: Record, model: FittedModel) -> list[Compared]:
    import pandas as pd

    if not record.golden:
        return []
    frame = pd.DataFrame([row.inputs for row in record.golden])[list(record.schema.feature_names)]
    found = model.predict(frame).tolist()
    expected = [row.prediction for row in record.golden]
    compared = [Compared("predictions on the golden rows", _say(expected), _say(found))]
    target = record.schema.target
    if isinstance(target, Category):
        likely = probabilities_of(model, frame, target).tolist()
        given = [[(row.probabilities or {}).get(level) for level in target.levels] for row in record.golden]
        compared.append(Compared("probabilities on the golden rows", _say(given), _say(likely)))
    return compared


def _environment(record: Record, ports: Ports) -> list[Compared]:
    now = ports.revisions.libraries()
    compared = [
        Compared("code revision", record.code.revision, ports.revisions.revision()),
        Compared("code version", record.code.version, ports.software_version),
    ]
    compared += [
        Compared(f"library {name}", record.libraries.get(name, "none"), now.get(name, "none"))
        for name in sorted({*record.libraries, *now})
    ]
    return [one for one in compared if not one.same]


def _say(value: object) -> str:
    """``value`` so that two texts are equal only if the values are, to the last bit."""
    return "undefined" if isinstance(value, float) and math.isnan(value) else repr(value)
