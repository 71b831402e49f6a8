"""How a training ended, for people: what became of it and why first, then what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console

from weighbridge.entrypoints.cli.record_texts import levels_of, reasons_of, summary_of, undefined_or

if TYPE_CHECKING:
    from weighbridge.domain.registry.promotions import Promotion
    from weighbridge.domain.workflow import TrainingResult

_STYLES = {"error": "bold red", "warning": "yellow"}


def print_training(result: TrainingResult, live: Promotion | None = None) -> None:
    """Print the outcome, every reason with its severity, what is live, and the metrics and checks.

    Colours are for terminals; ``NO_COLOR`` and ``TERM=dumb`` switch them off.

    Args:
        result: of the training.
        live: the newest promotion, which tells whether the live model is held; None when nothing is live.
    """
    from weighbridge.domain.workflow import Outcome

    record, terminal = result.document, Console(highlight=False, soft_wrap=True, markup=False)
    if result.outcome is Outcome.NOTHING_NEW:
        terminal.print("nothing to do: this dataset was trained on already; --force trains on it again")
    is_refused = record["decision"]["verdict"] == "reject"
    terminal.print(
        f"verdict   {summary_of(record)}",
        style="bold red" if is_refused else "bold green",
    )
    for severity, text in reasons_of(record):
        terminal.print(f"{severity:9} {text}", style=_STYLES[severity])
    terminal.print(f"live      {'nothing' if result.live is None else result.live}")
    if live is not None and live.hold:
        is_kept_back = not is_refused and str(live.version) != record["version"]
        what = f"{record['version']} is published but not live" if is_kept_back else "later trainings only publish"
        terminal.print(f"hold      {what}: {live.reason} ({live.by})", style="yellow")
    terminal.print(f"dataset   {record['dataset']['key']} ({record['dataset']['rows']:,} rows)")
    terminal.print(f"search    {_search(record['training']['search'])}")
    for name, value in record["metrics"].items():
        terminal.print(f"metric    {name} {undefined_or(value, '.4f')}{levels_of(record, name)}")
    for check in record["checks"]:
        style = None if check["passed"] else "bold red"
        outcome = "passed" if check["passed"] else "FAILED"
        terminal.print(f"check     {outcome}: {check['name']} ({check['detail']})", style=style)
    model, report = record["model"], record.get("report") or {}
    if model["key"] is not None:
        terminal.print(f"model     {model['key']} ({model['size']:,} bytes)")
    if "key" in report:
        terminal.print(f"report    {report['key']} (weighbridge models report {record['version']} --open)")
    elif "problem" in report:
        terminal.print(f"report    none: {report['problem']}", style="yellow")


def _search(search: Mapping[str, Any]) -> str:
    count = f"{search['points']:,} {'candidate' if search['points'] == 1 else 'candidates'}"
    return f"{count}, best {search['scoring']} {search['score']:.4f} in {search['folds']}-fold cross-validation"
