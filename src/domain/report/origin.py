"""The last section of a report: where the model comes from, and how to reproduce it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from weighbridge.domain.report.shapes import Section, Table

if TYPE_CHECKING:
    from weighbridge.domain.registry.provenance import Record


def origin_section(record: Record, command: str) -> Section:
    """Provenance as tables to copy from, and the command that reproduces the model.

    Args:
        record: of the evaluation.
        command: without the version.
    """
    source, code, model, training = record.dataset, record.code, record.model, record.training
    search = training.search
    facts = (
        ("version", record.version),
        ("created", record.created_at.isoformat().replace("+00:00", "Z")),
        ("dataset", source.key),
        ("dataset sha256", source.sha256),
        ("dataset size", f"{source.size:,} bytes, {source.rows:,} rows"),
        ("dataset revision", source.revision or "none"),
        ("dataset version id", source.version_id or "none"),
        ("code version", code.version),
        ("code revision", code.revision),
        ("estimator", training.estimator),
        (
            "search",
            f"{search.kind}, {search.points:,} candidates, {search.folds} folds, "
            f"{search.scoring} {search.score!r}",
        ),
        ("seed", str(training.seed)),
        ("split", _pairs(training.split)),
        ("model", model.key or "not kept, as it was refused"),
        ("model format", model.format),
        ("model sha256", model.sha256),
        ("model size", f"{model.size:,} bytes"),
        ("parity", _pairs(model.parity)),
        ("schema fingerprint", record.schema.fingerprint),
        ("task fingerprint", record.task_fingerprint),
    )
    tables = [Table("Provenance", ("Field", "Value"), facts)]
    if training.params:
        rows = tuple((name, str(value)) for name, value in training.params.items())
        tables.append(Table("Parameters", ("Parameter", "Value"), rows))
    tables.append(Table("Libraries", ("Library", "Version"), tuple(record.libraries.items())))
    phases = tuple(
        (str(phase["name"]), f"{phase['seconds']:,.3f} s", f"{phase['peak_bytes'] / 1e6:,.0f} MB")
        for phase in record.phases
    )
    tables.append(Table("Phases", ("Phase", "Seconds", "Peak memory by its end"), phases))
    lead = "Train it again from its record and compare, bit by bit:"
    return Section(
        "provenance",
        "Provenance",
        (lead,),
        tables=tuple(tables),
        command=f"weighbridge reproduce {record.version}{command}",
    )


def _pairs(data: Mapping[str, Any]) -> str:
    return (
        ", ".join(f"{name} {_plain(value)}" for name, value in data.items() if value not in (None, [], ""))
        or "none"
    )


def _plain(value: Any) -> str:
    return "; ".join(map(str, value)) if isinstance(value, Iterable) and not isinstance(value, str) else str(value)
