"""The command that trains a release again from its record, and compares."""

from __future__ import annotations

import logging
from typing import Annotated

import typer

from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import option

ReproducedVersion = Annotated[str, typer.Argument(help="A version as 'models list' shows it, or 'live'.")]
WholeSearch = Annotated[bool, option("--search", "Repeat the whole search, not only the fit of what it chose.")]


@with_context("store", "task", "json")
def reproduce(
    context: Context,
    version: ReproducedVersion,
    search: WholeSearch = False,
) -> None:
    """Train a release again from its record and compare parameters, metrics and predictions to the last bit.

    Exit code 0 only if all of them match, else 1. Nothing is written.

    Example: weighbridge reproduce live --search
    """
    from weighbridge.domain.registry.recorded import version_named
    from weighbridge.entrypoints.scikit_learn import import_scikit_learn

    import_scikit_learn()
    definition = context.load_task()
    from weighbridge.domain import reproduction
    from weighbridge.entrypoints.cli.console import print_json, print_reproduction

    container = context.container()
    wanted = version_named(container.registry(), definition.name, version)
    found = reproduction.reproduce(wanted, definition, container.ports(), whole_search=search)
    if context.json:
        print_json(found.to_dict())
    else:
        print_reproduction(found)
    if not found.holds:
        logging.getLogger("weighbridge").error(
            "%s was not reproduced: install the code and the libraries of its record, and try again",
            wanted,
        )
        raise typer.Exit(exit_codes.BUG)
