"""The store on a bucket of Google Cloud Storage or a container of Azure Blob Storage, through obstore.

Needs the extra ``cloud``. Credentials and endpoints are those of the standard variables (``GOOGLE_*``,
``AZURE_STORAGE_*``) that obstore reads.
"""

import re
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, TypeVar

import obstore.exceptions as vendor

from weighbridge.adapters.cloud.errors import is_final, translate
from weighbridge.adapters.cloud.pages import Pages, before
from weighbridge.domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    StoreNotFound,
    StoreUnavailable,
    WeighbridgeError,
)
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef, check_key, check_prefix, is_key
from weighbridge.domain.store.deadline import TooLate, within
from weighbridge.domain.store.events import StoreRetried
from weighbridge.domain.system import EventSink

#: Attributes of the objects that we write: which write made it, and the digest of its bytes. Azure takes no
#: hyphens.
_WRITE, _DIGEST = "weighbridge_write", "weighbridge_sha256"

ATTEMPTS = 4
_READS = 3
DEADLINE = 300.0

#: How obstore tells the status of a reply that says no.
_STATUS = re.compile(r"\bstatus code: (\d{3})\b")

_Answer = TypeVar("_Answer")


class ObjectStore(ArtefactStore):
    """Artefacts as objects, shared by any number of processes.

    Args:
        client: a store of obstore's.
        url: the address, for messages.
        prefix: the folder within the store; slashes around it do not matter, empty is all of it.
        attempts: how often a request is sent in all.
        deadline: seconds in which an operation is done, with all its attempts, or has failed.
        sleep: waits so many seconds before another attempt.
        events: told of each attempt that is not the first.

    The revision is the ETag. Objects that we write carry their sha256, and a read that does not match it is tried
    again. A write is one conditional put. A listing asks for the whole folder of a kind, from where it begins to
    where it ends; sub-folders cost as many entries as they have. Where the service cannot begin a listing in the
    middle, obstore passes over what comes before. An object whose name has an empty level makes the folder that it
    is in unreadable.
    """

    def __init__(
        self,
        client: Any,
        url: str,
        prefix: str = "",
        *,
        attempts: int = ATTEMPTS,
        deadline: float = DEADLINE,
        sleep: Callable[[float], None] = time.sleep,
        events: EventSink | None = None,
    ) -> None:
        self._client, self._events = client, events
        self._attempts, self._deadline, self._sleep = attempts, deadline, sleep
        self._url = url.rstrip("/")
        self._folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def url(self) -> str:
        """``gs://bucket/prefix`` or ``az://container/prefix``."""
        return self._url

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        """Ask for a page of as many keys as the service likes whenever the one before it is consumed."""
        return self._refs(check_prefix(prefix), start_after)

    def read(self, what: ArtefactRef | str) -> Artefact:
        """Read an object, or the version or ETag of it that a ref names.

        Bytes that do not match the digest they were written with are asked for again.

        Raises:
            ArtefactNotFound: there is no such key, or no longer that revision.
        """
        key = check_key(what if isinstance(what, str) else what.key)
        which: dict[str, str] = {}
        if isinstance(what, ArtefactRef):
            which = {"version": what.version_id} if what.version_id else {"if_match": f'"{what.revision}"'}
        limit = self._limit()
        for attempt in range(_READS):
            if attempt:
                self._again("get", "broken body")
            with self._translated(key):
                reply, data = self._ask(key, limit, "get", lambda: self._get(key, which))
            digest = sha256(data).hexdigest()
            if len(data) == reply.meta["size"] and reply.attributes.get(_DIGEST, digest) == digest:
                return Artefact(self._ref(reply.meta), data, digest)
        raise StoreUnavailable(f"{self.url}: {key} came broken {_READS} times; check the network and try again")

    def write(self, key: str, data: bytes) -> ArtefactRef:
        """Create an object by one conditional put. The time of the ref is this machine's.

        Where the reply to a write was lost, the object itself tells whose it is.

        Raises:
            ArtefactExists: the key is taken by another write. What was there is untouched.
        """
        check_key(key)
        # A copy: the caller's buffer may change while a request that is late is still being sent.
        write, data, limit = secrets.token_hex(16), bytes(data), self._limit()

        def put() -> ArtefactRef:
            try:
                return self._ref(self._put(key, data, write))
            except (vendor.AlreadyExistsError, vendor.GenericError) as error:
                if not isinstance(error, vendor.AlreadyExistsError) and is_final(error):
                    raise
                made = self._made_by(key, write)
                if made is None:
                    raise
                return made

        with self._translated(key, absent=StoreNotFound):
            try:
                return self._ask(key, limit, "put", put)
            except vendor.AlreadyExistsError as error:
                raise ArtefactExists(f"{self.url}: {key} exists already and is left as it is") from error

    def delete(self, key: str) -> None:
        """Delete an object. Where versions are kept, they stay, and can be read by their refs.

        Raises:
            ArtefactNotFound: there is no such key.
        """
        check_key(key)
        path, limit = f"{self._folder}{key}", self._limit()
        attempts = iter(range(self._attempts))

        def delete() -> None:
            is_first = next(attempts) == 0
            try:
                self._client.delete(path)
            except FileNotFoundError:
                # An earlier attempt has done it, whose answer did not arrive.
                if is_first:
                    raise

        with self._translated(key):
            self._ask(key, limit, "head", lambda: self._client.head(path))
            self._ask(key, limit, "delete", delete)

    def _refs(self, prefix: str, start_after: str | None) -> Iterator[ArtefactRef]:
        start = start_after if start_after is not None and start_after >= prefix else None
        if start is not None and not start.startswith(prefix):
            return
        kind = f"{self._folder}{prefix.partition('/')[0]}"
        pages = Pages(self._client, kind, f"{self._folder}{start or before(prefix)}")
        while True:
            with self._translated(prefix):
                page = self._ask(prefix, self._limit(), "list", pages.next)
            if page is None:
                return
            # One server or another has an order of its own for characters that names of ours do not have.
            for meta in sorted(page, key=lambda meta: str(meta["path"])):
                key = str(meta["path"]).removeprefix(self._folder)
                if not key.startswith(prefix):
                    if key > prefix:
                        return
                elif is_key(key) and (start is None or key > start):
                    yield self._ref(meta)

    def _get(self, key: str, which: dict[str, str]) -> tuple[Any, bytes]:
        reply = self._client.get(f"{self._folder}{key}", options=which)
        return reply, bytes(reply.bytes())

    def _put(self, key: str, data: bytes, write: str) -> Any:
        attributes = {_WRITE: write, _DIGEST: sha256(data).hexdigest()}
        path = f"{self._folder}{key}"
        put = self._client.put(path, data, attributes=attributes, mode="create", use_multipart=False)
        return {**put, "path": path, "size": len(data), "last_modified": datetime.now(UTC)}

    def _made_by(self, key: str, write: str) -> ArtefactRef | None:
        """The object under a key when this very write made it; None when another did, or there is none."""
        try:
            head = self._client.get(f"{self._folder}{key}", options={"head": True})
        except FileNotFoundError:
            return None
        return self._ref(head.meta) if head.attributes.get(_WRITE) == write else None

    def _ref(self, meta: Any) -> ArtefactRef:
        key = str(meta["path"]).removeprefix(self._folder)
        # Listings of Azure have no quotes around it, and everything else has.
        revision = str(meta["e_tag"] or "").strip('"')
        return ArtefactRef(key, meta["size"], revision, meta["version"], meta["last_modified"].astimezone(UTC))

    def _limit(self) -> float:
        """When an operation that begins now must be done."""
        return time.monotonic() + self._deadline

    def _ask(self, subject: str, limit: float, operation: str, request: Callable[[], _Answer]) -> _Answer:
        """What ``request`` returns or raises; what may pass by itself is tried again, within the limit."""
        for attempt in range(1, self._attempts + 1):
            try:
                return self._answer(subject, limit - time.monotonic(), request)
            except (vendor.BaseError, FileNotFoundError) as error:
                if attempt == self._attempts or is_final(error):
                    raise
                status = _STATUS.search(str(error))
                self._again(operation, status[1] if status else "no answer")
                # At random: rivals must not keep step.
                wait = 0.1 * 2**attempt * secrets.randbelow(1000) / 1000
                self._sleep(max(0.0, min(wait, limit - time.monotonic())))
        raise AssertionError("there is at least one attempt")

    def _answer(self, subject: str, seconds: float, request: Callable[[], _Answer]) -> _Answer:
        """What ``request`` returns or raises, or StoreUnavailable when that takes too long."""
        try:
            return within(seconds, request, "weighbridge-objects")
        except TooLate:
            raise StoreUnavailable(
                f"{self.url}: {subject}: no whole answer within {self._deadline:g} seconds; "
                "check the network, then try again"
            ) from None

    def _again(self, operation: str, reason: str) -> None:
        if self._events is not None:
            self._events.emit(StoreRetried(operation, reason))

    @contextmanager
    def _translated(self, subject: str, absent: type[WeighbridgeError] = ArtefactNotFound) -> Iterator[None]:
        try:
            yield
        except (vendor.BaseError, FileNotFoundError, ValueError) as error:
            found = translate(error, self.url, subject, absent)
            if isinstance(found, ArtefactNotFound):
                self._check_bucket()
            raise found from error

    def _check_bucket(self) -> None:
        """Some answers do not tell a missing object from a missing bucket; those to listings do."""
        try:
            pages = Pages(self._client, "weighbridge", "weighbridge")
            self._ask("", self._limit(), "list", pages.next)
        except (vendor.BaseError, FileNotFoundError) as error:
            raise translate(error, self.url, "", StoreNotFound) from error
