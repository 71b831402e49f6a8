"""A model card: what a report shows, as Markdown, under the block of metadata that model hubs read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.evaluation.metrics import metric_named
from weighbridge.domain.report.origin import origin_section
from weighbridge.domain.report.wording import rounded, unit_of, unit_of_metric

if TYPE_CHECKING:
    from weighbridge.domain.registry.provenance import Record

#: What model hubs call metrics.
_HUB_METRICS = {
    "r2": "r_squared",
    "mean_absolute_error": "mae",
    "root_mean_squared_error": "rmse",
    "f1_macro": "f1",
}


def model_card(record: Record, command_options: str = "", licence: str = "unknown") -> str:
    """The card of a release or of a refused candidate.

    Args:
        record: of its evaluation.
        command_options: what the commands of its store and task need, such as `` --store ./dir``.
        licence: under which the model may be used, as hubs name licences.
    """
    parts = [
        _metadata(record, licence),
        f"# {_text(record.task)} {record.version}",
        f"**{record.decision.summary}.**",
    ]
    if record.decision.reasons:
        reasons = [f"- {one.severity}: {_text(one.shown)}" for one in record.decision.reasons]
        parts.append("\n".join(reasons))
    parts += [
        "## What it predicts",
        *_schema(record),
        "## Metrics",
        *_metrics(record),
        "## Checks",
        *_checks(record),
    ]
    for section in (record.report or {}).get("sections", ()):
        parts.append(f"## {_text(section['title'])}")
        parts += [_text(line) for line in section["lead"]]
        figures = [f"- **{_text(one['title'])}.** {_text(one['description'])}" for one in section["figures"]]
        parts += ["\n".join(figures)] if figures else []
        for table in section["tables"]:
            parts += [f"### {_text(table['caption'])}", _table(table["columns"], table["rows"])]
    if record.findings:
        rows = [(one.name, str(one.level), one.detail) for one in record.findings]
        parts += ["## Rules about data", _table(("Rule", "Level", "Found"), rows)]
    origin = origin_section(record, command_options)
    parts += ["## Provenance", *origin.lead, f"```sh\n{origin.command}\n```"]
    for table in origin.tables:
        parts += [f"### {table.caption}", _table(table.columns, table.rows)]
    return "\n\n".join(parts) + "\n"


def _metadata(record: Record, licence: str) -> str:
    kind = "tabular-classification" if isinstance(record.schema.target, Category) else "tabular-regression"
    # JSON is YAML: so texts need no other care.
    lines = [
        "---",
        f"license: {json.dumps(licence)}",
        "library_name: sklearn",
        f"pipeline_tag: {kind}",
        f"tags: {json.dumps(['weighbridge', record.model.format, kind, record.task])}",
        f"metrics: {json.dumps([_HUB_METRICS.get(name, name) for name in record.metrics if '[' not in name])}",
        "model-index:",
        f"- name: {json.dumps(f'{record.task}/{record.version}')}",
        "  results:",
        "  - task:",
        f"      type: {kind}",
        "    dataset:",
        "      type: tabular",
        f"      name: {json.dumps(record.dataset.key, ensure_ascii=False)}",
        f"      revision: {json.dumps(record.dataset.sha256)}",
        "      split: test",
        "    metrics:",
    ]
    for name, value in record.metrics.items():
        if value == value:
            lines += [
                f"    - type: {json.dumps(_HUB_METRICS.get(name, name), ensure_ascii=False)}",
                f"      name: {json.dumps(name, ensure_ascii=False)}",
                f"      value: {value!r}",
            ]
    return "\n".join([*lines, "---"])


def _schema(record: Record) -> Iterator[str]:
    target = record.schema.target
    unit = f", in {_text(unit_of(target))}" if unit_of(target) else ""
    yield f"`{_code(record.schema.prediction)}`: {_text(target.name)}{unit}; {_text(target.expectation)}."
    rows = [(feature.name, feature.expectation, unit_of(feature)) for feature in record.schema.features]
    yield _table(("Feature", "Value", "Unit"), rows)


def _metrics(record: Record) -> Iterator[str]:
    compared = record.comparison.get("metrics", {})
    live = record.comparison.get("live_version")
    rows = []
    for name, value in record.metrics.items():
        unit = unit_of_metric(name.partition("[")[0], record.schema)
        theirs = compared.get(name, {}).get("live")
        levels = [one for one in record.thresholds if _is_of(one, name)]
        side = "below" if levels and metric_named(levels[0]["metric"]).greater_is_better else "above"
        rows.append(
            (
                name,
                rounded(value, unit),
                "none" if theirs is None else rounded(theirs, unit),
                ", ".join(f"{side} {rounded(one['warning'])}" for one in levels) or "none",
                ", ".join(f"{side} {rounded(one['error'])}" for one in levels) or "none",
            )
        )
    rows_tested = record.training.split.get("test_rows")
    yield f"On {rows_tested} test rows" + (f", beside the live model, {live}." if compared else ".")
    yield _table(("Metric", "This model", "Live model", "Warns", "Refuses"), rows)


def _is_of(threshold: Mapping[str, Any], name: str) -> bool:
    one = Threshold(**threshold)
    return name == one.metric if one.slice is None else name.startswith(one.slice.name("")[:-1])


def _checks(record: Record) -> Iterator[str]:
    rows = [(one.name, "passed" if one.passed else "FAILED", one.detail) for one in record.checks]
    yield _table(("Check", "Result", "Found"), rows) if rows else "The task has no behavioural checks."


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(text: str) -> str:
    """A text that Markdown shows as it is."""
    for mark, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(mark, instead)
    # An underscore within a word emphasises nothing.
    return " ".join(re.sub(r"[\\`*\[\]|#~]|(?<!\w)_|_(?!\w)", r"\\\g<0>", text).split())


def _code(text: str) -> str:
    return text.replace("`", "'")
