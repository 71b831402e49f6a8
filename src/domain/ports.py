"""The ports of the workflows, as one argument. Each port is defined beside the terms that it is about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset_reader import DatasetReader
    from weighbridge.domain.model.codec import ModelCodec
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.report.writing import Reports
    from weighbridge.domain.store.artefact_store import ArtefactStore
    from weighbridge.domain.system import Clock, EventSink, MemoryMeter, RevisionSource, Tracing
    from weighbridge.domain.training.search.progress import SearchProgress


@dataclass(frozen=True, slots=True)
class Ports:
    """What the workflows need of the outside.

    Args:
        store: where datasets, models and records are.
        registry: the log of releases, refusals and promotions in that store.
        reader: reads datasets.
        codecs: ways to encode a model, tried in order.
        clock: tells the time.
        memory: measures the memory of the process.
        revisions: tells the revision of the code and the versions of the libraries.
        events: receives what happens.
        progress: shows how far a search is.
        software_version: the version of Weighbridge.
        operator: who runs the command; it is kept in promotions.
        run_id: identifies the run in logs, traces and the record.
        tracing: creates spans; None to trace nothing.
        reports: how reports are made; None to write none.
    """

    store: ArtefactStore
    registry: ModelRegistry
    reader: DatasetReader
    codecs: Sequence[ModelCodec]
    clock: Clock
    memory: MemoryMeter
    revisions: RevisionSource
    events: EventSink
    progress: SearchProgress
    software_version: str
    operator: str
    run_id: str = ""
    tracing: Tracing | None = None
    reports: Reports | None = None
