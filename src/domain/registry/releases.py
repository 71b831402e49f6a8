"""Versions of models; their releases, refusals and promotions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from weighbridge.domain.errors import UnknownVersion
from weighbridge.domain.registry.provenance import Record
from weighbridge.domain.store.artefacts import MODELS, REJECTED, REPORTS, format_timestamp, parse_timestamp

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
