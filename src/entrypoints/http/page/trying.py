"""The form that tries the model: its fields from the schema, and what a filled one comes to."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from weighbridge.domain.data.ranges import training_ranges
from weighbridge.domain.data.schema import Category, Feature, Number
from weighbridge.domain.model.predictor import Answer, Classification
from weighbridge.domain.serving.service import LoadedModel
from weighbridge.entrypoints.http.errors import RequestProblem
from weighbridge.entrypoints.http.paths import API


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form.

    Args:
        name: of the feature.
        levels: to choose from; empty for a number.
        minimum: of a number, as text; empty for none.
        maximum: likewise.
        unit: of a number; empty for none.
        low: where a what-if curve begins, as text; empty for a category.
        high: where it ends.
        hint: what may be filled in, in words.
        value: what is filled in.
        problem: what is wrong with that; empty when nothing is.
    """

    name: str
    levels: tuple[str, ...]
    minimum: str
    maximum: str
    unit: str
    low: str
    high: str
    hint: str
    value: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a form that was sent.

    Args:
        values: as they were filled in.
        shown: the prediction in words; empty when there is none.
        probabilities: by level, for a class.
        version: that predicted.
        outside: the features outside their range in training.
        curl: the same as a command.
        problem: why there is no prediction.
        problems: by field.
    """

    values: Mapping[str, str]
    shown: str = ""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    version: str = ""
    outside: tuple[str, ...] = ()
    curl: str = ""
    problem: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)


def fields_of(model: LoadedModel, tried: Tried | None) -> list[Field]:
    """The fields for a model's schema, filled in with what was tried, else with a row that it knows."""
    golden = model.release.record.golden
    first: Mapping[str, Any] = golden[0].inputs if golden else {}
    ranges = training_ranges(model.release.document)
    fields = []
    for feature in model.schema.features:
        known = first.get(feature.name, "")
        value = tried.values.get(feature.name, "") if tried else _example(feature, known)
        problem = tried.problems.get(feature.name, "") if tried else ""
        fields.append(_field(feature, ranges.get(feature.name), value, problem))
    return fields


def row_of(model: LoadedModel, filled: Mapping[str, str]) -> bytes:
    """The row of a form as the JSON that the API takes; what is no number stays text, for the schema to refuse."""
    row: dict[str, Any] = {}
    for feature in model.schema.features:
        text = filled.get(feature.name, "")
        row[feature.name] = text if isinstance(feature, Category) else _number(text)
    return json.dumps(row).encode()


def answered(
    model: LoadedModel, filled: Mapping[str, str], value: Answer, outside: Sequence[str], curl: str
) -> Tried:
    """A form with its prediction."""
    target = model.schema.target
    version = model.release.version.qualified
    if isinstance(target, Category):
        label, likely = cast("Classification", value)
        probabilities = dict(zip(target.levels, likely, strict=True))
        return Tried(filled, str(label), probabilities, version, tuple(outside), curl)
    unit = target.unit
    shown = f"{value:.6g}{f' {unit}' if unit else ''}"
    return Tried(filled, shown, {}, version, tuple(outside), curl)


def refused(filled: Mapping[str, str], problem: RequestProblem) -> Tried:
    """A form that got no prediction."""
    problems = {str(one["field"]): str(one["message"]) for one in problem.errors or () if one["field"]}
    return Tried(filled, problem="The row was not admitted." if problems else problem.detail, problems=problems)


def curl_command(address: str, task: str, body: bytes, has_keys: bool) -> str:
    """The command for a shell that asks the same; a key comes from a variable."""
    key = ' -H "Authorization: Bearer $WEIGHBRIDGE_KEY"' if has_keys else ""
    text = body.decode()
    url = f"{address.rstrip('/')}{API}/{task}"
    return f"curl -H 'Content-Type: application/json'{key} -d {shlex.quote(text)} {shlex.quote(url)}"


def plain(value: object) -> str:
    """A value as people write it: no fraction where there is none."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)


def _example(feature: Feature, known: object) -> str:
    """A known value, in few digits where they are admitted."""
    if isinstance(known, float):
        few = float(f"{known:.5g}")
        return plain(few if feature.admits(few) else known)
    return plain(known)


def _field(feature: Feature, trained: tuple[float, float] | None, value: str, problem: str) -> Field:
    if isinstance(feature, Category):
        return Field(feature.name, feature.levels, "", "", "", "", "", "", value, problem)
    minimum, maximum = ("" if one is None else plain(one) for one in (feature.minimum, feature.maximum))
    low, high = _span(feature, trained, value)
    unit = f" {feature.unit}" if feature.unit else ""
    allowed = (
        f"{minimum} to {maximum}{unit}"
        if minimum and maximum
        else f"from {minimum}{unit}"
        if minimum
        else f"up to {maximum}{unit}"
        if maximum
        else f"any number{unit and ' of'}{unit}"
    )
    seen = f"; {trained[0]:.6g} to {trained[1]:.6g} in training" if trained else ""
    hint = f"{allowed}{seen}"
    return Field(feature.name, (), minimum, maximum, feature.unit, repr(low), repr(high), hint, value, problem)


def _span(feature: Number, trained: tuple[float, float] | None, value: str) -> tuple[float, float]:
    """Where a curve along the feature runs: the range in training, else what is allowed, else around the value."""
    least = -math.inf if feature.minimum is None else feature.minimum
    greatest = math.inf if feature.maximum is None else feature.maximum
    low, high = trained or (least, greatest)
    low, high = max(low, least), min(high, greatest)
    if low < high and math.isfinite(low) and math.isfinite(high):
        return float(low), float(high)
    number = _number(value)
    centre = 0.0 if isinstance(number, str) else float(number)
    centre = min(max(centre, least), greatest)
    low, high = max(centre - max(1.0, abs(centre)), least), min(centre + max(1.0, abs(centre)), greatest)
    return float(low), float(high)


def _number(text: str) -> float | int | str:
    cleaned = text.strip()
    # What Python reads beyond what a field for numbers takes: digits of other scripts, 1_000.
    if not cleaned.isascii() or "_" in cleaned:
        return text
    try:
        return int(cleaned)
    except ValueError:
        pass
    try:
        number = float(cleaned)
    except ValueError:
        return text
    return number if math.isfinite(number) else text
