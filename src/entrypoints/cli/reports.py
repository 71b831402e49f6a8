"""The commands that show how a model was evaluated: its report, and its model card."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from weighbridge.domain.errors import ArtefactNotFound, ConfigurationError
from weighbridge.entrypoints.cli.closed_pipe import print_bytes
from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import option

if TYPE_CHECKING:
    from weighbridge.domain.registry.releases import ModelVersion
    from weighbridge.entrypoints.container import Container

AnyVersion = Annotated[str, typer.Argument(help="A version, released or refused, or 'live'.")]
Output = Annotated[
    Optional[str],  # noqa: UP045
    option("--output", "The file to write to.  [default: standard output]"),
]
Open = Annotated[bool, option("--open", "Open it in a browser.")]
Overwrite = Annotated[bool, option("--overwrite", "Replace the file if it exists.")]
Licence = Annotated[str, option("--license", "The licence of the model, as model hubs name licences.")]


@with_context("store", "task")
def show_report(
    context: Context,
    version: AnyVersion,
    output: Output = None,
    overwrite: Overwrite = False,
    in_browser: Open = False,
) -> None:
    """Show the report of an evaluation, released or refused: one self-contained HTML file.

    Example: weighbridge models report live --open
    """
    if output is not None and in_browser:
        raise ConfigurationError("--output and --open exclude each other; give one of them")
    if output is None and not in_browser and sys.stdout.isatty():
        raise ConfigurationError("a report is HTML, which a terminal does not show; give --open or --output FILE")
    from weighbridge.domain.registry.recorded import version_named

    container = context.container()
    wanted = version_named(container.registry(), context.task_name(), version)
    data = _read(wanted, container)
    if in_browser:
        _open(wanted, data)
    else:
        _write(output, overwrite, data)


@with_context("store", "task")
def show_card(
    context: Context,
    version: AnyVersion,
    output: Output = None,
    overwrite: Overwrite = False,
    licence: Licence = "unknown",
) -> None:
    """Print a model card: the content of the report as Markdown, with the metadata that model hubs read.

    Example: weighbridge models card live --output README.md --license apache-2.0
    """
    from weighbridge.domain.registry.recorded import read_recorded, version_named
    from weighbridge.domain.report.model_card import model_card

    container = context.container()
    record = read_recorded(
        container.registry(), version_named(container.registry(), context.task_name(), version)
    ).record
    _write(output, overwrite, model_card(record, container.settings().command_options, licence).encode())


_POLICY = (
    b'<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src '
    b"'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'\">\n"
)


def _read(version: ModelVersion, container: Container) -> bytes:
    from weighbridge.domain.registry.recorded import read_recorded, read_report

    try:
        return read_report(container.store(), container.registry(), version)
    except ArtefactNotFound as error:
        report = read_recorded(container.registry(), version).record.report
        why = "it was evaluated without one" if report is None else report.get("problem", "it was removed")
        raise ConfigurationError(
            f"there is no report of {version}: {why}; 'weighbridge models card {version}' prints what is recorded"
        ) from error


def _write(output: str | None, overwrite: bool, data: bytes) -> None:
    if output is None:
        print_bytes(data)
        return
    try:
        with Path(output).open("wb" if overwrite else "xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise ConfigurationError(f"'{output}' exists; give another file, or --overwrite to replace it") from error
    except OSError as error:
        raise ConfigurationError(f"'{output}' cannot be written: {error.strerror or error}") from error
    print(f"wrote {output} ({len(data):,} bytes)")


def _open(version: ModelVersion, data: bytes) -> None:
    import tempfile
    import webbrowser

    # It stays there: the browser may read it long after this command has ended.
    path = Path(tempfile.mkdtemp(prefix="weighbridge-")) / f"{version.task}_{version}.html"
    # First in the file, so that it holds for all of it: no script runs, and nothing is fetched.
    path.write_bytes(_POLICY + data)
    print(path)
    if not webbrowser.open(path.as_uri()):
        raise ConfigurationError("no browser could be opened; open the file above in one, or use --output")
