"""Addresses: of stores, and of the files that ``predict`` reads and writes. Each scheme is one adapter.

An adapter is imported when an address of its scheme is opened: boto3 alone takes as long as a whole command.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from weighbridge.domain.errors import ConfigurationError
from weighbridge.domain.store.artefact_store import ArtefactStore
from weighbridge.domain.store.files import Files
from weighbridge.domain.system import Clock, EventSink
from weighbridge.entrypoints.registered_stores import open_registered
from weighbridge.entrypoints.settings import Settings

#: What may be in a bucket's name, as botocore has it.
_BUCKET = re.compile(r"[A-Za-z0-9._-]+")

#: The schemes of the addresses that need no package of somebody else's.
_SCHEMES = {"file", "s3", "gs", "az", "memory"}


def open_store(settings: Settings, clock: Clock, events: EventSink, *, trusted: bool = False) -> ArtefactStore:
    """The store at an address; it reports to ``events`` what it has to retry.

    Before the first write to a server that speaks S3's protocol and is not AWS's own, the store checks that the
    server does not overwrite, unless it is ``trusted``.

    ``./dir`` and any other path, ``file:///abs/dir``, ``s3://bucket/prefix``, ``gs://bucket/prefix``,
    ``az://container/prefix``, ``memory://``, and the schemes that installed packages register.

    Raises:
        ConfigurationError: the address is of none of these forms, or what it needs is not installed.
        StoreNotFound: a local folder does not exist, and settings do not say to create it.
    """
    url = settings.store
    scheme, separator, rest = url.partition("://")
    if not separator:
        if not url.strip():
            raise ConfigurationError("the store's address is empty; give a folder or s3://bucket/prefix")
        return _open_local(Path(url), settings)
    where, _, path = rest.partition("/")
    match scheme.lower():
        # In a path, ? and # are written as %3F and %23.
        case "file" if where in ("", "localhost") and path.strip("/") and not set(path) & set("?#"):
            return _open_local(Path(unquote(f"/{path}")), settings)
        case "s3" if _BUCKET.fullmatch(where):
            from weighbridge.adapters.s3.client import is_aws
            from weighbridge.adapters.s3.store import S3Store

            client = _new_client(settings)
            trusted = trusted or is_aws(client.meta.endpoint_url)
            deadline = settings.store_deadline_seconds
            return S3Store(client, where, path, deadline=deadline, events=events, trusted=trusted)
        case "gs" | "az" as cloud if _BUCKET.fullmatch(where):
            from weighbridge.adapters.cloud.connection import connect

            return connect(
                cloud,
                where,
                path,
                timeout=settings.store_timeout_seconds,
                attempts=settings.store_attempts,
                deadline=settings.store_deadline_seconds,
                events=events,
            )
        case "memory" if not rest:
            from weighbridge.adapters.memory import MemoryStore

            return MemoryStore(clock)
        case other if other not in _SCHEMES:
            registered = open_registered(other, url)
            if registered is not None:
                return registered
    raise ConfigurationError(
        f"the store '{url}' cannot be opened; an address is ./dir, file:///abs/dir, "
        "s3://bucket/prefix, gs://bucket/prefix, az://container/prefix or memory://"
    )


def open_files(url: str, settings: Settings) -> tuple[Files, str]:
    """The files that an address belongs to, and its name among them.

    A path, ``file:///abs/path``, ``s3://bucket/key``.

    Raises:
        ConfigurationError: the address is of none of these forms.
    """
    scheme, separator, rest = url.partition("://")
    where, _, path = rest.partition("/")
    if url.strip() and (not separator or (scheme.lower() == "file" and where in ("", "localhost"))):
        from weighbridge.adapters.local.files import LocalFiles

        return LocalFiles(), unquote(f"/{path}") if separator else url
    if scheme.lower() == "s3" and _BUCKET.fullmatch(where):
        from weighbridge.adapters.s3.files import S3Files

        return S3Files(_s3_client(settings), where, deadline=settings.store_deadline_seconds), path
    raise ConfigurationError(
        f"'{url}' is not the address of a file; one is a path, file:///abs/path or s3://bucket/key"
    )


@lru_cache(maxsize=2)
def _s3_client(settings: Settings) -> Any:
    """A client for the files of a whole command: to make one takes longer than to read a file."""
    return _new_client(settings)


def _new_client(settings: Settings) -> Any:
    from weighbridge.adapters.s3.client import open_client

    return open_client(
        read_timeout=settings.store_timeout_seconds,
        attempts=settings.store_attempts,
        anonymous=settings.store_anonymous,
        requester_pays=settings.store_requester_pays,
    )


def _open_local(root: Path, settings: Settings) -> ArtefactStore:
    from weighbridge.adapters.local.store import LocalStore

    if root.is_file():
        raise ConfigurationError(f"the store '{root}' is a file; a store is a folder or a bucket")
    return LocalStore(root, create=settings.create_store, deadline=settings.store_deadline_seconds)
