"""Going back: the version that was live before becomes live again, by one more promotion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from domain.errors import NothingReleased

if TYPE_CHECKING:
    from domain.ports import ModelRegistry
    from domain.releases import ModelVersion, Promotion


def roll_back(
    registry: ModelRegistry, task: str, reason: str, by: str, hold: bool = False, to: ModelVersion | None = None
) -> Promotion:
    """Promote the version that was live before the present one, or ``to``.

    Args:
        registry: where promotions are.
        task: the task's name.
        reason: why, in words.
        by: who or what.
        hold: whether later trainings must not promote themselves.
        to: the version to go back to; None for the last one that was live and is not the present one.

    Raises:
        NothingReleased: nothing is live, or nothing else ever was.
        UnknownVersion: there is no release of that version.
    """
    if to is None:
        live = registry.live(task).version
        to = next((past.version for past in registry.promotions(task) if past.version != live), None)
        if to is None:
            raise NothingReleased(f"only {live} of {task} was ever live; there is nothing to go back to")
    return registry.promote(to, reason, by, hold)
