"""The store on a bucket of S3, or of a server that speaks its protocol, through boto3."""

import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from hashlib import md5, sha256
from typing import Any, BinaryIO, TypeVar

import botocore.exceptions as vendor
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError as TransportError

from weighbridge.adapters.s3.client import ATTEMPTS, BrokenReply, TooLate, ask, open_client
from weighbridge.adapters.s3.errors import (
    CONFLICT,
    NO_REPLY,
    NOT_THERE,
    TAKEN,
    code_of,
    may_have_arrived,
    translate,
)
from weighbridge.domain.errors import ArtefactExists, ConfigurationError, StoreUnavailable
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef, check_key, check_prefix, is_key, pieces_of
from weighbridge.domain.store.events import StoreRetried
from weighbridge.domain.system import EventSink

#: Metadata of the objects that we write: which write made it, and the digest of its bytes.
_WRITE, _DIGEST = "weighbridge-write", "weighbridge-sha256"

#: Seconds for an operation in all: enough for a gigabyte over a slow line, and for every attempt at a small thing.
_DEADLINE = 300.0

_Answer = TypeVar("_Answer")


def connect(bucket: str, prefix: str = "", *, deadline: float = _DEADLINE) -> "S3Store":
    """A store on a bucket, reached as the standard AWS settings say; see ``open_client`` for what may go wrong.

    Args:
        bucket: its name.
        prefix: the folder within the bucket; empty for the bucket itself.
        deadline: seconds in which an operation is done or has failed.
    """
    return S3Store(open_client(), bucket, prefix, deadline=deadline)


