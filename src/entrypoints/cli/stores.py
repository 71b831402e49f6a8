"""The commands for stores: whether one is fit for use, and copying one."""

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
Source = Annotated[str, typer.Argument(metavar="SRC", help="The store to copy from.")]
Target = Annotated[str, typer.Argument(metavar="DST", help="The store to copy to; a folder is made.")]


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


@with_context("json")
def copy(
    context: Context,
    source: Source,
    target: Target,
) -> None:
    """Copy a store in an order that is safe to interrupt, verify every artefact, and go on where it was cut off.

    Promotions come last, so that the copy never names what it does not have. Nothing is overwritten: exit code 4
    when the target has other bytes under a key. Folders of Parquet parts are not copied.

    Example: weighbridge store copy s3://bucket/prefix ./backup
    """
    from collections import Counter

    from weighbridge.domain.store.store_copy import Copied, copy_store
    from weighbridge.entrypoints.cli.console import print_json
    from weighbridge.entrypoints.container import wire

    stores = [
        wire(load_settings(settings)).store()
        for settings in ({"store": source}, {"store": target, "create_store": True})
    ]
    counted: Counter[str] = Counter()
    differ = []
    for one in copy_store(*stores):
        counted[one.outcome] += 1
        if one.outcome is Copied.DIFFERS:
            differ.append(one.key)
    if context.json:
        print_json({"copied": counted[Copied.COPIED], "same": counted[Copied.SAME], "differs": differ})
    else:
        print(f"copied {counted[Copied.COPIED]:,}; {counted[Copied.SAME]:,} were there already")
    if differ:
        log = logging.getLogger("weighbridge")
        for key in differ:
            log.error("'%s' has other bytes in %s, which stay", key, stores[1].url)
        log.error("%d of the keys differ: copy to an empty store, or remove them from the target", len(differ))
        raise typer.Exit(exit_codes.BAD_DATA)


def _remove_empty_folder(store: ArtefactStore) -> None:
    """In a local store, scratch/ is a folder, which no operation of a store removes."""
    from weighbridge.domain.store.store_check import SCRATCH

    address = urlsplit(store.url)
    if address.scheme == "file":
        with suppress(OSError):
            Path(unquote(address.path), SCRATCH).rmdir()
