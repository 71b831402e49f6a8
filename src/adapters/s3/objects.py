"""The objects of a bucket, and the promise of each request: a deadline, right bytes, and a known writer."""

import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import md5, sha256
from typing import Any, TypeVar

import botocore.exceptions as vendor

from weighbridge.adapters.s3.client import ATTEMPTS, ask
from weighbridge.adapters.s3.content import Content
from weighbridge.adapters.s3.errors import NO_REPLY, BrokenReply, SenselessReply, may_have_arrived, translate
from weighbridge.adapters.s3.refusals import CONFLICT, NOT_THERE, TAKEN, code_of
from weighbridge.adapters.s3.replies import Pages, etag_of, is_doubtful, ref_of, written_at
from weighbridge.domain.errors import ArtefactExists, StoreUnavailable
from weighbridge.domain.store.artefacts import ArtefactRef
from weighbridge.domain.store.deadline import TooLate
from weighbridge.domain.store.events import StoreRetried
from weighbridge.domain.system import EventSink

#: Metadata of the objects that we write: which write made it, and the digest of its bytes.
WRITE, DIGEST = "weighbridge-write", "weighbridge-sha256"

#: Seconds for an operation in all: enough for a gigabyte over a slow line, and for every attempt at a small thing.
DEADLINE = 300.0

_Answer = TypeVar("_Answer")