class S3Store(ArtefactStore):
    """Artefacts as objects of one bucket, shared by any number of processes.

    Args:
        client: a boto3 client for S3; see ``open_client``.
        bucket: its name.
        prefix: the folder within the bucket; slashes around it do not matter, empty is the bucket itself.
        deadline: seconds in which an operation is done, with all its attempts, or has failed.
        monotonic: tells the seconds that pass.
        sleep: waits so many seconds before another attempt.
        events: told of each attempt that is not the first.
        trusted: the server is known to create without overwriting. Of another it has to be seen first.

    The revision is the ETag, which is never taken for a digest: objects that we write carry their sha256 as
    metadata instead, and a read that does not match it is tried again. Where others wrote the object, the client
    checks what checksum the server has, and an ETag that looks like an MD5 and is not that of the bytes is reason
    to read twice and compare; after a write it is reason to read them back, and to remove what arrived damaged. A
    listing has no digest: only TLS protects it on its way. In a bucket with versioning the refs of writes and
    reads name the version, which listings do not tell. A write is one conditional PUT.

    An operation (of a listing, each page) that is not done within the deadline is StoreUnavailable, however the
    server stalls. What was sent of it is not called back: a write may still arrive, whole; nothing more is sent.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        prefix: str = "",
        *,
        deadline: float = _DEADLINE,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        events: EventSink | None = None,
        trusted: bool = True,
    ) -> None:
        self._client, self._events, self._trusted = client, events, trusted
        self._deadline, self._monotonic, self._sleep = deadline, monotonic, sleep
        self._bucket = bucket
        self._folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self._bucket}/{self._folder}".rstrip("/")

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        """See ArtefactStore. One request for each 1000 keys (or fewer, as the server likes)."""
        # With the delimiter sub-folders count for one entry each, however many objects they hold.
        return (
            _ref(key, entry["Size"], entry, entry["LastModified"])
            for page in self._pages(check_prefix(prefix), start_after)
            for entry in page.get("Contents", ())
            if is_key(key := self._key(entry))
        )

    def read(self, what: ArtefactRef | str) -> Artefact:
        """See ArtefactStore. A reply that comes broken is asked for again, a few times."""
        key = check_key(what if isinstance(what, str) else what.key)
        which: dict[str, str] = {}
        if isinstance(what, ArtefactRef):
            # Without quotes: Ceph knows no others, and everybody else takes both.
            which = {"VersionId": what.version_id} if what.version_id else {"IfMatch": what.revision}
        limit = self._limit()
        doubted = ""
        for attempt in range(ATTEMPTS):
            self._pause(attempt, limit, "GetObject", "broken body")
            with self._translated(key):
                got = self._ask(key, limit, lambda: self._get(key, which))
            if got is None:
                continue
            reply, data = got
            digest = sha256(data).hexdigest()
            if reply["Metadata"].get(_DIGEST, digest) != digest:
                continue
            md5sum = md5(data, usedforsecurity=False).digest()
            if _DIGEST not in reply["Metadata"] and _is_doubtful(reply, md5sum) and doubted != digest:
                doubted = digest
                continue
            return Artefact(_ref(key, len(data), reply, reply["LastModified"]), data, digest)
        raise StoreUnavailable(f"{self.url}: {key} came broken {ATTEMPTS} times; check the network and try again")

    def write(self, key: str, data: bytes) -> ArtefactRef:
        """See ArtefactStore.

        Where the reply to a write was lost, and the next attempt finds the key taken by the first one, the
        object itself tells whose it is.

        Raises:
            ConfigurationError: the server cannot create without overwriting, or takes no key so long.
        """
        # A copy: the caller's buffer may change while a request that is late is still being sent.
        return self._write(key, _content(bytes(data)))

    def write_file(self, key: str, file: BinaryIO, sha256: str) -> ArtefactRef:
        """See ArtefactStore. It is read twice, the second time as it is sent, and raises what ``write`` raises."""
        size, digest = 0, md5(usedforsecurity=False)
        for piece in pieces_of(key, file, sha256):
            digest.update(piece)
            size += len(piece)
        return self._write(key, _Content(file, size, sha256, digest.digest()))

    def delete(self, key: str) -> None:
        """See ArtefactStore. In a bucket with versioning the versions stay, and can be read by their refs."""
        check_key(key)
        limit = self._limit()
        with self._translated(key):
            try:
                self._look(key, limit, "HeadObject", lambda: self._client.head_object(**self._object(key)))
            except vendor.ClientError as error:
                if code_of(error) in NOT_THERE:
                    # The reply to a HEAD has no body, and does not tell a missing key from a missing bucket.
                    head = partial(self._client.head_bucket, Bucket=self._bucket)
                    self._look(key, limit, "HeadBucket", head)
                raise
            self._ask(key, limit, lambda: self._client.delete_object(**self._object(key)))

    def _write(self, key: str, content: "_Content") -> ArtefactRef:
        check_key(key)
        write, limit = secrets.token_hex(16), self._limit()
        with self._translated(key):
            if not self._trusted and self._look(key, limit, "HeadObject", lambda: self._is_there(key)):
                raise self._exists(key)
            ref = self._create(key, content, write, limit)
            if not self._trusted:
                self._see_it_kept(key, content, write, limit)
        return ref

    def _pages(self, prefix: str, start_after: str | None) -> Iterator[Any]:
        position = {}
        if start_after is not None and start_after.startswith(prefix):
            position = {"StartAfter": f"{self._folder}{start_after}"}
        elif start_after is not None and start_after > prefix:
            # It sorts after everything that is wanted, or below, before it: servers differ in what they make of
            # either.
            return
        request = {"Bucket": self._bucket, "Prefix": f"{self._folder}{prefix}", "Delimiter": "/"}
        while True:
            with self._translated(prefix):
                listing = partial(self._client.list_objects_v2, **request, **position)
                page = self._look(prefix, self._limit(), "ListObjectsV2", listing)
            yield page
            if not page["IsTruncated"]:
                return
            position = {"ContinuationToken": page["NextContinuationToken"]}

    def _key(self, entry: Any) -> str:
        return str(entry.get("Key") or entry["Prefix"]).removeprefix(self._folder)

    def _get(self, key: str, which: dict[str, str]) -> tuple[Any, bytes] | None:
        """The reply to a GET and its body; None when either came broken."""
        try:
            reply = self._client.get_object(**self._object(key), **which)
        except BrokenReply:
            return None
        try:
            return reply, reply["Body"].read()
        except NO_REPLY:
            return None

    def _put(self, key: str, content: "_Content", write: str) -> Any:
        return self._client.put_object(
            **self._object(key),
            Body=content.opened(),
            IfNoneMatch="*",
            ContentMD5=b64encode(content.md5).decode(),
            Metadata={_WRITE: write, _DIGEST: content.sha256},
        )

    def _create(self, key: str, content: "_Content", write: str, limit: float) -> ArtefactRef:
        for attempt in range(ATTEMPTS):
            self._pause(attempt, limit, "PutObject", "conflict")
            try:
                reply = self._ask(key, limit, lambda: self._put(key, content, write))
            except (vendor.ClientError, *NO_REPLY) as error:
                code = code_of(error)
                if code in CONFLICT:
                    continue
                if code not in TAKEN and not may_have_arrived(error):
                    raise
                made = self._look(key, limit, "HeadObject", lambda: self._made_by(key, write))
                if made is not None:
                    return made
                if code in TAKEN:
                    raise self._exists(key) from error
                raise
            else:
                if _is_doubtful(reply, content.md5) and not self._is_whole(key, content, limit):
                    self._ask(key, limit, lambda: self._client.delete_object(**self._object(key)))
                    raise StoreUnavailable(f"{self.url}: {key} arrived damaged, and was removed; try again")
                date = reply["ResponseMetadata"]["HTTPHeaders"].get("date")
                written = parsedate_to_datetime(date) if date else datetime.now(UTC)
                return _ref(key, content.size, reply, written)
        raise StoreUnavailable(f"{self.url}: others are writing {key} at this moment; try again")

    def _is_whole(self, key: str, content: "_Content", limit: float) -> bool:
        """Whether what the server has under a key are the bytes that were to be written."""

        def look() -> bool:
            digest = sha256()
            for piece in self._client.get_object(**self._object(key))["Body"].iter_chunks(1 << 18):
                digest.update(piece)
            return digest.hexdigest() == content.sha256

        return self._look(key, limit, "GetObject", look)

    def _exists(self, key: str) -> ArtefactExists:
        return ArtefactExists(f"{self.url}: {key} exists already and is left as it is")

    def _see_it_kept(self, key: str, content: "_Content", write: str, limit: float) -> None:
        """See that the server does not overwrite what it is told to create: some ignore the condition.

        What was just written is written once more, which changes nothing where the condition is ignored.

        Raises:
            ConfigurationError: it does overwrite. What was written is removed.
        """
        try:
            self._ask(key, limit, lambda: self._put(key, content, write))
        except vendor.ClientError as error:
            self._trusted = code_of(error) in TAKEN | CONFLICT
            return
        except (StoreUnavailable, *NO_REPLY):
            return  # the next write will show it
        self._ask(key, limit, lambda: self._client.delete_object(**self._object(key)))
        raise ConfigurationError(
            f"{self.url}: the server ignores If-None-Match: it overwrites what it is told to create, so nothing "
            "is written to it; use another server, or a newer version of it ('weighbridge store check' tries one)"
        )

    def _is_there(self, key: str) -> bool:
        try:
            self._client.head_object(**self._object(key))
        except vendor.ClientError as error:
            if code_of(error) in NOT_THERE:
                return False
            raise
        return True

    def _made_by(self, key: str, write: str) -> ArtefactRef | None:
        """The object under a key when this very write made it; None when another did, or there is none."""
        try:
            head = self._client.head_object(**self._object(key))
        except vendor.ClientError as error:
            if code_of(error) in NOT_THERE:
                return None
            raise
        if head["Metadata"].get(_WRITE) != write:
            return None
        return _ref(key, head["ContentLength"], head, head["LastModified"])

    def _limit(self) -> float:
        """When an operation that begins now must be done."""
        return self._monotonic() + self._deadline

    def _ask(self, subject: str, limit: float, request: Callable[[], _Answer]) -> _Answer:
        """What ``request``, a call of the client, returns or raises, or StoreUnavailable when it is too late."""
        try:
            return ask(request, limit - self._monotonic(), self._again)
        except TooLate:
            raise StoreUnavailable(
                f"{self.url}: {subject}: no whole answer within {self._deadline:g} seconds; "
                "check the network and AWS_ENDPOINT_URL_S3, then try again"
            ) from None

    def _look(self, subject: str, limit: float, operation: str, request: Callable[[], _Answer]) -> _Answer:
        """As ``_ask``, of what changes nothing: where the head of the reply breaks off, it is asked again."""
        for attempt in range(ATTEMPTS - 1):
            self._pause(attempt, limit, operation, "broken head")
            try:
                return self._ask(subject, limit, request)
            except BrokenReply:
                pass  # unlike other faults, the client does not know this one
        self._pause(ATTEMPTS - 1, limit, operation, "broken head")
        return self._ask(subject, limit, request)

    def _again(self, operation: str, reason: str) -> None:
        if self._events is not None:
            self._events.emit(StoreRetried(operation, reason))

    def _pause(self, attempt: int, limit: float, operation: str, reason: str) -> None:
        """Wait before another attempt: up to 0.2, 0.4, 0.8 ... seconds, at random: rivals must not keep step."""
        if attempt:
            self._again(operation, reason)
            wait = 0.1 * 2**attempt * secrets.randbelow(1000) / 1000
            self._sleep(max(0.0, min(wait, limit - self._monotonic())))

    def _object(self, key: str) -> dict[str, str]:
        return {"Bucket": self._bucket, "Key": f"{self._folder}{key}"}

    @contextmanager
    def _translated(self, subject: str) -> Iterator[None]:
        try:
            yield
        except (vendor.ClientError, vendor.BotoCoreError, ResponseParserError, TransportError) as error:
            raise translate(error, self.url, subject) from error


@dataclass(frozen=True, slots=True)
class _Content:
    """What is written: bytes, or a file of which all is sent; and its size and digests."""

    body: bytes | BinaryIO
    size: int
    sha256: str
    md5: bytes

    def opened(self) -> bytes | BinaryIO:
        """The body, a file of it at its beginning."""
        if not isinstance(self.body, bytes):
            self.body.seek(0)
        return self.body


def _content(data: bytes) -> _Content:
    return _Content(data, len(data), sha256(data).hexdigest(), md5(data, usedforsecurity=False).digest())


def _is_doubtful(reply: Any, md5sum: bytes) -> bool:
    """Whether the ETag looks like another MD5 than this. Of some objects it is something else, rightly."""
    etag = reply["ETag"].strip('"')
    encrypted = reply.get("SSECustomerAlgorithm") or "kms" in reply.get("ServerSideEncryption", "")
    looks_like_md5 = len(etag) == 32 and not encrypted
    return looks_like_md5 and etag != md5sum.hex()


def _ref(key: str, size: int, reply: Any, modified: datetime) -> ArtefactRef:
    version = reply.get("VersionId")
    # Objects older than the versioning of their bucket have the version "null".
    kept = version if version != "null" else None
    return ArtefactRef(key, size, reply["ETag"].strip('"'), kept, modified.astimezone(UTC))
