"""How many answers wait to be logged, in a file that outlives a process that is killed."""

from __future__ import annotations

import fcntl
import hashlib
import mmap
import os
import secrets
import tempfile
from pathlib import Path

from weighbridge.domain.monitoring.prediction_log import UnwrittenCount

_SIZE = 16


class UnwrittenMark(UnwrittenCount):
    """A file of two numbers that this process holds locked: answers taken, and those that need no more care.

    One that nobody holds is of a process that was killed. Where no file can be had, nothing outlives the process.

    Args:
        about: what is logged, such as the store's address and the task; processes that say the same find each
            other's files.
        folder: where they are; None for the system's folder of temporary files.
    """

    def __init__(self, about: str, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir())
        # Whose it is stands in the name, for users not to meet each other's.
        digest = hashlib.sha256(about.encode()).hexdigest()[:12]
        self._prefix = f"weighbridge-{os.getuid()}-{digest}-"
        self._path: Path | None = None
        self._file = -1
        self._memory: mmap.mmap | bytearray = bytearray(_SIZE)
        self._numbers = memoryview(self._memory).cast("q")

    def open(self) -> None:
        """Make the file and lock it; where no file can be made, count in memory alone, which a kill forgets."""
        path = self._folder / f"{self._prefix}{secrets.token_hex(8)}.unwritten"
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._file, _SIZE)
            self._memory = mmap.mmap(self._file, _SIZE)
        except OSError:
            return
        self._path, self._numbers = path, memoryview(self._memory).cast("q")

    def taken(self) -> None:
        """Add one to the file's memory."""
        self._numbers[0] += 1

    def settled(self, rows: int) -> None:
        """Take these off again."""
        self._numbers[1] += rows

    def left_behind(self) -> int:
        """What the files say that no process holds locked any more; they are removed. 0 when there are none."""
        return sum(map(_take_over, sorted(self._folder.glob(f"{self._prefix}*.unwritten"))))

    def close(self) -> None:
        """Remove the file; without one, nothing."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._path = None


def _take_over(path: Path) -> int:
    """What stands in a file that nobody holds, which is removed."""
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return 0
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(file).st_uid != os.getuid():
            return 0
        data = os.read(file, _SIZE)
        path.unlink(missing_ok=True)
        taken, settled = memoryview(data.ljust(_SIZE, b"\0")).cast("q")
        return max(0, taken - settled)
    except OSError:
        # Somebody holds it.
        return 0
    finally:
        os.close(file)
