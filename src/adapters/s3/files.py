"""Files in a bucket of S3, or of a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

from weighbridge.adapters.s3.objects import DEADLINE, S3Objects
from weighbridge.adapters.s3.replies import entries_of, name_of
from weighbridge.adapters.s3.transfers import download, upload
from weighbridge.domain.errors import ArtefactExists, ArtefactNotFound, ConfigurationError, StoreUnavailable
from weighbridge.domain.store.files import Files
from weighbridge.domain.system import EventSink

#: Up to here a file is kept in memory.
_MEMORY_BYTES = 16 << 20


class S3Files(Files):
    """Files by their keys. They are copied to the disk to be read, and when they have been written.

    What the store promises of an artefact is promised of a file: see ``S3Objects``.

    Args:
        client: a boto3 client; see ``open_client``.
        bucket: its name.
        deadline: seconds in which each request, with all its attempts, is done or has failed.
        events: told of each attempt that is not the first.
    """

    def __init__(
        self, client: Any, bucket: str, *, deadline: float = DEADLINE, events: EventSink | None = None
    ) -> None:
        self._objects = S3Objects(client, bucket, deadline=deadline, events=events)

    def is_folder(self, name: str) -> bool:
        """Whether there is a key below the name and a slash. A key that is a file, too, is a file."""
        if name and not name.endswith("/") and self.exists(name):
            return False
        return next(iter(self._keys(name, 1)), None) is not None

    def below(self, folder: str) -> Iterator[str]:
        """The keys below the name, by pages of 1000."""
        for name in self._keys(folder, 1000):
            if name and not name.endswith("/") and not any(part.startswith(".") for part in name.split("/")):
                yield name

    def exists(self, name: str) -> bool:
        """Whether there is an object of this key.

        Raises:
            StoreNotFound: there is no such bucket.
        """
        objects, limit = self._objects, self._objects.limit()
        with self._translated(name):
            if objects.look(name, limit, "HeadObject", partial(objects.head, name)) is not None:
                return True
            objects.check_bucket(limit)
            return False

    @contextmanager
    def read(self, name: str) -> Iterator[BinaryIO]:
        """Copy the object to memory, or to the disk where it is large."""
        with self._temporary(name) as file:
            with self._translated(name):
                download(self._objects, name, file)
            file.seek(0)
            yield file

    @contextmanager
    def write(self, name: str, *, overwrite: bool) -> Iterator[BinaryIO]:
        """Send what was written. A large file is sent in parts, of which the last request makes a file."""
        if not overwrite and self.exists(name):
            raise self._taken(name)
        with self._temporary(name) as file:
            yield file
            try:
                with self._translated(name):
                    upload(self._objects, name, file, replace=overwrite)
            except ArtefactExists as error:
                raise self._taken(name) from error

    def _keys(self, folder: str, most: int) -> Iterator[str]:
        prefix = f"{folder.rstrip('/')}/" if folder.strip("/") else ""
        for page in self._objects.pages(folder, Prefix=prefix, MaxKeys=most):
            with self._translated(folder):
                names = [name_of(entry).removeprefix(prefix) for entry in entries_of(page)]
            yield from names

    def _taken(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"{self._objects.url}/{name} exists already, and is left as it is; --overwrite replaces it"
        )

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            with self._objects.translated(name):
                yield
        except ArtefactNotFound as error:
            raise ConfigurationError(
                f"{self._objects.url}/{name}: there is no such file; check the name"
            ) from error

    @contextmanager
    def _temporary(self, name: str) -> Iterator[BinaryIO]:
        """A file in memory, or on the disk where it is large. A disk that is full is StoreUnavailable."""
        try:
            with SpooledTemporaryFile(_MEMORY_BYTES) as file:
                yield cast("BinaryIO", file)
        except OSError as error:
            if error.errno is None:
                raise
            raise StoreUnavailable(
                f"{self._objects.url}/{name}: {error.strerror}; make room in the folder for temporary files "
                "(TMPDIR), and try again"
            ) from error
