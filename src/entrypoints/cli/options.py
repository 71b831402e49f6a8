"""What options of several commands have in common: their environment variables, defaults and help."""

from __future__ import annotations

from typing import Any

import typer

from weighbridge.entrypoints.settings import PREFIX

#: The defaults of ``--store`` and ``--task``.
STORE = "./weighbridge-store"
TASK = "time_to_dispatch"

#: The environment variables of all options, once their commands are imported.
VARIABLES: set[str] = set()

#: Stands below the help of every command.
VARIABLES_HELP = f"Every option can be set by a variable too, such as {PREFIX}LOG_LEVEL for --log-level."

#: What an address of a store looks like.
STORE_HELP = "Where everything is: ./dir, file:///abs/dir, s3://bucket/prefix, gs://..., az://..., memory://."


def plain_text(text: str | None) -> str | None:
    """The text of an option that is kept and shown: one printable line.

    Raises:
        typer.BadParameter: it has control characters, line breaks or marks of direction.
    """
    if text is not None and not text.isprintable():
        raise typer.BadParameter("it has control characters or line breaks; give one line of plain text")
    return text


def option(
    flag: str, help_text: str, at_least: int | None = None, at_most: int | None = None, check: Any = None
) -> Any:
    """An option that also comes from the environment, by the variable ``WEIGHBRIDGE_<OPTION>``.

    Args:
        flag: with its dashes.
        help_text: one sentence.
        at_least: the least value of a number; None for no limit.
        at_most: the greatest one.
        check: called with the value; it returns it or raises typer.BadParameter.
    """
    variable = PREFIX + flag.strip("-").replace("-", "_").upper()
    VARIABLES.add(variable)
    return typer.Option(
        flag, envvar=variable, show_envvar=False, help=help_text, min=at_least, max=at_most, callback=check
    )
