"""Going back: the version that was live before becomes live again, by one more promotion."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from domain.errors import NothingReleased

if TYPE_CHECKING:
    from domain.ports import ModelRegistry
    from domain.releases import ModelVersion, Promotion

#: How far the clocks of two machines may be apart.
_DISAGREEMENT = timedelta(days=1)


def roll_back(
    registry: ModelRegistry, task: str, reason: str, by: str, hold: bool = False, to: ModelVersion | None = None
) -> Promotion:
    """Promote the version that was live when the present one first became live, or ``to``.

    So a second rollback goes further back, and never forward again to what the first one left behind.

    Args:
        registry: where promotions are.
        task: the task's name.
        reason: why, in words.
        by: who or what.
        hold: whether later trainings must not promote themselves.
        to: the version to go back to; None for the one that the present one followed.

    Raises:
        NothingReleased: nothing is live, or nothing was before it.
        UnknownVersion: there is no release of that version.
    """
    if to is None:
        live = registry.live(task).version
        to = _predecessor(registry, live)
        if to is None:
            raise NothingReleased(
                f"nothing of {task} was live before {live}; name a version to go back to with --to, "
                "'weighbridge models list' shows them"
            )
    return registry.promote(to, reason, by, hold)


def _predecessor(registry: ModelRegistry, live: ModelVersion) -> ModelVersion | None:
    """What was live when ``live`` was promoted for the first time; None when nothing was."""
    before: ModelVersion | None = None
    for promotion in registry.promotions(live.task):
        if promotion.version == live:
            before = None
        elif before is None:
            before = promotion.version
        # No promotion of a version is older than the version, but for clocks that disagree.
        if promotion.at < live.created - _DISAGREEMENT:
            break
    return before
