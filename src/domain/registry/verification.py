"""Whether what is in the registry is still what was put there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.domain.errors import ArtefactNotFound, ModelError, NothingReleased, RegistryError, UnknownVersion
from weighbridge.domain.registry.loading import decode_release
from weighbridge.domain.registry.promotion_log import entries_of
from weighbridge.domain.registry.promotions import Promotion, unnumbered_entry
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.store.artefacts import PROMOTIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from weighbridge.domain.model.codec import ModelCodec
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.record_rules import RecordKind, RecordRules
    from weighbridge.domain.registry.releases import Release
    from weighbridge.domain.registry.trial import ReleaseTrial
    from weighbridge.domain.store.artefact_store import ArtefactStore


@dataclass(frozen=True, slots=True)
class Verified:
    """What was looked at, by the key of its record, and everything that is wrong with it."""

    key: str
    faults: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {"key": self.key, "faults": list(self.faults)}


@dataclass(frozen=True, slots=True)
class Verifier:
    """Looks at records, and at the models that they name. It changes nothing.

    Every method may raise StoreError: what cannot be asked for now is not what is wrong.
    """

    store: ArtefactStore
    registry: ModelRegistry
    codecs: Sequence[ModelCodec]
    rules: RecordRules
    #: Where models are tried; None for this process.
    trial: ReleaseTrial | None = None

    def release(self, version: ModelVersion) -> Verified:
        """A release: its record, its schema's fingerprint, the digest of its bytes, and the golden rows.

        Raises:
            UnknownVersion: there is none.
        """
        key = version.record_key
        faults = self._faults_of_record("release", key)
        try:
            release = self.registry.read(version)
        except UnknownVersion:
            raise
        except RegistryError as error:
            return Verified(key, (*faults, str(error)))
        model = release.record.model
        if release.document["decision"]["verdict"] == "reject":
            faults.append("it is the record of a refusal")
        if not model.sha256.startswith(version.digest):
            faults.append(f"the version is not that of a model with the sha256 {model.sha256}")
        if "fingerprint" not in release.document["schema"]:
            faults.append("its schema has no fingerprint")
        try:
            data = self.registry.fetch(release)
            if len(data) != model.size:
                faults.append(f"'{model.key}' has {len(data):,} bytes; the record says {model.size:,}")
            self.model(release, data)
        except ModelError as error:
            faults.append(str(error))
        return Verified(key, tuple(faults))

    def model(self, release: Release, data: bytes) -> None:
        """Try the model of a release: in a process of its own, where there is a trial.

        Raises:
            ModelUnreadable, IncompatibleModel: it fails.
        """
        if self.trial is None:
            decode_release(release, data, self.codecs)
        else:
            self.trial.run(release, data)

    def refusal(self, version: ModelVersion) -> Verified:
        """The record of a refused candidate.

        Raises:
            UnknownVersion: there is none.
        """
        key = version.rejected_key
        faults = self._faults_of_record("release", key)
        try:
            refusal = self.registry.read_refusal(version)
        except UnknownVersion:
            raise
        except RegistryError as error:
            return Verified(key, (*faults, str(error)))
        if refusal.document["decision"]["verdict"] != "reject":
            faults.append("it is not the record of a refusal")
        return Verified(key, tuple(faults))

    def promotions(self, task: str) -> Iterator[Verified]:
        """Every promotion, first one first. One of a version that was pruned is history, unless it is the last."""
        entries = entries_of(self.store, task)[::-1]
        yield from self._misnamed(task, set(entries))
        try:
            live = self.registry.live(task)
            self.registry.read(live.version)
            problem = ""
        except NothingReleased:
            problem = ""
        except RegistryError as error:
            problem = str(error)
        for entry in entries:
            key = f"{PROMOTIONS}/{task}_{entry}.json"
            faults = self._faults_of_promotion(task, entry, key)
            # The last one holds, or nothing does.
            if entry == entries[-1] and problem and not faults:
                faults.append(f"it is the live one, and {problem}")
            yield Verified(key, tuple(faults))

    def _misnamed(self, task: str, entries: set[str]) -> Iterator[Verified]:
        prefix = f"{PROMOTIONS}/{task}_"
        for ref in self.store.list(prefix):
            rest = ref.key[len(prefix) :]
            # What goes on with a letter belongs to a task with a longer name.
            if rest[:1].isdigit() and rest.removesuffix(".json") not in entries:
                yield Verified(ref.key, ("its name is neither a number of 12 digits nor a time and a digest",))

    def everything(self, task: str) -> Iterator[Verified]:
        """Every release, refusal and promotion of a task, as they are looked at.

        What is removed meanwhile is left out.
        """
        for version in self.registry.versions(task):
            try:
                yield self.release(version)
            except UnknownVersion:
                continue
        for version in self.registry.refused_versions(task):
            try:
                yield self.refusal(version)
            except UnknownVersion:
                continue
        yield from self.promotions(task)

    def _faults_of_record(self, kind: RecordKind, key: str) -> list[str]:
        try:
            return self.rules.faults(kind, json.loads(self.store.read(key).data))
        except (ValueError, RecursionError, ArtefactNotFound):
            # The registry says so in its own words.
            return []

    def _faults_of_promotion(self, task: str, entry: str, key: str) -> list[str]:
        data = self.store.read(key).data
        try:
            document = json.loads(data)
            faults = self.rules.faults("promotion", document)
            if not faults:
                promotion = Promotion.from_dict(task, document, entry)
                if not promotion.number and unnumbered_entry(promotion, data) != entry:
                    name = unnumbered_entry(promotion, data)
                    faults.append(f"its name is not that of its time and its bytes, '{task}_{name}.json'")
        except (ValueError, RecursionError) as error:
            faults = [f"it cannot be read: {error}"]
        return faults
