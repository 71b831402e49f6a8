"""The commands for the releases in a store, and for what is live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

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

if TYPE_CHECKING:
    from domain.releases import Promotion

models = typer.Typer(help="The releases in the store.", no_args_is_help=True, rich_markup_mode=None)

VersionText = Annotated[str, typer.Argument(help="A version as 'models list' shows it, or 'live'.")]
ReleasedVersion = Annotated[str, typer.Argument(help="A version as 'models list' shows it.")]
Reason = Annotated[str, option("--reason", "Why, in words; it is kept in the promotion's record.")]
To = Annotated[
    Optional[str],  # noqa: UP045
    option("--to", "The version to go back to.  [default: the one that the live one followed]"),
]
Hold = Annotated[
    bool, option("--hold", "Have later trainings publish without promoting, until the next promotion.")
]


@models.command("list", short_help="List the releases of a task, newest first.")
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
    set_up_logs(log_format, log_level, debug)
    from domain.errors import NothingReleased
    from entrypoints.console import print_json, print_table
    from entrypoints.task_loading import task_name

    name = task_name(task)
    registry = open_container(store=store).registry()
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


@models.command("show", short_help="Show the whole record of a release.")
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
    set_up_logs(log_format, log_level, debug)
    from domain.releases import ModelVersion
    from entrypoints.console import describe_record, print_json, print_table
    from entrypoints.task_loading import task_name

    name = task_name(task)
    registry = open_container(store=store).registry()
    wanted = registry.live(name).version if version == "live" else ModelVersion.parse(name, version)
    document = registry.read(wanted).document
    if as_json:
        print_json(document)
    else:
        print_table(("FIELD", "VALUE"), describe_record(document))


@models.command("promote", short_help="Make a release the live one.")
def promote_model(
    version: ReleasedVersion,
    reason: Reason,
    hold: Hold = False,
    store: Store = STORE,
    task: Task = TASK,
    as_json: Json = False,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.INFO,
    debug: Debug = False,
) -> None:
    """Make a release the live one; services follow within their refresh interval.

    Example: weighbridge models promote 2021-07-03T23-05-32Z-0a1b2c3d --reason "approved by sales"
    """
    set_up_logs(log_format, log_level, debug)
    from domain.releases import ModelVersion
    from entrypoints.task_loading import task_name

    name = task_name(task)
    container = open_container(store=store)
    wanted = ModelVersion.parse(name, version)
    _print_promotion(container.registry().promote(wanted, reason, container.operator(), hold), as_json)


@models.command("rollback", short_help="Make the release that was live before live again.")
def roll_back_model(
    reason: Reason,
    to: To = None,
    hold: Hold = False,
    store: Store = STORE,
    task: Task = TASK,
    as_json: Json = False,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.INFO,
    debug: Debug = False,
) -> None:
    """Make the release that was live before the present one live again: one more promotion, nothing is undone.

    A second rollback goes further back, never forward again.
    The next training promotes its own release, unless the rollback holds (--hold).

    Example: weighbridge models rollback --reason "complaints since noon" --hold
    """
    set_up_logs(log_format, log_level, debug)
    from domain.releases import ModelVersion
    from domain.rollback import roll_back
    from entrypoints.task_loading import task_name

    name = task_name(task)
    container = open_container(store=store)
    wanted = None if to is None else ModelVersion.parse(name, to)
    _print_promotion(
        roll_back(container.registry(), name, reason, container.operator(), hold, wanted, container.events()),
        as_json,
    )


def _print_promotion(promotion: Promotion, as_json: bool) -> None:
    from entrypoints.console import print_json

    if as_json:
        print_json(promotion.to_dict())
    else:
        held = ", and held: later trainings publish without promoting" if promotion.hold else ""
        print(f"{promotion.version} is live now{held}")
