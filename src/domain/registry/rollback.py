"""Rolling back: the version that was live before becomes live again, by one more promotion.

Every promotion names the one that a rollback from it restores. A rollback takes over what the restored one names,
so that a second rollback goes further back. Version 0.1 wrote no such names; its part of the log is searched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from weighbridge.domain.errors import NothingReleased, RegistryError, UnknownVersion
from weighbridge.domain.registry.events import PrunedVersionSkipped
from weighbridge.domain.registry.promoting import decide_and_append
from weighbridge.domain.registry.promotions import Decision
from weighbridge.domain.registry.releases import CLOCKS_APART

if TYPE_CHECKING:
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.promotions import Promotion
    from weighbridge.domain.registry.releases import ModelVersion
    from weighbridge.domain.system import EventSink

#: How far back a version that is named is looked for, to go on from there with the next rollback.
_FAR = 100


def roll_back(
    registry: ModelRegistry,
    check: Callable[[ModelVersion], object],
    task: str,
    reason: str,
    by: str,
    hold: bool = False,
    to: ModelVersion | None = None,
    events: EventSink | None = None,
) -> Promotion:
    """Undo the last promotion: promote the version that was live before it, or ``to``.

    A second rollback goes further back, and never forward again to what the first one left behind. A version
    that has been pruned is skipped.

    Args:
        registry: where promotions are.
        check: raises what is wrong with a release; it is called before the promotion is written.
        task: the task's name.
        reason: why, in words.
        by: who or what.
        hold: whether later trainings must not promote themselves.
        to: the version to go back to; None for the one that was live before the last promotion.
        events: told of each version that is skipped.

    Raises:
        NothingReleased: nothing is live, or nothing that is still there was before it.
        UnknownVersion: there is no release of that version.
        RegistryError: a promotion or a record cannot be read.
        ModelUnreadable, IncompatibleModel: the release is damaged. Nothing is written.
        StoreUnavailable: others promoted something at every attempt.
    """

    def decide(last: Promotion | None) -> Decision:
        # With nothing in the log, this says so.
        last = registry.live(task) if last is None else last
        target = _target(registry, check, last, events)
        return Decision(target.version, reason, by, hold, rollback_to=_restored_from(registry, target))

    if to is not None:
        return _roll_back_to(registry, check, to, reason, by, hold)
    made = decide_and_append(registry, task, decide)
    assert made is not None
    return made


def rollback_targets(registry: ModelRegistry, last: Promotion) -> Iterator[Promotion]:
    """What a rollback from ``last`` restores, what one from there does, and so on, whether or not it is still
    there.

    One request for each, as they are consumed; within the part of the log that version 0.1 wrote, as many as it
    has entries.
    """
    current = last
    while current.number:
        if current.rollback_to is None:
            return
        target = registry.promotion(current.version.task, current.rollback_to)
        if target.version != current.version:
            yield target
        current = target
    yield from _unnumbered_targets(registry, current)


def _target(
    registry: ModelRegistry,
    check: Callable[[ModelVersion], object],
    last: Promotion,
    events: EventSink | None,
) -> Promotion:
    pruned = 0
    for target in rollback_targets(registry, last):
        try:
            check(target.version)
        except UnknownVersion:
            pruned += 1
            if events is not None:
                events.emit(PrunedVersionSkipped(str(target.version)))
        else:
            return target
    was = f"nothing of {last.version.task} was live before {last.version}"
    raise NothingReleased(
        f"{f'{was} that has not been pruned' if pruned else was}; name a version to go back to with --to, "
        "'weighbridge models list' shows them"
    )


def _roll_back_to(
    registry: ModelRegistry,
    check: Callable[[ModelVersion], object],
    version: ModelVersion,
    reason: str,
    by: str,
    hold: bool,
) -> Promotion:
    def decide(last: Promotion | None) -> Decision:
        if last is not None and last.version != version:
            for target in islice(rollback_targets(registry, last), _FAR):
                if target.version == version:
                    return Decision(version, reason, by, hold, rollback_to=_restored_from(registry, target))
        return Decision.following(last, version, reason, by, hold)

    check(version)
    try:
        made = decide_and_append(registry, version.task, decide)
    except RegistryError:
        # A version that is named is the way out of a log that cannot be read.
        return registry.promote(version, reason, by, hold)
    assert made is not None
    return made


def _restored_from(registry: ModelRegistry, target: Promotion) -> str | None:
    """The entry that a rollback from ``target`` restores."""
    if target.number:
        return target.rollback_to
    further = next(_unnumbered_targets(registry, target), None)
    return None if further is None else further.entry


def _unnumbered_targets(registry: ModelRegistry, last: Promotion) -> Iterator[Promotion]:
    """As ``rollback_targets``, in what version 0.1 wrote: what was live when a version was promoted first."""
    log = _Log(last, registry.promotions(last.version.task, before=last.entry))
    current, start = last, 0
    while (found := _predecessor(log, current.version, start)) is not None:
        start, current = found
        yield current


class _Log:
    """A promotion and those before it, newest first, read once."""

    def __init__(self, last: Promotion, earlier: Iterator[Promotion]) -> None:
        self._coming = earlier
        self._read = [last]

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


def _predecessor(log: _Log, version: ModelVersion, start: int) -> tuple[int, Promotion] | None:
    """What was live when ``version`` was promoted for the first time, and where in the log; None for nothing."""
    before: tuple[int, Promotion] | None = None
    for place, promotion in log.since(start):
        if promotion.version == version:
            before = None
        elif before is None:
            before = place, promotion
        # No promotion of a version is older than the version, but for clocks that disagree.
        if promotion.at < version.created - CLOCKS_APART:
            break
    return before
