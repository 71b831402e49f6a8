"""Promoting: what a training may do, and what a person decides; who loses the race for a number decides anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weighbridge.domain.errors import NothingReleased, PromotionOvertaken, StoreUnavailable
from weighbridge.domain.registry.events import ModelPromoted, PromotionHeld, PromotionLeft
from weighbridge.domain.registry.promotion_log import entry_of, number_of
from weighbridge.domain.registry.promotions import Decision, Origin

if TYPE_CHECKING:
    from collections.abc import Callable

    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.promotions import Promotion
    from weighbridge.domain.registry.releases import ModelVersion
    from weighbridge.domain.system import EventSink

#: How often a decision is taken anew because something else was promoted first.
_ATTEMPTS = 100


def live_or_none(registry: ModelRegistry, task: str) -> Promotion | None:
    """The last promotion of a task; None when there is none.

    Raises:
        RegistryError: it cannot be read.
    """
    try:
        return registry.live(task)
    except NothingReleased:
        return None


def promote_trained(
    registry: ModelRegistry, version: ModelVersion, reason: str, by: str, since: str, events: EventSink
) -> None:
    """Promote what a training has published, unless the live one is held or a person decided something meanwhile.

    Args:
        registry: where promotions are.
        version: that was published.
        reason: why, in words.
        by: who or what.
        since: the last entry of the log when the training began; empty when there was none.
        events: told that it is live, or why it is not.

    Raises:
        RegistryError: the last promotion cannot be read: whether it holds later ones back is unknown.
        StoreUnavailable: others promoted something at every attempt.
    """

    def decide(last: Promotion | None) -> Decision | None:
        if last is not None:
            if last.version == version:
                return None
            if last.hold:
                events.emit(PromotionHeld(str(version), str(last.version), last.reason))
                return None
            decided = _decided_since(registry, last, since)
            if decided is not None:
                events.emit(PromotionLeft(str(version), str(decided.version), decided.reason))
                return None
        return Decision.following(last, version, reason, by, origin=Origin.TRAINING)

    if decide_and_append(registry, version.task, decide) is not None:
        events.emit(ModelPromoted(str(version), reason))


def release_hold(registry: ModelRegistry, task: str, reason: str, by: str) -> tuple[Promotion, bool]:
    """Promote the live version once more, without hold; when nothing is held, nothing is written.

    Returns:
        The last promotion now, and whether it is a new one.

    Raises:
        NothingReleased: nothing is live.
        RegistryError: the last promotion cannot be read.
        StoreUnavailable: others promoted something at every attempt.
    """

    def decide(last: Promotion | None) -> Decision | None:
        if last is None or not last.hold:
            return None
        return Decision.following(last, last.version, reason, by)

    made = decide_and_append(registry, task, decide)
    return (registry.live(task), False) if made is None else (made, True)


def decide_and_append(
    registry: ModelRegistry, task: str, decide: Callable[[Promotion | None], Decision | None]
) -> Promotion | None:
    """Append what ``decide`` makes of the last promotion; it is asked again when something else came first.

    Returns:
        The promotion that was the last one when it was written; None where ``decide`` answers None.

    Raises:
        RegistryError: the last promotion cannot be read, or whatever ``decide`` raises.
        StoreUnavailable: something else came first at every attempt.
    """
    for _ in range(_ATTEMPTS):
        last = live_or_none(registry, task)
        decision = decide(last)
        if decision is None:
            return None
        try:
            return registry.append(decision, last)
        except PromotionOvertaken:
            continue
    raise StoreUnavailable(f"others promoted {_ATTEMPTS} models of {task} meanwhile; run the command again")


def _decided_since(registry: ModelRegistry, last: Promotion, since: str) -> Promotion | None:
    """The newest promotion after ``since`` that a person made; None when only trainings promoted."""
    promotion = last
    while promotion.number > number_of(since):
        if promotion.origin is not Origin.TRAINING:
            return promotion
        if promotion.number == number_of(since) + 1:
            return None
        promotion = registry.promotion(last.version.task, entry_of(promotion.number - 1))
    return None
