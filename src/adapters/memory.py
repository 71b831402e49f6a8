"""The store in this process's memory: gone with the process, and held to the contract of every other store."""

from collections.abc import Iterator
from hashlib import sha256
from itertools import count
from threading import Lock

from weighbridge.domain.errors import ArtefactExists, ArtefactNotFound
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef, check_key, check_prefix
from weighbridge.domain.system import Clock


class MemoryStore(ArtefactStore):
    """Artefacts in a dict, for any number of threads.

    Args:
        clock: tells ``last_modified``.

    A revision is the number of the write that made it. A listing shows the artefacts of the moment at which its
    first item was asked for.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = Lock()
        self._writes = count(1)
        self._artefacts: dict[str, Artefact] = {}

    @property
    def url(self) -> str:
        """``memory://``; every instance is a store of its own."""
        return "memory://"

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        """Yield a sorted copy of the refs that match now; later writes do not show in it."""
        check_prefix(prefix)
        return self._refs(prefix, start_after)

    def read(self, what: ArtefactRef | str) -> Artefact:
        """Return the artefact from the dict, as it was written.

        Raises:
            ArtefactNotFound: there is no such key, or it was deleted and written again since the ref was taken.
        """
        key = check_key(what if isinstance(what, str) else what.key)
        with self._lock:
            artefact = self._artefacts.get(key)
        if artefact is None:
            raise ArtefactNotFound(f"{self.url}: there is no {key}")
        if isinstance(what, ArtefactRef) and artefact.ref.revision != what.revision:
            raise ArtefactNotFound(f"{self.url}: {key} is no longer at revision {what.revision}")
        return artefact

    def write(self, key: str, data: bytes) -> ArtefactRef:
        """Store a copy of the bytes, under a lock.

        Raises:
            ArtefactExists: the key is taken; what was there stays.
        """
        check_key(key)
        with self._lock:
            if key in self._artefacts:
                raise ArtefactExists(f"{self.url}: {key} exists already and is left as it is")
            ref = ArtefactRef(key, len(data), str(next(self._writes)), None, self._clock.now())
            self._artefacts[key] = Artefact(ref, bytes(data), sha256(data).hexdigest())
        return ref

    def delete(self, key: str) -> None:
        """Remove the artefact from the dict.

        Raises:
            ArtefactNotFound: there is no such key.
        """
        check_key(key)
        with self._lock:
            if self._artefacts.pop(key, None) is None:
                raise ArtefactNotFound(f"{self.url}: there is no {key}")

    def _refs(self, prefix: str, start_after: str | None) -> Iterator[ArtefactRef]:
        with self._lock:
            refs = [artefact.ref for artefact in self._artefacts.values()]
        # Text compares by code point, and UTF-8 keeps that order.
        yield from sorted(
            (ref for ref in refs if ref.key.startswith(prefix) and (start_after is None or ref.key > start_after)),
            key=lambda ref: ref.key,
        )
