"""The command for stores: whether one is fit for use."""

from __future__ import annotations

import logging
import secrets
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import unquote, urlsplit

import typer

from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import STORE, STORE_HELP
from weighbridge.entrypoints.settings import PREFIX, load_settings

if TYPE_CHECKING:
    from weighbridge.domain.store.artefact_store import ArtefactStore

Url = Annotated[str, typer.Argument(envvar=f"{PREFIX}STORE", help=STORE_HELP)]


@with_context("json")
def check(
    context: Context,
    url: Url = STORE,
) -> None:
    """Try every operation that is needed under scratch/, time it, clean up, and list what the store lacks.

    Exit code 0 when the store is fit for use, 2 when it is not, 75 when it does not answer.

    Example: weighbridge store check s3://bucket/prefix
    """
    from weighbridge.domain.store.store_check import check_store
    from weighbridge.entrypoints.cli.console import print_json
    from weighbridge.entrypoints.cli.tables import print_table
    from weighbridge.entrypoints.container import wire
    from weighbridge.entrypoints.store_urls import open_store

    settings = load_settings({"store": url})
    container = wire(settings)
    # The check itself finds out whether the store overwrites.
    store = open_store(settings, container.clock(), container.events(), trusted=True)
    try:
        report = check_store(store, container.clock(), secrets.token_hex(4))
    finally:
        _remove_empty_folder(store)
    if context.json:
        print_json(report.to_dict())
    else:
        rows = [(one.operation, f"{one.seconds * 1000:,.1f}", one.problem or "ok") for one in report.steps]
        print_table(("OPERATION", "MS", "RESULT"), rows)
        for lack in report.lacks:
            print(f"{'LACKS, AND NEEDS,' if lack.needed else 'lacks'} {lack.what}")
    log = logging.getLogger("weighbridge")
    if report.left_behind:
        log.warning("could not be removed: %s", ", ".join(report.left_behind))
    if not report.fit:
        log.error("%s is not fit for use: fix what is listed above, or use another store", store.url)
        raise typer.Exit(exit_codes.USAGE)
    if not context.json:
        print(f"{store.url} is fit for use")


def _remove_empty_folder(store: ArtefactStore) -> None:
    """In a local store, scratch/ is a folder, which no operation of a store removes."""
    from weighbridge.domain.store.store_check import SCRATCH

    address = urlsplit(store.url)
    if address.scheme == "file":
        with suppress(OSError):
            Path(unquote(address.path), SCRATCH).rmdir()
