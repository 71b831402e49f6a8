"""The container: the one file that names every adapter and wires it to the ports of the domain.

Adapters with heavy vendors are imported where they are built, so that a command pays only for what it uses.
"""

from __future__ import annotations

import getpass
import re
import secrets
import shlex
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from weighbridge.adapters.observers.every_observer import one_observer
from weighbridge.adapters.observers.every_sink import EverySink
from weighbridge.adapters.prediction_log.parquet import ParquetPredictions
from weighbridge.adapters.prometheus.prediction_log import PrometheusPredictionLog
from weighbridge.adapters.prometheus.shadow import PrometheusShadow
from weighbridge.adapters.prometheus.shared_counters import Cells, private_memory
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.adapters.system import SystemClock, SystemMemory, SystemRevision
from weighbridge.adapters.telemetry_log import LogEventSink
from weighbridge.domain.data.dataset_reader import DatasetReader
from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.model.codec import ModelCodec
from weighbridge.domain.monitoring.prediction_log import PredictionLogTelemetry, PredictionTables
from weighbridge.domain.registry.exporter import ModelExporter
from weighbridge.domain.registry.model_registry import ModelRegistry
from weighbridge.domain.registry.record_rules import RecordRules
from weighbridge.domain.serving.observer import AnswerObserver
from weighbridge.domain.serving.service import PredictionService
from weighbridge.domain.serving.telemetry import ServingTelemetry, ShadowTelemetry
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.files import Files
from weighbridge.domain.system import Clock, EventSink, MemoryMeter, RevisionSource, Tracing
from weighbridge.domain.training.search.progress import SearchProgress
from weighbridge.entrypoints.hidden_modules import hidden_modules
from weighbridge.entrypoints.registered_stores import open_registered
from weighbridge.entrypoints.settings import Settings

# Its wiring and its configuration, which are not used here, would import the web frameworks and the YAML that they
# find: half a second and 13 MB for every command.
with hidden_modules("fast_depends", "fastapi", "starlette", "werkzeug", "yaml"):
    from dependency_injector import containers, providers

if TYPE_CHECKING:
    from weighbridge.domain.registry.history import History
    from weighbridge.domain.registry.verification import Verifier
    from weighbridge.domain.report.writing import Reports
    from weighbridge.domain.workflow import Ports

#: What may be in a bucket's name, as botocore has it.
_BUCKET = re.compile(r"[A-Za-z0-9._-]+")

#: The schemes of the addresses that need no package of somebody else's.
_SCHEMES = {"file", "s3", "gs", "az", "memory"}


def open_store(settings: Settings, clock: Clock, events: EventSink, *, trusted: bool = False) -> ArtefactStore:
    """The store that an address chooses; ``events`` are told of what it has to try again.

    Of a server that speaks S3's protocol and is not AWS's own, it is seen before the first write that it does not
    overwrite, unless it is ``trusted``.

    ``./dir`` and any other path, ``file:///abs/dir``, ``s3://bucket/prefix``, ``gs://bucket/prefix``,
    ``az://container/prefix``, ``memory://``, and the schemes that installed packages register.

    Raises:
        ConfigurationError: the address is of none of these forms, or what it needs is not installed.
        StoreNotFound: a local folder does not exist, and settings do not say to create it.
    """
    url = settings.store
    scheme, separator, rest = url.partition("://")
    if not separator:
        if not url.strip():
            raise ConfigurationError("the store's address is empty; give a folder or s3://bucket/prefix")
        return _open_local(Path(url), settings)
    where, _, path = rest.partition("/")
    match scheme.lower():
        # In a path, ? and # are written as %3F and %23.
        case "file" if where in ("", "localhost") and path.strip("/") and not set(path) & set("?#"):
            return _open_local(Path(unquote(f"/{path}")), settings)
        case "s3" if _BUCKET.fullmatch(where):
            from weighbridge.adapters.s3.client import is_aws, open_client
            from weighbridge.adapters.s3.store import S3Store

            client = open_client(read_timeout=settings.store_timeout_seconds, attempts=settings.store_attempts)
            trusted = trusted or is_aws(client.meta.endpoint_url)
            deadline = settings.store_deadline_seconds
            return S3Store(client, where, path, deadline=deadline, events=events, trusted=trusted)
        case "gs" | "az" as cloud if _BUCKET.fullmatch(where):
            from weighbridge.adapters.cloud.store import connect

            return connect(
                cloud,
                where,
                path,
                timeout=settings.store_timeout_seconds,
                attempts=settings.store_attempts,
                deadline=settings.store_deadline_seconds,
                events=events,
            )
        case "memory" if not rest:
            from weighbridge.adapters.memory import MemoryStore

            return MemoryStore(clock)
        case other if other not in _SCHEMES:
            registered = open_registered(other, url)
            if registered is not None:
                return registered
    raise ConfigurationError(
        f"the store '{url}' cannot be opened; an address is ./dir, file:///abs/dir, "
        "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or memory://"
    )


