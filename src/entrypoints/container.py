"""The container: wires every adapter to the ports of the domain. Only ``store_urls`` names adapters beside it.

What most commands do without, and takes long to import, is imported when it is built.
"""

from __future__ import annotations

import secrets
from importlib.metadata import version
from typing import TYPE_CHECKING

from weighbridge.adapters.child_process.trial import ChildProcessTrial
from weighbridge.adapters.json_schema.rules import JsonSchemaRules
from weighbridge.adapters.observers.every_sink import EverySink
from weighbridge.adapters.onnx.codec import OnnxCodec
from weighbridge.adapters.prometheus.prediction_log import PrometheusPredictionLog
from weighbridge.adapters.prometheus.shadow import PrometheusShadow
from weighbridge.adapters.prometheus.shared_counters import SharedCounters, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.skops.codec import SkopsCodec
from weighbridge.adapters.system import SystemClock, SystemMemory, SystemRevision, operator_name
from weighbridge.adapters.telemetry_log import LogEventSink
from weighbridge.domain.model.codec import ModelCodec
from weighbridge.domain.ports import Ports
from weighbridge.domain.registry.model_registry import ModelRegistry
from weighbridge.domain.registry.record_rules import RecordRules
from weighbridge.domain.registry.trial import ReleaseTrial
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.serving.telemetry import ServingTelemetry, ShadowTelemetry
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.system import Clock, EventSink, MemoryMeter, RevisionSource, Tracing
from weighbridge.entrypoints.building import (
    build_exporter,
    build_history,
    build_observer,
    build_prediction_log,
    build_predictions,
    build_progress,
    build_reader,
    build_reports,
    build_shadow,
    build_tracing,
    build_verifier,
)
from weighbridge.entrypoints.hidden_modules import hidden_modules
from weighbridge.entrypoints.settings import Settings
from weighbridge.entrypoints.store_urls import open_store

# Its wiring and its configuration, which are not used here, would import the web frameworks and the YAML that they
# find: half a second and 13 MB for every command.
with hidden_modules("fast_depends", "fastapi", "starlette", "werkzeug", "yaml"):
    from dependency_injector import containers, providers

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset_reader import DatasetReader
    from weighbridge.domain.monitoring.prediction_log import PredictionLogTelemetry, PredictionTables
    from weighbridge.domain.registry.exporter import ModelExporter
    from weighbridge.domain.registry.history import History
    from weighbridge.domain.registry.verification import Verifier
    from weighbridge.domain.report.writing import Reports
    from weighbridge.domain.training.search.progress import SearchProgress


class Container(containers.DeclarativeContainer):
    """One provider per port; the settings come from the entrypoint, see ``wire``."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)
    counters: providers.Provider[SharedCounters] = providers.Singleton(
        SharedCounters, providers.Callable(private_memory)
    )

    clock: providers.Provider[Clock] = providers.Singleton(SystemClock)
    memory: providers.Provider[MemoryMeter] = providers.Singleton(SystemMemory)
    tracing: providers.Provider[Tracing | None] = providers.Singleton(build_tracing, settings)
    progress: providers.Provider[SearchProgress] = providers.Factory(build_progress, clock)
    operator: providers.Provider[str] = providers.Callable(operator_name)
    revisions: providers.Provider[RevisionSource] = providers.Singleton(
        SystemRevision, settings.provided.git_commit_hash
    )
    events: providers.Provider[EventSink] = providers.Singleton(LogEventSink)
    shadow_telemetry: providers.Provider[ShadowTelemetry] = providers.Singleton(PrometheusShadow, counters)
    log_telemetry: providers.Provider[PredictionLogTelemetry] = providers.Singleton(
        PrometheusPredictionLog, counters
    )
    telemetry: providers.Provider[ServingTelemetry] = providers.Singleton(
        PrometheusTelemetry,
        counters,
        clock,
        providers.List(shadow_telemetry.provided.families, log_telemetry.provided.families),
    )
    every_sink: providers.Provider[EventSink] = providers.Factory(EverySink, events, telemetry)

    store: providers.Provider[ArtefactStore] = providers.Singleton(open_store, settings, clock, every_sink)
    rules: providers.Provider[RecordRules] = providers.Singleton(JsonSchemaRules)
    registry: providers.Provider[ModelRegistry] = providers.Singleton(StoreRegistry, store, clock, rules)
    reader: providers.Provider[DatasetReader] = providers.Singleton(
        build_reader, settings.provided.max_dataset_bytes, settings.provided.max_dataset_rows
    )
    predictions: providers.Provider[PredictionTables] = providers.Singleton(build_predictions)
    codecs: providers.Provider[list[ModelCodec]] = providers.List(
        providers.Singleton(OnnxCodec), providers.Singleton(SkopsCodec)
    )
    exporter: providers.Provider[ModelExporter] = providers.Singleton(build_exporter)
    trial: providers.Provider[ReleaseTrial] = providers.Singleton(ChildProcessTrial)
    verifier: providers.Provider[Verifier] = providers.Factory(
        build_verifier, store, registry, codecs, rules, trial
    )

    reports: providers.Provider[Reports | None] = providers.Callable(build_reports, settings)
    ports: providers.Provider[Ports] = providers.Factory(
        Ports,
        store=store,
        registry=registry,
        reader=reader,
        codecs=codecs,
        clock=clock,
        memory=memory,
        revisions=revisions,
        events=events,
        progress=progress,
        software_version=providers.Callable(version, "weighbridge"),
        operator=operator,
        run_id=providers.Callable(secrets.token_hex, 8),
        tracing=tracing,
        reports=reports,
    )

    service: providers.Provider[PredictionService] = providers.Factory(
        PredictionService,
        registry=registry,
        codecs=codecs,
        clock=clock,
        events=every_sink,
        trial=trial,
        fall_back=settings.provided.fall_back,
    )
    #: What the page shows of the past, by a task's name; None when there is to be no page.
    history: providers.Provider[History | None] = providers.Factory(
        build_history, settings=settings, registry=registry, store=store, clock=clock
    )
    observer: providers.Provider[AnswerObserver | None] = providers.Factory(
        build_observer,
        settings=settings,
        store=store.provider,
        shadow=providers.Factory(
            build_shadow,
            settings=settings,
            registry=registry,
            codecs=codecs,
            events=every_sink,
            telemetry=shadow_telemetry,
            trial=trial,
        ).provider,
        prediction_log=providers.Factory(
            build_prediction_log,
            settings=settings,
            store=store,
            tables=predictions,
            telemetry=log_telemetry,
            events=every_sink,
            clock=clock,
        ).provider,
    )


def wire(settings: Settings, counters: SharedCounters | None = None) -> Container:
    """The container over these settings. Nothing is built, and nothing reached for, until it is asked for.

    Args:
        settings: what to wire by.
        counters: where to count, for one of several processes that count together; None for this process alone.
    """
    container = Container(settings=providers.Object(settings))
    if counters is not None:
        container.counters.override(providers.Object(counters))
    return container
