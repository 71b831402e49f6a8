"""Files in a bucket of S3, or of a server that speaks its protocol."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import Any, BinaryIO, cast

import botocore.exceptions as vendor

from weighbridge.adapters.s3.errors import CONFLICT, NO_REPLY, NOT_THERE, TAKEN, code_of, translate
from weighbridge.domain.errors import ArtefactNotFound, ConfigurationError, StoreUnavailable
from weighbridge.domain.store.files import Files

#: Up to here a file is kept in memory, and sent in one piece.
_MEMORY_BYTES = 16 << 20

#: A file of more bytes is sent in pieces of so many.
_PART_BYTES = 32 << 20


class S3Files(Files):
    """Files by their keys. They are copied to the disk to be read, and when they have been written.

    Args:
        client: a boto3 client; see ``adapters.s3_client``.
        bucket: its name.
    """

    def __init__(self, client: Any, bucket: str) -> None:
        self._client, self._bucket = client, bucket

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
        """Whether there is an object of this key."""
        with self._translated(name):
            try:
                self._client.head_object(Bucket=self._bucket, Key=name)
            except vendor.ClientError as error:
                if code_of(error) not in NOT_THERE:
                    raise
                # This reply has no body, and does not tell a missing key from a missing bucket.
                self._client.head_bucket(Bucket=self._bucket)
                return False
        return True

    @contextmanager
    def read(self, name: str) -> Iterator[BinaryIO]:
        """Copy the object to memory, or to the disk where it is large."""
        with _temporary() as file:
            with self._translated(name):
                reply = self._client.get_object(Bucket=self._bucket, Key=name)
                for piece in reply["Body"].iter_chunks(1 << 20):
                    file.write(piece)
            file.seek(0)
            yield file

    @contextmanager
    def write(self, name: str, *, overwrite: bool) -> Iterator[BinaryIO]:
        """Send what was written. A large file is sent in parts, of which the last request makes a file."""
        if not overwrite and self.exists(name):
            raise self._taken(name)
        with _temporary() as file:
            yield file
            size = file.tell()
            file.seek(0)
            condition = {} if overwrite else {"IfNoneMatch": "*"}
            with self._translated(name):
                try:
                    if size <= _MEMORY_BYTES:
                        self._client.put_object(Bucket=self._bucket, Key=name, Body=file.read(), **condition)
                    else:
                        self._send_in_parts(name, file, condition)
                except vendor.ClientError as error:
                    if code_of(error) in TAKEN | CONFLICT:
                        raise self._taken(name) from error
                    raise

    def _send_in_parts(self, name: str, file: BinaryIO, condition: dict[str, str]) -> None:
        where = {"Bucket": self._bucket, "Key": name}
        upload = {**where, "UploadId": self._client.create_multipart_upload(**where)["UploadId"]}
        try:
            parts: list[dict[str, Any]] = []
            while piece := file.read(_PART_BYTES):
                number = len(parts) + 1
                sent = self._client.upload_part(**upload, PartNumber=number, Body=piece)
                parts.append({"PartNumber": number, "ETag": sent["ETag"]})
            self._client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)
        except BaseException:
            self._client.abort_multipart_upload(**upload)
            raise

    def _keys(self, folder: str, most: int) -> Iterator[str]:
        prefix = f"{folder.rstrip('/')}/" if folder.strip("/") else ""
        request: dict[str, Any] = {"Bucket": self._bucket, "Prefix": prefix, "MaxKeys": most}
        while True:
            with self._translated(folder):
                page = self._client.list_objects_v2(**request)
            for entry in page.get("Contents", ()):
                yield entry["Key"].removeprefix(prefix)
            if not page["IsTruncated"]:
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    def _taken(self, name: str) -> ConfigurationError:
        return ConfigurationError(
            f"s3://{self._bucket}/{name} exists already, and is left as it is; --overwrite replaces it"
        )

    @contextmanager
    def _translated(self, name: str) -> Iterator[None]:
        try:
            yield
        except (vendor.ClientError, vendor.BotoCoreError, *NO_REPLY) as error:
            known = translate(error, f"s3://{self._bucket}", name)
            if isinstance(known, ArtefactNotFound):
                known = ConfigurationError(f"s3://{self._bucket}/{name}: there is no such file; check the name")
            raise known from error
        except OSError as error:
            raise StoreUnavailable(f"s3://{self._bucket}: {name}: {error.strerror or error}; try again") from error


def _temporary() -> BinaryIO:
    return cast("BinaryIO", SpooledTemporaryFile(_MEMORY_BYTES))
