"""Writing files so that they have their names only when they are whole and on the disk."""

import ctypes
import errno
import os
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from weighbridge.domain.errors import ConfigurationError

#: What os.link says on a file system without hard links (FAT and some network file systems), by system.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}
_NO_EXCLUSIVE_RENAME = {errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}

#: The names of files that are being written.
_TEMPORARY = re.compile(r"\.(?:.*\.|\.+)?[0-9a-f]{16}\.tmp", re.DOTALL)

#: Seconds after which nobody writes a temporary file any more: its process was killed.
_LEFT_OVER = 86_400


def temporary_beside(target: Path) -> Path:
    """A name for a file that is to become ``target``: it begins with a dot, and nobody else has it."""
    return target.with_name(f".{secrets.token_hex(8)}.tmp")


def remove_left_over(folder: Path, now: float) -> None:
    """Remove the temporary files that killed processes left a day ago or before. What cannot be removed stays.

    Args:
        folder: where they are.
        now: by the clock of the file system, as the time of modification of a new file tells it.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if _TEMPORARY.fullmatch(entry.name):
                with suppress(OSError):
                    if now - entry.stat(follow_symlinks=False).st_mtime > _LEFT_OVER:
                        Path(entry.path).unlink()


def write_through(path: Path, pieces: Iterable[bytes]) -> os.stat_result:
    """Write a new file that is on the disk when this returns; its status then.

    Raises:
        FileExistsError: there is one of this name.
    """
    # 0o666 less the umask, as any other file of this user: other users' readers need it.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(pieces)
        file.flush()
        os.fsync(descriptor)
        return os.fstat(descriptor)


def give_name(temporary: Path, target: Path, status: os.stat_result) -> None:
    """Put a whole file under its name, which must be free, in one step.

    On a network file system the reply to a link that was made may be lost, and the same request, sent again, says
    that the name is taken. The file under the name tells whether it is this one.

    Args:
        temporary: the file as it is now; it may stay there.
        target: its name to be.
        status: of the file.

    Raises:
        FileExistsError: the name is taken by another file, which is untouched.
        ConfigurationError: the file system can do neither of what is needed.
    """
    try:
        _link_or_rename(temporary, target)
    except FileExistsError:
        with suppress(OSError):
            if os.path.samestat(target.lstat(), status):
                return
        raise


def _link_or_rename(temporary: Path, target: Path) -> None:
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


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
