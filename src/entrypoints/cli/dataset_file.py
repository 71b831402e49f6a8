"""A file that is to become a dataset: reading it reports progress, and refuses a file that changes meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from shutil import copyfileobj
from tempfile import TemporaryFile, gettempdir
from typing import IO

from weighbridge.domain.errors import ConfigurationError, DataError, Problem, WeighbridgeError

#: Called after each read with the position in the file and the file's size.
Moved = Callable[[int, int], None]


def _unwatched(place: int, size: int) -> None:
    pass


class DatasetFile(BufferedReader):
    """A file that is open for reading at any place.

    A read gives nothing of a file that changed since it was opened, so nobody ever has the last bytes of it
    beside others that were there before: what is sent of it to a store stays unfinished.

    Args:
        path: names the file in messages.
        raw: the file; it is closed with this one.
        moved: see Moved. Whoever reads calls it, from whatever thread.
    """

    def __init__(self, path: Path, raw: FileIO, moved: Moved = _unwatched) -> None:
        super().__init__(raw)
        self._path, self._moved = path, moved
        self._opened_as = self._identity()

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to ``size`` bytes, all that are left when it is negative; fewer only at the end.

        Raises:
            DataError: the file changed since it was opened.
            ConfigurationError: the system cannot read it.
        """
        try:
            data = super().read(size)
        except OSError as error:
            raise _unreadable(self._path, error) from error
        self.check()
        self._moved(self.tell(), self._opened_as[0])
        return data

    def check(self) -> None:
        """See that the file is as it was opened.

        Raises:
            DataError: it is not.
        """
        if self._identity() != self._opened_as:
            problem = "the file changed while it was read; run this again when it is complete"
            raise DataError(str(self._path), [Problem(problem)])

    def _identity(self) -> tuple[int, int]:
        status = os.fstat(self.fileno())
        return status.st_size, status.st_mtime_ns


@contextmanager
def dataset_file(path: Path, moved: Moved = _unwatched) -> Iterator[DatasetFile]:
    """The file at a path, open. What a pipe holds is kept in a temporary file meanwhile.

    A DataError raised while it is open names the file; any error raised after the file changed is replaced by one
    that says so.

    Args:
        path: of the file.
        moved: see Moved.

    Raises:
        ConfigurationError: it cannot be opened, or what a pipe holds cannot be kept.
    """
    with ExitStack() as stack:
        try:
            raw = stack.enter_context(FileIO(path))
        except OSError as error:
            raise _unreadable(path, error) from error
        if not raw.seekable():
            raw = FileIO(os.dup(_kept(path, raw, stack).fileno()))
        file = stack.enter_context(DatasetFile(path, raw, moved))
        try:
            yield file
        except WeighbridgeError as error:
            file.check()
            if isinstance(error, DataError):
                raise DataError(str(path), error.problems, error.more) from error
            raise


def _kept(path: Path, pipe: FileIO, stack: ExitStack) -> IO[bytes]:
    try:
        kept: IO[bytes] = stack.enter_context(TemporaryFile())  # noqa: SIM115
        copyfileobj(pipe, kept)
        kept.flush()
    except OSError as error:
        raise ConfigurationError(
            f"'{path}' is a pipe, and what it holds cannot be kept in {gettempdir()}: {error.strerror}; "
            "let TMPDIR name a folder with room for it"
        ) from error
    return kept


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"'{path}' cannot be read: {error.strerror}")
