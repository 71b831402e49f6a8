"""What boto3 and S3 servers say when something is wrong, and which error of ours it is."""

from typing import Any

import botocore.exceptions as vendor
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError as TransportError

from weighbridge.domain.errors import (
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreNotFound,
    StoreUnavailable,
    WeighbridgeError,
)


class BrokenReply(vendor.HTTPClientError):  # type: ignore[misc]
    """A reply broke off in its head."""

    fmt = "the head of the reply broke off"


class SenselessReply(vendor.HTTPClientError):  # type: ignore[misc]
    """A reply lacks what it must have, as that of a proxy does that answers itself."""

    fmt = "the reply makes no sense: {fault}"


TAKEN = {"PreconditionFailed", "412"}
CONFLICT = {"ConditionalRequestConflict", "OperationAborted"}
NOT_THERE = {"NoSuchKey", "NoSuchVersion", "NotFound", "404"}
_REFUSED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestExpired",
    "TokenRefreshRequired",
}
_TRY_AGAIN = {"BadDigest", "IncompleteBody", "RequestTimeout", "SlowDown", "XAmzContentSHA256Mismatch"} | CONFLICT
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
NO_REPLY = (
    vendor.HTTPClientError,
    vendor.ConnectionError,
    vendor.IncompleteReadError,
    vendor.FlexibleChecksumError,
    ResponseParserError,
    TransportError,
)


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
    if isinstance(error, NO_REPLY):
        return StoreUnavailable(f"{where}{said}; check the network and AWS_ENDPOINT_URL_S3, then try again")
    return ConfigurationError(f"{where}{said}; check the bucket's name and the AWS_* settings")


def may_have_arrived(error: Exception) -> bool:
    """Whether a write that failed so may be in the bucket all the same."""
    return not isinstance(error, _NEVER_SENT) and isinstance(translate(error, ""), StoreUnavailable)


def code_of(error: Exception) -> str:
    """The code of a reply that says no; empty for any other error."""
    return str(error.response["Error"].get("Code", "")) if isinstance(error, vendor.ClientError) else ""


def _translate_reply(error: Any, url: str, where: str) -> WeighbridgeError:
    """The same for a reply that says no; its status decides where its code is not a known one."""
    code, status = code_of(error), error.response["ResponseMetadata"]["HTTPStatusCode"]
    said = " ".join(f"{code} {error.response['Error'].get('Message', '')}".split())
    if code == "NoSuchBucket" or (status == 404 and error.operation_name == "HeadBucket"):
        return StoreNotFound(f"{url}: there is no such bucket; make it, or check its name and AWS_ENDPOINT_URL_S3")
    if code in NOT_THERE | TAKEN:
        return ArtefactNotFound(f"{where}not there, or no longer in that revision ({said})")
    if status == 501 or code == "NotImplemented":
        return ConfigurationError(
            f"{where}the server lacks what is needed to create without overwriting ({said}); use another one"
        )
    if status >= 500 or status in {409, 429} or code in _TRY_AGAIN or "Throttl" in code:
        return StoreUnavailable(f"{where}server error ({said}); try again")
    if status in {401, 403} or code in _REFUSED:
        return StoreDenied(
            f"{where}access refused ({said}); check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN "
            "and what they may do (s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject)"
        )
    return ConfigurationError(
        f"{where}the server refuses the request ({said}); check the bucket's name, AWS_DEFAULT_REGION "
        "and AWS_ENDPOINT_URL_S3"
    )
