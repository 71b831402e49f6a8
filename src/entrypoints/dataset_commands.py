"""The commands for the datasets in a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from domain.errors import ConfigurationError
from entrypoints.options import (
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

datasets = typer.Typer(help="The datasets in the store.", no_args_is_help=True, rich_markup_mode=None)

At = Annotated[
    Optional[str],  # noqa: UP045
    option("--at", "The time that the dataset's name tells, such as 2021-07-03T23:05:32Z.  [default: now]"),
]
DatasetFile = Annotated[Path, typer.Argument(help="A .csv or .parquet file with the task's columns.")]


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
    set_up_logs(log_format, log_level, debug)
    from domain.discovery import datasets_of
    from entrypoints.console import print_json, print_table
    from entrypoints.task_loading import task_name

    found = datasets_of(open_container(store=store).store(), task_name(task))
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
    set_up_logs(log_format, log_level, debug)
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
    container = open_container(store=store, create_store=True)
    moment = container.clock().now() if at is None else parse_timestamp(at)
    if moment is None:
        raise ConfigurationError(f"--at is '{at}', which is not a time such as 2021-07-03T23:05:32Z")
    ref, rows = workflow.put_dataset(definition, file.suffix, data, moment, container.ports())
    if as_json:
        print_json({"key": ref.key, "size": ref.size, "revision": ref.revision, "rows": rows})
    else:
        print(f"put {rows:,} rows as '{ref.key}' into {container.store().url}")
