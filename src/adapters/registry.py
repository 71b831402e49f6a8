"""The registry of models: an append-only log of JSON records on any store.

The order of writes makes it safe to be cut off anywhere: the bytes of a model, the key that finds the release by
its dataset, the record whose existence is the publication, then the promotion. What a crash leaves behind counts
for nothing.
"""

import hashlib
import json
from collections.abc import Collection, Hashable, Iterator
from contextlib import suppress

from weighbridge.domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    ConfigurationError,
    ModelUnreadable,
    NothingReleased,
    PromotionOvertaken,
    RegistryError,
    StoreDenied,
    StoreUnavailable,
    UnknownVersion,
)
from weighbridge.domain.registry.model_registry import ModelRegistry
from weighbridge.domain.registry.promotion_log import PromotionLog, entries_of, entry_of, number_of
from weighbridge.domain.registry.promotions import Decision, Promotion
from weighbridge.domain.registry.provenance import Record
from weighbridge.domain.registry.record_reading import RecordReader
from weighbridge.domain.registry.record_rules import NO_RULES, RecordRules
from weighbridge.domain.registry.releases import ModelVersion, Refusal, Release
from weighbridge.domain.registry.trained import trained_key, versions_trained_on
from weighbridge.domain.registry.version_listing import last_version, versions_under
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import MODELS, REJECTED
from weighbridge.domain.system import Clock

#: How often a person's promotion is tried while others take each number first.
_ATTEMPTS = 100


