"""The registry of models: an append-only log of JSON records on any store.

The order of writes makes it safe to be cut off anywhere: the bytes of a model, then the record whose
existence is the publication, then the promotion. What a crash leaves behind is never named by anything.
"""

import hashlib
import json
from collections.abc import Hashable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from weighbridge.domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    ModelUnreadable,
    NothingReleased,
    RegistryError,
    UnknownVersion,
)
from weighbridge.domain.registry.model_registry import ModelRegistry
from weighbridge.domain.registry.provenance import Record
from weighbridge.domain.registry.releases import ModelVersion, Promotion, Refusal, Release, version_of_record
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import (
    MODELS,
    PROMOTIONS,
    REJECTED,
    NamedInTime,
    format_timestamp,
    parse_timestamp,
)
from weighbridge.domain.store.discovery import find_last
from weighbridge.domain.system import Clock


class StoreRegistry(ModelRegistry):
    """A registry on an artefact store.

    Args:
        store: where the records and the models are.
        clock: when promotions are made.
    """

    def __init__(self, store: ArtefactStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def publish(self, model: bytes, record: Record) -> Release:
        """See the port. Bytes of the same version that a run cut off has left behind are taken over."""
        version = ModelVersion.parse(record.task, record.version)
        key = record.model.key
        if key is None:
            raise RegistryError(f"the record of {version} names no key for the model's bytes")
        try:
            self._store.write(key, model)
        except ArtefactExists:
            if self._store.read(key).sha256 != record.model.sha256:
                raise
        self._store.write(version.record_key, record.to_json())
        return Release(version, record, record.to_dict())

    def refuse(self, record: Record) -> None:
        """See the port. The same candidate refused twice in a second leaves one record."""
        version = ModelVersion.parse(record.task, record.version)
        with suppress(ArtefactExists):
            self._store.write(version.rejected_key, record.to_json())

    def promote(self, version: ModelVersion, reason: str, by: str, hold: bool = False) -> Promotion:
        """See the port."""
        self.read(version)
        now = self._clock.now().replace(microsecond=0)
        last = self._newest_promotion(version.task)
        if last is not None:
            # A clock that lags, or two promotions in one second, must not put this one before the last. The
            # name tells its time: a last one that cannot be read is no obstacle to making a better one.
            now = max(now, last.timestamp.replace(microsecond=0) + timedelta(seconds=1))
        promotion = Promotion(version, now, reason, by, hold)
        data = (json.dumps(promotion.to_dict(), indent=2, ensure_ascii=False) + "\n").encode()
        # The same statement made twice at once is one statement.
        with suppress(ArtefactExists):
            self._store.write(promotion.key(data), data)
        return promotion

    def live(self, task: str) -> Promotion:
        """See the port."""
        newest = self._newest_promotion(task)
        if newest is None:
            raise NothingReleased(
                f"no model of {task} has been released in {self._store.url}; "
                f"'weighbridge train' makes one from the newest dataset"
            )
        return self._promotion(task, newest.ref.key)

    def change_token(self, last: Promotion) -> Hashable:
        """See the port. A name may tell its time in a zone whose date is another: a day before is looked at."""
        prefix = f"{PROMOTIONS}/{last.version.task}_"
        refs = self._store.list(prefix, start_after=f"{prefix}{last.at - timedelta(days=1):%Y-%m-%d}")
        return tuple((ref.key, ref.revision) for ref in refs)

    def promotions(self, task: str) -> Iterator[Promotion]:
        """See the port."""
        keys = [
            (at, ref.key)
            for ref in self._store.list(f"{PROMOTIONS}/{task}_")
            if (at := _promoted_at(task, ref.name)) is not None
        ]
        for _, key in sorted(keys, reverse=True):
            yield self._promotion(task, key)

    def newest(self, task: str) -> Release | None:
        """See the port."""
        found = find_last(self._store, f"{MODELS}/{task}_", lambda name: _created(task, name), self._clock)
        if found is None:
            return None
        version = version_of_record(task, found.ref.name)
        assert version is not None
        return self.read(version)

    def releases(self, task: str) -> Iterator[Release]:
        """See the port."""
        for version in self.versions(task):
            yield self.read(version)

    def versions(self, task: str, after: ModelVersion | None = None) -> list[ModelVersion]:
        """See the port. Names sort as versions do: only what comes after ``after`` is listed."""
        return self._versions(MODELS, task, None if after is None else after.record_key)

    def refused_versions(self, task: str, after: ModelVersion | None = None) -> list[ModelVersion]:
        """See the port."""
        return self._versions(REJECTED, task, None if after is None else after.rejected_key)

    def read_refusal(self, version: ModelVersion) -> Refusal:
        """See the port."""
        try:
            return Refusal(version, *self._record(version, version.rejected_key))
        except ArtefactNotFound as error:
            raise UnknownVersion(
                f"no candidate {version} of {version.task} was refused in {self._store.url}; "
                f"'weighbridge models list --rejected' shows those that were"
            ) from error

    def read(self, version: ModelVersion) -> Release:
        """See the port."""
        try:
            return Release(version, *self._record(version, version.record_key))
        except ArtefactNotFound as error:
            raise UnknownVersion(
                f"there is no release {version} of {version.task} in {self._store.url}; "
                f"'weighbridge models list' shows those there are"
            ) from error

    def fetch(self, release: Release) -> bytes:
        """See the port."""
        model = release.record.model
        if model.key is None:
            raise ModelUnreadable(f"the record of {release.version} names no model")
        try:
            data = self._store.read(model.key).data
        except ArtefactNotFound as error:
            raise ModelUnreadable(f"the model '{model.key}' of {release.version} is gone") from error
        digest = hashlib.sha256(data).hexdigest()
        if digest != model.sha256:
            raise ModelUnreadable(
                f"the bytes of '{model.key}' are not those that were published: "
                f"their sha256 is {digest}, the record says {model.sha256}"
            )
        return data

    def _newest_promotion(self, task: str) -> NamedInTime | None:
        prefix = f"{PROMOTIONS}/{task}_"
        return find_last(self._store, prefix, lambda name: _promoted_at(task, name), self._clock)

    def _promotion(self, task: str, key: str) -> Promotion:
        try:
            return Promotion.from_dict(task, self._load(key))
        except (ValueError, ArtefactNotFound) as error:
            raise RegistryError(f"the promotion '{key}' in {self._store.url} cannot be read: {error}") from error

    def _versions(self, kind: str, task: str, after: str | None = None) -> list[ModelVersion]:
        names = (ref.name for ref in self._store.list(f"{kind}/{task}_", after))
        versions = (version_of_record(task, name) for name in names)
        return sorted((version for version in versions if version is not None), reverse=True)

    def _record(self, version: ModelVersion, key: str) -> tuple[Record, Mapping[str, Any]]:
        try:
            document = self._load(key)
            return _record_of(version, document), document
        except ValueError as error:
            raise RegistryError(f"the record '{key}' in {self._store.url} cannot be read: {error}") from error

    def _load(self, key: str) -> Mapping[str, Any]:
        document = json.loads(self._store.read(key).data)
        if not isinstance(document, dict):
            raise ValueError("it is not a JSON object")
        return document


def _record_of(version: ModelVersion, document: Mapping[str, Any]) -> Record:
    record = Record.from_dict(document)
    if (record.task, record.version) != (version.task, str(version)):
        raise ValueError(f"it is the record of {record.task}/{record.version}")
    # What the bytes are found, checked and decoded by; a record of a refusal has no key.
    model = record.model
    if not isinstance(model.key, str | None) or not all(isinstance(x, str) for x in (model.format, model.sha256)):
        raise ValueError("its model's key, format and sha256 are not texts")
    return record


def _promoted_at(task: str, name: str) -> datetime | None:
    stem = name.removeprefix(f"{task}_").removesuffix(".json")
    timestamp, dash, digest = stem.rpartition("-")
    if stem == name or not dash or len(digest) != 8:
        return None
    moment = parse_timestamp(timestamp)
    # Only we write promotions, in one spelling: so their keys sort by time.
    return moment if moment is not None and format_timestamp(moment) == timestamp else None


def _created(task: str, name: str) -> datetime | None:
    version = version_of_record(task, name)
    return None if version is None else version.created
