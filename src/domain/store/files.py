"""Files outside of the store of artefacts: what is predicted in bulk comes from them, and goes into them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO, Protocol


class Files(Protocol):
    """Files by name, in folders that need not be made. Every method may raise StoreDenied or StoreUnavailable."""

    @abstractmethod
    def is_folder(self, name: str) -> bool:
        """Whether the name is that of a folder, not of a file. What is not there is neither."""

    @abstractmethod
    def below(self, folder: str) -> Iterator[str]:
        """The files in a folder and in those within it, ascending, by their names below it.

        Names with a part that begins with a dot are skipped. A folder that is empty or not there has no files.
        """

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is a file of this name; a folder is none."""

    @abstractmethod
    def read(self, name: str) -> AbstractContextManager[BinaryIO]:
        """The file, open for reading at any place; an empty one reads as nothing.

        Raises:
            ConfigurationError: there is none.
        """

    @abstractmethod
    def write(self, name: str, *, overwrite: bool) -> AbstractContextManager[BinaryIO]:
        """A file to write to, which gets its name when the context ends well: readers see all of it or none.

        Raises:
            ConfigurationError: there is one already that is not to be overwritten, or at the end of the context.
        """