def open_files(url: str, settings: Settings) -> tuple[Files, str]:
    """The files that an address belongs to, and its name among them.

    A path, ``file:///abs/path``, ``s3://bucket/key``.

    Raises:
        ConfigurationError: the address is of none of these forms.
    """
    scheme, separator, rest = url.partition("://")
    where, _, path = rest.partition("/")
    if url.strip() and (not separator or (scheme.lower() == "file" and where in ("", "localhost"))):
        from weighbridge.adapters.local.files import LocalFiles

        return LocalFiles(), unquote(f"/{path}") if separator else url
    if scheme.lower() == "s3" and _BUCKET.fullmatch(where):
        from weighbridge.adapters.s3.files import S3Files

        return S3Files(_s3_client(settings.store_timeout_seconds, settings.store_attempts), where), path
    raise ConfigurationError(f"'{url}' is no file; an address is a path, file:///abs/path or s3://bucket/key")


@lru_cache(maxsize=2)
def _s3_client(read_timeout: float, attempts: int) -> Any:
    """A client for the files of a whole command: to make one takes longer than to read a file."""
    from weighbridge.adapters.s3.client import open_client

    return open_client(read_timeout=read_timeout, attempts=attempts)


def _open_local(root: Path, settings: Settings) -> ArtefactStore:
    from weighbridge.adapters.local.store import LocalStore

    return LocalStore(root, create=settings.create_store)


def _onnx() -> ModelCodec:
    from weighbridge.adapters.onnx.codec import OnnxCodec

    return OnnxCodec()


def _skops() -> ModelCodec:
    from weighbridge.adapters.skops.codec import SkopsCodec

    return SkopsCodec()


def _reader() -> DatasetReader:
    from weighbridge.adapters.tables.dataset_reader import TabularReader

    return TabularReader()


def _progress(clock: Clock) -> SearchProgress:
    from weighbridge.adapters.terminal.search_progress import search_progress

    return search_progress(clock)


def _ports(**given: Any) -> Ports:
    from weighbridge.domain.workflow import Ports

    return Ports(**given)


def _rules() -> RecordRules:
    from weighbridge.adapters.json_schema.rules import JsonSchemaRules

    return JsonSchemaRules()


def _exporter() -> ModelExporter:
    from weighbridge.adapters.export.folder import FolderExporter
    from weighbridge.adapters.skops.codec import TRUSTED_TYPES

    return FolderExporter(TRUSTED_TYPES)


def _verifier(**given: Any) -> Verifier:
    from weighbridge.domain.registry.verification import Verifier

    return Verifier(**given)


def _observer(
    service: PredictionService,
    *,
    settings: Settings,
    registry: ModelRegistry,
    codecs: Sequence[ModelCodec],
    events: EventSink,
    shadow_telemetry: ShadowTelemetry,
    store: ArtefactStore,
    tables: PredictionTables,
    log_telemetry: PredictionLogTelemetry,
    clock: Clock,
) -> AnswerObserver | None:
    """Whoever is to see the answers of ``service``; None when nobody is."""
    return one_observer(
        _shadowing(service, settings, registry, codecs, events, shadow_telemetry) if settings.shadow else None,
        _prediction_logging(service.task, settings, store, tables, log_telemetry, events, clock)
        if settings.prediction_log
        else None,
    )


def _shadowing(
    service: PredictionService,
    settings: Settings,
    registry: ModelRegistry,
    codecs: Sequence[ModelCodec],
    events: EventSink,
    telemetry: ShadowTelemetry,
) -> AnswerObserver:
    from weighbridge.adapters.observers.shadowing import Shadowing
    from weighbridge.domain.serving.shadow import Shadow

    shadow = Shadow(service, settings.shadow, registry, codecs, events, telemetry)
    return Shadowing(shadow, telemetry, settings.refresh_seconds)


def _prediction_logging(
    task: str,
    settings: Settings,
    store: ArtefactStore,
    tables: PredictionTables,
    telemetry: PredictionLogTelemetry,
    events: EventSink,
    clock: Clock,
) -> AnswerObserver:
    from weighbridge.adapters.observers.prediction_logging import PredictionLogging
    from weighbridge.adapters.prediction_log.unwritten_marks import UnwrittenMark

    return PredictionLogging(
        store,
        tables,
        telemetry,
        UnwrittenMark(f"{store.url} {task}"),
        events,
        clock,
        rate=settings.prediction_log_rate,
        seconds=settings.prediction_log_seconds,
        rows=settings.prediction_log_rows,
        redacted=settings.redacted,
    )


