"""The store that everything is kept in."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, Protocol

from weighbridge.domain.store.artefacts import pieces_of

if TYPE_CHECKING:
    from weighbridge.domain.store.artefacts import Artefact, ArtefactRef


class ArtefactStore(Protocol):
    """A flat store of immutable artefacts under two-level keys (``kind/name``).

    Every method may raise StoreNotFound (the folder or bucket itself is gone), StoreDenied or
    StoreUnavailable; vendor errors never pass through. Keys that break ``artefacts.check_key`` raise
    ConfigurationError.
    """

    @property
    @abstractmethod
    def url(self) -> str:
        """The store's address, for messages and records."""

    @abstractmethod
    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        """Yield the artefacts whose key begins with ``prefix``, ascending by key in UTF-8 byte order, lazily.

        Args:
            prefix: ``kind/`` followed by the beginning of a name, or by nothing.
            start_after: yield only keys greater than this one, whether or not it exists.

        Anything deeper than two levels is not an artefact and never listed; neither is one half written. An
        empty artefact is listed with size 0. A prefix that matches nothing yields nothing, whether or not its
        folder is there. What is written or deleted meanwhile may be seen or not. Pages are fetched as they are
        consumed.
        """

    def folders(self, prefix: str, start_after: str | None = None) -> Iterator[str]:  # noqa: ARG002 - has none
        """Yield the folders whose name begins with ``prefix``, each with a slash at its end, ascending.

        What is in them is deeper than two levels, and no artefact. This one, of a flat store, has none.

        Args:
            prefix: as for ``list``.
            start_after: yield only those greater than this.
        """
        yield from ()

    def check_write(self, key: str, size: int) -> None:  # noqa: ARG002 - cannot see it
        """See whether an artefact could be created, without creating it: of such a name, and of so many bytes.

        This one, for stores that cannot see it, does nothing.

        Raises:
            StoreDenied: nothing may be written.
            ConfigurationError: the name is too long.
            StoreUnavailable: there is no room, or no answer.
        """
        return

    @abstractmethod
    def read(self, what: ArtefactRef | str) -> Artefact:
        """Read an artefact whole, with our own sha256 of its bytes. An empty one has the bytes ``b""``.

        Args:
            what: a key, for whatever is there now; or a ref, for exactly that revision of it.

        Raises:
            ArtefactNotFound: there is no such key, or no longer that revision.
        """

    @abstractmethod
    def write(self, key: str, data: bytes) -> ArtefactRef:
        """Create an artefact. Readers see all of it or none of it; when this returns, it is durable.

        What the folder of its kind needs is made when it is missing. Empty data make an empty artefact.

        Raises:
            ArtefactExists: the key is taken, by whatever bytes. What was there is untouched.
            StoreUnavailable: nothing is known of the write: it may have been done, whole, or not at all.
        """

    def write_file(self, key: str, file: BinaryIO, sha256: str) -> ArtefactRef:
        """Create an artefact as ``write`` does, of what a file holds.

        A store that can does so without holding the file in memory. This one, which fits every store, holds it.

        Args:
            key: of the artefact.
            file: the whole of it, open for reading at any place; it stays open, and is left at any place.
            sha256: the digest, in hexadecimal, that the bytes must have.

        Raises:
            ArtefactExists: the key is taken. What was there is untouched.
            DataError: the file has other bytes by now. Nothing is written.
        """
        return self.write(key, b"".join(pieces_of(key, file, sha256)))

    @abstractmethod
    def delete(self, key: str) -> None:
        """Remove an artefact, for retention. Its key is free afterwards.

        Raises:
            ArtefactNotFound: there is no such key.
        """
