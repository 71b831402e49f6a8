"""The command that checks what was predicted; for a scheduler, which alerts on its exit code."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from weighbridge.domain.errors import ConfigurationError
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import option

if TYPE_CHECKING:
    from weighbridge.domain.monitoring.labelled_metrics import LabelReport
    from weighbridge.domain.monitoring.monitor_report import MonitorReport

Since = Annotated[
    Optional[str],  # noqa: UP045
    option("--since", "Check what was predicted within this time: 24h, 7d, 4w.  [default: 24h]"),
]
From = Annotated[
    Optional[str],  # noqa: UP045
    option(
        "--from", "Check what was predicted from this time on, such as 2021-07-03T23:05:32Z; not with --since."
    ),
]
To = Annotated[
    Optional[str],  # noqa: UP045
    option("--to", "Check what was predicted before this time.  [default: now]"),
]

#: What to do when rows are missing.
_HOW_TO_LOG = (
    "start the service with WEIGHBRIDGE_PREDICTION_LOG=true to log predictions, check that it gets requests, "
    "or look at a longer window with --since"
)

MinRows = Annotated[
    int, option("--min-rows", "Exit with code 3 when fewer rows were logged than this.", at_least=0)
]


@with_context("store", "task", "json")
def monitor(
    context: Context,
    since: Since = None,
    start: From = None,
    to: To = None,
    min_rows: MinRows = 1,
) -> None:
    """Compare what was predicted with what the live release was trained on, and with labels that came later.

    Exit code 0 when all is well, 3 when an error level is reached or fewer than --min-rows rows were logged, 4
    when the log cannot be read.

    Example: weighbridge monitor --since 24h --json
    """
    from weighbridge.domain.evaluation.rules.rule import FindingLevel
    from weighbridge.domain.monitoring.monitor import monitor as look
    from weighbridge.domain.monitoring.monitor import read_log
    from weighbridge.entrypoints.cli.console import print_json
    from weighbridge.entrypoints.scikit_learn import import_scikit_learn

    container = context.container()
    begin, end = _window(since, start, to, container.clock().now())
    import_scikit_learn()
    definition = context.load_task()
    registry, where = container.registry(), container.store()
    release = registry.read(registry.live(definition.name).version)
    log = read_log(where, container.predictions(), definition.name, begin, end)
    report = look(definition, release, log, begin, end, where, container.reader())
    if context.json:
        print_json({"task": definition.name} | report.to_dict())
    else:
        _print(definition.name, report)
    if report.log.rows < min_rows:
        logging.getLogger("weighbridge").error(
            "%d rows were logged in this window, fewer than --min-rows %d: %s",
            report.log.rows,
            min_rows,
            _HOW_TO_LOG,
        )
        raise typer.Exit(exit_codes.REFUSED)
    if report.level is FindingLevel.ERROR:
        logging.getLogger("weighbridge").error(
            "an error level is reached: %s; check what sends these rows, train on newer data, or roll back",
            "; ".join(report.reasons(FindingLevel.ERROR)),
        )
        raise typer.Exit(exit_codes.REFUSED)


def _window(since: str | None, start: str | None, to: str | None, now: datetime) -> tuple[datetime, datetime]:
    from weighbridge.domain.registry.retention import parse_age

    end = now if to is None else _time("--to", to)
    if start is not None:
        if since is not None:
            raise ConfigurationError("--since and --from exclude each other; give one of them")
        begin = _time("--from", start)
    else:
        try:
            begin = end - parse_age(since or "24h")
        except ValueError as error:
            raise ConfigurationError(f"--since: {error}") from error
        except OverflowError as error:
            raise ConfigurationError(f"--since is '{since}', which is before all time") from error
    if begin >= end:
        raise ConfigurationError(f"the window from {begin} to {end} is empty; --from must be before --to")
    return begin, end


def _time(flag: str, text: str) -> datetime:
    from weighbridge.domain.store.artefacts import parse_timestamp

    moment = parse_timestamp(text)
    if moment is None:
        raise ConfigurationError(f"{flag} is '{text}', which is not a time such as 2021-07-03T23:05:32Z")
    return moment


def _print(task: str, report: MonitorReport) -> None:
    """The report for people: what there is, every column, every finding, and what came of it."""
    from weighbridge.entrypoints.cli.tables import print_table

    print(f"window    {report.start:%Y-%m-%d %H:%M:%S}Z to {report.end:%Y-%m-%d %H:%M:%S}Z")
    print(f"live      {report.version} of {task}")
    print(f"logged    {report.log.rows:,} answers (files: {report.log.files:,})")
    if not report.log.rows:
        print("nothing was logged in this window")
        return
    for version, rows in report.log.versions.items():
        print(f"          {rows:,} by {version}")
    if report.drifts:
        cells = [
            (one.column, f"{one.psi:.3f}", f"{one.distance.value:.3f}", f"{one.distance.p_value:.2g}")
            for one in report.drifts
        ]
        print_table(("COLUMN", "STABILITY INDEX", "DISTANCE", "P-VALUE"), cells)
    for finding in report.findings:
        print(f"{str(finding.level).ljust(9)} {finding.name}: {finding.detail}")
    if report.labels is not None:
        _print_labels(report.labels)
    print(f"verdict   {report.level}")


def _print_labels(labels: LabelReport) -> None:
    if labels.datasets:
        print(
            f"labels    for {labels.labelled:,} answers, none for {labels.unlabelled:,}, "
            f"several that differ for {labels.ambiguous:,}, (datasets: {labels.datasets:,})"
        )
    for key, problem in labels.passed_over:
        print(f"          skipped {key}: {problem}")
    if labels.problem:
        print(f"labels    not evaluated: {labels.problem}")
    for name, value in (labels.metrics or {}).items():
        print(f"metric    {name} {value:.4f}")
    for name in labels.not_weighed:
        print(f"metric    {name} cannot be computed from a log")
    for finding in labels.findings:
        print(f"{str(finding.level).ljust(9)} {finding.name}: {finding.detail}")
