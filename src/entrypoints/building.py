"""What the container builds late: a service, and most commands, start without these adapters."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import TYPE_CHECKING

from weighbridge.adapters.observers.every_observer import one_observer
from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.system import Clock, EventSink, Tracing
from weighbridge.entrypoints.settings import Settings

if TYPE_CHECKING:
    from weighbridge.adapters.prediction_log.unwritten_marks import UnwrittenMark
    from weighbridge.domain.data.dataset_reader import DatasetReader
    from weighbridge.domain.model.codec import ModelCodec
    from weighbridge.domain.monitoring.prediction_log import PredictionLogTelemetry, PredictionTables
    from weighbridge.domain.registry.exporter import ModelExporter
    from weighbridge.domain.registry.history import History
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.record_rules import RecordRules
    from weighbridge.domain.registry.trial import ReleaseTrial
    from weighbridge.domain.registry.verification import Verifier
    from weighbridge.domain.report.writing import Reports
    from weighbridge.domain.serving.telemetry import ShadowTelemetry
    from weighbridge.domain.training.search.progress import SearchProgress


def build_exporter() -> ModelExporter:
    """The exporter, which trusts what the codec for skops trusts."""
    from weighbridge.adapters.export.folder import FolderExporter
    from weighbridge.adapters.skops.allowed import TRUSTED_TYPES

    return FolderExporter(TRUSTED_TYPES)


def build_tracing(settings: Settings) -> Tracing | None:
    """The tracing that the settings ask for; None when they ask for none.

    Raises:
        ConfigurationError: its libraries are not installed.
    """
    if not settings.tracing:
        return None
    try:
        from weighbridge.adapters.tracing_otel import OpenTelemetryTracing
    except ImportError as error:
        raise ConfigurationError(
            "WEIGHBRIDGE_TRACING needs the extra 'otel': pip install 'weighbridge[otel]'"
        ) from error
    return OpenTelemetryTracing(version("weighbridge"))


def build_reader(max_bytes: int, max_rows: int) -> DatasetReader:
    """The reader of datasets, with its limits."""
    from weighbridge.adapters.tables.dataset_limits import dataset_limits
    from weighbridge.adapters.tables.dataset_reader import TabularReader

    return TabularReader(dataset_limits(max_bytes, max_rows))


def build_progress(clock: Clock) -> SearchProgress:
    """What shows on stderr how far a search is."""
    from weighbridge.adapters.terminal.search_progress import search_progress

    return search_progress(clock)


def build_predictions() -> PredictionTables:
    """The format of the prediction log."""
    from weighbridge.adapters.prediction_log.parquet import ParquetPredictions

    return ParquetPredictions()


def build_reports(settings: Settings) -> Reports | None:
    """What writes reports; None when the settings want none."""
    if settings.no_report:
        return None
    from weighbridge.adapters.report_html.process import HtmlReports
    from weighbridge.domain.report.writing import Reports

    return Reports(HtmlReports(), settings.command_options)


def build_verifier(
    store: ArtefactStore,
    registry: ModelRegistry,
    codecs: list[ModelCodec],
    rules: RecordRules,
    trial: ReleaseTrial,
) -> Verifier:
    """What verifies releases on demand."""
    from weighbridge.domain.registry.verification import Verifier

    return Verifier(store, registry, codecs, rules, trial)


def build_history(
    task: str, *, settings: Settings, registry: ModelRegistry, store: ArtefactStore, clock: Clock
) -> History | None:
    """What the page shows of the past of a task; None when the settings want no page."""
    if settings.no_page:
        return None
    from weighbridge.domain.registry.history import History

    return History(task, registry, store, clock)


def build_observer(
    service: PredictionService,
    *,
    settings: Settings,
    store: Callable[[], ArtefactStore],
    shadow: Callable[[PredictionService], AnswerObserver],
    prediction_log: Callable[[UnwrittenMark], AnswerObserver],
) -> AnswerObserver | None:
    """The observers of what ``service`` answers, as one; None when the settings ask for none."""
    observers = []
    if settings.shadow:
        observers.append(shadow(service))
    if settings.prediction_log:
        from weighbridge.adapters.prediction_log.unwritten_marks import UnwrittenMark

        observers.append(prediction_log(UnwrittenMark(f"{store().url} {service.task}")))
    return one_observer(*observers)


def build_shadow(
    service: PredictionService,
    *,
    settings: Settings,
    registry: ModelRegistry,
    codecs: list[ModelCodec],
    events: EventSink,
    telemetry: ShadowTelemetry,
    trial: ReleaseTrial,
) -> AnswerObserver:
    """The observer that compares answers with those of a second model."""
    from weighbridge.adapters.observers.shadowing import Shadowing
    from weighbridge.domain.serving.shadow import Shadow

    shadow = Shadow(service, settings.shadow, registry, codecs, events, telemetry, trial)
    return Shadowing(shadow, telemetry, settings.refresh_seconds)


def build_prediction_log(
    unwritten: UnwrittenMark,
    *,
    settings: Settings,
    store: ArtefactStore,
    tables: PredictionTables,
    telemetry: PredictionLogTelemetry,
    events: EventSink,
    clock: Clock,
) -> AnswerObserver:
    """The observer that keeps what was predicted."""
    from weighbridge.adapters.observers.prediction_logging import PredictionLogging

    return PredictionLogging(
        store,
        tables,
        telemetry,
        unwritten,
        events,
        clock,
        rate=settings.prediction_log_rate,
        seconds=settings.prediction_log_seconds,
        rows=settings.prediction_log_rows,
        redacted=settings.redacted,
    )
