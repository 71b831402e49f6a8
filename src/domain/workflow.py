"""The workflows: training, evaluation and release; and putting a dataset into the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, BinaryIO

from weighbridge.domain.data.admission import admit
from weighbridge.domain.data.dataset import Dataset, Split, split
from weighbridge.domain.errors import ArtefactExists, RegistryError
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.model.encoding import EncodedModel, encode_with_parity
from weighbridge.domain.registry.events import ModelRefused, ModelReleased, RefusedBefore
from weighbridge.domain.registry.loading import check_release
from weighbridge.domain.registry.promoting import live_or_none, promote_trained
from weighbridge.domain.registry.promotions import Promotion
from weighbridge.domain.registry.provenance import CodeSource, Record
from weighbridge.domain.registry.releases import ModelVersion, Refusal, Release
from weighbridge.domain.report.writing import write_report
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef, dataset_key, digest_of
from weighbridge.domain.store.datasets import read_newest_dataset
from weighbridge.domain.training.acceptance import check_accepted
from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate, evaluate
from weighbridge.domain.training.earlier_trainings import (
    is_promotion_owed,
    is_trained_on,
    moment_of_version,
    released_meanwhile,
    trained_before,
)
from weighbridge.domain.training.events import DatasetAdmitted, FormatSkipped, NothingNew, SearchFinished
from weighbridge.domain.training.live_model import live_model
from weighbridge.domain.training.phases import Phases
from weighbridge.domain.training.recording import RunOrigin, record_of
from weighbridge.domain.training.search.search import Candidate, search

if TYPE_CHECKING:
    from weighbridge.domain.evaluation.metrics import Metrics
    from weighbridge.domain.ports import Ports
    from weighbridge.domain.training.task import TaskDefinition

#: How many earlier releases the rules about data look at.
HISTORY = 20

#: What the store must have room for before a search: a model of some size, under the longest name of all.
_MODEL_BYTES, _LONGEST_FORMAT = 1_000_000, "skops"


class Outcome(StrEnum):
    """How a training ended."""

    RELEASED = "released"
    REJECTED = "rejected"
    NOTHING_NEW = "nothing_new"


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a training ended, and the record of it: for ``nothing_new`` that of the newest release.

    Args:
        outcome: how it ended.
        document: the record as plain data.
        live: the version that is live afterwards; None when none is.
    """

    outcome: Outcome
    document: dict[str, Any]
    live: ModelVersion | None


def train_and_release(
    task: TaskDefinition,
    ports: Ports,
    force: bool = False,
    accepted: Mapping[str, str] = MappingProxyType({}),
) -> TrainingResult:
    """Train on the newest dataset, evaluate the candidate, and publish it or record its refusal.

    Unless ``force``, a dataset is left alone when there is a release of its bytes and of this task, whatever its
    version; a promotion that an interrupted run still owes that release is made. A refusal of the same beside the
    same live model is answered from its record, unless a reason is accepted. A release is not promoted over a
    hold, nor over what a person has promoted since the training began.

    Args:
        task: what to train.
        ports: the world.
        force: train even if there is nothing new.
        accepted: why a reason against the candidate is accepted for this training, by its name: an accepted
            error is a warning. Recorded with the reason; a name that gives no reason has no effect.

    Raises:
        ConfigurationError: the task has nothing of an accepted name. Nothing is written.
        DataError: there is no dataset, or it is not valid or cannot be split. Nothing is written.
        TaskError: the estimator does not work. Nothing is written.
        ModelError: no codec can hold the model. Nothing is written.
        StoreError, RegistryError: from the ports; what was written by then is garbage at worst, never a lie. That
            nothing may be written, or has room, is found out before the search.
    """
    check_accepted(accepted, task)
    phases = Phases(ports.clock, ports.memory, ports.tracing)
    with phases("read"):
        artefact = read_newest_dataset(ports.store, task.name, ports.clock, ports.events)
        before = live_or_none(ports.registry, task.name)
        known = None if force else trained_before(ports.registry, task, artefact, before)
    if isinstance(known, Release):
        return _nothing_new(known, artefact.ref, ports)
    if known is not None and not accepted:
        return _refused_before(known, artefact.ref, before, ports)
    with phases("admit"):
        dataset, parts = _admit(task, artefact, ports)
        # A search may take hours, and is lost when its model cannot be written.
        key = ModelVersion.of(task.name, ports.clock.now(), artefact.sha256).model_key(_LONGEST_FORMAT)
        ports.store.check_write(key, _MODEL_BYTES)
    with phases("search"):
        candidate = _search(task, parts.train, ports)
    with phases("weigh"):
        live = live_model(ports.registry, ports.codecs, task.name, task.schema)
        evaluation = evaluate(task, candidate.model, dataset, parts, live, _history(task, ports), accepted)
    with phases("encode"):
        encoded = _encode(task, candidate, parts, ports)
    twin = None if force else released_meanwhile(ports.registry, task, artefact)
    if twin is not None:
        return _nothing_new(twin, artefact.ref, ports)
    evaluated = EvaluatedCandidate(task, candidate, dataset, parts, live, evaluation)
    moment = moment_of_version(ports.registry, task.name, ports.clock)
    record = record_of(evaluated, artefact, encoded, phases, _origin(before, ports), moment)
    if ports.reports is not None:
        with phases("report"):
            report = write_report(evaluated, record, ports.reports, ports.store, ports.events)
        record = replace(record, report=report, phases=phases.to_list())
    if evaluation.decision.verdict is Verdict.REJECT:
        return _refuse(record, ports)
    return _release(record, encoded.data, artefact, task, ports)


