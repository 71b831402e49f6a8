"""Files on the local file system."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from weighbridge.domain.errors import ConfigurationError, StoreDenied, StoreUnavailable
from weighbridge.domain.store.files import Files


class LocalFiles(Files):
    """Files by their paths. What is written goes to a file beside it first, whose name begins with a dot."""

    def is_folder(self, name: str) -> bool:
        """Whether the path is a directory, or a link to one. What is not there is none."""
        return Path(name).is_dir()

    def below(self, folder: str) -> Iterator[str]:
        """Every file below a directory, by its path within it, ascending; none where it is missing."""
        root = Path(folder)
        with _translated(folder):
            found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
        return (name for name in found if not any(part.startswith(".") for part in name.split("/")))

    def exists(self, name: str) -> bool:
        """Whether there is anything at the path."""
        return Path(name).exists()

    @contextmanager
    def read(self, name: str) -> Iterator[BinaryIO]:
        """Open the file itself.

        Raises:
            ConfigurationError: there is none, or it is a directory.
        """
        with ExitStack() as stack:
            with _translated(name):
                file = stack.enter_context(Path(name).open("rb"))
            yield file

    @contextmanager
    def write(self, name: str, *, overwrite: bool) -> Iterator[BinaryIO]:
        """Write to a file beside it, whose name begins with a dot, and give it its name at the end, on the disk.

        Raises:
            ConfigurationError: there is one already that is not to be overwritten.
        """
        path = Path(name)
        if not overwrite and path.exists():
            raise _taken(name)
        temporary = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.tmp")
        try:
            with _translated(name):
                path.parent.mkdir(parents=True, exist_ok=True)
                file = temporary.open("xb")
            with file:
                yield file
                with _translated(name):
                    file.flush()
                    os.fsync(file.fileno())
            with _translated(name):
                _give_name(temporary, path, overwrite)
        finally:
            with suppress(OSError):
                temporary.unlink()


def _give_name(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
        return
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise _taken(str(path)) from None
    except OSError:
        # A file system without hard links.
        if path.exists():
            raise _taken(str(path)) from None
        temporary.rename(path)


def _taken(name: str) -> ConfigurationError:
    return ConfigurationError(f"{name} exists already, and is left as it is; --overwrite replaces it")


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as error:
        raise ConfigurationError(f"{name}: {error.strerror}; check the name") from error
    except PermissionError as error:
        raise StoreDenied(f"{name}: {error.strerror}; check what this user may do there") from error
    except OSError as error:
        raise StoreUnavailable(f"{name}: {error.strerror or error}; make room or try again") from error
