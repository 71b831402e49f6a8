"""The log of releases, refusals and promotions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.registry.releases import ModelVersion, Promotion, Refusal, Release


class ModelRegistry(Protocol):
    """An append-only log of releases, refusals and promotions. Store errors pass through."""

    @abstractmethod
    def publish(self, model: bytes, record: Record) -> Release:
        """Write the model's bytes, then its record, whose existence is the publication.

        Raises:
            ArtefactExists: this version was published before.
        """

    @abstractmethod
    def refuse(self, record: Record) -> None:
        """Write the record of a candidate that the gate refused; its bytes are not kept."""

    @abstractmethod
    def promote(self, version: ModelVersion, reason: str, by: str, hold: bool = False) -> Promotion:
        """Make a published version the live one.

        The new promotion is later than every one before it, even when this machine's clock is behind.

        Raises:
            UnknownVersion: there is no release of that version.
        """

    @abstractmethod
    def live(self, task: str) -> Promotion:
        """The newest promotion of the task.

        Raises:
            NothingReleased: none was ever made.
            RegistryError: the newest promotion cannot be read as one.
        """

    @abstractmethod
    def change_token(self, last: Promotion) -> Hashable:
        """A value that changes when something is promoted after ``last``, for one small request.

        While two tokens of the same promotion are equal, nothing was promoted between them.
        """

    @abstractmethod
    def promotions(self, task: str) -> Iterator[Promotion]:
        """Every promotion of the task, newest first; nothing when there is none.

        Records are read as they are consumed.

        Raises:
            RegistryError: one of them cannot be read.
        """

    @abstractmethod
    def newest(self, task: str) -> Release | None:
        """The release with the newest version, live or not; None when there is none."""

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