class StoreRegistry(ModelRegistry):
    """A registry on an artefact store.

    Args:
        store: where the records and the models are.
        clock: when promotions are made.
        rules: that every record must keep before anything uses it.
    """

    def __init__(self, store: ArtefactStore, clock: Clock, rules: RecordRules = NO_RULES) -> None:
        self._store = store
        self._clock = clock
        self._reader = RecordReader(store, rules)
        self._logs: dict[str, PromotionLog] = {}

    def publish(self, model: bytes, record: Record) -> Release:
        """Write bytes, key of the dataset, and record; bytes of the same version that a run left behind are kept.

        Raises:
            ArtefactExists: the version was published before, or its key holds other bytes.
            RegistryError: the record names no key for the bytes.
        """
        version = ModelVersion.parse(record.task, record.version)
        key = record.model.key
        if key is None:
            raise RegistryError(f"the record of {version} names no key for the model's bytes")
        try:
            self._store.write(key, model)
        except ArtefactExists:
            if self._store.read(key).sha256 != record.model.sha256:
                raise
        self._write_trained(version, record, is_released=True)
        self._store.write(version.record_key, record.to_json())
        return Release(version, record, record.to_dict())

    def refuse(self, record: Record) -> None:
        """Write the key of the dataset and the record; the same candidate refused twice leaves one record."""
        version = ModelVersion.parse(record.task, record.version)
        self._write_trained(version, record, is_released=False)
        with suppress(ArtefactExists):
            self._store.write(version.rejected_key, record.to_json())

    def promote(self, version: ModelVersion, reason: str, by: str, hold: bool = False) -> Promotion:
        """Read the version's record, then append to the log until the number after the last one is ours.

        Raises:
            UnknownVersion: there is no release of that version.
            RegistryError: its record cannot be read, or the log can hold no more.
            StoreUnavailable: others took every number that was tried.
        """
        self.read(version)
        for _ in range(_ATTEMPTS):
            last = self._log(version.task).last()
            decision = Decision(version, reason, by, hold, rollback_to=last or None)
            # Where the last entry cannot be read, a rollback from this one will say so.
            with suppress(RegistryError):
                if last:
                    decision = Decision.following(self.promotion(version.task, last), version, reason, by, hold)
            with suppress(PromotionOvertaken):
                return self._append(decision, last)
        raise StoreUnavailable(
            f"{self._store.url}: others promoted {_ATTEMPTS} times while {version} was to be promoted; try again"
        )

    def append(self, decision: Decision, after: Promotion | None) -> Promotion:
        """Create the record under the number after that of ``after``.

        Raises:
            PromotionOvertaken: that number is taken.
            RegistryError: the log can hold no more.
        """
        return self._append(decision, "" if after is None else after.entry)

    def live(self, task: str) -> Promotion:
        """Find the last entry of the log and read it.

        Raises:
            NothingReleased: the log is empty.
            RegistryError: the entry cannot be read as a promotion.
        """
        last = self._log(task).last()
        if not last:
            raise NothingReleased(
                f"no model of {task} has been released in {self._store.url}; "
                f"'weighbridge train' makes one from the newest dataset"
            )
        return self.promotion(task, last)

    def promotion(self, task: str, entry: str) -> Promotion:
        """Read one entry of the log.

        Raises:
            RegistryError: it does not exist, or cannot be read as a promotion.
        """
        return self._reader.promotion(task, entry, self._log(task).key(entry))

    def change_token(self, last: Promotion) -> Hashable:
        """List the log from ``last`` on: one request, two where version 0.1 wrote ``last``."""
        return self._log(last.version.task).change_token(last.entry)

    def promotions(self, task: str, before: str | None = None) -> Iterator[Promotion]:
        """List the log once, then read its entries as they are consumed.

        Raises:
            RegistryError: one of them cannot be read.
        """
        entries = entries_of(self._store, task)
        if before is not None:
            entries = entries[entries.index(before) + 1 :] if before in entries else []
        for entry in entries:
            yield self.promotion(task, entry)

    def newest(self, task: str) -> Release | None:
        """Find the record with the newest name and read it.

        Raises:
            RegistryError: it cannot be read.
        """
        version = last_version(self._store, self._clock, MODELS, task)
        return None if version is None else self.read(version)

    def newest_version(self, task: str) -> ModelVersion | None:
        """Find the newest names of releases and of refusals."""
        found = (last_version(self._store, self._clock, kind, task) for kind in (MODELS, REJECTED))
        return max((version for version in found if version is not None), default=None)

    def trained_on(self, task: str, sha256: str, fingerprints: Collection[str]) -> Iterator[Release | Refusal]:
        """List the keys of the dataset, one request for each page; then read records as they are consumed."""
        for version, is_released in versions_trained_on(self._store, task, sha256, fingerprints):
            # What was cut off before the record, or pruned, or is damaged, tells of no training.
            with suppress(RegistryError):
                found = self.read(version) if is_released else self.read_refusal(version)
                record = found.record
                if record.dataset.sha256 == sha256 and record.task_fingerprint in fingerprints:
                    yield found

    def releases(self, task: str) -> Iterator[Release]:
        """List the versions, then read records as they are consumed.

        Raises:
            RegistryError: one of them cannot be read.
        """
        for version in self.versions(task):
            yield self.read(version)

    def versions(self, task: str, after: ModelVersion | None = None) -> list[ModelVersion]:
        """List the names of release records; they sort as versions do, so the listing begins after ``after``."""
        return versions_under(self._store, MODELS, task, None if after is None else after.record_key)

    def refused_versions(self, task: str, after: ModelVersion | None = None) -> list[ModelVersion]:
        """List the names of the records of refusals, as ``versions`` does those of releases."""
        return versions_under(self._store, REJECTED, task, None if after is None else after.rejected_key)

    def read_refusal(self, version: ModelVersion) -> Refusal:
        """Read and check the record of a refusal.

        Raises:
            UnknownVersion: there is none.
            RegistryError: it is not a record of that version.
        """
        try:
            return Refusal(version, *self._reader.record(version, version.rejected_key))
        except ArtefactNotFound as error:
            raise UnknownVersion(
                f"no candidate {version} of {version.task} was refused in {self._store.url}; "
                f"'weighbridge models list --rejected' shows those that were"
            ) from error

    def read(self, version: ModelVersion) -> Release:
        """Read and check the record of a release.

        Raises:
            UnknownVersion: there is none.
            RegistryError: it is not a record of that version.
        """
        try:
            return Release(version, *self._reader.record(version, version.record_key))
        except ArtefactNotFound as error:
            raise UnknownVersion(
                f"there is no release {version} of {version.task} in {self._store.url}; "
                f"'weighbridge models list' shows those there are"
            ) from error

    def fetch(self, release: Release) -> bytes:
        """Read the bytes under the key that the record names.

        Raises:
            ModelUnreadable: the record names no key that a store can hold, nothing is there, or other bytes are.
        """
        model = release.record.model
        if model.key is None:
            raise ModelUnreadable(f"the record of {release.version} names no model")
        try:
            data = self._store.read(model.key).data
        except ArtefactNotFound as error:
            raise ModelUnreadable(f"the model '{model.key}' of {release.version} is gone") from error
        except ConfigurationError as error:
            raise ModelUnreadable(f"the record of {release.version} names no model: {error}") from error
        digest = hashlib.sha256(data).hexdigest()
        if digest != model.sha256:
            raise ModelUnreadable(
                f"the bytes of '{model.key}' are not those that were published: "
                f"their sha256 is {digest}, the record says {model.sha256}"
            )
        return data

    def _log(self, task: str) -> PromotionLog:
        return self._logs.setdefault(task, PromotionLog(self._store, task, self._clock))

    def _append(self, decision: Decision, last: str) -> Promotion:
        version = decision.version
        try:
            entry = entry_of(number_of(last) + 1)
        except ValueError as error:
            raise RegistryError(f"{version} cannot be promoted in {self._store.url}: {error}") from error
        at = self._clock.now().replace(microsecond=0)
        promotion = Promotion(
            version, at, decision.reason, decision.by, decision.hold, entry, decision.origin, decision.rollback_to
        )
        key = self._log(version.task).key(entry)
        data = (json.dumps(promotion.to_dict(), indent=2, ensure_ascii=False) + "\n").encode()
        try:
            self._store.write(key, data)
        except ArtefactExists as error:
            # A store may say so of our own write, when the reply to its first attempt was lost.
            if self._written(key) != data:
                raise PromotionOvertaken(
                    f"{version} is not promoted: something else was promoted first; run the command again"
                ) from error
        return promotion

    def _written(self, key: str) -> bytes | None:
        with suppress(ArtefactNotFound):
            return self._store.read(key).data
        return None

    def _write_trained(self, version: ModelVersion, record: Record, is_released: bool) -> None:
        # Without it the same dataset is trained on again, at worst: a bucket whose policy knows the older kinds of
        # keys alone stays of use.
        with suppress(ArtefactExists, StoreDenied):
            self._store.write(
                trained_key(version, record.dataset.sha256, record.task_fingerprint, is_released), b"{}\n"
            )
