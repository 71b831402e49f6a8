"""The command line: every command is registered here, and every failure becomes an exit code here.

Each command asks the container for what it needs and hands over to the domain.
"""

from __future__ import annotations

import logging
import sys
from typing import Annotated, NoReturn

import typer

from weighbridge.domain.errors import WeighbridgeError
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli import datasets, model_upkeep, models, promotions, reports, stores, tasks
from weighbridge.entrypoints.cli.demo import demo
from weighbridge.entrypoints.cli.monitor import monitor
from weighbridge.entrypoints.cli.predict import predict
from weighbridge.entrypoints.cli.reproduce import reproduce
from weighbridge.entrypoints.cli.serve import serve
from weighbridge.entrypoints.cli.train import train
from weighbridge.entrypoints.edge_events import CommandFailed
from weighbridge.entrypoints.logs import configure_logs, say


def _commands(name: str, help_text: str) -> typer.Typer:
    return typer.Typer(
        name=name,
        help=help_text,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


app = _commands(
    "weighbridge",
    "Train a model from the newest dataset, evaluate it, publish it with its provenance, and serve it.",
)
app.command("train", short_help="Train on the newest dataset, evaluate the model, publish it.")(train)
app.command("predict", short_help="Predict one row, a file, or a folder of files with the live model.")(predict)
app.command("serve", short_help="Serve predictions over HTTP from the live model.")(serve)
app.command("monitor", short_help="Compare what was predicted with what the live model was trained on.")(monitor)
app.command("reproduce", short_help="Train a release again from its record, and compare.")(reproduce)
app.command("demo", short_help="Show the whole story on local files.")(demo)

dataset_app = _commands("datasets", "The datasets in the store.")
dataset_app.command("list", short_help="List the datasets of a task, newest first.")(datasets.list_datasets)
dataset_app.command("show", short_help="Show the schema, statistics and first rows of a dataset.")(
    datasets.show_dataset
)
dataset_app.command("put", short_help="Validate a dataset and put it into the store.")(datasets.put_dataset)
app.add_typer(dataset_app)

model_app = _commands("models", "The releases in the store.")
model_app.command("list", short_help="List the releases of a task, newest first.")(models.list_models)
model_app.command("show", short_help="Show the whole record of a release or a refusal.")(models.show_model)
model_app.command("diff", short_help="Show two records side by side.")(models.diff_models)
model_app.command("verify", short_help="Verify that a release is what was published.")(model_upkeep.verify_models)
model_app.command("export", short_help="Write a release to a folder for other programs.")(
    model_upkeep.export_model
)
model_app.command("prune", short_help="Remove old releases, refusals and reports.")(model_upkeep.prune_models)
model_app.command("promote", short_help="Make a release the live one.")(promotions.promote_model)
model_app.command("rollback", short_help="Make the release that was live before live again.")(
    promotions.roll_back_model
)
model_app.command("release-hold", short_help="Let later trainings promote themselves again.")(
    promotions.release_hold
)
model_app.command("report", short_help="Show the report of an evaluation.")(reports.show_report)
model_app.command("card", short_help="Print the model card of a release.")(reports.show_card)
app.add_typer(model_app)

store_app = _commands("store", "Stores.")
store_app.command("check", short_help="Try every operation on a store, and list what it lacks.")(stores.check)
store_app.command("copy", short_help="Copy a store, and verify the copy.")(stores.copy)
app.add_typer(store_app)

task_app = _commands("task", "Task files.")
task_app.command("check", short_help="Check a task's definition, and a dataset with it.")(tasks.check)
task_app.command("new", short_help="Draft a first task file from a CSV file.")(tasks.new)
app.add_typer(task_app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"weighbridge {version('weighbridge')}")
        raise typer.Exit


Version = Annotated[
    bool, typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True)
]


@app.callback()
def weighbridge(show_version: Version = False) -> None:
    """Options that stand before any command."""


def main() -> NoReturn:
    """Run the command line; every failure becomes its exit code and a last line that says what to do."""
    configure_logs("text", "info")
    log = logging.getLogger("weighbridge")
    try:
        app(prog_name="weighbridge")
    except WeighbridgeError as error:
        text = "\n".join(part for part in (str(error), exit_codes.remedy(error)) if part)
        code = exit_codes.exit_code(error)
        say(CommandFailed(code, text), error if log.isEnabledFor(logging.DEBUG) else None)
        sys.exit(code)
    except Exception:
        log.exception("this is a bug in Weighbridge or in the task's code: please report it with these lines")
        sys.exit(exit_codes.BUG)
    raise AssertionError("typer ends the process")
