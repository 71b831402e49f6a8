"""The command that predicts: one row, a file, or a folder of them."""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from weighbridge.domain.errors import ConfigurationError, DataError
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli.context import Context, LogLevel, with_context
from weighbridge.entrypoints.cli.options import option
from weighbridge.entrypoints.cli.predict_row import predict_row
from weighbridge.entrypoints.settings import load_settings

if TYPE_CHECKING:
    from weighbridge.entrypoints.batch.file_prediction import FileJob, FileOutcome


class OnError(StrEnum):
    """What becomes of a table with bad rows."""

    REFUSE = "refuse"
    SKIP = "skip"


# Typer reads these annotations at run time, and knows Optional[...] on every Python that it supports.
Input = Annotated[
    Optional[str],  # noqa: UP045
    typer.Argument(
        help="A file (.csv, .parquet, .ndjson, .json, .arrow, .feather; .csv.gz, .csv.zst) or a folder of such "
        "files: a path, file:///abs/path or s3://bucket/key.",
        show_default=False,
    ),
]
Output = Annotated[
    Optional[str],  # noqa: UP045
    typer.Argument(help="The file or the folder of the predictions, by its suffix.", show_default=False),
]
RowJson = Annotated[
    Optional[str],  # noqa: UP045
    option("--row", 'One row of features as JSON: {"orders_placed": 10, ...}.'),
]
OnErrorOption = Annotated[
    OnError,
    option("--on-error", "Refuse a file with bad rows, or skip them and predict the others."),
]
NoEcho = Annotated[bool, option("--no-echo", "Write only the predictions, without the columns of the input.")]
CsvSafe = Annotated[
    bool,
    option("--csv-safe", "In CSV, put a quote before cells that a spreadsheet would run (= + - @ ...)."),
]
Overwrite = Annotated[bool, option("--overwrite", "Replace files that exist.")]
PredictWorkers = Annotated[
    Optional[int],  # noqa: UP045
    option(
        "--workers",
        "How many local processes predict the files of a folder in parallel.  [default: 1]",
        at_least=1,
        at_most=256,
    ),
]
Dask = Annotated[
    Optional[str],  # noqa: UP045
    option(
        "--dask", "Predict the files of a folder on the Dask cluster of this scheduler, such as tcp://host:8786."
    ),
]


@with_context("store", "task", "json", log_level="info; warning with --row")
def predict(
    context: Context,
    input: Input = None,
    output: Output = None,
    row: RowJson = None,
    on_error: OnErrorOption = OnError.REFUSE,
    no_echo: NoEcho = False,
    overwrite: Overwrite = False,
    csv_safe: CsvSafe = False,
    workers: PredictWorkers = None,
    dask: Dask = None,
) -> None:
    """Predict one row, every row of a file, or every file of a folder with the live model.

    A file of predictions appears whole or not at all. In a folder, each file is predicted by itself: one that
    fails is named, and the others are done.

    Example: weighbridge predict --row '{"product_code": "SKU001", "orders_placed": 10}'

    Example: weighbridge predict orders.csv s3://bucket/predictions/orders.parquet

    Example: weighbridge predict s3://bucket/orders/ s3://bucket/predictions/ --workers 4
    """
    if (row is None) == (input is None) or (row is None) != (output is not None):
        raise ConfigurationError("give INPUT and OUTPUT, or one row with --row; see 'weighbridge predict --help'")
    context.configure_logs(LogLevel.INFO if row is None else LogLevel.WARNING)

    if row is not None:
        predict_row(context, row)
        return
    assert input is not None
    assert output is not None
    from weighbridge.entrypoints.batch.file_prediction import FileJob

    # Settings of the service do not matter here.
    settings = load_settings({"store": context.store, "workers": 1})
    name = context.task_name()
    version = context.container(workers=1).registry().live(name).version
    skips = on_error is OnError.SKIP
    model = FileJob(input, output, name, str(version), settings, not no_echo, skips, overwrite, csv_safe)
    try:
        outcomes = _predict_files(model, workers, dask)
    except DataError as error:
        # The remedy of bad data elsewhere, to put it in the store again, would mislead here.
        message = "%s\nNothing was written. Fix the rows, or skip them with --on-error skip."
        logging.getLogger("weighbridge").error(message, error, exc_info=context.debug)
        raise typer.Exit(exit_codes.BAD_DATA) from error
    except KeyboardInterrupt:
        logging.getLogger("weighbridge").error("interrupted; no file is half written")
        raise typer.Exit(exit_codes.INTERRUPTED) from None
    _report(context, outcomes, version.qualified)


