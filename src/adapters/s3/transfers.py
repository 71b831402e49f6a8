"""Copying whole files out of a bucket and into it, in pieces, each within the deadline of an operation."""

from __future__ import annotations

import secrets
from base64 import b64encode
from contextlib import suppress
from functools import partial
from hashlib import md5, sha256
from typing import Any, BinaryIO

import botocore.exceptions as vendor
from botocore.parsers import ResponseParserError

from weighbridge.adapters.s3.client import ATTEMPTS
from weighbridge.adapters.s3.content import content_of_file
from weighbridge.adapters.s3.errors import NO_REPLY, may_have_arrived
from weighbridge.adapters.s3.objects import DIGEST, WRITE, S3Objects
from weighbridge.adapters.s3.refusals import CONFLICT, TAKEN, code_of
from weighbridge.adapters.s3.replies import etag_of, field, is_doubtful
from weighbridge.domain.errors import ConfigurationError, StoreUnavailable
from weighbridge.domain.store.artefacts import digest_of

#: A file of more bytes is copied in pieces of so many.
PIECE_BYTES = 32 << 20


def download(objects: S3Objects, key: str, file: BinaryIO) -> None:
    """Copy an object to the beginning of a file. The bytes are those that were written.

    What was written by Weighbridge is compared with its digest. Of another object an ETag that looks like the MD5
    of other bytes is reason to copy twice and compare.

    Raises:
        ConfigurationError: there is no such object.
        StoreUnavailable: it came damaged each time, or was replaced meanwhile.
        OSError: the file cannot be written.
    """
    head = _head(objects, key)
    which = {"IfMatch": etag_of(head)}
    size, doubted = int(field(head, "ContentLength")), ""
    for attempt in range(ATTEMPTS):
        objects.pause(attempt, objects.limit(), "GetObject", "broken body")
        file.seek(0)
        file.truncate()
        digest, md5sum = sha256(), md5(usedforsecurity=False)
        for start in range(0, size, PIECE_BYTES):
            # An object of one piece is asked for without a range.
            end = min(start + PIECE_BYTES, size)
            part = {"Range": f"bytes={start}-{end - 1}"} if size > PIECE_BYTES else {}
            piece = _piece(objects, key, end - start, {**which, **part})
            digest.update(piece)
            md5sum.update(piece)
            file.write(piece)
        found, metadata = digest.hexdigest(), head.get("Metadata", {})
        if metadata.get(DIGEST, found) != found:
            continue
        if DIGEST not in metadata and is_doubtful(head, md5sum.digest()) and doubted != found:
            doubted = found
            continue
        return
    raise StoreUnavailable(f"{objects.url}: {key} came damaged {ATTEMPTS} times; check the network and try again")


def upload(objects: S3Objects, key: str, file: BinaryIO, *, replace: bool) -> None:
    """Create an object of a whole file. A large one is sent in parts, of which the last request makes an object.

    Raises:
        ArtefactExists: there is one, and it is not to be replaced.
        OSError: the file cannot be read.
    """
    digest, write = digest_of(file), secrets.token_hex(16)
    size = file.tell()
    if size > PIECE_BYTES:
        _upload_in_parts(objects, key, file, {WRITE: write, DIGEST: digest}, replace=replace)
    else:
        objects.create(key, content_of_file(key, file, digest), write, objects.limit(), replace=replace)


def _head(objects: S3Objects, key: str) -> Any:
    limit = objects.limit()
    head = objects.look(key, limit, "HeadObject", partial(objects.head, key))
    if head is None:
        objects.check_bucket(limit)
        raise ConfigurationError(f"{objects.url}/{key}: there is no such file; check the name")
    return head


def _piece(objects: S3Objects, key: str, size: int, which: dict[str, str]) -> bytes:
    """So many bytes of an object."""
    limit = objects.limit()
    for attempt in range(ATTEMPTS):
        objects.pause(attempt, limit, "GetObject", "broken body")
        try:
            got = objects.look(key, limit, "GetObject", lambda: objects.get_once(key, which))
        except vendor.ClientError as error:
            if code_of(error) in TAKEN:
                raise StoreUnavailable(
                    f"{objects.url}/{key} was replaced while it was read; try again when it is written whole"
                ) from error
            raise
        if got is not None and len(got[1]) == size:
            return got[1]
    raise StoreUnavailable(f"{objects.url}: {key} came broken {ATTEMPTS} times; check the network and try again")


def _upload_in_parts(
    objects: S3Objects, key: str, file: BinaryIO, metadata: dict[str, str], *, replace: bool
) -> None:
    where, client = objects.address(key), objects.client
    begin = partial(client.create_multipart_upload, **where, Metadata=metadata)
    upload = {
        **where,
        "UploadId": field(objects.look(key, objects.limit(), "CreateMultipartUpload", begin), "UploadId"),
    }
    condition = {} if replace else {"IfNoneMatch": "*"}
    try:
        parts: list[dict[str, Any]] = []
        file.seek(0)
        while piece := file.read(PIECE_BYTES):
            number = len(parts) + 1
            checked = {"ContentMD5": b64encode(md5(piece, usedforsecurity=False).digest()).decode()}
            send = partial(client.upload_part, **upload, PartNumber=number, Body=piece, **checked)
            parts.append(
                {
                    "PartNumber": number,
                    "ETag": field(objects.look(key, objects.limit(), "UploadPart", send), "ETag"),
                }
            )
        finish = partial(client.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts}, **condition)
        _finish(objects, key, metadata[WRITE], finish)
    except BaseException:
        with suppress(vendor.ClientError, vendor.BotoCoreError, ResponseParserError, StoreUnavailable):
            objects.ask(key, objects.limit(), lambda: client.abort_multipart_upload(**upload))
        raise


def _finish(objects: S3Objects, key: str, write: str, finish: Any) -> None:
    """Make an object of the parts. Where the reply is lost, the object itself tells whose it is."""
    limit = objects.limit()
    for attempt in range(ATTEMPTS):
        objects.pause(attempt, limit, "CompleteMultipartUpload", "conflict")
        try:
            objects.ask(key, limit, finish)
            return
        except (vendor.ClientError, *NO_REPLY) as error:
            code = code_of(error)
            if code in CONFLICT:
                continue
            if code not in TAKEN | {"NoSuchUpload"} and not may_have_arrived(error):
                raise
            if objects.look(key, limit, "HeadObject", partial(objects.made_by, key, write)) is not None:
                return
            if code in TAKEN:
                raise objects.exists(key) from error
            raise
    raise StoreUnavailable(f"{objects.url}: others are writing {key} at this moment; try again")
