"""Decisions about what is live, and how they are recorded in the log of promotions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from weighbridge.domain.errors import UnknownVersion
from weighbridge.domain.registry.promotion_log import number_of
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.store.artefacts import format_timestamp

#: The layout of the promotion record.
PROMOTION_SCHEMA_VERSION = 1


class Origin(StrEnum):
    """Who makes a promotion."""

    TRAINING = "training"
    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be promoted, before it has a place in the log.

    Args:
        version: what is to be live.
        reason: why, in words.
        by: who or what.
        hold: whether later trainings must not promote themselves.
        origin: a training, or a person's command.
        rollback_to: the entry of the promotion that a rollback from this one restores; None when there is none.
    """

    version: ModelVersion
    reason: str
    by: str
    hold: bool = False
    origin: Origin = Origin.PERSON
    rollback_to: str | None = None

    @classmethod
    def following(
        cls,
        last: Promotion | None,
        version: ModelVersion,
        reason: str,
        by: str,
        hold: bool = False,
        origin: Origin = Origin.PERSON,
    ) -> Decision:
        """A decision that comes after ``last``: a rollback from it restores what ``last`` says.

        Where ``last`` promoted the same version, a rollback from the new one restores what one from ``last`` does.
        """
        if last is None:
            rollback_to = None
        elif last.version == version and last.number:
            rollback_to = last.rollback_to
        else:
            rollback_to = last.entry
        return cls(version, reason, by, hold, origin, rollback_to)


@dataclass(frozen=True, slots=True)
class Promotion:
    """The statement that a version is live, until a later entry of the log.

    Args:
        version: what is live.
        at: UTC, whole seconds, by the clock of who promoted; the order is that of the log.
        reason: why, in words.
        by: who or what.
        hold: whether later trainings must not promote themselves.
        entry: its name in the log: 12 digits, or a timestamp and a digest where version 0.1 wrote it.
        origin: a training, or a person's command; None where version 0.1 wrote it, which did not say.
        rollback_to: the entry of the promotion that a rollback from this one restores; None when there is none,
            and where version 0.1 wrote it, which did not say.
    """

    version: ModelVersion
    at: datetime
    reason: str
    by: str
    hold: bool = False
    entry: str = ""
    origin: Origin | None = None
    rollback_to: str | None = None

    @property
    def number(self) -> int:
        """Its number in the log; 0 where version 0.1 wrote it."""
        return number_of(self.entry)

    def to_dict(self) -> dict[str, Any]:
        """As the record in the store has it."""
        document = {
            "schema_version": PROMOTION_SCHEMA_VERSION,
            "task": self.version.task,
            "version": str(self.version),
            "promoted_at": self.at.isoformat().replace("+00:00", "Z"),
            "reason": self.reason,
            "by": self.by,
            "hold": self.hold,
        }
        if not self.number:
            return document
        return document | {
            "number": self.number,
            "origin": None if self.origin is None else str(self.origin),
            "rollback_to": self.rollback_to,
        }

    @classmethod
    def from_dict(cls, task: str, data: Mapping[str, Any], entry: str) -> Promotion:
        """Read what ``to_dict`` wrote; ``entry`` is its name in the log.

        Raises:
            ValueError: it is something else, another task's or entry's, or of a later layout.
        """
        try:
            if data["schema_version"] > PROMOTION_SCHEMA_VERSION or data["task"] != task:
                raise ValueError(f"not a promotion of {task} that this release of the software can read")
            at = datetime.fromisoformat(data["promoted_at"])
            if at.tzinfo is None:
                raise ValueError("not a promotion: its promoted_at has no zone")
            number = number_of(entry)
            if data.get("number", number) != number:
                raise ValueError(f"it is the promotion number {data['number']}")
            origin, rollback_to = data.get("origin"), data.get("rollback_to")
            # Whoever follows these goes back in the log and comes to its beginning.
            if rollback_to is not None and (not isinstance(rollback_to, str) or number_of(rollback_to) >= number):
                raise ValueError(f"its rollback_to is not an entry before it: {rollback_to!r}")
            return cls(
                version=ModelVersion.parse(task, data["version"]),
                at=at,
                reason=data["reason"],
                by=data["by"],
                hold=data["hold"] is True,
                entry=entry,
                origin=None if origin is None else Origin(origin),
                rollback_to=rollback_to,
            )
        except (KeyError, TypeError, AttributeError, UnknownVersion) as error:
            raise ValueError(f"not a promotion: {error}") from error


def unnumbered_entry(promotion: Promotion, data: bytes) -> str:
    """The name that version 0.1 gave to a promotion whose record has these bytes."""
    return f"{format_timestamp(promotion.at)}-{hashlib.sha256(data).hexdigest()[:8]}"
