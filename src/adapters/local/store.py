"""The store on a local folder: ``<root>/<kind>/<name>``, one file per artefact."""

import builtins
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import BinaryIO, TypeVar

from weighbridge.adapters.local.errors import ABSENT, translate
from weighbridge.adapters.local.writing import give_name, remove_left_over, sync, temporary_beside, write_through
from weighbridge.domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreError,
    StoreNotFound,
    StoreUnavailable,
)
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef, check_key, check_prefix, is_key, pieces_of
from weighbridge.domain.store.deadline import TooLate, within

_READS = 3

#: How many files are looked at within one deadline.
_FILES = 1000

_Answer = TypeVar("_Answer")


class LocalStore(ArtefactStore):
    """Artefacts as files of a folder on Linux or macOS, shared by any number of processes.

    Args:
        root: the folder.
        create: make the folder (and its parents) when it is missing.
        deadline: seconds in which an operation (of a listing, the names, and each so many files) is done or has
            failed: a network file system whose server is gone answers nothing at all.

    Raises:
        StoreNotFound: there is no such folder, and ``create`` is off.
        StoreDenied: it may not be looked into, or not be made.
        StoreUnavailable: the file system does not answer.

    A write goes to a temporary file whose name begins with a dot (such names are never listed), reaches the
    disk, and only then gets its real name, which fails when the name is taken. A process killed on the way
    leaves at most a temporary file, which a write of a day later removes. Other programs may drop files into
    ``<root>/<kind>`` too; the revision of a file is its inode, its time of modification and its size. Symbolic
    links are followed within the root; one that leads out of it is refused, and never listed.
    """

    def __init__(self, root: Path, *, create: bool = False, deadline: float = 300.0) -> None:
        self._root, self._deadline = root.absolute(), deadline
        self._swept: set[str] = set()

        def open_root() -> None:
            if create:
                self._root.mkdir(parents=True, exist_ok=True)
            self._check_root()

        self._within("", open_root)

    @property
    def url(self) -> str:
        """``file://`` and the absolute path, percent-encoded."""
        return self._root.as_uri()

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        """Take the names when the first item is asked for, and look at the files as they are consumed.

        Raises:
            StoreDenied: the folder of the kind is a symbolic link that leads out of the root.
        """
        check_prefix(prefix)
        return self._refs(prefix, start_after)

    def folders(self, prefix: str, start_after: str | None = None) -> Iterator[str]:
        """Take the names from the folder of the kind, and look at those that come into question."""
        check_prefix(prefix)

        def take() -> builtins.list[str]:
            keys = self._keys(prefix, start_after)
            return [f"{key}/" for key in keys if is_key(key) and (self._root / key).is_dir()]

        yield from self._within(prefix.partition("/")[0], take)

    def check_write(self, key: str, size: int) -> None:
        """Write so many bytes to a temporary file, whose name is as long as the key's, and remove it.

        Where the folder of the kind is missing, the file is in the root for that time: the folder is not made.
        """
        kind, _, name = check_key(key).partition("/")

        def try_it() -> None:
            self._check_root()
            folder = self._folder(kind) if os.path.lexists(self._root / kind) else self._root
            temporary = folder / f".{secrets.token_hex(8)}.tmp".rjust(len(os.fsencode(name)), ".")
            try:
                write_through(temporary, (bytes(size),))
            finally:
                with suppress(OSError):
                    temporary.unlink()

        self._within(key, try_it, absent=StoreUnavailable)

    def read(self, what: ArtefactRef | str) -> Artefact:
        """Read a file; a ref's only while it is the same file, unchanged.

        Raises:
            ArtefactNotFound: there is no such file, or it is another by now.
            StoreDenied: the key is a symbolic link that leads out of the root.
            StoreUnavailable: the file kept changing while it was read.
        """
        key = check_key(what if isinstance(what, str) else what.key)
        for _ in range(_READS):
            ref, data, settled = self._within(key, lambda: self._read_once(key))
            if isinstance(what, ArtefactRef) and (what.revision != ref.revision or not settled):
                raise ArtefactNotFound(f"{self.url}: {key} is no longer at revision {what.revision}")
            if settled:
                return Artefact(ref, data, sha256(data).hexdigest())
        raise StoreUnavailable(f"{self.url}: {key} changes while it is read; run this again when it is complete")

    def write(self, key: str, data: bytes) -> ArtefactRef:
        """Create a file, and the folder of its kind where that is missing; empty bytes make an empty file.

        Raises:
            ArtefactExists: there is something of that name, which is untouched.
            ConfigurationError: the name is too long for the file system, or the file system can neither make
                hard links nor rename without overwriting, so that nothing can be created safely.
        """
        return self._create(key, (data,))

    def write_file(self, key: str, file: BinaryIO, sha256: str) -> ArtefactRef:
        """Create a file as a copy of another, made piece by piece.

        Raises:
            ArtefactExists, ConfigurationError: as ``write`` does.
            DataError: the file has other bytes by now. Nothing is written.
        """
        return self._create(key, pieces_of(key, file, sha256))

    def delete(self, key: str) -> None:
        """Remove a file. Of a symbolic link the link goes, not its target.

        Raises:
            ArtefactNotFound: there is no such file.
        """
        check_key(key)

        def delete() -> None:
            if not S_ISREG(self._resolved(key).stat().st_mode):
                raise ArtefactNotFound(f"{self.url}: {key} is not a file")
            path = self._root / key
            path.unlink()
            sync(path.parent)

        self._within(key, delete)

    def _create(self, key: str, pieces: Iterable[bytes]) -> ArtefactRef:
        kind, _, name = check_key(key).partition("/")

        def create() -> ArtefactRef:
            self._check_root()
            folder = self._folder(kind)
            temporary = temporary_beside(folder / name)
            try:
                status = write_through(temporary, pieces)
                give_name(temporary, folder / name, status)
            except FileExistsError as error:
                raise ArtefactExists(f"{self.url}: {key} exists already and is left as it is") from error
            finally:
                with suppress(OSError):
                    temporary.unlink()
            sync(folder)
            sync(self._root)
            if kind not in self._swept:
                self._swept.add(kind)
                remove_left_over(folder, status.st_mtime)
            return _ref(key, status)

        return self._within(key, create, absent=StoreUnavailable)

    def _refs(self, prefix: str, start_after: str | None) -> Iterator[ArtefactRef]:
        keys = iter(self._within(prefix.partition("/")[0], lambda: self._keys(prefix, start_after)))
        size = 1
        while some := [*islice(keys, size)]:
            yield from self._within(some[0], lambda: [*self._looked_at(some)])
            # Not many at first: a listing is seldom consumed whole.
            size = min(2 * size, _FILES)

    def _looked_at(self, keys: builtins.list[str]) -> Iterator[ArtefactRef]:
        for key in keys:
            status = self._status(key) if is_key(key) else None
            if status is not None and S_ISREG(status.st_mode):
                yield _ref(key, status)

    def _keys(self, prefix: str, start_after: str | None) -> builtins.list[str]:
        """The keys of whatever the folder of the kind holds, ascending; some may turn out to be no artefacts."""
        kind, _, start = prefix.partition("/")
        try:
            names = os.listdir(self._resolved(kind))  # noqa: PTH208 - a Path for each takes four times as long
        except OSError as error:
            if error.errno in ABSENT:
                self._check_root()
                return []
            raise
        after = ""
        if start_after is not None and start_after >= f"{kind}/":
            after = start_after.removeprefix(f"{kind}/")
            if after == start_after:
                return []  # it sorts after every key of this kind
        # Text compares by code point, and UTF-8 keeps that order.
        return [f"{kind}/{name}" for name in sorted(one for one in names if one > after and one.startswith(start))]

    def _status(self, key: str) -> os.stat_result | None:
        """The status of the file; None when it has gone since its name was listed, or leads out of the root."""
        try:
            status = os.lstat(f"{self._root}/{key}")
            return self._resolved(key).stat() if S_ISLNK(status.st_mode) else status
        except StoreDenied:
            return None
        except OSError as error:
            if error.errno in ABSENT:
                return None
            raise

    def _read_once(self, key: str) -> tuple[ArtefactRef, bytes, bool]:
        """The file's ref, its bytes, and whether they are the whole of one revision."""
        # Without O_NONBLOCK, opening a named pipe would wait for somebody to write into it.
        descriptor = os.open(self._resolved(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            before = os.fstat(descriptor)
            if not S_ISREG(before.st_mode):
                raise ArtefactNotFound(f"{self.url}: {key} is not a file")
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read()
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
        return _ref(key, before), data, _revision(before) == _revision(after) and len(data) == before.st_size

    def _folder(self, kind: str) -> Path:
        """The folder of a kind, made when it is missing."""
        folder = self._resolved(kind)
        try:
            folder.mkdir(exist_ok=True)
        except FileExistsError as error:
            raise ConfigurationError(f"{self.url}: {kind} is not a folder; move that file away") from error
        return folder

    def _resolved(self, relative: str) -> Path:
        """The path with every symbolic link followed; it need not exist."""
        path = Path(os.path.realpath(self._root / relative))
        if not path.is_relative_to(os.path.realpath(self._root)):
            raise StoreDenied(f"{self.url}: {relative} is a symbolic link that leads out of the store; remove it")
        return path

    def _check_root(self) -> None:
        if not self._root.is_dir():
            raise StoreNotFound(f"{self.url}: there is no such folder; check the path, or make it")

    def _within(
        self, subject: str, operation: Callable[[], _Answer], absent: type[StoreError] = ArtefactNotFound
    ) -> _Answer:
        """What ``operation`` returns within the deadline; errors of the operating system become ours."""
        where = f"{self.url}: {subject}".removesuffix(": ")

        def translated() -> _Answer:
            try:
                return operation()
            except OSError as error:
                if error.errno in ABSENT or isinstance(error, FileExistsError):
                    self._check_root()
                raise translate(error, where, absent) from error

        try:
            return within(self._deadline, translated, "weighbridge-folder")
        except TooLate:
            raise StoreUnavailable(
                f"{where}: the file system does not answer within {self._deadline:g} seconds; "
                "check the network or the disk that it is on, then try again"
            ) from None


def _revision(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"


def _ref(key: str, status: os.stat_result) -> ArtefactRef:
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return ArtefactRef(key, status.st_size, _revision(status), None, modified)
