"""The commands that change what is live; each makes one more promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from weighbridge.domain.errors import ConfigurationError, UnknownVersion
from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import option, plain_text

if TYPE_CHECKING:
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.promotions import Promotion
    from weighbridge.domain.registry.releases import ModelVersion

ReleasedVersion = Annotated[str, typer.Argument(help="A version as 'models list' shows it.")]
Reason = Annotated[
    str, option("--reason", "Why, in words; it is kept in the promotion's record.", check=plain_text)
]
To = Annotated[
    Optional[str],  # noqa: UP045
    option("--to", "The version to go back to.  [default: the one that was live before the last promotion]"),
]
Hold = Annotated[
    bool, option("--hold", "Have later trainings publish without promoting, until the next promotion.")
]


@with_context("store", "task", "json")
def promote_model(
    context: Context,
    version: ReleasedVersion,
    reason: Reason,
    hold: Hold = False,
) -> None:
    """Make a release the live one; services follow within their refresh interval.

    Its record, its bytes and its predictions for the golden rows are verified first.

    Example: weighbridge models promote 2021-07-03T23-05-32Z-0a1b2c3d --reason "approved by sales"
    """
    from weighbridge.domain.registry.loading import check_release
    from weighbridge.domain.registry.releases import ModelVersion

    wanted = ModelVersion.parse(context.task_name(), version)
    container = context.container()
    registry = container.registry()
    try:
        check_release(registry, wanted, container.codecs(), container.trial())
    except UnknownVersion:
        _check_not_refused(registry, wanted)
        raise
    _print_promotion(context, registry.promote(wanted, reason, container.operator(), hold))


@with_context("store", "task", "json")
def roll_back_model(
    context: Context,
    reason: Reason,
    to: To = None,
    hold: Hold = False,
) -> None:
    """Undo the last promotion: make the release that was live before it live again, by one more promotion.

    A second rollback goes further back, never forward again. A version that has been pruned is skipped. The
    release is verified first. The next training promotes its own release, unless the rollback holds (--hold).

    Example: weighbridge models rollback --reason "complaints since noon" --hold
    """
    from weighbridge.domain.registry.loading import check_release
    from weighbridge.domain.registry.releases import ModelVersion
    from weighbridge.domain.registry.rollback import roll_back

    name = context.task_name()
    container = context.container()
    registry, codecs, trial = container.registry(), container.codecs(), container.trial()
    promotion = roll_back(
        registry,
        lambda version: check_release(registry, version, codecs, trial),
        name,
        reason,
        container.operator(),
        hold,
        None if to is None else ModelVersion.parse(name, to),
        container.events(),
    )
    _print_promotion(context, promotion)


@with_context("store", "task", "json")
def release_hold(
    context: Context,
    reason: Reason,
) -> None:
    """Let later trainings promote themselves again: one more promotion of the live release, without hold.

    What was published meanwhile is not promoted by it. When nothing is held, nothing is written.

    Example: weighbridge models release-hold --reason "the data is corrected"
    """
    from weighbridge.domain.registry.promoting import release_hold as release
    from weighbridge.entrypoints.cli.console import print_json

    name = context.task_name()
    container = context.container()
    live, is_new = release(container.registry(), name, reason, container.operator())
    if is_new:
        said = f"{live.version} stays live and is not held any more: later trainings promote themselves"
    else:
        said = f"nothing to do: {live.version} is live and not held"
    if context.json:
        print_json(live.to_dict())
    else:
        print(said)


def _check_not_refused(registry: ModelRegistry, version: ModelVersion) -> None:
    """Check that there is no refusal of a version that was not released.

    Raises:
        ConfigurationError: there is one: its model was not kept, so it can never be promoted.
    """
    from weighbridge.entrypoints.cli.record_texts import first_reason

    try:
        refusal = registry.read_refusal(version)
    except UnknownVersion:
        return
    raise ConfigurationError(
        f"the candidate {version} of {version.task} was refused, and its model was not kept: "
        f"{first_reason(refusal.document)}; 'weighbridge models show {version}' shows the whole record"
    )


def _print_promotion(context: Context, promotion: Promotion) -> None:
    from weighbridge.entrypoints.cli.console import print_json

    if context.json:
        print_json(promotion.to_dict())
    else:
        held = ", and held: later trainings publish without promoting" if promotion.hold else ""
        print(f"{promotion.version} is live now{held}")
