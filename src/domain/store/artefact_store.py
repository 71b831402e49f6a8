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

        Anything deeper than two levels is not an artefact and never listed; neither is one half written. A
        prefix that matches nothing yields nothing. Pages are fetched as they are consumed.
        """

    def stems(self, prefix: str, delimiter: str, start_after: str | None = None) -> Iterator[str]:
        """Yield the beginnings of the keys under ``prefix``, each once, ascending, lazily.

        The stem of a key reaches through the first ``delimiter`` beyond the prefix, and is the whole key where
        there is none: below ``datasets/orders_``, delimited by ``-``, there is one stem for each year. Every
        artefact's stem is among them. A store whose folders hold more than artefacts may yield stems of that too.

        This way of doing it fits every store that lists by pages from any point: it jumps over what is left of a
        stem that fills a page. A store that can group keys itself does better.

        Args:
            prefix: as for ``list``.
            delimiter: one character, not a slash.
            start_after: only keys greater than this one count. It must not cut through a stem.
        """
        page, stem, more = 1000, "", True
        while more:
            more = False
            for count, ref in enumerate(self.list(prefix, start_after), 1):
                head, found, _ = ref.key[len(prefix) :].partition(delimiter)
                if f"{prefix}{head}{found}" != stem:
                    stem = f"{prefix}{head}{found}"
                    yield stem
                elif count % page == 0:
                    start_after, more = max(ref.key, f"{stem}\U0010ffff"), True
                    break

    @abstractmethod
    def read(self, what: ArtefactRef | str) -> Artefact:
        """Read an artefact whole, with our own sha256 of its bytes.

        Args:
            what: a key, for whatever is there now; or a ref, for exactly that revision of it.

        Raises:
            ArtefactNotFound: there is no such key, or no longer that revision.
        """

    @abstractmethod
    def write(self, key: str, data: bytes) -> ArtefactRef:
        """Create an artefact. Readers see all of it or none of it; when this returns, it is durable.

        Raises:
            ArtefactExists: the key is taken. What was there is untouched.
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
        """Remove an artefact, for retention.

        Raises:
            ArtefactNotFound: there is no such key.
        """