class S3Objects:
    """Objects of one bucket under a prefix, named without it, for the store and for files alike.

    Args:
        client: a boto3 client for S3; see ``open_client``.
        bucket: its name.
        prefix: the folder within the bucket; slashes around it do not matter, empty is the bucket itself.
        deadline: seconds in which an operation is done, with all its attempts, or has failed.
        monotonic: tells the seconds that pass.
        sleep: waits so many seconds before another attempt.
        events: told of each attempt that is not the first.

    The errors of the client are raised as they are, but for StoreUnavailable when the deadline is over;
    ``translated`` makes the domain's of them.
    """

    def __init__(
        self,
        client: Any,
        bucket: str,
        prefix: str = "",
        *,
        deadline: float = DEADLINE,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        events: EventSink | None = None,
    ) -> None:
        self.client, self._events = client, events
        self._deadline, self._monotonic, self._sleep = deadline, monotonic, sleep
        self.bucket = bucket
        self.folder = f"{prefix.strip('/')}/" if prefix.strip("/") else ""

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{self.folder}".rstrip("/")

    def limit(self) -> float:
        """When an operation that begins now must be done."""
        return self._monotonic() + self._deadline

    def address(self, key: str) -> dict[str, str]:
        """The bucket and the whole key, as requests name them."""
        return {"Bucket": self.bucket, "Key": f"{self.folder}{key}"}

    def pages(self, subject: str, **request: Any) -> Iterator[Any]:
        """The pages of a listing, each asked for when it is consumed; empty ones share a deadline."""
        pages, limit = Pages({"Bucket": self.bucket, **request}), self.limit()
        while not pages.is_done:
            limit = self.limit() if pages.is_moving else limit
            listing = partial(self.client.list_objects_v2, **pages.request)
            with self.translated(subject):
                page = self.look(subject, limit, "ListObjectsV2", listing)
                pages.take(page)
            yield page

    def get(self, key: str, limit: float, **which: str) -> tuple[Any, bytes, str]:
        """The reply to a GET, the object's bytes, which are those that were written, and their SHA-256.

        An object that carries its digest has the bytes of it. Of another, an ETag that looks like the MD5 of other
        bytes is reason to read twice and compare. A body that comes broken is asked for again, a few times.

        Args:
            key: of the object.
            limit: see ``limit``.
            which: more parameters, such as the version.

        Raises:
            StoreUnavailable: it came broken each time.
        """
        doubted = ""
        for attempt in range(ATTEMPTS):
            self.pause(attempt, limit, "GetObject", "broken body")
            got = self.look(key, limit, "GetObject", lambda: self.get_once(key, which))
            if got is None:
                continue
            reply, data = got
            digest, metadata = sha256(data).hexdigest(), reply.get("Metadata", {})
            if metadata.get(DIGEST, digest) != digest:
                continue
            md5sum = md5(data, usedforsecurity=False).digest()
            if DIGEST not in metadata and is_doubtful(reply, md5sum) and doubted != digest:
                doubted = digest
                continue
            return reply, data, digest
        raise StoreUnavailable(f"{self.url}: {key} came broken {ATTEMPTS} times; check the network and try again")

    def create(
        self, key: str, content: Content, write: str, limit: float, *, replace: bool = False
    ) -> ArtefactRef:
        """Create an object by one conditional PUT, or replace what is there.

        Where the reply is lost, or another attempt finds the key taken, the object itself tells whose it is.

        Args:
            key: of the object.
            content: what to write.
            write: identifies this write among all.
            limit: see ``limit``.
            replace: overwrite what is there.

        Raises:
            ArtefactExists: there is one by somebody else, and it is not to be replaced.
            StoreUnavailable: others are writing it at every attempt; or it arrived damaged, and was removed.
        """
        for attempt in range(ATTEMPTS):
            self.pause(attempt, limit, "PutObject", "conflict")
            try:
                reply = self.put(key, content, write, limit, replace=replace)
                made = ref_of(key, content.size, reply, written_at(reply))
            except (vendor.ClientError, *NO_REPLY) as error:
                code = code_of(error)
                if code in CONFLICT:
                    continue
                if code not in TAKEN and not may_have_arrived(error):
                    raise
                found = self.look(key, limit, "HeadObject", partial(self.made_by, key, write))
                if found is not None:
                    return found
                if code in TAKEN:
                    raise self.exists(key) from error
                raise
            if is_doubtful(reply, content.md5) and not self._is_whole(key, content, limit):
                self.remove(key, limit)
                raise StoreUnavailable(f"{self.url}: {key} arrived damaged, and was removed; try again")
            return made
        raise StoreUnavailable(f"{self.url}: others are writing {key} at this moment; try again")

    def put(self, key: str, content: Content, write: str, limit: float, *, replace: bool = False) -> Any:
        """The reply to one PUT that the server can check."""
        condition = {} if replace else {"IfNoneMatch": "*"}
        request = {**self.address(key), **condition, "Metadata": {WRITE: write, DIGEST: content.sha256}}
        request["ContentMD5"] = b64encode(content.md5).decode()
        return self.ask(key, limit, lambda: self.client.put_object(**request, Body=content.opened()))

    def remove(self, key: str, limit: float) -> None:
        """Delete what is under a key; nothing happens where there is nothing."""
        self.ask(key, limit, lambda: self.client.delete_object(**self.address(key)))

    def head(self, key: str) -> Any:
        """The reply to a HEAD; None where there is no such object. For ``look``."""
        try:
            reply = self.client.head_object(**self.address(key))
            etag_of(reply)
            return reply
        except vendor.ClientError as error:
            if code_of(error) in NOT_THERE:
                return None
            raise

    def made_by(self, key: str, write: str) -> ArtefactRef | None:
        """The object under a key when this very write made it; None when another did, or there is none."""
        head = self.head(key)
        if head is None or head.get("Metadata", {}).get(WRITE) != write:
            return None
        return ref_of(key, head["ContentLength"], head)

    def check_bucket(self, limit: float) -> None:
        """The reply to a HEAD of an object has no body, and does not tell a missing key from a missing bucket.

        Raises:
            ClientError: there is no such bucket.
        """
        self.look("", limit, "HeadBucket", partial(self.client.head_bucket, Bucket=self.bucket))

    def exists(self, key: str) -> ArtefactExists:
        """The error to raise for a key that is taken."""
        return ArtefactExists(f"{self.url}: {key} exists already and is left as it is")

    def ask(self, subject: str, limit: float, request: Callable[[], _Answer]) -> _Answer:
        """What ``request``, a call of the client, returns or raises, or StoreUnavailable when it is too late."""
        try:
            return ask(request, limit - self._monotonic(), self._again)
        except TooLate:
            raise StoreUnavailable(
                f"{self.url}: {subject}: no whole answer within {self._deadline:g} seconds; "
                "check the network and AWS_ENDPOINT_URL_S3, then try again"
            ) from None

    def look(self, subject: str, limit: float, operation: str, request: Callable[[], _Answer]) -> _Answer:
        """As ``ask``, of what changes nothing: asked again where the reply is broken, or says conflict."""
        for attempt in range(ATTEMPTS):
            self.pause(attempt, limit, operation, "broken head" if attempt else "")
            try:
                return self.ask(subject, limit, request)
            except (vendor.ClientError, BrokenReply, SenselessReply) as error:
                # Unlike other faults, the client does not know these.
                is_passing = not isinstance(error, vendor.ClientError) or code_of(error) in CONFLICT
                if not is_passing or attempt == ATTEMPTS - 1:
                    raise
        raise AssertionError("there is at least one attempt")

    def get_once(self, key: str, which: dict[str, str]) -> tuple[Any, bytes] | None:
        """The reply to a GET and its body; None when either came broken."""
        try:
            reply = self.client.get_object(**self.address(key), **which)
        except BrokenReply:
            return None
        try:
            return reply, reply["Body"].read()
        except NO_REPLY:
            return None

    def pause(self, attempt: int, limit: float, operation: str, reason: str) -> None:
        """Wait before another attempt: up to 0.2, 0.4, 0.8 ... seconds, at random: rivals must not keep step."""
        if attempt:
            self._again(operation, reason)
            wait = 0.1 * 2**attempt * secrets.randbelow(1000) / 1000
            self._sleep(max(0.0, min(wait, limit - self._monotonic())))

    @contextmanager
    def translated(self, subject: str) -> Iterator[None]:
        """Raise what the client raises as the domain's errors."""
        try:
            yield
        except Exception as error:
            known = translate(error, self.url, subject)
            if known is None:
                raise
            raise known from error

    def _is_whole(self, key: str, content: Content, limit: float) -> bool:
        """Whether what the server has under a key are the bytes that were to be written."""

        def look() -> bool:
            digest = sha256()
            for piece in self.client.get_object(**self.address(key))["Body"].iter_chunks(1 << 18):
                digest.update(piece)
            return digest.hexdigest() == content.sha256

        return self.look(key, limit, "GetObject", look)

    def _again(self, operation: str, reason: str) -> None:
        if self._events is not None:
            self._events.emit(StoreRetried(operation, reason))
