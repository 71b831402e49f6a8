"""The command line. Each command asks the container for what it needs and hands over to the domain."""

from __future__ import annotations

import json
import logging
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, Optional

import typer

from domain.errors import ConfigurationError, DataError, WeighbridgeError
from entrypoints import exit_codes
from entrypoints.logs import configure_logs
from entrypoints.settings import PREFIX, load_settings
from entrypoints.task_commands import task_app

if TYPE_CHECKING:
    from entrypoints.container import Container

app = typer.Typer(
    name="weighbridge",
    help="Train a model from the newest dataset, weigh it, publish it with its provenance, and serve it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
datasets = typer.Typer(help="The datasets in the store.", no_args_is_help=True, rich_markup_mode=None)
models = typer.Typer(help="The releases in the store.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(datasets, name="datasets")
app.add_typer(models, name="models")
app.add_typer(task_app, name="task")


class LogFormat(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """Which log lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def _option(flag: str, help_text: str) -> Any:
    return typer.Option(flag, envvar=PREFIX + flag.strip("-").replace("-", "_").upper(), help=help_text)


Store = Annotated[
    str, _option("--store", "Where everything is: ./dir, file:///abs/dir, s3://bucket/prefix, memory://.")
]
Task = Annotated[
    str, _option("--task", "A shipped task's name, package.module:ATTRIBUTE, or path/to/file.py:ATTRIBUTE.")
]
Json = Annotated[bool, _option("--json", "Print one JSON document on stdout.")]
Format = Annotated[LogFormat, _option("--log-format", "Logs go to stderr: as text, or as JSON lines.")]
Level = Annotated[LogLevel, _option("--log-level", "The least severe log lines to write.")]
Debug = Annotated[bool, _option("--debug", "Write everything to the log, tracebacks of errors included.")]
Force = Annotated[bool, _option("--force", "Train even on a dataset that the newest release was trained on.")]
# Typer reads these annotations at run time, and knows Optional[...] on every Python that it supports.
ErrorThreshold = Annotated[
    Optional[float],  # noqa: UP045
    _option("--error-threshold", "Refuse a model that falls short of this; the task's first metric."),
]
WarningThreshold = Annotated[
    Optional[float],  # noqa: UP045
    _option("--warning-threshold", "Accept with a warning a model that falls short of this."),
]
Host = Annotated[str, _option("--host", "The address to listen on.")]
Port = Annotated[int, typer.Option("--port", envvar=f"{PREFIX}PORT", help="0 takes a free one.", min=0, max=65535)]
Wait = Annotated[bool, _option("--wait", "Start without a model, and wait until one is released.")]
RefreshSeconds = Annotated[
    Optional[float],  # noqa: UP045
    _option("--refresh-seconds", "How often to look for a newer live model.  [default: 10]"),
]
Workers = Annotated[
    Optional[int],  # noqa: UP045
    _option("--workers", "How many processes answer, side by side on one port.  [default: 1]"),
]
RowJson = Annotated[str, _option("--row", 'One row of features as JSON: {"orders_placed": 10, ...}.')]
At = Annotated[
    Optional[str],  # noqa: UP045
    _option("--at", "The time that the dataset's name tells, such as 2021-07-03T23:05:32Z.  [default: now]"),
]
DatasetFile = Annotated[Path, typer.Argument(help="A .csv or .parquet file with the task's columns.")]
VersionText = Annotated[str, typer.Argument(help="A version as 'models list' shows it, or 'live'.")]

STORE = "./weighbridge-store"
TASK = "time_to_dispatch"


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"weighbridge {version('weighbridge')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
]


@app.callback()
def weighbridge(show_version: Version = False) -> None:
    """Options that stand before any command."""


@app.command(short_help="Train on the newest dataset, weigh the model, publish it.")
def train(
    store: Store = STORE,
    task: Task = TASK,
    force: Force = False,
    error_threshold: ErrorThreshold = None,
    warning_threshold: WarningThreshold = None,
    as_json: Json = False,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.INFO,
    debug: Debug = False,
) -> None:
    """Train on the newest dataset, weigh the model, and publish it or record why it was refused.

    Example: weighbridge train --store s3://bucket/prefix --json
    """
    _logs(log_format, log_level, debug)
    from entrypoints.task_loading import load_task

    definition = load_task(task).with_levels(error_threshold, warning_threshold)
    from domain.workflow import Outcome, train_and_release
    from entrypoints.console import print_json, print_training

    result = train_and_release(definition, _container(store=store).ports(), force=force)
    if as_json:
        print_json(result.document | {"outcome": str(result.outcome)})
    else:
        print_training(result)
    if result.outcome is Outcome.REJECTED:
        kept = f"{result.live} stays live" if result.live else "nothing is live"
        logging.getLogger("weighbridge").error(
            "refused, and %s: mend the data or the task; the whole record is in '%s'",
            kept,
            f"rejected/{definition.name}_{result.document['version']}.json",
        )
        raise typer.Exit(exit_codes.REFUSED)


@app.command(short_help="Serve predictions over HTTP from the live model.")
def serve(
    store: Store = STORE,
    task: Task = TASK,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    wait: Wait = False,
    refresh_seconds: RefreshSeconds = None,
    workers: Workers = None,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.INFO,
    debug: Debug = False,
) -> None:
    """Serve predictions over HTTP from the live model, following every promotion without a restart.

    Example: weighbridge serve --store ./weighbridge-store --port 8000
    """
    _logs(log_format, log_level, debug)
    from entrypoints.serving import serve as serve_until_told
    from entrypoints.task_loading import task_name

    settings = load_settings({"store": store, "refresh_seconds": refresh_seconds, "workers": workers})
    serve_until_told(task_name(task), settings, host, port, wait)


@app.command(short_help="Predict one row with the live model.")
def predict(
    row: RowJson,
    store: Store = STORE,
    task: Task = TASK,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.WARNING,
    debug: Debug = False,
) -> None:
    """Predict one row with the live model and print the answer as JSON.

    Example: weighbridge predict --row '{"product_code": "SKU001", "orders_placed": 10}'
    """
    _logs(log_format, log_level, debug)
    from entrypoints.console import print_json
    from entrypoints.task_loading import task_name

    try:
        features = json.loads(row)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"--row is not JSON: {error}") from error
    if not isinstance(features, dict):
        raise ConfigurationError('--row is not a JSON object, such as {"orders_placed": 10}')
    service = _container(store=store).service(task_name(task))
    service.load()
    assert service.loaded is not None
    schema = service.loaded.schema
    try:
        admitted = schema.admit_row(features)
    except DataError as error:
        # The remedy of bad data elsewhere, to put it in the store again, would mislead here.
        logging.getLogger("weighbridge").error(
            "%s\nMend the row; 'weighbridge models show live' shows the features that it has to give.",
            DataError("--row", error.problems),
            exc_info=debug,
        )
        raise typer.Exit(exit_codes.BAD_DATA) from error
    prediction = service.loaded.predict(admitted)
    answer: dict[str, Any] = {schema.prediction: prediction.value}
    if prediction.probabilities is not None:
        answer["probabilities"] = dict(prediction.probabilities)
    print_json(answer | {"model_version": prediction.model_version})


@app.command(short_help="Tell the whole story on local files.")
def demo(
    store: Store = STORE,
    log_level: Level = LogLevel.ERROR,
    log_format: Format = LogFormat.TEXT,
    debug: Debug = False,
) -> None:
    """Tell the whole story on local files: train, weigh, publish, serve, and refuse a worse model.

    Example: weighbridge demo --store ./weighbridge-store
    """
    _logs(log_format, log_level, debug)
    from entrypoints.demo import run_demo

    run_demo(_container(store=store, create_store=True), store)


@datasets.command("list", short_help="List the datasets of a task, newest first.")
def list_datasets(
    store: Store = STORE,
    task: Task = TASK,
    as_json: Json = False,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.INFO,
    debug: Debug = False,
) -> None:
    """List the datasets of a task, newest first; names that tell no time come last and are marked.

    Example: weighbridge datasets list --store s3://bucket/prefix
    """
    _logs(log_format, log_level, debug)
    from domain.discovery import datasets_of
    from entrypoints.console import print_json, print_table
    from entrypoints.task_loading import task_name

    found = datasets_of(_container(store=store).store(), task_name(task))
    if as_json:
        print_json(
            [
                {
                    "key": ref.key,
                    "timestamp": None if at is None else at.isoformat().replace("+00:00", "Z"),
                    "size": ref.size,
                    "revision": ref.revision,
                }
                for at, ref in found
            ]
        )
    else:
        print_table(
            ("TIME", "KEY", "BYTES"),
            [
                ("unreadable name" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z", ref.key, str(ref.size))
                for at, ref in found
            ],
        )


@datasets.command("put", short_help="Admit a dataset and put it into the store.")
def put_dataset(
    file: DatasetFile,
    store: Store = STORE,
    task: Task = TASK,
    at: At = None,
    as_json: Json = False,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.INFO,
    debug: Debug = False,
) -> None:
    """Admit a dataset by the task's schema and put it into the store under its proper name.

    A local store that does not exist yet is made.

    Example: weighbridge datasets put orders.csv --at 2021-07-03T23:05:32Z
    """
    _logs(log_format, log_level, debug)
    from domain import workflow
    from domain.artefacts import DATASET_SUFFIXES, parse_timestamp
    from entrypoints.console import print_json
    from entrypoints.task_loading import load_task

    definition = load_task(task)
    if file.suffix not in DATASET_SUFFIXES:
        raise ConfigurationError(f"'{file}' is neither a .csv nor a .parquet file")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"'{file}' cannot be read: {error.strerror}") from error
    container = _container(store=store, create_store=True)
    moment = container.clock().now() if at is None else parse_timestamp(at)
    if moment is None:
        raise ConfigurationError(f"--at is '{at}', which is not a time such as 2021-07-03T23:05:32Z")
    ref, rows = workflow.put_dataset(definition, file.suffix, data, moment, container.ports())
    if as_json:
        print_json({"key": ref.key, "size": ref.size, "revision": ref.revision, "rows": rows})
    else:
        print(f"put {rows:,} rows as '{ref.key}' into {container.store().url}")


@models.command("list")
def list_models(
    store: Store = STORE,
    task: Task = TASK,
    as_json: Json = False,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.INFO,
    debug: Debug = False,
) -> None:
    """List the releases of a task, newest first; the live one is marked.

    Example: weighbridge models list --json
    """
    _logs(log_format, log_level, debug)
    from domain.errors import NothingReleased
    from entrypoints.console import print_json, print_table
    from entrypoints.task_loading import task_name

    name = task_name(task)
    registry = _container(store=store).registry()
    try:
        live = registry.live(name).version
    except NothingReleased:
        live = None
    releases = list(registry.releases(name))
    if as_json:
        print_json([dict(release.document) | {"live": release.version == live} for release in releases])
    else:
        print_table(
            ("VERSION", "LIVE", "VERDICT", "METRICS", "DATASET"),
            [
                (
                    str(release.version),
                    "live" if release.version == live else "",
                    release.record.decision.verdict.replace("_", " "),
                    ", ".join(f"{metric} {value:.4f}" for metric, value in release.record.metrics.items()),
                    release.record.dataset.key,
                )
                for release in releases
            ],
        )


@models.command("show")
def show_model(
    version: VersionText,
    store: Store = STORE,
    task: Task = TASK,
    as_json: Json = False,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.INFO,
    debug: Debug = False,
) -> None:
    """Show the whole record of a release, or of the live one.

    Example: weighbridge models show live --json
    """
    _logs(log_format, log_level, debug)
    from domain.releases import ModelVersion
    from entrypoints.console import describe_record, print_json, print_table
    from entrypoints.task_loading import task_name

    name = task_name(task)
    registry = _container(store=store).registry()
    wanted = registry.live(name).version if version == "live" else ModelVersion.parse(name, version)
    document = registry.read(wanted).document
    if as_json:
        print_json(document)
    else:
        print_table(("FIELD", "VALUE"), describe_record(document))


def main() -> NoReturn:
    """Run the command line; every failure becomes its exit code and a last line that says what to do."""
    configure_logs("text", "info")
    log = logging.getLogger("weighbridge")
    try:
        app()
    except WeighbridgeError as error:
        text = "\n".join(part for part in (str(error), exit_codes.remedy(error)) if part)
        log.error("%s", text, exc_info=log.isEnabledFor(logging.DEBUG))
        sys.exit(exit_codes.exit_code(error))
    except Exception:
        log.exception("this is a bug in Weighbridge or in the task's code: please report it with these lines")
        sys.exit(exit_codes.BUG)
    raise AssertionError("typer ends the process")


def _logs(log_format: LogFormat, log_level: LogLevel, debug: bool) -> None:
    configure_logs(log_format.value, LogLevel.DEBUG if debug else log_level)


def _container(**given: Any) -> Container:
    from entrypoints.container import wire

    return wire(load_settings(given))
