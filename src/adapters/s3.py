"""The store on a bucket of S3, or of a server that speaks its protocol, through boto3."""

import secrets
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from hashlib import md5, sha256
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import boto3
import botocore.exceptions as vendor
import botocore.session
from botocore.config import Config
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError as TransportError

from domain.artefacts import Artefact, ArtefactRef, check_key, check_prefix
from domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreNotFound,
    StoreUnavailable,
    WeighbridgeError,
)
from domain.ports import ArtefactStore

#: Metadata of the objects that we write: which write made it, and the digest of its bytes.
_WRITE, _DIGEST = "weighbridge-write", "weighbridge-sha256"

#: The name of the threads that ask the server.
THREAD = "weighbridge-s3"

_Answer = TypeVar("_Answer")

#: Seconds for an operation in all: enough for a gigabyte over a slow line, and for every attempt at a small thing.
_DEADLINE = 300.0

_ATTEMPTS = 4
_TAKEN = {"PreconditionFailed", "412"}
_CONFLICT = {"ConditionalRequestConflict", "OperationAborted"}
_NOT_THERE = {"NoSuchKey", "NoSuchVersion", "NotFound", "404"}
_REFUSED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "TokenRefreshRequired",
}
_TRY_AGAIN = {"BadDigest", "IncompleteBody", "RequestTimeout", "SlowDown", "XAmzContentSHA256Mismatch"} | _CONFLICT
_NO_CREDENTIALS = (
    vendor.NoCredentialsError,
    vendor.PartialCredentialsError,
    vendor.CredentialRetrievalError,
    vendor.TokenRetrievalError,
    vendor.NoAuthTokenError,
    vendor.SSOError,
    vendor.LoginError,
)
_NEVER_SENT = (vendor.EndpointConnectionError, vendor.ConnectTimeoutError, vendor.ProxyConnectionError)
#: A reply that came broken, or none at all.
_NO_REPLY = (
    vendor.HTTPClientError,
    vendor.ConnectionError,
    vendor.IncompleteReadError,
    vendor.FlexibleChecksumError,
    ResponseParserError,
    TransportError,
)


def connect(bucket: str, prefix: str = "", *, deadline: float = _DEADLINE) -> "S3Store":
    """A store on a bucket, reached as the standard AWS settings say; see ``open_client`` for what may go wrong.

    Args:
        bucket: its name.
        prefix: the folder within the bucket; empty for the bucket itself.
        deadline: seconds in which an operation is done or has failed.
    """
    return S3Store(open_client(), bucket, prefix, deadline=deadline)


def open_client(*, connect_timeout: float = 5, read_timeout: float = 30, attempts: int = _ATTEMPTS) -> Any:
    """A boto3 client for S3, set up for S3Store; nothing is sent yet. It may serve many stores and threads.

    Credentials, region, profile and AWS_ENDPOINT_URL_S3 come from where every AWS tool takes them.

    Args:
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for each piece of a reply.
        attempts: how often a request is sent in all, with jittered exponential back-off between.

    Raises:
        ConfigurationError: the AWS settings name a profile, a region or an endpoint that cannot be.
    """
    config = Config(
        connect_timeout=connect_timeout,
        read_timeout=read_timeout,
        retries={"mode": "standard", "total_max_attempts": attempts},
        # Not more than is required: over TLS botocore would send its checksums in trailers, which other servers
        # than AWS's refuse. The writes carry a Content-MD5, which all of them check.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_supported",
    )
    try:
        core = botocore.session.Session()
        style = core.get_scoped_config().get("s3", {}).get("addressing_style")
        session = boto3.Session(botocore_session=core)
        client = session.client("s3", config=config)
        if style is None and not _is_aws(client.meta.endpoint_url):
            # A server of one's own seldom has a host name for each bucket.
            client = session.client("s3", config=config.merge(Config(s3={"addressing_style": "path"})))
    except (vendor.BotoCoreError, ValueError) as error:
        raise translate(error, "S3") from error
    return client


