"""What boto3 and S3 servers say when something is wrong, and which error of ours it is."""

import os
import re
from traceback import walk_tb

import botocore.exceptions as vendor
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError as TransportError

from weighbridge.adapters.s3.refusals import translate_reply
from weighbridge.domain.errors import ConfigurationError, StoreDenied, StoreUnavailable, WeighbridgeError


class BrokenReply(vendor.HTTPClientError):  # type: ignore[misc]
    """A reply broke off in its head."""

    fmt = "the head of the reply broke off"


class SenselessReply(vendor.HTTPClientError):  # type: ignore[misc]
    """A reply lacks what it must have, as that of a proxy does that answers itself."""

    fmt = "the reply makes no sense: {fault}"


_NO_CREDENTIALS = (
    vendor.NoCredentialsError,
    vendor.PartialCredentialsError,
    vendor.CredentialRetrievalError,
    vendor.TokenRetrievalError,
    vendor.NoAuthTokenError,
    vendor.SSOError,
    vendor.LoginError,
)
#: What is said of a certificate that cannot be verified, or of the file of those to verify it by.
_NO_TRUST = ("CERTIFICATE_VERIFY_FAILED", "TLS CA certificate bundle", "certificate verify locations")
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


def translate(error: Exception, url: str, subject: str = "") -> WeighbridgeError | None:
    """The error to raise for what boto3 raised: one line that names the store, the fault and the remedy.

    Args:
        error: as it was caught.
        url: of the store.
        subject: the key or prefix that was asked for, where there was one.

    Returns:
        None for what is none of boto3's, or the domain's already.
    """
    where = f"{url}: {subject}: " if subject else f"{url}: "
    if isinstance(error, WeighbridgeError):
        return None
    if isinstance(error, vendor.ClientError):
        return translate_reply(error, url, where)
    said = " ".join(str(error).split())
    if isinstance(error, _NO_CREDENTIALS):
        return _translate_credentials(error, where, said)
    if any(sign in said for sign in _NO_TRUST) or (isinstance(error, vendor.SSLError) and "No such file" in said):
        return ConfigurationError(
            f"{where}the server's certificate is not trusted ({said}); set AWS_CA_BUNDLE to a file that has the "
            "certificates of its authority"
        )
    if isinstance(error, NO_REPLY):
        return StoreUnavailable(f"{where}{said}; check the network and AWS_ENDPOINT_URL_S3, then try again")
    if isinstance(error, OSError):
        if error.filename is None:
            return None
        return ConfigurationError(
            f"{where}{error.strerror}: {error.filename}; check the AWS_* settings that name this file"
        )
    if isinstance(error, vendor.BotoCoreError) or _is_of_client(error):
        return ConfigurationError(f"{where}{said}; check the bucket's name and the AWS_* settings")
    return None


def _translate_credentials(error: Exception, where: str, said: str) -> WeighbridgeError:
    """A provider of credentials that is down is no refusal."""
    status = re.search(r"non 200 response (\d{3})", said)
    is_down = status is not None and (status[1].startswith("5") or status[1] == "429")
    is_silent = any(sign in said for sign in ("when attempting to retrieve", "Unable to parse JSON"))
    # Of an instance's metadata service botocore does not tell that it is down: it then has no credentials.
    is_named = isinstance(error, vendor.NoCredentialsError) and "AWS_EC2_METADATA_SERVICE_ENDPOINT" in os.environ
    if is_down or (is_silent and status is None) or is_named:
        return StoreUnavailable(f"{where}the provider of credentials does not answer ({said}); try again")
    return StoreDenied(f"{where}{said}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE")


def _is_of_client(error: Exception) -> bool:
    """Whether an error of Python's own was raised in boto3's code, which what it reads may cause."""
    return any(
        str(frame.f_globals.get("__name__", "")).startswith(("boto3.", "botocore."))
        for frame, _ in walk_tb(error.__traceback__)
    )


def may_have_arrived(error: Exception) -> bool:
    """Whether a write that failed so may be in the bucket all the same."""
    return not isinstance(error, _NEVER_SENT) and isinstance(translate(error, ""), StoreUnavailable)
