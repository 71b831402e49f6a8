"""The command line. Each command asks the container for what it needs and hands over to the domain."""

from __future__ import annotations

import logging
import sys
from typing import Annotated, NoReturn, Optional

import typer

from weighbridge.domain.errors import WeighbridgeError

# These two are imported for the commands that they add to ``models``.
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli import model_upkeep, promotions  # noqa: F401
from weighbridge.entrypoints.cli.datasets import datasets
from weighbridge.entrypoints.cli.models import models
from weighbridge.entrypoints.cli.monitor import monitor
from weighbridge.entrypoints.cli.options import (
    STORE,
    TASK,
    Debug,
    Format,
    Json,
    Level,
    LogFormat,
    LogLevel,
    Store,
    Task,
    open_container,
    option,
    set_up_logs,
)
from weighbridge.entrypoints.cli.predict import predict
from weighbridge.entrypoints.cli.reports import add_report_commands
from weighbridge.entrypoints.cli.stores import store_app
from weighbridge.entrypoints.cli.tasks import task_app
from weighbridge.entrypoints.cli.train import train
from weighbridge.entrypoints.edge_events import CommandFailed
from weighbridge.entrypoints.logs import configure_logs, say
from weighbridge.entrypoints.settings import PREFIX, load_settings

app = typer.Typer(
    name="weighbridge",
    help="Train a model from the newest dataset, weigh it, publish it with its provenance, and serve it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("train", short_help="Train on the newest dataset, weigh the model, publish it.")(train)
app.command("predict", short_help="Predict one row, a file, or a folder of files with the live model.")(predict)
app.command("monitor", short_help="Compare what was predicted with what the live model was trained on.")(monitor)
app.add_typer(datasets, name="datasets")
add_report_commands(models)
app.add_typer(models, name="models")
app.add_typer(store_app, name="store")
app.add_typer(task_app, name="task")


Host = Annotated[str, option("--host", "The address to listen on.")]
Port = Annotated[
    int,
    typer.Option(
        "--port", envvar=f"{PREFIX}PORT", help="The port to listen on; 0 takes a free one.", min=0, max=65535
    ),
]
Wait = Annotated[bool, option("--wait", "Start without a model, and wait until one is released.")]
RefreshSeconds = Annotated[
    Optional[float],  # noqa: UP045
    option("--refresh-seconds", "How often to look for a newer live model.  [default: 10]"),
]
Workers = Annotated[
    Optional[int],  # noqa: UP045
    option("--workers", "How many processes answer, side by side on one port.  [default: 1]"),
]
NoPage = Annotated[bool, option("--no-page", "Serve no page for people at /.")]
ShadowVersion = Annotated[
    Optional[str],  # noqa: UP045
    option("--shadow", "Also predict with this version, or with 'newest-unpromoted', and count the differences."),
]
ReproducedVersion = Annotated[str, typer.Argument(help="A version as 'models list' shows it, or 'live'.")]
WholeSearch = Annotated[bool, option("--search", "Repeat the whole search, not only the fit of what it chose.")]


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


@app.command(short_help="Serve predictions over HTTP from the live model.")
def serve(
    store: Store = STORE,
    task: Task = TASK,
    host: Host = "127.0.0.1",
    port: Port = 8000,
    wait: Wait = False,
    refresh_seconds: RefreshSeconds = None,
    workers: Workers = None,
    shadow: ShadowVersion = None,
    no_page: NoPage = False,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.INFO,
    debug: Debug = False,
) -> None:
    """Serve predictions over HTTP from the live model, following every promotion without a restart.

    Example: weighbridge serve --store ./weighbridge-store --port 8000
    """
    set_up_logs(log_format, log_level, debug)
    from weighbridge.entrypoints.service.serving import serve as serve_until_told
    from weighbridge.entrypoints.task_loading import task_name

    settings = load_settings(
        {
            "store": store,
            "refresh_seconds": refresh_seconds,
            "workers": workers,
            "shadow": shadow,
            "no_page": no_page,
        }
    )
    serve_until_told(task_name(task), settings, host, port, wait)


@app.command(short_help="Train a release again from its record, and compare.")
def reproduce(
    version: ReproducedVersion,
    search: WholeSearch = False,
    store: Store = STORE,
    task: Task = TASK,
    as_json: Json = False,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.INFO,
    debug: Debug = False,
) -> None:
    """Train a release again from its record and compare parameters, metrics and predictions to the last bit.

    Exit code 0 only if all of them match, else 1. Nothing is written.

    Example: weighbridge reproduce live --search
    """
    set_up_logs(log_format, log_level, debug)
    from weighbridge.domain.registry.recorded import version_named
    from weighbridge.entrypoints.scikit_learn import import_scikit_learn
    from weighbridge.entrypoints.task_loading import load_task

    import_scikit_learn()
    definition = load_task(task)
    from weighbridge.domain import reproduction
    from weighbridge.entrypoints.cli.console import print_json, print_reproduction

    container = open_container(store=store)
    wanted = version_named(container.registry(), definition.name, version)
    found = reproduction.reproduce(wanted, definition, container.ports(), whole_search=search)
    if as_json:
        print_json(found.to_dict())
    else:
        print_reproduction(found)
    if not found.holds:
        logging.getLogger("weighbridge").error(
            "%s was not reproduced: install the code and the libraries of its record, and try again",
            wanted,
        )
        raise typer.Exit(exit_codes.BUG)


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
    set_up_logs(log_format, log_level, debug)
    from weighbridge.entrypoints.cli.demo import run_demo

    run_demo(open_container(store=store, create_store=True), store)


def main() -> NoReturn:
    """Run the command line; every failure becomes its exit code and a last line that says what to do."""
    configure_logs("text", "info")
    log = logging.getLogger("weighbridge")
    try:
        app(prog_name="weighbridge")
    except WeighbridgeError as error:
        text = "\n".join(part for part in (str(error), exit_codes.remedy(error)) if part)
        code = exit_codes.exit_code(error)
        say(CommandFailed(code, text), error if log.isEnabledFor(logging.DEBUG) else None)
        sys.exit(code)
    except Exception:
        log.exception("this is a bug in Weighbridge or in the task's code: please report it with these lines")
        sys.exit(exit_codes.BUG)
    raise AssertionError("typer ends the process")