def _predict_files(model: FileJob, workers: int | None, dask: str | None) -> list[FileOutcome]:
    from dataclasses import replace

    from weighbridge.entrypoints.batch.file_prediction import FileOutcome, predict_file, size_of
    from weighbridge.entrypoints.batch.folder_prediction import predict_files
    from weighbridge.entrypoints.cli.batch_progress import BatchProgress
    from weighbridge.entrypoints.store_urls import open_files

    sources, source = open_files(model.source, model.settings)
    targets, target = open_files(model.target, model.settings)
    if not sources.is_folder(source):
        if model.target.endswith("/") or targets.is_folder(target):
            model = replace(model, target=f"{model.target.rstrip('/')}/{source.rpartition('/')[2]}")
        if dask is not None:
            raise ConfigurationError(f"'{model.source}' is not a folder; --dask predicts many files")
        with BatchProgress(size_of(model), "bytes") as progress:
            result = predict_file(model, progress.advance)
        return [FileOutcome(model.source, model.target, result.rows, result.skipped)]
    jobs = _jobs(model, list(sources.below(source)))
    outcomes: list[FileOutcome] = []
    with BatchProgress(len(jobs), "files") as progress:
        for outcome in predict_files(jobs, workers, dask):
            outcomes.append(outcome)
            progress.step(outcome.rows)
            if outcome.error:
                logging.getLogger("weighbridge").error("'%s' failed: %s", outcome.source, outcome.error)
    return sorted(outcomes, key=lambda outcome: outcome.source)


def _jobs(model: FileJob, names: list[str]) -> list[FileJob]:
    from dataclasses import replace

    from weighbridge.adapters.tables.formats import format_of

    jobs = []
    for name in names:
        try:
            format_of(name)
        except ConfigurationError:
            logging.getLogger("weighbridge").warning("skipped '%s': its suffix is not that of a table", name)
            continue
        source, target = (f"{folder.rstrip('/')}/{name}" for folder in (model.source, model.target))
        jobs.append(replace(model, source=source, target=target))
    if not jobs:
        raise ConfigurationError(f"there is no file to predict in '{model.source}'")
    return jobs


def _report(context: Context, outcomes: list[FileOutcome], model_version: str) -> None:
    from weighbridge.entrypoints.batch.folder_prediction import worst_code
    from weighbridge.entrypoints.cli.console import print_json

    failed = [outcome for outcome in outcomes if outcome.error]
    rows, skipped = (sum(getattr(outcome, name) for outcome in outcomes) for name in ("rows", "skipped"))
    if context.json:
        files = [
            {
                "input": outcome.source,
                "output": None if outcome.error else outcome.target,
                "rows": outcome.rows,
                "skipped": outcome.skipped,
                "error": outcome.error or None,
            }
            for outcome in outcomes
        ]
        print_json({"model_version": model_version, "rows": rows, "skipped": skipped, "files": files})
    else:
        for outcome in outcomes:
            if not outcome.error:
                bad = f", {outcome.skipped:,} of them skipped" if outcome.skipped else ""
                print(f"predicted {outcome.rows:,} rows{bad}: '{outcome.target}'")
    if failed:
        names = ", ".join(outcome.source for outcome in failed)
        logging.getLogger("weighbridge").error(
            "%d of %d files failed, the others are done: fix or remove these, and predict them again: %s",
            len(failed),
            len(outcomes),
            names,
        )
        raise typer.Exit(worst_code(outcomes))
