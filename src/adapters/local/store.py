"""The store on a local folder: ``<root>/<kind>/<name>``, one file per artefact."""

import builtins
import ctypes
import errno
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import BinaryIO

from weighbridge.domain.errors import (
    ArtefactExists,
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreError,
    StoreNotFound,
    StoreUnavailable,
    WeighbridgeError,
)
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.artefacts import Artefact, ArtefactRef, check_key, check_prefix, is_key, pieces_of

_READS = 3
_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
#: What os.link says on a file system without hard links (FAT and some network file systems), by system.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}
_NO_EXCLUSIVE_RENAME = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}


class LocalStore(ArtefactStore):
    """Artefacts as files of a folder on Linux or macOS, shared by any number of processes.

    Args:
        root: the folder.
        create: make the folder (and its parents) when it is missing.

    Raises:
        StoreNotFound: there is no such folder, and ``create`` is off.
        StoreDenied: it may not be looked into, or not be made.

    A write goes to a temporary file whose name begins with a dot (such names are never listed), reaches the
    disk, and only then gets its real name, which fails when the name is taken. A process killed on the way
    leaves at most a temporary file. Other programs may drop files into ``<root>/<kind>`` too; the revision of a
    file is its inode, its time of modification and its size. Symbolic links are followed within the root; one
    that leads out of it is refused, and never listed.
    """

    def __init__(self, root: Path, *, create: bool = False) -> None:
        self._root = root.absolute()
        with self._translated():
            if create:
                self._root.mkdir(parents=True, exist_ok=True)
            self._check_root()

    @property
    def url(self) -> str:
        """``file://`` and the absolute path, percent-encoded."""
        return self._root.as_uri()

    def list(self, prefix: str, start_after: str | None = None) -> Iterator[ArtefactRef]:
        """See ArtefactStore. The names are taken when the first item is asked for; each file is looked at in turn.

        Raises:
            StoreDenied: the folder of the kind is a symbolic link that leads out of the root.
        """
        check_prefix(prefix)
        return self._refs(prefix, start_after)

    def read(self, what: ArtefactRef | str) -> Artefact:
        """See ArtefactStore.

        Raises:
            StoreDenied: the key is a symbolic link that leads out of the root.
            StoreUnavailable: the file kept changing while it was read.
        """
        key = check_key(what if isinstance(what, str) else what.key)
        for _ in range(_READS):
            with self._translated(key):
                ref, data, settled = self._read_once(key)
            if isinstance(what, ArtefactRef) and (what.revision != ref.revision or not settled):
                raise ArtefactNotFound(f"{self.url}: {key} is no longer at revision {what.revision}")
            if settled:
                return Artefact(ref, data, sha256(data).hexdigest())
        raise StoreUnavailable(f"{self.url}: {key} changes while it is read; try again when it is written whole")

    def write(self, key: str, data: bytes) -> ArtefactRef:
        """See ArtefactStore.

        Raises:
            ConfigurationError: the name is too long for the file system, or the file system can neither make
                hard links nor rename without overwriting, so that nothing can be created safely.
        """
        return self._create(key, (data,))

    def write_file(self, key: str, file: BinaryIO, sha256: str) -> ArtefactRef:
        """See ArtefactStore. It is copied piece by piece, and raises what ``write`` raises."""
        return self._create(key, pieces_of(key, file, sha256))

    def delete(self, key: str) -> None:
        """See ArtefactStore. Of a symbolic link the link goes, not its target."""
        check_key(key)
        with self._translated(key):
            if not S_ISREG(self._resolved(key).stat().st_mode):
                raise ArtefactNotFound(f"{self.url}: {key} is not a file")
            path = self._root / key
            path.unlink()
            _sync(path.parent)

    def _create(self, key: str, pieces: Iterable[bytes]) -> ArtefactRef:
        kind, _, name = check_key(key).partition("/")
        with self._translated(key, absent=StoreUnavailable):
            self._check_root()
            folder = self._folder(kind)
            temporary = folder / f".{secrets.token_hex(8)}.tmp"
            try:
                status = _write_through(temporary, pieces)
                _give_name(temporary, folder / name)
            except FileExistsError as error:
                raise ArtefactExists(f"{self.url}: {key} exists already and is left as it is") from error
            finally:
                with suppress(OSError):
                    temporary.unlink()
            _sync(folder)
            _sync(self._root)
        return _ref(key, status)

    def _refs(self, prefix: str, start_after: str | None) -> Iterator[ArtefactRef]:
        for key in self._keys(prefix, start_after):
            with self._translated(key):
                status = self._status(key)
            if status is not None and S_ISREG(status.st_mode):
                yield _ref(key, status)

    def _keys(self, prefix: str, start_after: str | None) -> builtins.list[str]:
        """The keys of whatever the folder of the kind holds, ascending; some may turn out to be no files."""
        kind = prefix.partition("/")[0]
        try:
            with self._translated(kind), os.scandir(self._resolved(kind)) as entries:
                keys = [f"{kind}/{entry.name}" for entry in entries]
        except ArtefactNotFound:
            return []
        # Text compares by code point, and UTF-8 keeps that order.
        return sorted(
            key
            for key in keys
            if key.startswith(prefix) and (start_after is None or key > start_after) and is_key(key)
        )

    def _status(self, key: str) -> os.stat_result | None:
        """The status of the file; None when it has gone since its name was listed, or leads out of the root."""
        try:
            status = (self._root / key).lstat()
            return self._resolved(key).stat() if S_ISLNK(status.st_mode) else status
        except StoreDenied:
            return None
        except OSError as error:
            if error.errno in _ABSENT:
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

    @contextmanager
    def _translated(self, subject: str = "", absent: type[StoreError] = ArtefactNotFound) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in _ABSENT or isinstance(error, FileExistsError):
                self._check_root()
            raise translate(error, f"{self.url}: {subject}".removesuffix(": "), absent) from error


