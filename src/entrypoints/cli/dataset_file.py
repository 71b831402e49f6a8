"""The file that is to become a dataset, as it is read: it tells how far reading is, and when it is not whole."""

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

#: Told of the place in the file that reading has come to, after each read, and of its size.
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
        """See BufferedReader.

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
            problem = "the file changed while it was read; try again when it is written whole"
            raise DataError(str(self._path), [Problem(problem)])

    def _identity(self) -> tuple[int, int]:
        status = os.fstat(self.fileno())
        return status.st_size, status.st_mtime_ns


@contextmanager
def dataset_file(path: Path, moved: Moved = _unwatched) -> Iterator[DatasetFile]:
    """The file at a path, open. What a pipe holds is kept in a temporary file meanwhile.

    Bad data that is found in it is told of the file, under no other name; and whatever comes of the file's
    changing is told as that.

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
