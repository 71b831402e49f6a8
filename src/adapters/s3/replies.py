"""Reading replies of S3 servers that may lack what they should have."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from weighbridge.adapters.s3.errors import SenselessReply
from weighbridge.domain.store.artefacts import ArtefactRef


class Pages:
    """The pages of one listing, in turn: the request for the next, until the last.

    A page that does not go on from the one before it would make the listing endless, and is a SenselessReply.
    """

    def __init__(self, request: dict[str, Any]) -> None:
        self.request = request
        self.is_done = False
        #: Whether the last page had entries: a server may send some without.
        self.is_moving = True
        self._tokens: set[str] = set()
        self._last = ""

    def take(self, page: Any) -> None:
        """The reply to ``request``.

        Raises:
            SenselessReply: it lacks something, or goes in circles.
        """
        entries = list(entries_of(page))
        last = max((name_of(entry) for entry in entries), default="")
        self.is_moving = bool(entries)
        if entries and last <= self._last:
            raise SenselessReply(fault="the listing repeats itself")
        self._last = max(self._last, last)
        self.is_done = not field(page, "IsTruncated")
        if not self.is_done:
            token = str(field(page, "NextContinuationToken"))
            if token in self._tokens:
                raise SenselessReply(fault="the listing repeats its continuation token")
            self._tokens.add(token)
            self.request = {
                **{name: value for name, value in self.request.items() if name != "StartAfter"},
                "ContinuationToken": token,
            }


def entries_of(page: Any) -> Iterator[Any]:
    """The objects of a page of a listing, and its common prefixes."""
    yield from page.get("Contents", ())
    yield from page.get("CommonPrefixes", ())


def name_of(entry: Any) -> str:
    """The key of an entry, or its common prefix."""
    return str(entry.get("Key") or field(entry, "Prefix"))


def field(reply: Any, name: str) -> Any:
    """A field of a reply.

    Raises:
        SenselessReply: there is none.
    """
    value = reply.get(name)
    if value is None:
        raise SenselessReply(fault=f"it has no {name}")
    return value


def etag_of(reply: Any) -> str:
    """The ETag, without its quotes.

    Raises:
        SenselessReply: there is none.
    """
    return str(field(reply, "ETag")).strip('"')


def is_doubtful(reply: Any, md5sum: bytes) -> bool:
    """Whether the ETag looks like another MD5 than this. Of some objects it is something else, rightly."""
    etag = etag_of(reply)
    encrypted = reply.get("SSECustomerAlgorithm") or "kms" in reply.get("ServerSideEncryption", "")
    return len(etag) == 32 and not encrypted and etag != md5sum.hex()


def ref_of(key: str, size: int, reply: Any, modified: datetime | None = None) -> ArtefactRef:
    """The ref of an object.

    Args:
        key: of the artefact.
        size: in bytes.
        reply: what tells its ETag and version.
        modified: when it was written; None for what the reply says.

    Raises:
        SenselessReply: the reply lacks something.
    """
    version = reply.get("VersionId")
    # Objects older than the versioning of their bucket have the version "null".
    kept = version if version != "null" else None
    return ArtefactRef(key, size, etag_of(reply), kept, (modified or field(reply, "LastModified")).astimezone(UTC))


def written_at(reply: Any) -> datetime:
    """When the reply to a write was made, as the server tells it."""
    date = reply["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)
