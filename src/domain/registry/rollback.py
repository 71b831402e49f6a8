"""Going back: the version that was live before becomes live again, by one more promotion."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from weighbridge.domain.errors import NothingReleased, UnknownVersion
from weighbridge.domain.registry.events import PrunedVersionSkipped
from weighbridge.domain.registry.releases import CLOCKS_APART

if TYPE_CHECKING:
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.releases import ModelVersion, Promotion
    from weighbridge.domain.system import EventSink


def roll_back(
    registry: ModelRegistry,
    task: str,
    reason: str,
    by: str,
    hold: bool = False,
    to: ModelVersion | None = None,
    events: EventSink | None = None,
) -> Promotion:
    """Promote the version that was live when the present one first became live, or ``to``.

    So a second rollback goes further back, and never forward again to what the first one left behind. A version
    that has been pruned is skipped.

    Args:
        registry: where promotions are.
        task: the task's name.
        reason: why, in words.
        by: who or what.
        hold: whether later trainings must not promote themselves.
        to: the version to go back to; None for the one that the present one followed.
        events: told of each version that is skipped.

    Raises:
        NothingReleased: nothing is live, or nothing that is still there was before it.
        UnknownVersion: there is no release of that version.
    """
    if to is not None:
        return registry.promote(to, reason, by, hold)
    live = registry.live(task).version
    pruned = 0
    for target in rollback_targets(registry, live):
        try:
            return registry.promote(target, reason, by, hold)
        except UnknownVersion:
            pruned += 1
            if events is not None:
                events.emit(PrunedVersionSkipped(str(target)))
    was = f"nothing of {task} was live before {live}"
    raise NothingReleased(
        f"{f'{was} that has not been pruned' if pruned else was}; name a version to go back to with --to, "
        "'weighbridge models list' shows them"
    )


def rollback_targets(registry: ModelRegistry, live: ModelVersion) -> Iterator[ModelVersion]:
    """Where a rollback from ``live`` goes, where one from there goes, and so on, whether or not it is still there.

    Promotions are read as far as they are needed.
    """
    log = _Log(registry.promotions(live.task))
    current, start = live, 0
    while (found := _predecessor(log, current, start)) is not None:
        start, current = found
        yield current


class _Log:
    """Promotions, newest first, read once."""

    def __init__(self, promotions: Iterator[Promotion]) -> None:
        self._coming = promotions
        self._read: list[Promotion] = []

    def since(self, start: int) -> Iterator[tuple[int, Promotion]]:
        place = start
        while True:
            if place == len(self._read):
                promotion = next(self._coming, None)
                if promotion is None:
                    return
                self._read.append(promotion)
            yield place, self._read[place]
            place += 1


def _predecessor(log: _Log, version: ModelVersion, start: int) -> tuple[int, ModelVersion] | None:
    """What was live when ``version`` was promoted for the first time, and where in the log; None for nothing."""
    before: tuple[int, ModelVersion] | None = None
    for place, promotion in log.since(start):
        if promotion.version == version:
            before = None
        elif before is None:
            before = place, promotion.version
        # No promotion of a version is older than the version, but for clocks that disagree.
        if promotion.at < version.created - CLOCKS_APART:
            break
    return before
