"""The store on a bucket of S3, or of a server that speaks its protocol, through boto3."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO

import botocore.exceptions as vendor

from weighbridge.adapters.s3.client import open_client
from weighbridge.adapters.s3.content import Content, content_of_bytes, content_of_file
from weighbridge.adapters.s3.errors import NO_REPLY
from weighbridge.adapters.s3.objects import DEADLINE, S3Objects
from weighbridge.adapters.s3.refusals import CONFLICT, TAKEN, code_of
from weighbridge.adapters.s3.replies import field, name_of, ref_of
from weighbridge.domain.errors import ArtefactNotFound, ConfigurationError, StoreUnavailable
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef, check_key, check_prefix, is_key
from weighbridge.domain.system import EventSink


def connect(bucket: str, prefix: str = "", *, deadline: float = DEADLINE) -> "S3Store":
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
        deadline: float = DEADLINE,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        events: EventSink | None = None,
        trusted: bool = True,
    ) -> None:
        self._objects = S3Objects(
            client, bucket, prefix, deadline=deadline, monotonic=monotonic, sleep=sleep, events=events
        )
        self._trusted = trusted

    @property
    def url(self) -> str:
        """``s3://bucket/prefix``."""
        return self._objects.url

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        """Ask for a page of 1000 keys (or fewer, as the server likes) whenever the one before it is consumed."""
        return self._refs(check_prefix(prefix), start_after)

    def folders(self, prefix: str, start_after: str | None = None) -> Iterator[str]:
        """Ask for the common prefixes up to the next slash."""
        for page in self._pages(check_prefix(prefix), start_after):
            with self._objects.translated(prefix):
                names = [name_of(entry) for entry in page.get("CommonPrefixes", ())]
            yield from (name.removeprefix(self._objects.folder) for name in names)

    def check_write(self, key: str, size: int) -> None:  # noqa: ARG002 - a bucket has room
        """Begin an upload and give it up: it needs the right to write, and the server checks the key."""
        where, limit, client = self._objects.address(check_key(key)), self._objects.limit(), self._objects.client
        with self._objects.translated(key):
            begin = partial(client.create_multipart_upload, **where)
            try:
                upload = self._objects.look(key, limit, "CreateMultipartUpload", begin)
            except vendor.ClientError as error:
                if code_of(error) in {"NotImplemented", "501"}:
                    return  # the server has no such uploads; the write will show it
                raise
            give_up = partial(client.abort_multipart_upload, **where, UploadId=field(upload, "UploadId"))
            with suppress(vendor.ClientError, StoreUnavailable, *NO_REPLY):
                # What may not be given up has no parts, and costs nothing.
                self._objects.look(key, limit, "AbortMultipartUpload", give_up)

    def read(self, what: ArtefactRef | str) -> Artefact:
        """Read an object, or the version or ETag of it that a ref names. What comes broken is asked for again.

        Raises:
            ArtefactNotFound: there is no such key, or no longer that revision.
        """
        key, objects = check_key(what if isinstance(what, str) else what.key), self._objects
        which: dict[str, str] = {}
        if isinstance(what, ArtefactRef):
            # Without quotes: Ceph knows no others, and everybody else takes both.
            which = {"VersionId": what.version_id} if what.version_id else {"IfMatch": what.revision}
        with objects.translated(key):
            reply, data, digest = objects.get(key, objects.limit(), **which)
            return Artefact(ref_of(key, len(data), reply), data, digest)

    def write(self, key: str, data: bytes) -> ArtefactRef:
        """Create an object by one conditional PUT; empty bytes make an empty object.

        Where the reply to a write was lost, and the next attempt finds the key taken by the first one, the
        object itself tells whose it is.

        Raises:
            ArtefactExists: the key is taken by another write. What was there is untouched.
            ConfigurationError: the server cannot create without overwriting, or takes no key so long.
        """
        return self._write(key, content_of_bytes(data))

    def write_file(self, key: str, file: BinaryIO, sha256: str) -> ArtefactRef:
        """Create an object of what a file holds. It is read twice, the second time as it is sent.

        Raises:
            ArtefactExists, ConfigurationError: as ``write`` does.
            DataError: the file has other bytes by now. Nothing is written.
        """
        return self._write(key, content_of_file(key, file, sha256))

    def delete(self, key: str) -> None:
        """Delete an object. In a bucket with versioning the versions stay, and can be read by their refs.

        Raises:
            ArtefactNotFound: there is no such key.
        """
        objects, limit = self._objects, self._objects.limit()
        check_key(key)
        with objects.translated(key):
            if objects.look(key, limit, "HeadObject", lambda: objects.head(key)) is None:
                objects.check_bucket(limit)
                raise ArtefactNotFound(f"{self.url}: {key}: not there")
            objects.remove(key, limit)

    def _pages(self, prefix: str, start_after: str | None) -> Iterator[Any]:
        folder = self._objects.folder
        # With the delimiter sub-folders count for one entry each, however many objects they hold.
        request = {"Prefix": f"{folder}{prefix}", "Delimiter": "/"}
        if start_after is not None and start_after.startswith(prefix):
            request["StartAfter"] = f"{folder}{start_after}"
        elif start_after is not None and start_after > prefix:
            # It sorts after everything that is wanted, or otherwise before it: servers differ in what they make of
            # either.
            return
        yield from self._objects.pages(prefix, **request)

    def _refs(self, prefix: str, start_after: str | None) -> Iterator[ArtefactRef]:
        folder = self._objects.folder
        for page in self._pages(prefix, start_after):
            with self._objects.translated(prefix):
                refs = [
                    ref_of(key, field(entry, "Size"), entry)
                    for entry in page.get("Contents", ())
                    if is_key(key := str(field(entry, "Key")).removeprefix(folder))
                ]
            yield from refs

    def _write(self, key: str, content: Content) -> ArtefactRef:
        check_key(key)
        write, objects, limit = secrets.token_hex(16), self._objects, self._objects.limit()
        with objects.translated(key):
            if not self._trusted and objects.look(key, limit, "HeadObject", lambda: objects.head(key)) is not None:
                raise objects.exists(key)
            ref = objects.create(key, content, write, limit)
            if not self._trusted:
                self._see_it_kept(key, content, write, limit)
        return ref

    def _see_it_kept(self, key: str, content: Content, write: str, limit: float) -> None:
        """See that the server does not overwrite what it is told to create: some ignore the condition.

        What was just written is written once more, which changes nothing where the condition is ignored.

        Raises:
            ConfigurationError: it does overwrite. What was written is removed.
        """
        objects = self._objects
        try:
            objects.put(key, content, write, limit)
        except vendor.ClientError as error:
            self._trusted = code_of(error) in TAKEN | CONFLICT
            return
        except (StoreUnavailable, *NO_REPLY):
            return  # the next write will show it
        objects.remove(key, limit)
        raise ConfigurationError(
            f"{self.url}: the server ignores If-None-Match: it overwrites what it is told to create, so nothing "
            "is written to it; use another server, or a newer version of it ('weighbridge store check' tries one)"
        )