class S3Store(ArtefactStore):
    """Artefacts as objects of one bucket, shared by any number of processes.

    Args:
        client: a boto3 client for S3; see ``open_client``.
        bucket: its name.
        prefix: the folder within the bucket; slashes around it do not matter, empty is the bucket itself.
        deadline: seconds in which an operation is done, with all its attempts, or has failed.
        monotonic: tells the seconds that pass.
        sleep: waits so many seconds before another attempt.

    The revision is the ETag, which is never taken for a digest: objects that we write carry their sha256 as
    metadata instead, and a read that does not match it is tried again. Where others wrote the object, the client
    checks what checksum the server has, and an ETag that looks like an MD5 and is not that of the bytes is reason
    to read twice and compare. A listing has no digest: only TLS protects it on its way. In a bucket with
    versioning the refs of writes and reads name the version, which listings do not tell. A write is one
    conditional PUT.

    An operation (of a listing, each page) that is not done within the deadline is StoreUnavailable, however the
    server stalls. What was sent of it is not called back: a write may still arrive, whole.
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
    ) -> None:
        self._client = client
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
            for page in self._pages(check_prefix(prefix), "/", start_after)
            for entry in page.get("Contents", ())
            if _is_artefact(key := self._key(entry))
        )

    def stems(self, prefix: str, delimiter: str, start_after: str | None = None) -> Iterator[str]:
        """See ArtefactStore. The server groups the keys: one request for each 1000 stems."""
        for page in self._pages(check_prefix(prefix), delimiter, start_after):
            # Text compares by code point, and UTF-8 keeps that order.
            yield from sorted(
                key
                for entry in (*page.get("Contents", ()), *page.get("CommonPrefixes", ()))
                if _is_artefact(key := self._key(entry))
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
        for attempt in range(_ATTEMPTS):
            self._pause(attempt, limit)
            with self._translated(key):
                got = self._ask(key, limit, lambda: self._get(key, which))
            if got is None:
                continue
            reply, data = got
            digest = sha256(data).hexdigest()
            if reply["Metadata"].get(_DIGEST, digest) != digest:
                continue
            if _DIGEST not in reply["Metadata"] and _is_doubtful(reply, data) and doubted != digest:
                doubted = digest
                continue
            return Artefact(_ref(key, len(data), reply, reply["LastModified"]), data, digest)
        raise StoreUnavailable(f"{self.url}: {key} came broken {_ATTEMPTS} times; check the network and try again")

    def write(self, key: str, data: bytes) -> ArtefactRef:
        """See ArtefactStore.

        Where the reply to a write was lost, and the next attempt finds the key taken by the first one, the
        object itself tells whose it is.

        Raises:
            ConfigurationError: the server cannot create without overwriting, or takes no key so long.
        """
        check_key(key)
        # A copy: the caller's buffer may change while a request that is late is still being sent.
        write, data, limit = secrets.token_hex(16), bytes(data), self._limit()
        with self._translated(key):
            for attempt in range(_ATTEMPTS):
                self._pause(attempt, limit)
                try:
                    reply = self._ask(key, limit, lambda: self._put(key, data, write))
                except (vendor.ClientError, *_NO_REPLY) as error:
                    code = _code(error)
                    if code in _CONFLICT:
                        continue
                    if code not in _TAKEN and not _may_have_arrived(error):
                        raise
                    made = self._ask(key, limit, lambda: self._made_by(key, write))
                    if made is not None:
                        return made
                    if code in _TAKEN:
                        raise ArtefactExists(f"{self.url}: {key} exists already and is left as it is") from error
                    raise
                else:
                    date = reply["ResponseMetadata"]["HTTPHeaders"].get("date")
                    written = parsedate_to_datetime(date) if date else datetime.now(UTC)
                    return _ref(key, len(data), reply, written)
        raise StoreUnavailable(f"{self.url}: others are writing {key} at this moment; try again")

    def delete(self, key: str) -> None:
        """See ArtefactStore. In a bucket with versioning the versions stay, and can be read by their refs."""
        check_key(key)
        limit = self._limit()
        with self._translated(key):
            try:
                self._ask(key, limit, lambda: self._client.head_object(**self._object(key)))
            except vendor.ClientError as error:
                if _code(error) in _NOT_THERE:
                    # The reply to a HEAD has no body, and does not tell a missing key from a missing bucket.
                    self._ask(key, limit, lambda: self._client.head_bucket(Bucket=self._bucket))
                raise
            self._ask(key, limit, lambda: self._client.delete_object(**self._object(key)))

    def _pages(self, prefix: str, delimiter: str, start_after: str | None) -> Iterator[Any]:
        position = {}
        if start_after is not None and start_after.startswith(prefix):
            position = {"StartAfter": f"{self._folder}{start_after}"}
        elif start_after is not None and start_after > prefix:
            # It sorts after everything that is wanted, or below, before it: servers differ in what they make of
            # either.
            return
        request = {"Bucket": self._bucket, "Prefix": f"{self._folder}{prefix}", "Delimiter": delimiter}
        while True:
            with self._translated(prefix):
                page = self._ask(
                    prefix, self._limit(), partial(self._client.list_objects_v2, **request, **position)
                )
            yield page
            if not page["IsTruncated"]:
                return
            position = {"ContinuationToken": page["NextContinuationToken"]}

    def _key(self, entry: Any) -> str:
        return str(entry.get("Key") or entry["Prefix"]).removeprefix(self._folder)

    def _get(self, key: str, which: dict[str, str]) -> tuple[Any, bytes] | None:
        """The reply to a GET and its body; None when the body came broken."""
        reply = self._client.get_object(**self._object(key), **which)
        try:
            return reply, reply["Body"].read()
        except _NO_REPLY:
            return None

    def _put(self, key: str, data: bytes, write: str) -> Any:
        return self._client.put_object(
            **self._object(key),
            Body=data,
            IfNoneMatch="*",
            ContentMD5=b64encode(md5(data, usedforsecurity=False).digest()).decode(),
            Metadata={_WRITE: write, _DIGEST: sha256(data).hexdigest()},
        )

    def _made_by(self, key: str, write: str) -> ArtefactRef | None:
        """The object under a key when this very write made it; None when another did, or there is none."""
        try:
            head = self._client.head_object(**self._object(key))
        except vendor.ClientError as error:
            if _code(error) in _NOT_THERE:
                return None
            raise
        if head["Metadata"].get(_WRITE) != write:
            return None
        return _ref(key, head["ContentLength"], head, head["LastModified"])

    def _limit(self) -> float:
        """When an operation that begins now must be done."""
        return self._monotonic() + self._deadline

    def _ask(self, subject: str, limit: float, request: Callable[[], _Answer]) -> _Answer:
        """What ``request`` returns or raises, or StoreUnavailable when the limit is reached before.

        The client's timeouts are for each piece that arrives, and a server that sends one byte at a time keeps
        within them for ever. So a thread asks, for one thing only, and is left to itself when it takes too long.
        """
        answers: SimpleQueue[tuple[_Answer | None, BaseException | None]] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put((request(), None))
            except BaseException as error:
                answers.put((None, error))

        left = limit - self._monotonic()
        try:
            if left <= 0:
                raise Empty
            Thread(target=ask, name=THREAD, daemon=True).start()
            answer, error = answers.get(timeout=left)
        except Empty:
            raise StoreUnavailable(
                f"{self.url}: {subject}: no whole answer within {self._deadline:g} seconds; "
                "check the network and AWS_ENDPOINT_URL_S3, then try again"
            ) from None
        if error is not None:
            raise error
        return cast("_Answer", answer)

    def _pause(self, attempt: int, limit: float) -> None:
        """Wait before another attempt: up to 0.2, 0.4, 0.8 ... seconds, at random: rivals must not keep step."""
        if attempt:
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


def translate(error: Exception, url: str, subject: str = "") -> WeighbridgeError:
    """The error to raise for what boto3 raised: one line that names the store, the fault and the remedy.

    Args:
        error: as it was caught.
        url: of the store.
        subject: the key or prefix that was asked for, where there was one.
    """
    where = f"{url}: {subject}: " if subject else f"{url}: "
    if isinstance(error, vendor.ClientError):
        return _translate_reply(error, url, where)
    said = " ".join(str(error).split())
    if isinstance(error, _NO_CREDENTIALS):
        return StoreDenied(f"{where}{said}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")
    if isinstance(error, _NO_REPLY):
        return StoreUnavailable(f"{where}{said}; check the network and AWS_ENDPOINT_URL_S3, then try again")
    return ConfigurationError(f"{where}{said}; check the bucket's name and the AWS_* settings")


def _translate_reply(error: Any, url: str, where: str) -> WeighbridgeError:
    """The same for a reply that says no; its status decides where its code is not a known one."""
    code, status = _code(error), error.response["ResponseMetadata"]["HTTPStatusCode"]
    said = " ".join(f"{code} {error.response['Error'].get('Message', '')}".split())
    if code == "NoSuchBucket" or (status == 404 and error.operation_name == "HeadBucket"):
        return StoreNotFound(f"{url}: there is no such bucket; make it, or check its name and AWS_ENDPOINT_URL_S3")
    if code in _NOT_THERE | _TAKEN:
        return ArtefactNotFound(f"{where}not there, or no longer in that revision ({said})")
    if status == 501 or code == "NotImplemented":
        return ConfigurationError(
            f"{where}the server lacks what is needed to create without overwriting ({said}); use another one"
        )
    if status >= 500 or status in {409, 429} or code in _TRY_AGAIN or "Throttl" in code:
        return StoreUnavailable(f"{where}the server is not well ({said}); try again")
    if status in {401, 403} or code in _REFUSED:
        return StoreDenied(
            f"{where}access refused ({said}); check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN "
            "and what they may do (s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject)"
        )
    return ConfigurationError(
        f"{where}the server refuses the request ({said}); check the bucket's name, AWS_DEFAULT_REGION "
        "and AWS_ENDPOINT_URL_S3"
    )


def _may_have_arrived(error: Exception) -> bool:
    """Whether a write that failed so may be in the bucket all the same."""
    return not isinstance(error, _NEVER_SENT) and isinstance(translate(error, ""), StoreUnavailable)


def _code(error: Exception) -> str:
    return str(error.response["Error"].get("Code", "")) if isinstance(error, vendor.ClientError) else ""


def _is_aws(endpoint: str) -> bool:
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


def _is_artefact(key: str) -> bool:
    try:
        return bool(check_key(key))
    except ConfigurationError:
        return False


def _is_doubtful(reply: Any, data: bytes) -> bool:
    """Whether the ETag looks like an MD5 of other bytes. Of some objects it is something else, rightly."""
    etag = reply["ETag"].strip('"')
    encrypted = reply.get("SSECustomerAlgorithm") or "kms" in reply.get("ServerSideEncryption", "")
    looks_like_md5 = len(etag) == 32 and not encrypted
    return looks_like_md5 and etag != md5(data, usedforsecurity=False).hexdigest()


def _ref(key: str, size: int, reply: Any, modified: datetime) -> ArtefactRef:
    version = reply.get("VersionId")
    # Objects older than the versioning of their bucket have the version "null".
    kept = version if version != "null" else None
    return ArtefactRef(key, size, reply["ETag"].strip('"'), kept, modified.astimezone(UTC))
