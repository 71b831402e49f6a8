"""The command that trains: once, or again and again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from weighbridge.domain.errors import ConfigurationError
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli.context import Context, with_context
from weighbridge.entrypoints.cli.options import option
from weighbridge.entrypoints.logs import said_of_a_run

if TYPE_CHECKING:
    from weighbridge.domain.ports import Ports
    from weighbridge.domain.registry.model_registry import ModelRegistry
    from weighbridge.domain.registry.promotions import Promotion
    from weighbridge.domain.workflow import TrainingResult

Force = Annotated[bool, option("--force", "Train even if this dataset was trained on already.")]
# Typer reads these annotations at run time, and knows Optional[...] on every Python that it supports.
ErrorThreshold = Annotated[
    Optional[float],  # noqa: UP045
    option("--error-threshold", "Refuse a model whose first metric of the task is worse than this."),
]
WarningThreshold = Annotated[
    Optional[float],  # noqa: UP045
    option("--warning-threshold", "Release with a warning a model whose metric is worse than this."),
]
FitWorkers = Annotated[
    Optional[int],  # noqa: UP045
    option(
        "--workers",
        "How many local processes search in parallel.  [default: 1]",
        at_least=1,
        at_most=256,
    ),
]
Dask = Annotated[
    Optional[str],  # noqa: UP045
    option("--dask", "Search on the Dask cluster of this scheduler, such as tcp://host:8786."),
]
Accept = Annotated[
    Optional[list[str]],  # noqa: UP045
    option("--accept", "Accept what a rule, a check or a metric of this name has against the model, this once."),
]
AcceptReason = Annotated[
    Optional[str],  # noqa: UP045
    option("--reason", "Why it is accepted; recorded in the release."),
]
NoReport = Annotated[bool, option("--no-report", "Write no report of the evaluation.")]
Every = Annotated[
    Optional[str],  # noqa: UP045
    option("--every", "Keep running, and look for a new dataset this often: 30m, 1h, 1d."),
]
Cron = Annotated[
    Optional[str],  # noqa: UP045
    option("--cron", "Like --every, at the times of a cron expression in UTC: '45 23 * * 5'."),
]


@with_context("store", "task", "json")
def train(
    context: Context,
    force: Force = False,
    error_threshold: ErrorThreshold = None,
    warning_threshold: WarningThreshold = None,
    workers: FitWorkers = None,
    dask: Dask = None,
    every: Every = None,
    cron: Cron = None,
    no_report: NoReport = False,
    accept: Accept = None,
    reason: AcceptReason = None,
) -> None:
    """Train on the newest dataset, evaluate the model, and publish it or record why it was refused.

    With --every or --cron it stays in the foreground and trains whenever a new dataset has appeared, until SIGTERM
    or Ctrl-C ends it; --json then prints a line for each training.

    A wanted change is accepted with --accept NAME --reason TEXT: what would have refused the model is then a
    warning, which is recorded with the reason. Give --accept again for each further name.

    Exit code 0 when a model was released or there is nothing to do, 3 when it was refused, 4 for bad data.

    Example: weighbridge train --store s3://bucket/prefix --json
    """
    from weighbridge.entrypoints.scikit_learn import import_scikit_learn
    from weighbridge.entrypoints.training.schedule import schedule

    when = schedule(every, cron)
    accepted = _accepted(accept or [], reason, is_once=when is None)
    import_scikit_learn()
    definition = context.load_task().with_levels(error_threshold, warning_threshold)
    from weighbridge.domain.workflow import Outcome, train_and_release
    from weighbridge.entrypoints.cli.console import print_json, print_json_line
    from weighbridge.entrypoints.cli.training_summary import print_training
    from weighbridge.entrypoints.training.interrupts import interrupts_end_the_process
    from weighbridge.entrypoints.training.parallel import parallel_fits

    container = context.container(no_report=no_report)

    def train_once() -> TrainingResult:
        ports = container.ports()
        with _run(definition.name, ports), parallel_fits(definition, workers, dask):
            result = train_and_release(definition, ports, force, accepted)
        if not context.json:
            print_training(result, _promotion(container.registry(), result))
        elif when is None:
            print_json(result.document | {"outcome": str(result.outcome)})
        else:
            print_json_line(result.document | {"outcome": str(result.outcome)})
        if result.outcome is Outcome.REJECTED:
            _log_refusal(result)
        return result

    if when is not None:
        from threading import Event

        from weighbridge.entrypoints.training.train_on_schedule import TrainingSchedule

        # SIGTERM is the normal way to end such a process.
        with interrupts_end_the_process(terminated=exit_codes.OK):
            TrainingSchedule(definition.name, container.ports(), when, train_once, always=force).run(Event().wait)
        return
    with interrupts_end_the_process():
        if train_once().outcome is Outcome.REJECTED:
            raise typer.Exit(exit_codes.REFUSED)


@contextmanager
def _run(task: str, ports: Ports) -> Iterator[None]:
    """What logs and traces say of one training."""
    tracing = ports.tracing
    span = nullcontext() if tracing is None else tracing.span("train", task=task, run_id=ports.run_id)
    with said_of_a_run(run_id=ports.run_id), span:
        yield


def _accepted(names: list[str], reason: str | None, is_once: bool) -> dict[str, str]:
    """Why each name is accepted, by name.

    Raises:
        ConfigurationError: there is no reason, or more than one training.
    """
    reason = (reason or "").strip()
    if names and not reason:
        raise ConfigurationError("--accept needs --reason: say why it is accepted")
    if names and not is_once:
        raise ConfigurationError("--accept is for one training; it does not go with --every or --cron")
    return dict.fromkeys(names, reason)


def _log_refusal(result: TrainingResult) -> None:
    kept = f"{result.live} stays live" if result.live else "nothing is live"
    logging.getLogger("weighbridge").error(
        "refused, and %s: fix the source data or the task; 'weighbridge models show %s' shows the whole record",
        kept,
        result.document["version"],
    )


def _promotion(registry: ModelRegistry, result: TrainingResult) -> Promotion | None:
    """The newest promotion; None when nothing is live."""
    return None if result.live is None else registry.live(result.live.task)
