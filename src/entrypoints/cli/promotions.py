"""The commands that change what is live; each makes one more promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from weighbridge.entrypoints.cli.models import models
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

if TYPE_CHECKING:
    from weighbridge.domain.registry.releases import Promotion

ReleasedVersion = Annotated[str, typer.Argument(help="A version as 'models list' shows it.")]
Reason = Annotated[str, option("--reason", "Why, in words; it is kept in the promotion's record.")]
To = Annotated[
    Optional[str],  # noqa: UP045
    option("--to", "The version to go back to.  [default: the one that the live one followed]"),
]
Hold = Annotated[
    bool, option("--hold", "Have later trainings publish without promoting, until the next promotion.")
]


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
    from weighbridge.domain.registry.releases import ModelVersion
    from weighbridge.entrypoints.task_loading import task_name

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

    A second rollback goes further back, never forward again. A version that has been pruned is passed over.
    The next training promotes its own release, unless the rollback holds (--hold).

    Example: weighbridge models rollback --reason "complaints since noon" --hold
    """
    set_up_logs(log_format, log_level, debug)
    from weighbridge.domain.registry.releases import ModelVersion
    from weighbridge.domain.registry.rollback import roll_back
    from weighbridge.entrypoints.task_loading import task_name

    name = task_name(task)
    container = open_container(store=store)
    wanted = None if to is None else ModelVersion.parse(name, to)
    _print_promotion(
        roll_back(container.registry(), name, reason, container.operator(), hold, wanted, container.events()),
        as_json,
    )


@models.command("release-hold", short_help="Let later trainings promote themselves again.")
def release_hold(
    reason: Reason,
    store: Store = STORE,
    task: Task = TASK,
    as_json: Json = False,
    log_format: Format = LogFormat.TEXT,
    log_level: Level = LogLevel.INFO,
    debug: Debug = False,
) -> None:
    """Let later trainings promote themselves again: one more promotion of the live release, without hold.

    What was published meanwhile is not promoted by it. When nothing is held, nothing is written.

    Example: weighbridge models release-hold --reason "the data is mended"
    """
    set_up_logs(log_format, log_level, debug)
    from weighbridge.entrypoints.cli.console import print_json
    from weighbridge.entrypoints.task_loading import task_name

    name = task_name(task)
    container = open_container(store=store)
    live = container.registry().live(name)
    if live.hold:
        live = container.registry().promote(live.version, reason, container.operator())
        said = f"{live.version} stays live and is not held any more: later trainings promote themselves"
    else:
        said = f"nothing to do: {live.version} is live and not held"
    if as_json:
        print_json(live.to_dict())
    else:
        print(said)


def _print_promotion(promotion: Promotion, as_json: bool) -> None:
    from weighbridge.entrypoints.cli.console import print_json

    if as_json:
        print_json(promotion.to_dict())
    else:
        held = ", and held: later trainings publish without promoting" if promotion.hold else ""
        print(f"{promotion.version} is live now{held}")