def translate(error: OSError, subject: str, absent: type[StoreError] = ArtefactNotFound) -> WeighbridgeError:
    """The error to raise for what the operating system said.

    Args:
        error: as it was caught.
        subject: what was being worked on; the message begins with it.
        absent: what it means that something on the path is missing.
    """
    said = (error.strerror or str(error)).lower()
    if error.errno in _ABSENT:
        return absent(f"{subject} is not there ({said})")
    if error.errno in _DENIED:
        return StoreDenied(f"{subject}: {said}; check the owner and the permissions of the folder")
    if error.errno == errno.ENAMETOOLONG:
        return ConfigurationError(f"{subject}: {said} for this file system; choose a shorter one")
    return StoreUnavailable(f"{subject}: {said}; check the disk and try again")


def rename_exclusively(source: Path, target: Path) -> None:
    """Rename a file in one step that fails when the target exists (Linux's renameat2).

    Raises:
        FileExistsError: the target exists; both are left as they are.
        OSError: with ENOSYS where the system, or EINVAL where the file system, cannot do it.
    """
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    here, no_replace = -100, 1  # AT_FDCWD and RENAME_NOREPLACE of the Linux headers
    if rename(here, os.fsencode(source), here, os.fsencode(target), no_replace) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(target))


def _give_name(temporary: Path, target: Path) -> None:
    """Put a whole file under its name, which must be free, in one step."""
    try:
        target.hardlink_to(temporary)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        try:
            rename_exclusively(temporary, target)
        except OSError as refusal:
            if refusal.errno not in _NO_EXCLUSIVE_RENAME:
                raise
            raise ConfigurationError(
                f"{target.parent}: this file system can neither make hard links nor rename without overwriting; "
                "put the store on another one"
            ) from refusal


def _write_through(path: Path, pieces: Iterable[bytes]) -> os.stat_result:
    """Write a new file that is on the disk when this returns."""
    # 0o666 less the umask, as any other file of this user: other users' readers need it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(descriptor)
        return os.fstat(descriptor)


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _revision(status: os.stat_result) -> str:
    return f"{status.st_ino}-{status.st_mtime_ns}-{status.st_size}"


def _ref(key: str, status: os.stat_result) -> ArtefactRef:
    modified = datetime.fromtimestamp(status.st_mtime, UTC)
    return ArtefactRef(key, status.st_size, _revision(status), None, modified)
