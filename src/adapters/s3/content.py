"""What is written to a bucket, with the digests that it is checked by."""

from dataclasses import dataclass
from hashlib import md5, sha256
from typing import BinaryIO

from weighbridge.domain.store.artefacts import pieces_of


@dataclass(frozen=True, slots=True)
class Content:
    """Bytes, or a file of which all is sent; and its size and digests.

    Args:
        body: the bytes, or the file, open for reading at any place.
        size: in bytes.
        sha256: in hexadecimal.
        md5: as bytes.
    """

    body: bytes | BinaryIO
    size: int
    sha256: str
    md5: bytes

    def opened(self) -> bytes | BinaryIO:
        """The body, a file of it at its beginning."""
        if not isinstance(self.body, bytes):
            self.body.seek(0)
        return self.body


def content_of_bytes(data: bytes) -> Content:
    """A copy: the caller's buffer may change while a request that is late is still being sent."""
    data = bytes(data)
    return Content(data, len(data), sha256(data).hexdigest(), md5(data, usedforsecurity=False).digest())


def content_of_file(key: str, file: BinaryIO, expected: str) -> Content:
    """What a file holds; it is read once for its digests, and again when it is sent.

    Args:
        key: for the message.
        file: the whole of it, open for reading at any place.
        expected: the SHA-256, in hexadecimal, that the bytes must have.

    Raises:
        DataError: the file has other bytes by now.
    """
    size, digest = 0, md5(usedforsecurity=False)
    for piece in pieces_of(key, file, expected):
        digest.update(piece)
        size += len(piece)
    return Content(file, size, expected, digest.digest())
