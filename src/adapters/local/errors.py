"""What the operating system says when something is wrong with a file, and which error of ours it is."""

import errno

from weighbridge.domain.errors import (
    ArtefactNotFound,
    ConfigurationError,
    StoreDenied,
    StoreError,
    StoreUnavailable,
    WeighbridgeError,
)

#: What is said of a path on which something is missing.
ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}
_FULL = {errno.ENOSPC, errno.EDQUOT}


def translate(error: OSError, subject: str, absent: type[StoreError] = ArtefactNotFound) -> WeighbridgeError:
    """The error to raise for what the operating system said.

    Args:
        error: as it was caught.
        subject: what was being worked on; the message begins with it.
        absent: what it means that something on the path is missing.
    """
    said = (error.strerror or str(error)).lower()
    if error.errno in ABSENT:
        return absent(f"{subject} is not there ({said})")
    if error.errno in _DENIED:
        return StoreDenied(f"{subject}: {said}; check the owner and the permissions of the folder")
    if error.errno == errno.ENAMETOOLONG:
        return ConfigurationError(f"{subject}: {said} for this file system; choose a shorter one")
    if error.errno in _FULL:
        return StoreUnavailable(f"{subject}: {said}; make room on the disk and try again")
    return StoreUnavailable(f"{subject}: {said}; check the disk and try again")
