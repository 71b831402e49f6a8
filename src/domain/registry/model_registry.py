"""The log of releases, refusals and promotions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Hashable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from weighbridge.domain.registry.promotions import Decision, Promotion
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.registry.releases import ModelVersion, Refusal, Release


class ModelRegistry(Protocol):
    """An append-only log of releases, refusals and promotions. Store errors pass through."""

    @abstractmethod
    def publish(self, model: bytes, record: Record) -> Release:
        """Write the model's bytes, then its record, whose existence is the publication.

        What ``trained_on`` finds it by is written between the two.

        Raises:
            ArtefactExists: this version was published before.
        """

    @abstractmethod
    def refuse(self, record: Record) -> None:
        """Write the record of a candidate that the gate refused; its bytes are not kept."""

    @abstractmethod
    def promote(self, version: ModelVersion, reason: str, by: str, hold: bool = False) -> Promotion:
        """Make a published version the live one, whatever is live: a person's decision.

        When this returns, the promotion was the last entry of the log at the moment it was written. It holds for a
        last entry that cannot be read, too: this is the way out of that.

        Raises:
            UnknownVersion: there is no release of that version.
            RegistryError: its record cannot be read.
        """

    @abstractmethod
    def append(self, decision: Decision, after: Promotion | None) -> Promotion:
        """Write a decision that was taken on what ``after`` says, as the next entry of the log.

        Nothing is read. The version is not looked up.

        Args:
            decision: what to promote.
            after: the promotion that was live when the decision was taken; None when none was.

        Raises:
            PromotionOvertaken: ``after`` is not the last entry any more. Nothing is written.
        """

    @abstractmethod
    def live(self, task: str) -> Promotion:
        """The last promotion of the task.

        Raises:
            NothingReleased: none was ever made.
            RegistryError: the last promotion cannot be read as one.
        """

    @abstractmethod
    def promotion(self, task: str, entry: str) -> Promotion:
        """One entry of the log of promotions.

        Raises:
            RegistryError: there is no such entry, or it cannot be read as one.
        """

    @abstractmethod
    def change_token(self, last: Promotion) -> Hashable:
        """A value that changes when something is promoted after ``last``, for one small request.

        While two tokens of the same promotion are equal, nothing was promoted between them.
        """

    @abstractmethod
    def promotions(self, task: str, before: str | None = None) -> Iterator[Promotion]:
        """The promotions of the task, last one first; nothing when there is none.

        Records are read as they are consumed.

        Args:
            task: the task's name.
            before: only entries of the log that come before this one.

        Raises:
            RegistryError: one of them cannot be read.
        """

    @abstractmethod
    def newest(self, task: str) -> Release | None:
        """The release with the newest version, live or not; None when there is none."""

    @abstractmethod
    def newest_version(self, task: str) -> ModelVersion | None:
        """The newest version of the task, released or refused; None when there is none. No record is read."""

    @abstractmethod
    def trained_on(self, task: str, sha256: str, fingerprints: Collection[str]) -> Iterator[Release | Refusal]:
        """The releases, then the refusals, of a dataset and a definition of the task, newest version first.

        Records are read as they are consumed; those that cannot be read are left out. What version 0.1 wrote is
        not found this way.

        Args:
            task: the task's name.
            sha256: of the dataset's bytes, in hexadecimal.
            fingerprints: by which the definition of the task is known.
        """

    @abstractmethod
    def releases(self, task: str) -> Iterator[Release]:
        """Every release of the task, newest version first; nothing when there is none.

        Records are read as they are consumed. A record that cannot be read raises RegistryError.
        """

    @abstractmethod
    def versions(self, task: str, after: ModelVersion | None = None) -> list[ModelVersion]:
        """The versions of the releases of the task, newest first; empty when there is none. No record is read.

        Args:
            task: the task's name.
            after: only versions that are newer than this one, whether or not it exists.
        """

    @abstractmethod
    def refused_versions(self, task: str, after: ModelVersion | None = None) -> list[ModelVersion]:
        """The versions of the candidates that were refused, as ``versions`` has those of the releases."""

    @abstractmethod
    def read_refusal(self, version: ModelVersion) -> Refusal:
        """The refusal of a version.

        Raises:
            UnknownVersion: there is none.
            RegistryError: its record cannot be read as one.
        """

    @abstractmethod
    def read(self, version: ModelVersion) -> Release:
        """The release of a version.

        Raises:
            UnknownVersion: there is none.
            RegistryError: its record cannot be read as one.
        """

    @abstractmethod
    def fetch(self, release: Release) -> bytes:
        """The model bytes of a release, checked against the digest of its record.

        Raises:
            ModelUnreadable: the bytes are missing or are not those that were published.
        """
