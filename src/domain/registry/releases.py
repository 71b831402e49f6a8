"""Versions of models; their releases, refusals and promotions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from weighbridge.domain.errors import UnknownVersion
from weighbridge.domain.registry.promotion_log import number_of
from weighbridge.domain.registry.provenance import Record
from weighbridge.domain.store.artefacts import (
    MODELS,
    REJECTED,
    REPORTS,
    format_timestamp,
    parse_timestamp,
)

#: The layout of the promotion record.
PROMOTION_SCHEMA_VERSION = 1

#: How far the clocks of two machines may be apart: no promotion is older than its version but for that.
CLOCKS_APART = timedelta(days=1)

_VERSION = re.compile(r"(?P<created>\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}Z)-(?P<digest>[0-9a-f]{8})")


@dataclass(frozen=True, slots=True, order=True)
class ModelVersion:
    """The identity of a model: when it was trained, and the beginning of its digest.

    Versions of one task order by time, then by digest.

    Args:
        task: the task's name.
        created: UTC, whole seconds.
        digest: the first 8 hexadecimal digits of the sha256 of the model's bytes.
    """

    task: str
    created: datetime
    digest: str

    @classmethod
    def of(cls, task: str, created: datetime, sha256: str) -> ModelVersion:
        """The version of a model with this digest, trained then; a fraction of a second is cut off."""
        return cls(task, created.replace(microsecond=0), sha256[:8])

    @classmethod
    def parse(cls, task: str, text: str) -> ModelVersion:
        """Read ``2021-07-03T23-05-32Z-0a1b2c3d``, alone or as ``<task>/<version>``.

        Raises:
            UnknownVersion: it is not of that form, or another task's.
        """
        found = _VERSION.fullmatch(text.removeprefix(f"{task}/"))
        created = parse_timestamp(found["created"]) if found else None
        if found is None or created is None:
            raise UnknownVersion(
                f"'{text}' is not a version of {task}; one looks like 2021-07-03T23-05-32Z-0a1b2c3d"
            )
        return cls(task, created, found["digest"])

    @classmethod
    def in_name(cls, task: str, name: str) -> ModelVersion | None:
        """The version in ``<task>_<version>.<anything>``, a key's second level; None when it is something else."""
        stem, dot, _ = name.removeprefix(f"{task}_").partition(".")
        if not dot or not name.startswith(f"{task}_"):
            return None
        try:
            return cls.parse(task, stem)
        except UnknownVersion:
            return None

    def __str__(self) -> str:
        return f"{format_timestamp(self.created)}-{self.digest}"

    @property
    def qualified(self) -> str:
        """``<task>/<version>``, as answers name it."""
        return f"{self.task}/{self}"

    @property
    def record_key(self) -> str:
        """Where the release record is, if there is one."""
        return f"{MODELS}/{self.task}_{self}.json"

    @property
    def rejected_key(self) -> str:
        """Where the record of a refused candidate is, if there is one."""
        return f"{REJECTED}/{self.task}_{self}.json"

    @property
    def report_key(self) -> str:
        """Where the report of its evaluation is, if there is one."""
        return f"{REPORTS}/{self.task}_{self}.html"

    def model_key(self, model_format: str) -> str:
        """Where the model's bytes are put; readers follow the record instead."""
        return f"{MODELS}/{self.task}_{self}.{model_format}"


def version_of_record(task: str, name: str) -> ModelVersion | None:
    """The version whose record ``name`` (a key's second level) is; None when it is something else."""
    version = ModelVersion.in_name(task, name)
    return version if version is not None and name == f"{task}_{version}.json" else None


@dataclass(frozen=True, slots=True)
class Release:
    """A published model.

    Args:
        version: its identity.
        record: what is known of it.
        document: the record as it is stored, with fields that this release of the software may not know.
    """

    version: ModelVersion
    record: Record
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A candidate that the gate refused; its fields are those of a release, and its model was not kept."""

    version: ModelVersion
    record: Record
    document: Mapping[str, Any]


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
