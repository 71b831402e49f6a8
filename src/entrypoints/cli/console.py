"""What commands print on stdout: JSON for machines, tables and short reports for people."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from weighbridge.domain.reproduction import Reproduction
    from weighbridge.domain.workflow import TrainingResult


def print_json(document: object) -> None:
    """One JSON document, and nothing else."""
    print(json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))


def print_json_line(document: object) -> None:
    """One JSON document on a line of its own, at once: more may follow, much later."""
    print(json.dumps(document, ensure_ascii=False, allow_nan=False), flush=True)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table without lines. A row is one line however long it is: it can be cut, searched and copied from."""
    lines = [columns, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_training(result: TrainingResult) -> None:
    """How a training ended, for people: numbers first, then every check, then what became of it."""
    from weighbridge.domain.workflow import Outcome

    record = result.document
    say = Console(highlight=False, soft_wrap=True, markup=False).print
    say(f"dataset   {record['dataset']['key']} ({record['dataset']['rows']:,} rows)")
    search = record["training"]["search"]
    say(f"search    {search['points']:,} points, best {search['scoring']} {search['score']:.4f} over its folds")
    for name, value in record["metrics"].items():
        say(f"metric    {name} {'undefined' if value is None else format(value, '.4f')}{levels_of(record, name)}")
    for check in record["checks"]:
        say(f"check     {'passed' if check['passed'] else 'FAILED'}: {check['name']} ({check['detail']})")
    say(f"verdict   {record['decision']['verdict'].replace('_', ' ')}")
    for reason in record["decision"]["reasons"]:
        say(f"reason    {reason}")
    model = record["model"]
    if model["key"] is not None:
        say(f"model     {model['key']} ({model['size']:,} bytes)")
    report = record.get("report") or {}
    if "key" in report:
        say(f"report    {report['key']} (look: weighbridge models report {record['version']} --open)")
    elif "problem" in report:
        say(f"report    none: {report['problem']}")
    if result.outcome is Outcome.NOTHING_NEW:
        say("nothing to do: this dataset has been trained on; --force trains on it again")
    say(f"live      {result.live if result.live is not None else 'nothing'}")


def print_reproduction(reproduction: Reproduction) -> None:
    """What differs in the environment first, then everything that was compared."""
    if reproduction.environment:
        print("the environment is not the one that is recorded, which alone may change numbers:")
        rows = [(one.what, one.recorded, one.reproduced) for one in reproduction.environment]
        print_table(("WHAT", "RECORDED", "NOW"), rows)
    compared = [
        ("same" if one.same else "DIFFERENT", one.what, _short(one.recorded), _short(one.reproduced))
        for one in reproduction.results
    ]
    print_table(("RESULT", "WHAT", "RECORDED", "REPRODUCED"), compared)
    verdict = "reproduced to the last bit" if reproduction.holds else "NOT reproduced"
    print(f"{reproduction.version} was {verdict}")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:37]}..."


def levels_of(record: Mapping[str, Any], metric: str) -> str:
    """The levels that a metric was weighed by, in brackets; empty where it was weighed by none."""
    levels = [
        f" (error {threshold['error']:g}, warning {threshold['warning']:g})"
        for threshold in record.get("thresholds", ())
        if (
            metric.startswith(f"{threshold['metric']}[{threshold['slice_by']}=")
            if "slice_by" in threshold
            else metric == threshold["metric"]
        )
    ]
    return "".join(levels)
