"""The command that trains a release again from its record, and compares."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import option
from weighbridge.entrypoints.cli.tables import print_table

if TYPE_CHECKING:
    from weighbridge.domain.reproduction import Reproduction

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
    from weighbridge.entrypoints.cli.console import print_json

    container = context.container()
    wanted = version_named(container.registry(), definition.name, version)
    found = reproduction.reproduce(wanted, definition, container.ports(), whole_search=search)
    if context.json:
        print_json(found.to_dict())
    else:
        _print(found)
    if not found.holds:
        logging.getLogger("weighbridge").error(
            "%s was not reproduced: install the code and the libraries of its record, and run this again",
            wanted,
        )
        raise typer.Exit(exit_codes.BUG)


def _print(reproduction: Reproduction) -> None:
    """What differs in the environment first, then everything that was compared."""
    if reproduction.environment:
        print("the environment differs from the recorded one, which alone may change results:")
        rows = [(one.what, one.recorded, one.reproduced) for one in reproduction.environment]
        print_table(("WHAT", "RECORDED", "NOW"), rows)
    compared = [
        ("same" if one.same else "DIFFERENT", one.what, _short(one.recorded), _short(one.reproduced))
        for one in reproduction.results
    ]
    print_table(("RESULT", "WHAT", "RECORDED", "REPRODUCED"), compared)
    verdict = "reproduced to the last bit" if reproduction.holds else "NOT reproduced"
    print(f"{reproduction.version} was {verdict}")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."