def put_dataset(
    task: TaskDefinition,
    suffix: str,
    file: BinaryIO,
    at: datetime,
    ports: Ports,
    name: str | None = None,
    admitted: Callable[[], None] = lambda: None,
) -> tuple[ArtefactRef, int]:
    """Validate a dataset and store it under its proper name.

    Args:
        task: whose dataset it is.
        suffix: of the file, one of ``artefacts.DATASET_SUFFIXES``: its format.
        file: the whole of it, open for reading at any place; its bytes are stored as they are.
        at: the time that the name is to tell.
        ports: the world.
        name: the task that the name begins with; None for that of ``task``.
        admitted: called when it is admitted and about to be stored.

    Returns:
        Where it is now, and how many rows it has.

    Raises:
        DataError: it would not be valid for training, or changed meanwhile; nothing is written.
        ArtefactExists: there is a dataset of that time already.
    """
    key = dataset_key(name or task.name, at, suffix)
    # Before it is validated: what is stored is then what was validated, even if the file changes meanwhile.
    digest = digest_of(file)
    rows = len(admit(ports.reader.read_file(key, file, task.schema), task.schema, key))
    admitted()
    return ports.store.write_file(key, file, digest), rows


def _nothing_new(release: Release, dataset: ArtefactRef, ports: Ports) -> TrainingResult:
    ports.events.emit(NothingNew(dataset.key, str(release.version)))
    if is_promotion_owed(ports.registry, release):
        check_release(ports.registry, release.version, ports.codecs)
        _promote(release, "its training was interrupted before the promotion", ports)
    return TrainingResult(Outcome.NOTHING_NEW, dict(release.document), _live(ports, release.version.task))


def _refused_before(
    refusal: Refusal, dataset: ArtefactRef, live: Promotion | None, ports: Ports
) -> TrainingResult:
    ports.events.emit(RefusedBefore(dataset.key, str(refusal.version), _texts(refusal.record)))
    version = None if live is None else live.version
    return TrainingResult(Outcome.REJECTED, dict(refusal.document), version)


def _admit(task: TaskDefinition, artefact: Artefact, ports: Ports) -> tuple[Dataset, Split]:
    key = artefact.ref.key
    dataset = admit(ports.reader.read(artefact, task.schema), task.schema, key)
    ports.events.emit(DatasetAdmitted(key, len(dataset), artefact.sha256))
    return dataset, split(dataset, task.split, task.estimator.folds, key)


def _search(task: TaskDefinition, train: Dataset, ports: Ports) -> Candidate:
    started = ports.clock.seconds()
    candidate = search(task.estimator, train, task.split.seed, ports.progress)
    summary = candidate.search
    seconds = ports.clock.seconds() - started
    ports.events.emit(SearchFinished(summary.kind, summary.points, summary.score, seconds))
    return candidate


def _encode(task: TaskDefinition, candidate: Candidate, parts: Split, ports: Ports) -> EncodedModel:
    encoded = encode_with_parity(ports.codecs, candidate.model, task.schema, parts.test.features)
    for note in encoded.notes:
        ports.events.emit(FormatSkipped(note))
    return encoded


def _origin(before: Promotion | None, ports: Ports) -> RunOrigin:
    code = CodeSource(ports.revisions.revision(), ports.software_version)
    entry = "" if before is None else before.entry
    return RunOrigin(ports.run_id, code, ports.revisions.libraries(), entry)


def _texts(record: Record) -> tuple[str, ...]:
    return tuple(f"{reason.severity}: {reason.shown}" for reason in record.decision.reasons)


def _refuse(record: Record, ports: Ports) -> TrainingResult:
    ports.registry.refuse(record)
    ports.events.emit(ModelRefused(record.version, _texts(record), record.decision.counts))
    return TrainingResult(Outcome.REJECTED, record.to_dict(), _live(ports, record.task))


def _release(
    record: Record, model: bytes, artefact: Artefact, task: TaskDefinition, ports: Ports
) -> TrainingResult:
    try:
        release = ports.registry.publish(model, record)
    except ArtefactExists:
        # The same training at the same second, by another process or this one, gives the same version.
        twin = ports.registry.read(ModelVersion.parse(record.task, record.version))
        if not is_trained_on(twin, artefact, task):
            raise
        return _nothing_new(twin, artefact.ref, ports)
    decision = record.decision
    ports.events.emit(ModelReleased(record.version, str(decision.verdict), _texts(record), decision.counts))
    _promote(release, f"trained on {artefact.ref.key}: {decision.verdict}", ports)
    return TrainingResult(Outcome.RELEASED, dict(release.document), _live(ports, record.task))


def _promote(release: Release, reason: str, ports: Ports) -> None:
    since = release.record.after_promotion or ""
    promote_trained(ports.registry, release.version, reason, ports.operator, since, ports.events)


def _live(ports: Ports, task: str) -> ModelVersion | None:
    promotion = live_or_none(ports.registry, task)
    return None if promotion is None else promotion.version


def _history(task: TaskDefinition, ports: Ports) -> list[Metrics]:
    """The metrics of the latest releases, when there are rules to look at them."""
    found: list[Metrics] = []
    # A record that cannot be read is no history; it must not keep a better model from being trained.
    with suppress(RegistryError):
        releases = ports.registry.releases(task.name) if task.rules else iter(())
        found.extend(release.record.metrics for release in islice(releases, HISTORY))
    return found
