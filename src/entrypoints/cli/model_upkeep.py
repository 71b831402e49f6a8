"""The commands that look after the releases in a store: verify, export, prune."""

from __future__ import annotations

import sys
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from weighbridge.domain.store.artefacts import MODELS, REJECTED, REPORTS, TRAINED
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import option

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from weighbridge.domain.registry.retention import Removal
    from weighbridge.domain.registry.verification import Verified, Verifier

#: Where the artefacts are that a pruning removes.
KINDS = (MODELS, REJECTED, REPORTS, TRAINED)


class ExportFormat(StrEnum):
    """What a release can be exported as."""

    MLFLOW = "mlflow"
    ONNX = "onnx"
    SKOPS = "skops"


ReleasedOrLive = Annotated[str, typer.Argument(help="A version as 'models list' shows it, or 'live'.")]
Folder = Annotated[str, typer.Argument(metavar="DIR", help="The folder to make.")]
Everything = Annotated[bool, option("--all", "Verify every release, refusal and promotion of the task.")]
Wanted = Annotated[ExportFormat, option("--format", "As what to export.")]
Keep = Annotated[
    int,
    option("--keep", "Keep so many of the newest, and so many rollbacks.", at_least=1),
]
OlderThan = Annotated[str, option("--older-than", "Remove only what was trained longer ago: 90d, 12h, 4w.")]
DryRun = Annotated[bool, option("--dry-run", "List what would be removed, and remove nothing.")]
Yes = Annotated[bool, option("--yes", "Remove without asking; needed where there is no terminal to ask on.")]


@with_context("store", "task", "json")
def verify_models(
    context: Context,
    version: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(help="A version as 'models list' shows it.  [default: the live one]"),
    ] = None,
    everything: Everything = False,
) -> None:
    """Verify a release: bytes against digest, golden rows, schema, and the record against its JSON Schema.

    Exit code 0 when nothing is wrong; 4 otherwise, with every fault named.

    Example: weighbridge models verify --all
    """
    import logging

    from weighbridge.domain.errors import ConfigurationError
    from weighbridge.entrypoints.cli.console import print_json

    if everything and version is not None:
        raise ConfigurationError("give a version or --all, not both")
    name = context.task_name()
    verifier = context.container().verifier()
    found = []
    for verified in _look(verifier, name, version or "live", everything):
        found.append(verified)
        if not context.json:
            print("ok    " if verified.holds else "FAULTY", verified.key)
            for fault in verified.faults:
                print(f"       {' '.join(fault.split())}")
    faulty = sum(not verified.holds for verified in found)
    if context.json:
        print_json({"holds": not faulty, "verified": [verified.to_dict() for verified in found]})
    if faulty:
        logging.getLogger("weighbridge").error(
            "%d of %d records are damaged: restore what is named above from a backup or the bucket's versions, "
            "or go back to an intact release with 'weighbridge models rollback'",
            faulty,
            len(found),
        )
        raise typer.Exit(exit_codes.BAD_DATA)


@with_context("store", "task", "json")
def export_model(
    context: Context,
    version: ReleasedOrLive,
    folder: Folder,
    wanted: Wanted = ExportFormat.MLFLOW,
) -> None:
    """Write a release to a new folder: as an MLflow model, or the model file with its record and how to load it.

    The release is verified first. The folder appears when it is whole.

    Example: weighbridge models export live --format mlflow ./exported
    """
    from weighbridge.domain.registry.recorded import version_named
    from weighbridge.entrypoints.cli.console import print_json

    name = context.task_name()
    container = context.container()
    registry = container.registry()
    release = registry.read(version_named(registry, name, version))
    data = registry.fetch(release)
    container.verifier().model(release, data)
    written = container.exporter().export(release, data, wanted.value, folder)
    if context.json:
        print_json({"version": str(release.version), "folder": folder, "files": written})
    else:
        print(f"exported {release.version} to {folder}: {', '.join(written)}")


@with_context("store", "task", "json")
def prune_models(
    context: Context,
    keep: Keep = 10,
    older_than: OlderThan = "90d",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Remove releases beyond the newest that are older than the limit, and refusals and reports older than it.

    Never the live release, one that as many rollbacks as are kept would go to, a dataset or a promotion.

    Example: weighbridge models prune --keep 10 --older-than 90d --dry-run
    """
    from weighbridge.domain.errors import ConfigurationError
    from weighbridge.domain.registry.retention import parse_age, plan_pruning, prune
    from weighbridge.entrypoints.cli.console import print_json

    try:
        age = parse_age(older_than)
    except ValueError as error:
        raise ConfigurationError(f"--older-than: {error}") from error
    name = context.task_name()
    container = context.container()
    opened, registry = container.store(), container.registry()
    plan = plan_pruning(opened, registry, container.clock(), name, keep, age)
    sizes = {ref.key: ref.size for kind in KINDS for ref in opened.list(f"{kind}/{name}_")} if plan else {}
    if plan and not dry_run and not yes:
        _confirm(plan, sizes)
    gone: list[dict[str, Any]] = []
    freed = 0
    for removal in plan if dry_run else prune(opened, registry, plan):
        gone.append(removal.to_dict())
        freed += sum(sizes.get(key, 0) for key in removal.keys)
        if not context.json:
            print(f"{'would remove' if dry_run else 'removed'} {removal.kind} {removal.version}:")
            for key in removal.keys:
                print(f"  {key} ({sizes.get(key, 0):,} bytes)")
    if context.json:
        print_json({"dry_run": dry_run, "removed": gone, "bytes": freed})
    elif gone:
        print(f"{'would free' if dry_run else 'freed'} {freed:,} bytes")
    else:
        print("nothing to remove")


def _confirm(plan: Sequence[Removal], sizes: Mapping[str, int]) -> None:
    """Ask whether to remove.

    Raises:
        ConfigurationError: there is no terminal to ask on.
        Abort: the answer is no.
    """
    from weighbridge.domain.errors import ConfigurationError

    kinds = Counter(removal.kind for removal in plan)
    what = ", ".join(f"{count} {kind}{'' if count == 1 else 's'}" for kind, count in sorted(kinds.items()))
    size = sum(sizes.get(key, 0) for removal in plan for key in removal.keys)
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"this would remove {what} ({size:,} bytes) for good; give --yes to do so, or --dry-run to list them"
        )
    typer.confirm(f"Remove {what} ({size:,} bytes) for good?", abort=True, err=True)


def _look(verifier: Verifier, task: str, version: str, everything: bool) -> Iterator[Verified]:
    """What was asked for. A version may be that of a refusal."""
    from weighbridge.domain.errors import UnknownVersion
    from weighbridge.domain.registry.recorded import version_named

    if everything:
        yield from verifier.everything(task)
        return
    wanted = version_named(verifier.registry, task, version)
    try:
        yield verifier.release(wanted)
    except UnknownVersion as released:
        try:
            yield verifier.refusal(wanted)
        except UnknownVersion:
            raise released from None
