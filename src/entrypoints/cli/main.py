"""The command line: every command is registered here, and every failure becomes an exit code here.

Each command asks the container for what it needs and hands over to the domain.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from weighbridge.domain.errors import WeighbridgeError
from weighbridge.entrypoints import exit_codes
from weighbridge.entrypoints.cli import datasets, model_upkeep, models, promotions, reports, stores, tasks
from weighbridge.entrypoints.cli.closed_pipe import quiet_on_closed_pipe
from weighbridge.entrypoints.cli.demo import demo
from weighbridge.entrypoints.cli.monitor import monitor
from weighbridge.entrypoints.cli.options import VARIABLES_HELP
from weighbridge.entrypoints.cli.predict import predict
from weighbridge.entrypoints.cli.reproduce import reproduce
from weighbridge.entrypoints.cli.serve import serve
from weighbridge.entrypoints.cli.train import train
from weighbridge.entrypoints.cli.usage import UsageError, print_usage_error
from weighbridge.entrypoints.edge_events import CommandFailed
from weighbridge.entrypoints.logs import configure_logs, say


def _commands(name: str, help_text: str) -> typer.Typer:
    return typer.Typer(
        name=name,
        help=help_text,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )


def _add(group: typer.Typer, name: str, command: Callable[..., None], short_help: str) -> None:
    group.command(name, short_help=short_help, epilog=VARIABLES_HELP)(command)


app = _commands(
    "weighbridge",
    "Train a model from the newest dataset, evaluate it, publish it with its provenance, and serve it.",
)
_add(app, "train", train, "Train on the newest dataset, evaluate the model, publish it.")
_add(app, "predict", predict, "Predict one row, a file, or a folder of files with the live model.")
_add(app, "serve", serve, "Serve predictions over HTTP from the live model.")
_add(app, "monitor", monitor, "Compare what was predicted with what the live model was trained on.")
_add(app, "reproduce", reproduce, "Train a release again from its record, and compare.")
_add(app, "demo", demo, "Show the whole story on local files.")

dataset_app = _commands("datasets", "The datasets in the store.")
_add(dataset_app, "list", datasets.list_datasets, "List the datasets of a task, newest first.")
_add(dataset_app, "show", datasets.show_dataset, "Show the schema, statistics and first rows of a dataset.")
_add(dataset_app, "put", datasets.put_dataset, "Validate a dataset and put it into the store.")
app.add_typer(dataset_app)

model_app = _commands("models", "The releases in the store.")
_add(model_app, "list", models.list_models, "List the releases of a task, newest first.")
_add(model_app, "show", models.show_model, "Show the whole record of a release or a refusal.")
_add(model_app, "diff", models.diff_models, "Show two records side by side.")
_add(model_app, "verify", model_upkeep.verify_models, "Verify that a release is what was published.")
_add(model_app, "export", model_upkeep.export_model, "Write a release to a folder for other programs.")
_add(model_app, "prune", model_upkeep.prune_models, "Remove old releases, refusals and reports.")
_add(model_app, "promote", promotions.promote_model, "Make a release the live one.")
_add(model_app, "rollback", promotions.roll_back_model, "Make the release that was live before live again.")
_add(model_app, "release-hold", promotions.release_hold, "Let later trainings promote themselves again.")
_add(model_app, "report", reports.show_report, "Show the report of an evaluation.")
_add(model_app, "card", reports.show_card, "Print the model card of a release.")
app.add_typer(model_app)

store_app = _commands("store", "Stores.")
_add(store_app, "check", stores.check, "Try every operation on a store, and list what it lacks.")
_add(store_app, "copy", stores.copy, "Copy a store, and verify the copy.")
app.add_typer(store_app)

task_app = _commands("task", "Task files.")
_add(task_app, "check", tasks.check, "Check a task's definition, and a dataset with it.")
_add(task_app, "new", tasks.new, "Draft a first task file from a CSV file.")
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
        with quiet_on_closed_pipe():
            # What is returned is the code of typer.Exit, or nothing.
            code = app(prog_name="weighbridge", standalone_mode=False) or exit_codes.OK
    except UsageError as error:
        print_usage_error(error)
        code = exit_codes.USAGE
    except typer.Abort:
        log.error("aborted: nothing was changed")
        code = exit_codes.USAGE
    except WeighbridgeError as error:
        text = "\n".join(part for part in (str(error), exit_codes.remedy(error)) if part)
        code = exit_codes.exit_code(error)
        say(CommandFailed(code, text), error if log.isEnabledFor(logging.DEBUG) else None)
    except Exception:
        log.exception("this is a bug in Weighbridge or in the task's code: please report it with these lines")
        code = exit_codes.BUG
    sys.exit(code)
