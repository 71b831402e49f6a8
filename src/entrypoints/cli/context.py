"""What the options that commands share say, as one object that a command gets as its first argument.

A command names the shared options that it has: ``@with_context("store", "task", "json")``. They follow its own
options; those for logs belong to every command.
"""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Concatenate, Literal, Optional, ParamSpec

import typer

from weighbridge.domain.errors import NothingReleased
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli.options import STORE, STORE_HELP, TASK, VARIABLES, option
from weighbridge.entrypoints.cli.unknown_task import check_task_is_known
from weighbridge.entrypoints.cli.variables import warn_of_unknown_variables
from weighbridge.entrypoints.logs import configure_logs
from weighbridge.entrypoints.settings import load_settings

if TYPE_CHECKING:
    from weighbridge.domain.training.task import TaskDefinition
    from weighbridge.entrypoints.container import Container

P = ParamSpec("P")

Shared = Literal["store", "task", "json", "wide"]


class LogFormat(StrEnum):
    """How log lines are written."""

    TEXT = "text"
    JSON = "json"


class LogLevel(StrEnum):
    """Which log lines are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Context:
    """What the shared options say; the default where a command does not have the option.

    Args:
        store: the address of the store.
        task: a reference to the task.
        json: whether to print one JSON document instead of text.
        wide: whether to print one line a row however narrow the terminal is.
        log_format: how log lines are written.
        log_level: the least severe lines to write; None where the command decides by its own options.
        debug: whether to write everything, tracebacks included.
    """

    store: str = STORE
    task: str = TASK
    json: bool = False
    wide: bool = False
    log_format: LogFormat = LogFormat.TEXT
    log_level: LogLevel | None = LogLevel.INFO
    debug: bool = False

    def container(self, **given: object) -> Container:
        """The container over the store, the task and these other settings; the environment gives the rest.

        Raises:
            ConfigurationError: a setting is not allowed.
        """
        from weighbridge.entrypoints.container import wire

        return wire(load_settings({"store": self.store, "task": self.task, **given}))

    def task_name(self) -> str:
        """The name of the task; a bare name is taken at its word and nothing is loaded.

        Raises:
            ConfigurationError, TaskError: as ``load_task``, for a reference with a colon.
        """
        from weighbridge.entrypoints.task_loading import task_name

        return task_name(self.task)

    def load_task(self) -> TaskDefinition:
        """The definition of the task.

        Raises:
            ConfigurationError: the reference names nothing that is there.
            TaskError: what is there cannot be run, or is no task.
        """
        from weighbridge.entrypoints.task_loading import load_task

        return load_task(self.task)

    def configure_logs(self, default: LogLevel = LogLevel.INFO) -> None:
        """Send logs to stderr as the options say; ``default`` is the level where they do not say one."""
        configure_logs(self.log_format.value, LogLevel.DEBUG if self.debug else self.log_level or default)
        warn_of_unknown_variables(os.environ, VARIABLES)


_OPTIONS = {
    "store": Annotated[str, option("--store", STORE_HELP)],
    "task": Annotated[
        str, option("--task", "A shipped task's name, package.module:ATTRIBUTE, or path/to/file.py:ATTRIBUTE.")
    ],
    "json": Annotated[bool, option("--json", "Print one JSON document on stdout.")],
    "wide": Annotated[bool, option("--wide", "Do not fit tables to the width of the terminal.")],
    "log_format": Annotated[LogFormat, option("--log-format", "Logs go to stderr: as text, or as JSON lines.")],
    "log_level": Annotated[LogLevel, option("--log-level", "The least severe log lines to write.")],
    "debug": Annotated[bool, option("--debug", "Write everything to the log, tracebacks of errors included.")],
}


def with_context(
    *shared: Shared, log_level: LogLevel | str = LogLevel.INFO
) -> Callable[[Callable[Concatenate[Context, P], None]], Callable[..., None]]:
    """Give a command the options that it shares with others, as its first argument; logs are configured by then.

    Args:
        shared: which of them, beside those for logs.
        log_level: the default of ``--log-level``; or a text that says what it is, for a command that decides by
            its own options and configures the logs itself.
    """

    def decorate(command: Callable[Concatenate[Context, P], None]) -> Callable[..., None]:
        own = list(inspect.signature(command, eval_str=True).parameters.values())[1:]
        decides = not isinstance(log_level, LogLevel)
        options = {name: _OPTIONS[name] for name in (*shared, "log_format", "log_level", "debug")}
        defaults = {name: getattr(_DEFAULTS, name) for name in options}
        defaults["log_level"] = None if decides else log_level
        if decides:
            help_text = f"The least severe log lines to write.  [default: {log_level}]"
            # Typer knows Optional[...] on every Python that it supports.
            options["log_level"] = Annotated[Optional[LogLevel], option("--log-level", help_text)]  # noqa: UP045

        @wraps(command)
        def run(**given: object) -> None:
            context = Context(**{name: given.pop(name) for name in options})  # type: ignore[arg-type]
            if not decides:
                context.configure_logs()
            try:
                command(context, **given)  # type: ignore[call-arg, arg-type]
            except NothingReleased:
                check_task_is_known(context.container().store(), context.task_name())
                raise
            except KeyboardInterrupt:
                logging.getLogger("weighbridge").error("interrupted; run this again to complete it")
                raise typer.Exit(exit_codes.INTERRUPTED) from None

        parameters = [each.replace(kind=inspect.Parameter.KEYWORD_ONLY) for each in own]
        parameters += [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=kind)
            for name, kind in options.items()
        ]
        # Typer reads the options of a command from these two.
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return decorate


_DEFAULTS = Context()
