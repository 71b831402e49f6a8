"""The options that more than one command has, and what they come to."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from weighbridge.entrypoints.logs import configure_logs
from weighbridge.entrypoints.settings import PREFIX, load_settings

if TYPE_CHECKING:
    from weighbridge.entrypoints.container import Container


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


def option(flag: str, help_text: str) -> Any:
    """An option that also comes from the environment, by the variable ``WEIGHBRIDGE_<OPTION>``."""
    return typer.Option(flag, envvar=PREFIX + flag.strip("-").replace("-", "_").upper(), help=help_text)


#: What an address of a store looks like.
STORE_HELP = "Where everything is: ./dir, file:///abs/dir, s3://bucket/prefix, gs://..., az://..., memory://."

Store = Annotated[str, option("--store", STORE_HELP)]
Task = Annotated[
    str, option("--task", "A shipped task's name, package.module:ATTRIBUTE, or path/to/file.py:ATTRIBUTE.")
]
Json = Annotated[bool, option("--json", "Print one JSON document on stdout.")]
Format = Annotated[LogFormat, option("--log-format", "Logs go to stderr: as text, or as JSON lines.")]
Level = Annotated[LogLevel, option("--log-level", "The least severe log lines to write.")]
Debug = Annotated[bool, option("--debug", "Write everything to the log, tracebacks of errors included.")]

STORE = "./weighbridge-store"
TASK = "time_to_dispatch"


def set_up_logs(log_format: LogFormat, log_level: LogLevel, debug: bool) -> None:
    """Send logs to stderr as the options say."""
    configure_logs(log_format.value, LogLevel.DEBUG if debug else log_level)


def open_container(**given: Any) -> Container:
    """The container over the settings that were given and, for the rest, those of the environment."""
    from weighbridge.entrypoints.container import wire

    return wire(load_settings(given))
