"""Stores for tests, each around another store: one that counts, one that fails, one whose process ends."""

from collections.abc import Iterator

from tests.support.clocks import SettableClock
from weighbridge.domain.errors import ArtefactExists, StoreError, StoreUnavailable
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef
from weighbridge.domain.store.discovery import PAGE


class WrappedStore(ArtefactStore):
    """Hands every operation on to another store."""

    def __init__(self, store: ArtefactStore) -> None:
        self.wrapped = store

    @property
    def url(self) -> str:
        return self.wrapped.url

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        return self.wrapped.list(prefix, start_after)

    def read(self, what: ArtefactRef | str) -> Artefact:
        return self.wrapped.read(what)

    def write(self, key: str, data: bytes) -> ArtefactRef:
        return self.wrapped.write(key, data)

    def delete(self, key: str) -> None:
        self.wrapped.delete(key)


class CountingStore(WrappedStore):
    """Notes what it is asked for, and how many requests the listings would be at a thousand keys each."""

    def __init__(self, store: ArtefactStore) -> None:
        super().__init__(store)
        self.forget()

    def forget(self) -> None:
        """Count from zero."""
        #: The prefix of each listing, and the key after which it begins.
        self.lists: list[tuple[str, str | None]] = []
        #: The keys that were read, and those that were written.
        self.reads: list[str] = []
        self.writes: list[str] = []
        #: How many entries of listings were taken, and in how many requests.
        self.listed = 0
        self.list_requests = 0

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        self.lists.append((prefix, start_after))
        return self._counted(super().list(prefix, start_after))

    def read(self, what: ArtefactRef | str) -> Artefact:
        self.reads.append(_key_of(what))
        return super().read(what)

    def write(self, key: str, data: bytes) -> ArtefactRef:
        self.writes.append(key)
        return super().write(key, data)

    def _counted(self, entries: Iterator[ArtefactRef]) -> Iterator[ArtefactRef]:
        self.list_requests += 1
        for position, entry in enumerate(entries, 1):
            self.listed += 1
            yield entry
            self.list_requests += position % PAGE == 0


class UnsteadyStore(WrappedStore):
    """A store that can go away for a while, and whose reads may take time on a clock."""

    def __init__(self, store: ArtefactStore, clock: SettableClock | None = None) -> None:
        super().__init__(store)
        #: How long a read takes, in seconds.
        self.seconds = 0.0
        self._clock = clock
        self._away: str | None = None
        self._error: StoreError = StoreUnavailable()

    def go_away(self, below: str = "", error: StoreError | None = None) -> None:
        """From now on, raise for every key and prefix that begins so."""
        self._away = below
        self._error = error or StoreUnavailable("the store\ndoes not answer")

    def come_back(self) -> None:
        self._away = None

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        self._answer(prefix)
        return super().list(prefix, start_after)

    def read(self, what: ArtefactRef | str) -> Artefact:
        if self._clock is not None:
            self._clock.advance(self.seconds)
        self._answer(_key_of(what))
        return super().read(what)

    def write(self, key: str, data: bytes) -> ArtefactRef:
        self._answer(key)
        return super().write(key, data)

    def delete(self, key: str) -> None:
        self._answer(key)
        super().delete(key)

    def _answer(self, key: str) -> None:
        if self._away is not None and key.startswith(self._away):
            raise self._error


class Crash(Exception):
    """The process ended here."""


class CrashingStore(WrappedStore):
    """A store whose process ends at one of its writes or deletions, when it is told to."""

    def __init__(self, store: ArtefactStore) -> None:
        super().__init__(store)
        self._writes_left: int | None = None
        self._after = False
        #: How many deletions are done before the process ends; None: it does not.
        self.deletions_left: int | None = None
        #: The keys whose writes were attempted, in order.
        self.attempted: list[str] = []

    def crash_at(self, write: int, after: bool) -> None:
        """End at the write of this number, counted from 1: before it, or as soon as it is done."""
        self._writes_left, self._after = write, after

    def write(self, key: str, data: bytes) -> ArtefactRef:
        self.attempted.append(key)
        if self._writes_left is None:
            return super().write(key, data)
        self._writes_left -= 1
        if self._writes_left:
            return super().write(key, data)
        self._writes_left = None
        if self._after:
            try:
                super().write(key, data)
            except ArtefactExists as error:
                raise Crash from error
        raise Crash

    def delete(self, key: str) -> None:
        if self.deletions_left == 0:
            raise Crash
        if self.deletions_left is not None:
            self.deletions_left -= 1
        super().delete(key)


def _key_of(what: ArtefactRef | str) -> str:
    return what if isinstance(what, str) else what.key
