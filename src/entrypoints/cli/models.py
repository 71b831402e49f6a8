"""The commands that read the releases in a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import option
from weighbridge.entrypoints.cli.unknown_task import check_task_is_known

if TYPE_CHECKING:
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.promotions import Promotion
    from weighbridge.domain.registry.releases import ModelVersion, Refusal, Release

VersionText = Annotated[
    str, typer.Argument(help="A version as 'models list' or 'models list --rejected' shows it, or 'live'.")
]
Rejected = Annotated[bool, option("--rejected", "List the candidates that were refused, with their first reason.")]
Limit = Annotated[
    int,
    option("--limit", "List so many at most; 0 lists them all.", at_least=0),
]


@with_context("store", "task", "json", "wide")
def list_models(
    context: Context,
    rejected: Rejected = False,
    limit: Limit = 20,
) -> None:
    """List the releases of a task, newest first; what is live and what is held is marked.

    Only the records that are listed are read. When there are more, the log says how many.

    Example: weighbridge models list --rejected --limit 5
    """
    import logging

    from weighbridge.entrypoints.cli.console import print_json
    from weighbridge.entrypoints.cli.tables import print_table

    name = context.task_name()
    container = context.container()
    registry = container.registry()
    versions = registry.refused_versions(name) if rejected else registry.versions(name)
    if not versions:
        check_task_is_known(container.store(), name)
    listed = versions[:limit] if limit else versions
    # One record at a time: thousands of them do not fit into memory.
    found = ((version, _read_or_problem(registry, version, rejected)) for version in listed)
    live = None if rejected else _live(registry, name)
    if context.json:
        print_json([_as_document(version, what, live, rejected) for version, what in found])
    elif rejected:
        print_table(("VERSION", "WHEN", "REASON", "DATASET"), [_refused_line(*one) for one in found], context.wide)
    else:
        columns = ("VERSION", "LIVE", "HOLD", "WHEN", "VERDICT", "METRICS", "DATASET")
        print_table(columns, [_released_line(*one, live) for one in found], context.wide)
    if len(listed) < len(versions):
        more = len(versions) - len(listed)
        logging.getLogger("weighbridge").info("%d older ones are not listed; --limit 0 lists them all", more)


@with_context("store", "task", "json", "wide")
def show_model(
    context: Context,
    version: VersionText,
) -> None:
    """Show the whole record of a release, of a refused candidate, or of the live release.

    Example: weighbridge models show live --json
    """
    from weighbridge.domain.registry.recorded import read_recorded, version_named
    from weighbridge.entrypoints.cli.console import print_json
    from weighbridge.entrypoints.cli.record_texts import layout_of_record
    from weighbridge.entrypoints.cli.tables import print_table

    name = context.task_name()
    registry = context.container().registry()
    found = read_recorded(registry, version_named(registry, name, version))
    if context.json:
        print_json(dict(found.document))
        return
    live = _live(registry, name)
    promotion = live if live is not None and live.version == found.version else None
    print_table(("FIELD", "VALUE"), list(layout_of_record(found.document, promotion)), context.wide)


@with_context("store", "task", "json", "wide")
def diff_models(
    context: Context,
    a: VersionText,
    b: VersionText,
) -> None:
    """Show two records side by side: metrics, parameters, dataset, schema, libraries. A star marks what differs.

    Example: weighbridge models diff 2021-07-03T23-05-32Z-0a1b2c3d live
    """
    from weighbridge.domain.registry.record_diff import compare_records
    from weighbridge.domain.registry.recorded import read_recorded, version_named
    from weighbridge.entrypoints.cli.console import print_json
    from weighbridge.entrypoints.cli.record_texts import layout_of_comparison
    from weighbridge.entrypoints.cli.tables import print_table

    name = context.task_name()
    registry = context.container().registry()
    one, other = (read_recorded(registry, version_named(registry, name, version)) for version in (a, b))
    rows = compare_records(one.document, other.document)
    if context.json:
        fields = [row.to_dict() for row in rows]
        print_json({"a": str(one.version), "b": str(other.version), "fields": fields})
    else:
        columns = ("", "SECTION", "FIELD", str(one.version), str(other.version))
        print_table(columns, list(layout_of_comparison(rows)), context.wide)


def _live(registry: ModelRegistry, task: str) -> Promotion | None:
    from weighbridge.domain.errors import NothingReleased

    try:
        return registry.live(task)
    except NothingReleased:
        return None


def _read_or_problem(registry: ModelRegistry, version: ModelVersion, rejected: bool) -> Release | Refusal | str:
    """What was asked for; or why it cannot be read, which must not hide the others."""
    from weighbridge.domain.errors import RegistryError

    try:
        return registry.read_refusal(version) if rejected else registry.read(version)
    except RegistryError as error:
        return str(error)


def _as_document(
    version: ModelVersion, found: Release | Refusal | str, live: Promotion | None, rejected: bool
) -> dict[str, Any]:
    what: dict[str, Any] = (
        {"version": str(version), "problem": found} if isinstance(found, str) else dict(found.document)
    )
    if rejected:
        return what
    is_live = live is not None and live.version == version
    return what | {"live": is_live, "hold": is_live and live is not None and live.hold}


def _released_line(
    version: ModelVersion, found: Release | Refusal | str, live: Promotion | None
) -> tuple[str, ...]:
    from weighbridge.entrypoints.cli.record_texts import headlines, when

    is_live = live is not None and live.version == version
    marks = ("live" if is_live else "", "hold" if live is not None and is_live and live.hold else "")
    if isinstance(found, str):
        return (str(version), *marks, "", "unreadable", found, "")
    record = found.document
    return (
        str(version),
        *marks,
        when(record["created_at"]),
        record["decision"]["verdict"].replace("_", " "),
        headlines(record["metrics"]),
        record["dataset"]["key"],
    )


def _refused_line(version: ModelVersion, found: Release | Refusal | str) -> tuple[str, ...]:
    from weighbridge.entrypoints.cli.record_texts import first_reason, when

    if isinstance(found, str):
        return (str(version), "", f"unreadable: {found}", "")
    record = found.document
    return (
        str(version),
        when(record["created_at"]),
        first_reason(record),
        record["dataset"]["key"],
    )
