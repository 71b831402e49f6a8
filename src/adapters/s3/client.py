"""A boto3 client for S3, and asking it for one thing within a deadline."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
import botocore.session
from botocore import UNSIGNED
from botocore.config import Config

from weighbridge.adapters.s3.errors import BrokenReply, translate
from weighbridge.adapters.s3.refusals import code_of
from weighbridge.domain.store.deadline import TooLate, within

#: The name of the threads that ask the server.
THREAD = "weighbridge-s3"

#: How often a request is sent in all.
ATTEMPTS = 4

_Answer = TypeVar("_Answer")

#: Told of each attempt that is not the first: the operation as S3 calls it, and why it is made.
Again = Callable[[str, str], None]


def open_client(
    *,
    connect_timeout: float = 5,
    read_timeout: float = 30,
    attempts: int = ATTEMPTS,
    anonymous: bool = False,
    requester_pays: bool = False,
) -> Any:
    """A boto3 client for S3, set up for S3Store; nothing is sent yet. It may serve many stores and threads.

    Credentials, region, profile and AWS_ENDPOINT_URL_S3 come from where every AWS tool takes them.

    Args:
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for each piece of a reply.
        attempts: how often a request is sent in all, with jittered exponential back-off between.
        anonymous: ask without credentials, of a public bucket.
        requester_pays: agree to pay for the requests, of a bucket that asks for it.

    Raises:
        ConfigurationError: the AWS settings name a profile, a region, a file or an endpoint that cannot be.
        StoreDenied: the provider of credentials refuses.
        StoreUnavailable: the provider of credentials does not answer.
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
    if anonymous:
        config = config.merge(Config(signature_version=UNSIGNED))
    try:
        core = botocore.session.Session()
        style = core.get_scoped_config().get("s3", {}).get("addressing_style")
        session = boto3.Session(botocore_session=core)
        client = session.client("s3", config=config)
        if style is None and not is_aws(client.meta.endpoint_url):
            # A server of one's own seldom has a host name for each bucket.
            client = session.client("s3", config=config.merge(Config(s3={"addressing_style": "path"})))
    except Exception as error:
        known = translate(error, "S3")
        if known is None:
            raise
        raise known from error
    client.meta.events.register("needs-retry.s3", _note_outcome)
    client.meta.events.register("before-send.s3", _before_attempt)
    client.meta.events.register("before-parse.s3", _check_head)
    if requester_pays:
        client.meta.events.register("before-call.s3", _agree_to_pay)
    return client


def ask(request: Callable[[], _Answer], seconds: float, again: Again) -> _Answer:
    """What ``request`` returns or raises.

    The client's timeouts are for each piece that arrives, and a server that sends one byte at a time keeps
    within them for ever. So a thread asks, and is left to itself when it takes too long; it sends nothing more.

    Args:
        request: makes one call of a client of ``open_client``.
        seconds: how long to wait for what it returns.
        again: see Again; called from another thread, and not after the time is over.

    Raises:
        TooLate: it did not return in time, or there was no time.
    """
    asked = _Asked(again)

    def answer() -> _Answer:
        _asked.set(asked)
        return request()

    try:
        return within(seconds, answer, THREAD)
    finally:
        asked.is_over = True


def is_aws(endpoint: str) -> bool:
    """Whether an address is one of AWS's own."""
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn"))


class _Asked:
    """What a thread asks for; the client's hooks find it as that of their thread."""

    def __init__(self, again: Again) -> None:
        self.again = again
        self.is_over = False
        #: What became of the last attempt.
        self.outcome = ""


_asked: ContextVar[_Asked | None] = ContextVar("asked", default=None)


def _note_outcome(response: Any, caught_exception: Exception | None, **_: object) -> None:
    """The client's hook after each attempt."""
    asked = _asked.get()
    if asked is None:
        return
    if caught_exception is not None:
        asked.outcome = code_of(caught_exception) or type(caught_exception).__name__
    elif response is not None:
        http, parsed = response
        asked.outcome = str(parsed.get("Error", {}).get("Code") or http.status_code)


def _before_attempt(request: Any, event_name: str, **_: object) -> None:
    """The client's hook before each attempt."""
    asked = _asked.get()
    if asked is None:
        return
    if asked.is_over:
        raise TooLate
    attempt = request.headers.get("amz-sdk-request", b"")
    attempt = attempt.decode() if isinstance(attempt, bytes) else attempt
    if not attempt.startswith("attempt=1"):
        asked.again(event_name.rpartition(".")[2], asked.outcome)


def _agree_to_pay(params: Any, **_: object) -> None:
    """The client's hook for each call."""
    params["headers"]["x-amz-request-payer"] = "requester"


def _check_head(response_dict: Any, **_: object) -> None:
    """The client's hook for each reply: whether its head is whole.

    To Python a head that breaks off is one with fewer headers: a body without a length, and an ETag cut short.
    """
    status, headers = response_dict["status_code"], response_dict["headers"]
    if status == 200:
        has_length = headers.get("content-length", "").isdigit() or "transfer-encoding" in headers
        etag = headers.get("etag", "")
        if not has_length or (etag.startswith('"') and not etag[1:].endswith('"')):
            raise BrokenReply
