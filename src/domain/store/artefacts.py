"""Names of the things in a store: two-level keys, and the timestamps within them.

A key is ``kind/name``, for example ``datasets/time_to_dispatch_2021-07-03T23-05-32Z.csv``. Names of one task
begin with ``<task>_`` and go on with a timestamp, so that keys sort by time.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import BinaryIO

from weighbridge.domain.errors import ConfigurationError, DataError, Problem

DATASETS = "datasets"
MODELS = "models"
PROMOTIONS = "promotions"
REJECTED = "rejected"
TRAINED = "trained"
REPORTS = "reports"
PREDICTIONS = "predictions"

#: What a dataset's name ends in, none the end of another; it says the format.
DATASET_SUFFIXES = (".csv", ".csv.gz", ".csv.zst", ".parquet")

#: Bytes of a file that are read at once.
_PIECE_BYTES = 1 << 18

_TASK_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
_TIMESTAMP = re.compile(
    r"""(?P<date>\d{4}-\d{2}-\d{2})
        (?:[Tt\ ](?P<hour>\d{2})[:|-](?P<minute>\d{2})[:|-](?P<second>\d{2})
           (?:[.,](?P<fraction>\d{1,9}))?
           (?P<zone>[Zz]|(?P<sign>[+-])(?P<zone_hour>\d{2})(?:[:|-]?(?P<zone_minute>\d{2}))?)?
        )?""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class ArtefactRef:
    """One stored artefact as a listing or a write names it.

    Args:
        key: ``kind/name``.
        size: in bytes.
        revision: opaque identity of these very bytes within the store (an ETag, a file's identity); never a
            digest to compare across stores.
        version_id: the store's own version, where it keeps versions.
        last_modified: UTC, as the store tells it.
    """

    key: str
    size: int
    revision: str
    version_id: str | None
    last_modified: datetime

    @property
    def name(self) -> str:
        """The second level of the key."""
        return self.key.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Artefact:
    """An artefact that was read: its ref (as of the read), its bytes, and our own digest of them."""

    ref: ArtefactRef
    data: bytes
    sha256: str


@dataclass(frozen=True, slots=True)
class NamedInTime:
    """A ref whose name carries a timestamp. Orders by time; equal times order by key."""

    timestamp: datetime
    ref: ArtefactRef

    @property
    def order(self) -> tuple[datetime, str]:
        """What newest means: the greatest of these."""
        return (self.timestamp, self.ref.key)


def check_key(key: str) -> str:
    """Return ``key`` when it is one that every store can hold.

    Raises:
        ConfigurationError: not exactly two non-empty levels, a level that begins with a dot, or a control
            character, a backslash or half of a surrogate pair anywhere.
    """
    levels = key.split("/")
    if len(levels) != 2 or any(not level or level.startswith(".") for level in levels):
        raise ConfigurationError(f"the key {key!r} is not of the form kind/name")
    if any(ord(character) < 32 or character in "\\\x7f" or "\ud800" <= character <= "\udfff" for character in key):
        raise ConfigurationError(f"the key {key!r} has a character that not every store can hold")
    return key


def is_key(key: str) -> bool:
    """Whether ``check_key`` lets it pass."""
    try:
        return bool(check_key(key))
    except ConfigurationError:
        return False


def check_prefix(prefix: str) -> str:
    """Return ``prefix`` when some lawful key begins with it: ``kind/``, and the beginning of a name or nothing.

    Raises:
        ConfigurationError: as for a key.
    """
    check_key(f"{prefix}*")
    return prefix


def is_task_name(name: str) -> bool:
    """Whether ``name`` is snake_case, as the names of tasks are."""
    return _TASK_NAME.fullmatch(name) is not None


def format_timestamp(moment: datetime) -> str:
    """Write an aware time in the one spelling that Weighbridge writes: ``2021-07-03T23-05-32Z``.

    UTC, whole seconds (a fraction is cut off), no colon, so that it is a legal file name everywhere.
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H-%M-%SZ").zfill(20)


def parse_timestamp(text: str) -> datetime | None:
    """Read a timestamp in any spelling of the field; None when ``text`` is not one, or not a real date.

    Between date and time a ``T`` or a space; between hours, minutes and seconds ``:``, ``|`` or ``-``; a
    fraction of a second (digits beyond the microsecond are cut off); ``Z`` or an offset such as ``+05:00``,
    ``+0530`` or ``-08``. A date alone is its midnight. A time without a zone is UTC. The answer is in UTC.
    """
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    part = found.groupdict()
    offset = timedelta(0)
    if part["sign"]:
        offset = timedelta(hours=int(part["zone_hour"]), minutes=int(part["zone_minute"] or 0))
        if int(part["zone_minute"] or 0) > 59 or offset >= timedelta(hours=24):
            return None
        offset = -offset if part["sign"] == "-" else offset
    try:
        moment = datetime.fromisoformat(part["date"]).replace(
            hour=int(part["hour"] or 0),
            minute=int(part["minute"] or 0),
            second=int(part["second"] or 0),
            microsecond=int((part["fraction"] or "0")[:6].ljust(6, "0")),
            tzinfo=timezone(offset),
        )
        return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def dataset_key(task: str, moment: datetime, suffix: str) -> str:
    """The key under which a dataset of ``task`` is put; ``suffix`` is one of DATASET_SUFFIXES."""
    return f"{DATASETS}/{task}_{format_timestamp(moment)}{suffix}"


def dataset_suffix(name: str) -> str | None:
    """The one of DATASET_SUFFIXES that ``name`` ends in; None when it ends in none."""
    return next((suffix for suffix in DATASET_SUFFIXES if name.endswith(suffix)), None)


def dataset_timestamp(task: str, name: str) -> datetime | None:
    """When the dataset ``name`` of ``task`` was taken; None for a name that does not tell."""
    suffix = dataset_suffix(name)
    if suffix is None or not name.startswith(f"{task}_"):
        return None
    return parse_timestamp(name[len(task) + 1 : -len(suffix)])


def belongs_to_another_task(task: str, name: str) -> bool:
    """Whether a dataset name that begins with ``<task>_`` is that of a task with a longer name.

    ``time_to_dispatch_2021-07-01.csv`` begins with ``time_`` and belongs to ``time_to_dispatch``: some longer
    snake_case name takes up everything before its timestamp.
    """
    return any(
        is_task_name(name[:cut]) and dataset_timestamp(name[:cut], name) is not None
        for cut in range(len(task) + 1, len(name))
        if name[cut] == "_"
    )


def digest_of(file: BinaryIO) -> str:
    """The SHA-256, in hexadecimal, of the whole of a file that is open for reading at any place."""
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


def pieces_of(key: str, file: BinaryIO, sha256: str) -> Iterator[bytes]:
    """The bytes of a file that is to become an artefact, from its beginning on, piece by piece.

    Args:
        key: of the artefact, for the message.
        file: the whole of it, open for reading at any place.
        sha256: the digest, in hexadecimal, that the bytes must have.

    Raises:
        DataError: after the last piece: they have another.
    """
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(_PIECE_BYTES):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != sha256:
        raise DataError(key, [Problem("the file changed while it was read; run this again when it is complete")])


def newest(candidates: Iterable[NamedInTime]) -> NamedInTime | None:
    """The candidate with the greatest time, ties to the greater key; None when there is none."""
    return max(candidates, key=lambda candidate: candidate.order, default=None)
