"""Releases and refusals as people read them: tables, and a record laid out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Schema
from weighbridge.domain.evaluation.gate import GateDecision, Verdict
from weighbridge.domain.evaluation.reason import read_reasons

if TYPE_CHECKING:
    from weighbridge.domain.registry.promotions import Promotion
    from weighbridge.domain.registry.record_diff import Compared

#: So many metrics at most stand in a line of a list; those of single levels never do.
_HEADLINES = 3


def when(moment: str) -> str:
    """A time of a record, as lists show it."""
    return moment.replace("T", " ").removesuffix("Z")


def headlines(metrics: Mapping[str, float | None]) -> str:
    """The first metrics of all rows, in a line."""
    whole = [(name, value) for name, value in metrics.items() if "[" not in name]
    return ", ".join(f"{name} {undefined_or(value, '.4f')}" for name, value in whole[:_HEADLINES])


def summary_of(record: Mapping[str, Any]) -> str:
    """The verdict of a record of any layout in one line, such as ``Refused: 2 errors, 1 warning``."""
    return GateDecision(Verdict(record["decision"]["verdict"]), read_reasons(record)).summary


def reasons_of(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The reasons for a verdict as severity (``error`` or ``warning``) and text, errors first."""
    return [(str(reason.severity), reason.shown) for reason in read_reasons(record)]


def first_reason(record: Mapping[str, Any]) -> str:
    """The first reason for a verdict, without its slices, and how many more there are."""
    reasons = read_reasons(record)
    if not reasons:
        return ""
    first = reasons[0].text.partition("; worst slices: ")[0]
    return first if len(reasons) == 1 else f"{first} (and {len(reasons) - 1} more)"


def levels_of(record: Mapping[str, Any], metric: str) -> str:
    """The levels of a metric's threshold, in brackets; empty where it has none."""
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


def layout_of_record(record: Mapping[str, Any], live: Promotion | None) -> Iterator[tuple[str, str]]:
    """A record as lines of a name and a text: the outcome, what it was evaluated by, where it is from.

    Args:
        record: of a release, or of a refused candidate.
        live: the promotion that made it the live one; None when it is not that.
    """
    model = record["model"]
    yield "version", record["version"]
    yield "task", record["task"]
    yield "created at", record["created_at"]
    yield "verdict", summary_of(record)
    yield from reasons_of(record)
    if live is not None:
        yield "live", f"since {when(live.to_dict()['promoted_at'])}, by {live.by}: {live.reason}"
        if live.hold:
            yield "hold", "later trainings publish without promoting"
    for name, value in record["metrics"].items():
        yield name, f"{undefined_or(value, '.6g')}{levels_of(record, name)}"
    for check in record["checks"]:
        yield "check", f"{'passed' if check['passed'] else 'FAILED'}: {check['name']} ({check['detail']})"
    yield from _evaluation(record)
    yield from _origin(record)
    where = f"{model['key']} ({model['size']:,} bytes)"
    yield "model", where if model["key"] is not None else f"not kept ({model['format']}, {model['size']:,} bytes)"
    yield "model sha256", model["sha256"]
    yield "parity", ", ".join(f"{name} {value}" for name, value in model["parity"].items() if value != [])
    yield "golden rows", str(len(record["golden"]))
    yield "code", f"{record['code']['version']}, revision {record['code']['revision']}"
    yield "libraries", ", ".join(f"{name} {version}" for name, version in record["libraries"].items())


def layout_of_comparison(rows: Sequence[Compared]) -> Iterator[tuple[str, str, str, str, str]]:
    """Each field in a line; a star marks what differs."""
    for row in rows:
        yield "*" if row.differs else "", row.section, row.field, _cell(row.one), _cell(row.other)


def _evaluation(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    comparison = record.get("comparison") or {}
    for name, both in comparison.get("metrics", {}).items():
        yield (
            f"live {name}",
            f"{undefined_or(both['live'], '.6g')} of {comparison['live_version']} on the same rows, "
            f"against {undefined_or(both['candidate'], '.6g')}",
        )
    if comparison.get("note"):
        yield "not compared", comparison["note"]
    findings = record.get("findings", ())
    for finding in findings:
        if finding["level"] != "ok":
            yield finding["level"], f"{finding['name']}: {finding['detail']}"
    if findings:
        yield "rules", f"{sum(one['level'] == 'ok' for one in findings)} of {len(findings)} passed"


def _origin(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    training, dataset = record["training"], record["dataset"]
    search, split = training["search"], training["split"]
    yield "dataset", f"{dataset['key']} ({dataset['rows']:,} rows, {dataset['size']:,} bytes)"
    yield "dataset sha256", dataset["sha256"]
    if "train_rows" in split:
        parts = f"{split['train_rows']:,} rows to train on, {split['test_rows']:,} to test on"
        yield "split", f"{parts}, seed {split['seed']}"
    schema = Schema.from_dict(record["schema"])
    for feature in schema.features:
        yield "feature", f"{feature.name}: {feature.expectation}"
    yield "target", f"{schema.target.name}, predicted as {schema.prediction}"
    yield "estimator", training["estimator"]
    for name, value in training["params"].items():
        yield f"  {name}", str(value)
    candidates = f"{search['kind']}, {search['points']:,} candidates, {search['folds']} folds"
    yield "search", f"{candidates}, best {search['scoring']} {search['score']:.6g}"
    yield "seconds", f"{training['seconds']:g}"


def undefined_or(value: float | None, how: str) -> str:
    """A metric in this format, or that it is undefined."""
    return "undefined" if value is None else format(value, how)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)
