"""What is said of arguments that cannot be parsed: one sentence, and where help is."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    UsageError = typer.BadParameter
else:
    # Typer does not export the class of all errors about arguments, which this one derives from.
    UsageError = typer.BadParameter.__base__

_RULE = "Input should be "


def print_usage_error(error: UsageError) -> None:
    """Print to stderr which command it was, how to get help, and what is wrong."""
    context = error.ctx
    if context is not None:
        sys.stderr.write(f"{context.get_usage()}\nTry '{context.command_path} --help' for help.\n\n")
    sys.stderr.write(f"Error: {_message(error)}\n")


def _message(error: UsageError) -> str:
    alike = getattr(error, "possibilities", None)
    if alike and hasattr(error, "option_name"):
        # The likeliest comes first.
        return f"No such option: {error.option_name}. Did you mean '{alike[0]}'?"
    faults = getattr(error.__cause__, "errors", None)
    if isinstance(error, typer.BadParameter) and error.param is not None and faults is not None:
        (fault, *_) = faults()
        text = str(fault["msg"])
        if text.startswith(_RULE):
            rule = text.partition(",")[0].removeprefix(_RULE)
            return f"Invalid value for '{_name(error.param)}': {fault['input']!r}, but it must be {rule}."
        return f"Invalid value for '{_name(error.param)}': {text.removeprefix('Value error, ')}"
    return error.format_message()


def _name(parameter: object) -> str:
    flags = [flag for flag in getattr(parameter, "opts", ()) if flag.startswith("--")]
    return flags[0] if flags else str(getattr(parameter, "human_readable_name", parameter))