def _tracing(settings: Settings) -> Tracing | None:
    if not settings.tracing:
        return None
    try:
        from weighbridge.adapters.tracing_otel import OpenTelemetryTracing
    except ImportError as error:
        raise ConfigurationError(
            "WEIGHBRIDGE_TRACING needs the extra 'otel': pip install 'weighbridge[otel]'"
        ) from error
    return OpenTelemetryTracing(version("weighbridge"))


def _history(task: str, *, settings: Settings, **given: Any) -> History | None:
    """What the page shows of the past; None when there is to be no page."""
    if settings.no_page:
        return None
    from weighbridge.domain.registry.history import History

    return History(task, **given)


def _reports(settings: Settings) -> Reports | None:
    if settings.no_report:
        return None
    from weighbridge.adapters.report_html.process import HtmlReports
    from weighbridge.domain.report.writing import Reports

    return Reports(HtmlReports(), command_options(settings))


def command_options(settings: Settings) -> str:
    """The options that a command for this store and task needs; nothing where the defaults will do."""
    given = (("store", settings.store), ("task", settings.task))
    options = [
        f" --{name} {shlex.quote(value)}" for name, value in given if value != Settings.model_fields[name].default
    ]
    return "".join(options)


def _operator() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        # A container may run under a user id that has no name.
        return "unknown"


class Container(containers.DeclarativeContainer):
    """One provider per port; the settings come from the entrypoint, see ``wire``."""

    settings: providers.Dependency[Settings] = providers.Dependency(instance_of=Settings)
    cells: providers.Provider[Cells] = providers.Singleton(Cells, providers.Callable(private_memory))

    clock: providers.Provider[Clock] = providers.Singleton(SystemClock)
    memory: providers.Provider[MemoryMeter] = providers.Singleton(SystemMemory)
    tracing: providers.Provider[Tracing | None] = providers.Singleton(_tracing, settings)
    progress: providers.Provider[SearchProgress] = providers.Factory(_progress, clock)
    events: providers.Provider[EventSink] = providers.Singleton(LogEventSink)
    shadow_telemetry: providers.Provider[ShadowTelemetry] = providers.Singleton(PrometheusShadow, cells)
    log_telemetry: providers.Provider[PredictionLogTelemetry] = providers.Singleton(PrometheusPredictionLog, cells)
    telemetry: providers.Provider[ServingTelemetry] = providers.Singleton(
        PrometheusTelemetry,
        cells,
        clock,
        providers.List(shadow_telemetry.provided.families, log_telemetry.provided.families),
    )
    revisions: providers.Provider[RevisionSource] = providers.Singleton(
        SystemRevision, settings.provided.git_commit_hash
    )
    every_sink: providers.Provider[EventSink] = providers.Factory(EverySink, events, telemetry)
    store: providers.Provider[ArtefactStore] = providers.Singleton(open_store, settings, clock, every_sink)
    registry: providers.Provider[ModelRegistry] = providers.Singleton(StoreRegistry, store, clock)
    operator: providers.Provider[str] = providers.Callable(_operator)
    reader: providers.Provider[DatasetReader] = providers.Singleton(_reader)
    predictions: providers.Provider[PredictionTables] = providers.Singleton(ParquetPredictions)
    codecs = providers.List(providers.Singleton(_onnx), providers.Singleton(_skops))

    ports: providers.Provider[Ports] = providers.Factory(
        _ports,
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
        reports=providers.Callable(_reports, settings),
    )
    service: providers.Provider[PredictionService] = providers.Factory(
        PredictionService,
        registry=registry,
        codecs=codecs,
        clock=clock,
        events=every_sink,
    )
    history: providers.Provider[History | None] = providers.Factory(
        _history, settings=settings, registry=registry, store=store, clock=clock
    )
    exporter: providers.Provider[ModelExporter] = providers.Singleton(_exporter)
    verifier: providers.Provider[Verifier] = providers.Factory(
        _verifier, store=store, registry=registry, codecs=codecs, rules=providers.Singleton(_rules)
    )
    observer: providers.Provider[AnswerObserver | None] = providers.Factory(
        _observer,
        settings=settings,
        registry=registry,
        codecs=codecs,
        events=providers.Factory(EverySink, events, telemetry),
        shadow_telemetry=shadow_telemetry,
        store=store,
        tables=predictions,
        log_telemetry=log_telemetry,
        clock=clock,
    )


def wire(settings: Settings, cells: Cells | None = None) -> Container:
    """The container over these settings. Nothing is built, and nothing reached for, until it is asked for.

    Args:
        settings: what to wire by.
        cells: where to count, for one of several processes that count together.
    """
    container = Container(settings=providers.Object(settings))
    if cells is not None:
        container.cells.override(providers.Object(cells))
    return container
