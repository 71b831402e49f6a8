"""Replies of S3 servers that say no, and which error of ours each is."""

from typing import Any

import botocore.exceptions as vendor

from weighbridge.domain.errors import (
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreNotFound,
    StoreUnavailable,
    WeighbridgeError,
)

TAKEN = {"PreconditionFailed", "412"}
CONFLICT = {"ConditionalRequestConflict", "OperationAborted", "409"}
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

#: What is said of a request whose time is too far from the server's.
_SKEWED = ("RequestTimeTooSkewed", "Signature expired", "Signature not yet current")

#: Refusals with a remedy of their own, by the code of the reply.
_REMEDIES = {
    "QuotaExceeded": "the quota of the bucket or account is used up; make room, or have it raised",
    "EntityTooLarge": "the server takes no object so large; split the file",
    "407": "the proxy asks for credentials; put them into HTTPS_PROXY or HTTP_PROXY",
}


def code_of(error: Exception) -> str:
    """The code of a reply that says no, or its status where it has none; empty for any other error."""
    if not isinstance(error, vendor.ClientError):
        return ""
    return str(error.response["Error"].get("Code") or error.response["ResponseMetadata"]["HTTPStatusCode"])


def translate_reply(error: Any, url: str, where: str) -> WeighbridgeError:
    """The error to raise for a reply that says no; its status decides where its code is not a known one.

    Args:
        error: botocore's ClientError.
        url: of the store.
        where: how the message begins.
    """
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
    return _translate_refusal(error, where, said)


def _translate_refusal(error: Any, where: str, said: str) -> WeighbridgeError:
    """The same for a refusal that another attempt would meet again."""
    code, status = code_of(error), error.response["ResponseMetadata"]["HTTPStatusCode"]
    if any(sign in said for sign in _SKEWED):
        return StoreDenied(f"{where}access refused ({said}); set the clock of this machine, by NTP for example")
    if code == "InvalidObjectState":
        found = error.response.get("StorageClass") or error.response["Error"].get("StorageClass", "of an archive")
        return ConfigurationError(
            f"{where}the object is in the storage class {found}, which cannot be read at once ({said}); "
            "restore it, or copy it into the class STANDARD"
        )
    if code in _REMEDIES:
        return ConfigurationError(f"{where}{_REMEDIES[code]} ({said})")
    if code.startswith("KMS."):
        return StoreDenied(f"{where}the key of the encryption is refused ({said}); check it, and who may use it")
    if status in {401, 403} or code in _REFUSED:
        return StoreDenied(
            f"{where}access refused ({said}); check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN "
            "and what they may do (s3:ListBucket, s3:GetObject, s3:PutObject, s3:DeleteObject); of a bucket whose "
            "requester pays, set WEIGHBRIDGE_STORE_REQUESTER_PAYS=1"
        )
    return ConfigurationError(
        f"{where}the server refuses the request ({said}); check the bucket's name, AWS_DEFAULT_REGION "
        "and AWS_ENDPOINT_URL_S3"
    )
