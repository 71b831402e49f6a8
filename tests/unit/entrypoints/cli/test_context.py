"""The options that commands share: each command that names them gets what they say as one object."""

from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from weighbridge.entrypoints.cli.context import Context, LogFormat, LogLevel, with_context
from weighbridge.entrypoints.cli.main import app
from weighbridge.entrypoints.cli.options import option

seen: list[tuple[Context, object]] = []

Count = Annotated[int, option("--count", "How many.", at_least=1)]

trial = typer.Typer(rich_markup_mode=None)


@trial.command()
@with_context("store", "task", "json")
def every(context: Context, count: Count = 3) -> None:
    """Has every shared option, and one of its own."""
    seen.append((context, count))


@trial.command()
@with_context(log_level="that of the moon")
def logs_only(context: Context, name: str) -> None:
    """Has only what every command has, and an argument."""
    seen.append((context, name))


def run(*arguments: str, **variables: str) -> tuple[Context, object]:
    """What the command gets."""
    seen.clear()
    result = CliRunner().invoke(trial, arguments, env=dict(variables), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (found,) = seen
    return found


def test_defaults() -> None:
    assert run("every") == (Context("./weighbridge-store", "time_to_dispatch", json=False), 3)
    assert run("logs-only", "a") == (Context(log_level=None), "a")


def test_options_after_the_name_of_the_command() -> None:
    told = ("--store", "X", "--count", "7", "--task", "t", "--json", "--log-format", "json", "--debug")
    expected = Context("X", "t", json=True, log_format=LogFormat.JSON, log_level=LogLevel.INFO, debug=True)
    assert run("every", *told) == (expected, 7)
    assert run("logs-only", "--log-level", "error", "a") == (Context(log_level=LogLevel.ERROR), "a")


def test_options_from_the_environment() -> None:
    variables = {"STORE": "X", "TASK": "t", "JSON": "1", "COUNT": "2", "LOG_FORMAT": "json", "LOG_LEVEL": "debug"}
    expected = Context("X", "t", json=True, log_format=LogFormat.JSON, log_level=LogLevel.DEBUG)
    assert run("every", **{f"WEIGHBRIDGE_{name}": text for name, text in variables.items()}) == (expected, 2)


def test_what_a_command_does_not_name_it_does_not_have() -> None:
    assert CliRunner().invoke(trial, ["logs-only", "a", "--store", "X"]).exit_code == 2
    shown = CliRunner().invoke(trial, ["logs-only", "--help"]).output
    assert "that of the moon" in " ".join(shown.split())
    assert "--store" not in shown


#: The options that are shared, and the commands that do without some of them.
SHARED = {"--store", "--task", "--json", "--log-format", "--log-level", "--debug"}
WITHOUT = {
    "serve": {"--json"},
    "demo": {"--task", "--json"},
    "models report": {"--json"},
    "models card": {"--json"},
    "store check": {"--store", "--task"},
    "store copy": {"--store", "--task"},
    "task check": {"--store"},
    "task new": {"--store", "--task", "--json"},
}


def commands(group: object, path: tuple[str, ...] = ()) -> list[tuple[str, set[str]]]:
    """Every command by its name, and its options."""
    found = []
    for name, each in group.commands.items():  # type: ignore[attr-defined]
        if hasattr(each, "commands"):
            found += commands(each, (*path, name))
        else:
            found.append((" ".join((*path, name)), {flag for one in each.params for flag in one.opts}))
    return found


@pytest.mark.parametrize(("name", "flags"), commands(typer.main.get_command(app)))
def test_every_command_has_the_shared_options(name: str, flags: set[str]) -> None:
    assert flags & SHARED == SHARED - WITHOUT.get(name, set())
