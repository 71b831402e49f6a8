"""The commands for task files: drafting one from data, and checking one before a whole search."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from weighbridge.domain.errors import ConfigurationError, DataError
from weighbridge.domain.store.artefacts import DATASET_SUFFIXES, DATASETS, Artefact, ArtefactRef
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import option
from weighbridge.entrypoints.settings import load_settings

if TYPE_CHECKING:
    from weighbridge.domain.training.task_check import TaskReport, Trial
    from weighbridge.entrypoints.container import Container

DatasetOption = Annotated[
    Optional[Path],  # noqa: UP045
    option("--dataset", "A .csv, .csv.gz, .csv.zst or .parquet file to check the task on."),
]
CsvFile = Annotated[Path, typer.Argument(help="A .csv file with the features and the target.", show_default=False)]
Target = Annotated[
    Optional[str],  # noqa: UP045
    option("--target", "The column to predict.  [default: the last one]"),
]
Output = Annotated[Path, option("--output", "The file to write; it must not exist.")]


@with_context("task", "json")
def check(
    context: Context,
    dataset: DatasetOption = None,
) -> None:
    """Check a task's definition; with a dataset, also validate and split it and train the first candidate.

    Every problem is reported, and nothing is written. A refusal of this one candidate is no problem: the search
    may find a better one.

    Example: weighbridge task check --task task.py:TASK --dataset orders.csv
    """
    definition = context.load_task()
    data = None if dataset is None else _read(dataset, DATASET_SUFFIXES)
    from weighbridge.domain.training.task_check import check_task
    from weighbridge.entrypoints.cli.console import print_json
    from weighbridge.entrypoints.cli.tables import print_table

    container = _container()
    report = check_task(definition, data, container.reader(), container.codecs())
    if context.json:
        print_json(report.to_dict())
    else:
        print_table(("ABOUT", "FOUND"), _lines(report))
    if report.task_problems:
        _fail(exit_codes.USAGE, f"{_count(report.task_problems)} in the task: fix its definition")
    if report.data_problems:
        _fail(
            exit_codes.BAD_DATA,
            f"{_count(report.data_problems)} in the data: fix the data, or the task's schema",
        )


@with_context()
def new(
    context: Context,
    file: CsvFile,
    target: Target = None,
    output: Output = Path("task.py"),
) -> None:
    """Draft a first task file from a CSV file; every guess in it is marked by a comment.

    Types, ranges and categories are inferred from the rows. Rows that the draft would not accept are refused.

    Example: weighbridge task new orders.csv --target hours --output task.py
    """
    if output.suffix != ".py":
        raise ConfigurationError(f"--output is '{output}'; a task file ends in .py")
    if output.exists():
        raise _taken(output)
    data = _read(file, (".csv",))
    from weighbridge.entrypoints.cli.task_drafting import ATTRIBUTE, draft

    try:
        drafted = draft(data, target, _container().reader())
    except DataError as error:
        # The usual remedy, to upload the data again, does not apply to a local file.
        logging.getLogger("weighbridge").error(
            "%s\nNothing was written. Fix the file and run this again.",
            DataError(str(file), error.problems),
            exc_info=context.debug,
        )
        raise typer.Exit(exit_codes.BAD_DATA) from error
    try:
        with output.open("x", encoding="utf-8") as text:
            text.write(drafted.text)
    except FileExistsError as error:
        raise _taken(output) from error
    except OSError as error:
        raise ConfigurationError(f"'{output}' cannot be written: {error.strerror}") from error
    print(f"drafted a task that predicts '{drafted.target}' from {drafted.rows:,} rows")
    print(f"now read '{output}': {drafted.guesses} guesses are marked '# guess:'; then")
    print(f"  weighbridge task check --task {quote(f'{output}:{ATTRIBUTE}')} --dataset {quote(str(file))}")


def _read(file: Path, suffixes: tuple[str, ...]) -> Artefact:
    if not file.name.endswith(suffixes):
        *others, last = suffixes
        named = f"{', '.join(others)} or {last}" if others else last
        raise ConfigurationError(f"'{file}' is not a {named} file")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"'{file}' cannot be read: {error.strerror}") from error
    ref = ArtefactRef(f"{DATASETS}/{file.name}", len(data), "", None, datetime.now(UTC))
    return Artefact(ref, data, hashlib.sha256(data).hexdigest())


def _taken(output: Path) -> ConfigurationError:
    return ConfigurationError(f"'{output}' exists and is not overwritten; choose another file with --output")


def _container() -> Container:
    from weighbridge.entrypoints.container import wire

    return wire(load_settings({}))


def _count(problems: Sequence[object]) -> str:
    return f"{len(problems):,} {'problem' if len(problems) == 1 else 'problems'}"


def _fail(code: int, message: str) -> None:
    logging.getLogger("weighbridge").error("%s", message)
    raise typer.Exit(code)


def _lines(report: TaskReport) -> Iterator[tuple[str, str]]:
    task, spec = report.task, report.task.estimator
    names = task.schema.feature_names
    yield "task", f"{task.name}: '{task.schema.target.name}', {task.schema.target.expectation}"
    yield "features", f"{len(names)}: {', '.join(names)}"
    yield "search", f"{spec.points:,} candidates, {spec.folds} folds, by {spec.scoring}"
    for problem in report.task_problems:
        yield "problem", problem
    if report.rows is not None:
        yield "dataset", f"{report.dataset}: {report.rows:,} rows, all valid"
    if report.split is not None:
        train, test = report.split
        yield "split", f"{train:,} rows to train on, {test:,} to test on"
    if report.trial is not None:
        yield from _trial_lines(report.trial)
    for found in report.data_problems[: DataError.SHOWN]:
        yield "problem", str(found)
    if len(report.data_problems) > DataError.SHOWN:
        yield "problem", f"... and {len(report.data_problems) - DataError.SHOWN:,} more"
    if report.ok:
        data = "" if report.dataset is not None else "; --dataset FILE tries it on data"
        yield "problems", f"none{data}"


def _trial_lines(trial: Trial) -> Iterator[tuple[str, str]]:
    from weighbridge.domain.evaluation.rules.rule import FindingLevel

    params = ", ".join(f"{name}={value!r}" for name, value in trial.params.items())
    yield "trial", f"one training, {f'of the first candidate: {params}' if params else 'of the pipeline as it is'}"
    for name, value in trial.evaluation.metrics.items():
        yield "metric", f"{name} {value:.4f}"
    for each in trial.evaluation.checks:
        yield "check", f"{'passed' if each.passed else 'FAILED'}: {each.name} ({each.detail})"
    findings = trial.evaluation.findings
    for one in findings:
        if one.level is not FindingLevel.OK:
            yield "rule", f"{one.level}: {one.name} ({one.detail})"
    if findings:
        passed = sum(one.level is FindingLevel.OK for one in findings)
        yield "rules", f"{passed} of {len(findings)} passed or skipped: most need a live model"
    decision = trial.evaluation.decision
    yield "verdict", f"{decision.summary}, if the search found nothing better"
    for reason in decision.reasons:
        yield str(reason.severity), reason.shown
    yield "format", trial.format
    for note in trial.notes:
        yield "note", note
