"""The commands for the datasets in a store."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from weighbridge.domain.errors import ArtefactNotFound, ConfigurationError
from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import TASK, option
from weighbridge.entrypoints.cli.unknown_task import check_task_is_known

if TYPE_CHECKING:
    from weighbridge.domain.data.schema import Schema
    from weighbridge.domain.store.artefacts import Artefact
    from weighbridge.entrypoints.container import Container

#: The word for whatever dataset is the newest.
NEWEST = "newest"

At = Annotated[
    Optional[str],  # noqa: UP045
    option("--at", "The time in the dataset's name, such as 2021-07-03T23:05:32Z.  [default: now]"),
]
Name = Annotated[
    Optional[str],  # noqa: UP045
    option("--name", "The task in the dataset's name; without --task, also the task whose schema validates it."),
]
DatasetFile = Annotated[
    Path, typer.Argument(help="A .csv, .csv.gz, .csv.zst or .parquet file with the task's columns.")
]
DatasetKey = Annotated[str, typer.Argument(help="A key or name as 'datasets list' shows it, or 'newest'.")]


@with_context("store", "task", "json", "wide")
def list_datasets(
    context: Context,
) -> None:
    """List the datasets of a task, newest first, with the releases that were trained on each.

    Names without a readable time come last and are marked.

    Example: weighbridge datasets list --store s3://bucket/prefix
    """
    from weighbridge.domain.registry.dataset_view import uses_of_datasets
    from weighbridge.domain.store.datasets import datasets_of
    from weighbridge.entrypoints.cli.console import print_json
    from weighbridge.entrypoints.cli.tables import print_table

    container, name = context.container(), context.task_name()
    found = datasets_of(container.store(), name)
    if not found:
        check_task_is_known(container.store(), name)
    uses = uses_of_datasets(container.registry(), name)
    for problem in uses.unreadable:
        logging.getLogger("weighbridge").warning("a release may be missing here: %s", problem)
    if context.json:
        print_json(
            [
                {
                    "key": ref.key,
                    "timestamp": _instant(at),
                    "size": ref.size,
                    "revision": ref.revision,
                    "releases": uses.of(ref),
                }
                for at, ref in found
            ]
        )
    else:
        print_table(
            ("TIME", "KEY", "BYTES", "REVISION", "RELEASES"),
            [
                (
                    "unreadable name" if at is None else f"{at.replace(tzinfo=None).isoformat(' ', 'seconds')}Z",
                    ref.key,
                    str(ref.size),
                    ref.revision,
                    ", ".join(map(_use, uses.of(ref))),
                )
                for at, ref in found
            ],
            context.wide,
        )


@with_context("store", "task", "json", "wide")
def show_dataset(
    context: Context,
    key: DatasetKey = NEWEST,
) -> None:
    """Validate a dataset by the task's schema, and show its schema, statistics and first rows.

    Example: weighbridge datasets show newest --json
    """
    definition = context.load_task()
    from weighbridge.domain.data.admission import admit
    from weighbridge.domain.registry.dataset_view import describe_dataset
    from weighbridge.domain.store.artefacts import dataset_timestamp
    from weighbridge.entrypoints.cli.console import print_json
    from weighbridge.entrypoints.cli.tables import print_table

    container = context.container()
    artefact = _artefact(container, definition.name, key)
    frame = container.reader().read(artefact, definition.schema)
    dataset = admit(frame, definition.schema, artefact.ref.key)
    at = dataset_timestamp(definition.name, artefact.ref.name)
    document = describe_dataset(artefact, dataset) | {"timestamp": _instant(at)}
    if context.json:
        print_json(document)
        return
    print_table(("FIELD", "VALUE"), _lines(document, definition.schema), context.wide)
    first = document["first_rows"]
    print()
    print_table(tuple(first[0]), [[str(cell) for cell in row.values()] for row in first], context.wide)


@with_context("store", "task", "json")
def put_dataset(
    context: Context,
    file: DatasetFile,
    name: Name = None,
    at: At = None,
) -> None:
    """Validate a dataset by the task's schema and put it into the store under its proper name.

    A local store that does not exist yet is created.

    Example: weighbridge datasets put orders.csv --at 2021-07-03T23:05:32Z
    """
    from weighbridge.domain import workflow
    from weighbridge.domain.store.artefacts import DATASET_SUFFIXES, dataset_suffix, is_task_name, parse_timestamp
    from weighbridge.entrypoints.cli.console import print_json
    from weighbridge.entrypoints.cli.dataset_file import dataset_file
    from weighbridge.entrypoints.cli.put_progress import PutProgress
    from weighbridge.entrypoints.task_loading import load_task

    is_default = context.task == TASK
    definition = load_task(name) if name is not None and is_default else context.load_task()
    if name is not None and not is_default and not is_task_name(name):
        raise ConfigurationError(f"--name is '{name}', which is no name of a task, such as {TASK}")
    suffix = dataset_suffix(file.name)
    if suffix is None:
        raise ConfigurationError(f"'{file}' does not end in {', '.join(DATASET_SUFFIXES)}")
    moment = None if at is None else parse_timestamp(at)
    if at is not None and moment is None:
        raise ConfigurationError(f"--at is '{at}', which is not a time such as 2021-07-03T23:05:32Z")
    with PutProgress(not context.json) as progress, dataset_file(file, progress.moved) as data:
        container = context.container(create_store=True)
        moment = moment or container.clock().now()
        begins = name if name is not None and is_task_name(name) else None
        ref, rows = workflow.put_dataset(
            definition, suffix, data, moment, container.ports(), begins, progress.storing
        )
    if context.json:
        print_json({"key": ref.key, "size": ref.size, "revision": ref.revision, "rows": rows})
    else:
        print(f"put {rows:,} rows as '{ref.key}' into {container.store().url}")


def _artefact(container: Container, task: str, key: str) -> Artefact:
    from weighbridge.domain.store.artefacts import DATASETS
    from weighbridge.domain.store.datasets import read_newest_dataset

    store = container.store()
    if key == NEWEST:
        return read_newest_dataset(store, task, container.clock(), container.events())
    try:
        return store.read(key if key.startswith(f"{DATASETS}/") else f"{DATASETS}/{key}")
    except ArtefactNotFound as error:
        raise ConfigurationError(
            f"there is no dataset '{key}' in {store.url}; 'weighbridge datasets list' shows those there are"
        ) from error


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")


def _use(use: dict[str, Any]) -> str:
    return str(use["version"]) if use["same_size"] else f"{use['version']} (before it was replaced)"


def _lines(document: dict[str, Any], schema: Schema) -> Iterator[tuple[str, str]]:
    """What ``describe_dataset`` gives, without the rows, as lines of a name and a text."""
    for name in ("key", "timestamp", "revision", "sha256"):
        yield name, "unreadable name" if document[name] is None else str(document[name])
    yield "size", f"{document['size']:,} bytes"
    yield "rows", f"{document['rows']:,}"
    for feature in (*schema.features, schema.target):
        kind = "target" if feature is schema.target else "feature"
        yield kind, f"{feature.name}: {feature.expectation}"
        found = document["statistics"][feature.name]
        if "counts" in found:
            yield "  levels", ", ".join(f"{level} {count:,}" for level, count in found["counts"].items())
        else:
            points = " | ".join(
                f"{value:.6g}" for value in (found["minimum"], *found["quartiles"], found["maximum"])
            )
            yield "  quartiles", points
            yield "  mean", f"{found['mean']:.6g}, standard deviation {found['std']:.6g}"
