"""Two records side by side."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from weighbridge.domain.evaluation.reason import read_reasons


@dataclass(frozen=True, slots=True)
class Compared:
    """One field of two records.

    Args:
        section: what it belongs to.
        field: its name.
        one: its value in the first record, as plain data; None when it has none. A null is a text here.
        other: its value in the second.
    """

    section: str
    field: str
    one: Any
    other: Any

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return bool(self.one != self.other)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "section": self.section,
            "field": self.field,
            "a": self.one,
            "b": self.other,
            "differs": self.differs,
        }


def compare_records(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[Compared]:
    """Every field that is worth comparing, whether or not it differs: what only one has is there too."""
    first, second = dict(_fields(one)), dict(_fields(other))
    order = sorted({*first, *second}, key=_place(first, second))
    return [Compared(*place, first.get(place), second.get(place)) for place in order]


def _place(first: Mapping[tuple[str, str], Any], second: Mapping[tuple[str, str], Any]) -> Any:
    """By section, and within one in the order of the first record, then of the second."""
    fields = list(dict.fromkeys((*first, *second)))
    sections = list(dict.fromkeys(section for section, _ in fields))
    return lambda place: (sections.index(place[0]), fields.index(place))


def _fields(record: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    yield from _outcome(record)
    yield from _training(record)
    yield from _origin(record)


def _outcome(record: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    decision = record["decision"]
    yield ("decision", "verdict"), decision["verdict"]
    yield ("decision", "reasons"), "; ".join(reason.text for reason in read_reasons(record))
    for name, value in record["metrics"].items():
        yield ("metrics", name), "undefined" if value is None else value
    for threshold in record.get("thresholds", ()):
        of = f" by {threshold['slice_by']}" if "slice_by" in threshold else ""
        levels = {"error": threshold["error"], "warning": threshold["warning"]}
        yield ("thresholds", f"{threshold['metric']}{of}"), json.dumps(levels)
    for check in record["checks"]:
        yield ("checks", check["name"]), "passed" if check["passed"] else "FAILED"


def _training(record: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    training = record["training"]
    yield ("parameters", "estimator"), training["estimator"]
    for name, value in training["params"].items():
        yield ("parameters", name), "None" if value is None else value
    for name in ("kind", "points", "folds", "score", "scoring"):
        yield ("search", name), training["search"][name]
    for name, value in training["split"].items():
        yield ("split", name), "None" if value is None else value
    for name in ("key", "sha256", "size", "rows"):
        yield ("dataset", name), record["dataset"][name]


def _origin(record: Mapping[str, Any]) -> Iterator[tuple[tuple[str, str], Any]]:
    schema = record["schema"]
    for feature in schema["features"]:
        yield ("schema", f"feature {feature['name']}"), _column(feature)
    yield ("schema", "target"), f"{schema['target']['name']}: {_column(schema['target'])}"
    yield ("schema", "prediction"), schema["prediction"]
    for name in ("format", "size"):
        yield ("model", name), record["model"][name]
    for name in ("revision", "version"):
        yield ("code", name), record["code"][name]
    yield ("code", "task fingerprint"), record.get("task_fingerprint", "")
    for name, version in record["libraries"].items():
        yield ("libraries", name), version


def _column(column: Mapping[str, Any]) -> str:
    if column["type"] == "category":
        return f"one of {', '.join(column['levels'])}"
    bounds = [
        f"{word} {column[name]:g}"
        for word, name in (("from", "minimum"), ("to", "maximum"))
        if column.get(name) is not None
    ]
    return " ".join(["number", *bounds])
