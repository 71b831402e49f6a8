"""What a CSV file says about the task that it was made for: types, ranges and levels. All of it is a guess."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.dataset import SplitSpec
from weighbridge.domain.data.schema import Category, Feature, Number, Schema
from weighbridge.domain.errors import ConfigurationError, DataError, Problem

if TYPE_CHECKING:
    import pandas as pd

    from weighbridge.domain.data.dataset_reader import DatasetReader
    from weighbridge.domain.store.artefacts import Artefact

#: A column of texts with more different ones than this is no category.
MOST_LEVELS = 200
#: Nor is one with more than this that repeats them less than twice on average: names, identifiers, free text.
MANY_LEVELS = 20
#: A column of which at least this share is numbers is one of numbers, with faults.
MOSTLY = 0.9
#: A target of whole numbers that counts from 0 or 1 to no more than this is a column of codes.
MOST_CODES = 10
#: A level with fewer rows than this is too rare to keep shares of it.
FEW_ROWS = 20


@dataclass(frozen=True, slots=True)
class Column:
    """A column and what was seen in it.

    Args:
        feature: its guessed type, with guessed bounds or the levels that were seen.
        seen: what the guess rests on, in words; never the data's own texts.
        rarest: for a category, how many rows its rarest level has.
    """

    feature: Feature
    seen: str
    rarest: int = 0


@dataclass(frozen=True, slots=True)
class Inference:
    """What was inferred from a file; ``schema`` and ``split`` were tried on its rows."""

    features: tuple[Column, ...]
    target: Column
    schema: Schema
    split: SplitSpec
    rows: int


def infer(data: Artefact, target: str | None, folds: int, reader: DatasetReader) -> Inference:
    """Infer a task's columns from a CSV file.

    Args:
        data: the file; its key ends in ``.csv``.
        target: the column to predict; None for the last one.
        folds: of the cross-validation that the split has to feed.
        reader: reads it, as it will for training.

    Raises:
        ConfigurationError: there is no such target.
        DataError: nothing can be read, or no task could admit and split these rows: columns without a name,
            cells without a value, texts that are no categories, a target with one value, too few rows.
    """
    from weighbridge.domain.data.admission import admit
    from weighbridge.domain.data.dataset import split

    subject = data.ref.key
    texts = _texts(data, reader)
    names = [str(name) for name in texts.columns]
    _refuse_unnamed(subject, names)
    if target is not None and target not in names:
        raise ConfigurationError(
            f"--target is '{target}'; the columns of '{data.ref.name}' are {', '.join(names)}"
        )
    if len(names) == 1:
        raise DataError(subject, [Problem("one column is too few: a target and at least one feature are needed")])
    if not len(texts):
        raise DataError(subject, [Problem("there are no rows")])
    target = names[-1] if target is None else target
    problems: list[Problem] = []
    columns = [_column(texts[name], problems, name == target) for name in names]
    features = tuple(column for column in columns if column.feature.name != target)
    (answer,) = (column for column in columns if column.feature.name == target)
    if problems:
        raise DataError(subject, problems)
    schema = Schema(tuple(column.feature for column in features), answer.feature, _prediction(target))
    # The classes of a category target keep their shares without being asked for.
    stratum = None if isinstance(answer.feature, Category) else _stratum(features)
    spec = SplitSpec(test_size=0.2, stratify_by=stratum, seed=42)
    split(admit(reader.read(data, schema), schema, subject), spec, folds, subject)
    return Inference(features, answer, schema, spec, len(texts))


def snake_case(text: str, otherwise: str) -> str:
    """``text`` as the name of a task can be; where nothing is left of it, or only a number, with another."""
    words = "".join(character if character.isascii() and character.isalnum() else " " for character in text)
    name = "_".join(words.lower().split())
    return name if name[:1].isalpha() else "_".join(part for part in (otherwise, name) if part)


def _texts(data: Artefact, reader: DatasetReader) -> pd.DataFrame:
    """Every column as text, null where there is nothing."""
    names = reader.read(data, _as_text(())).columns
    return reader.read(data, _as_text([str(name) for name in names]))


def _as_text(names: Sequence[str]) -> Schema:
    # Readers take columns that are categories for text. A schema cannot do without a feature and a target.
    free = iter(name for number in range(len(names) + 2) if (name := f"none {number}") not in names)
    features = [Category(name, ("any",)) for name in names if name.strip() and name.isprintable()]
    return Schema((*features, Category(next(free), ("any",))), Number(next(free)), "any")


def _refuse_unnamed(subject: str, names: Sequence[str]) -> None:
    # pandas gives a name of its own to a column without one.
    faults = [
        Problem(f"the {number}. column has no proper name; name it in the header, or leave it out")
        for number, name in enumerate(names, 1)
        if name.startswith("Unnamed: ") or not name.strip() or not name.isprintable()
    ]
    if faults:
        raise DataError(subject, faults)


def _column(cells: pd.Series[Any], problems: list[Problem], is_target: bool) -> Column:
    name = str(cells.name)
    numbers = [_number(cell) for cell in cells if isinstance(cell, str)]
    values = [value for value in numbers if value is not None]
    if not numbers:
        problems.append(Problem("there is not a single value; leave the column out", name))
        return Column(Number(name), "nothing")
    if len(values) < MOSTLY * len(numbers):
        return _category(cells, problems, is_target)
    if is_target and len(set(values)) == 1:
        problems.append(Problem("there is one value only; there is nothing to predict", name))
    if is_target and _are_codes(cells, values):
        return _category(cells, problems, is_target)
    return _measure(name, values)


def _number(cell: str) -> float | None:
    try:
        value = math.nan if "_" in cell else float(cell)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _are_codes(cells: pd.Series[Any], values: Sequence[float]) -> bool:
    """Whether whole numbers, without a sign or a point, count from 0 or 1 on without a gap."""
    distinct = sorted(set(values))
    first = distinct[0]
    return (
        1 < len(distinct) <= MOST_CODES
        and first in (0, 1)
        and distinct == [first + step for step in range(len(distinct))]
        and all(str(cell).isdecimal() for cell in cells.dropna().unique())
    )


def _category(cells: pd.Series[Any], problems: list[Problem], is_target: bool) -> Column:
    name, counts = str(cells.name), cells.value_counts()
    levels = len(counts)
    if levels > MOST_LEVELS or (levels > MANY_LEVELS and 2 * levels > len(cells)):
        message = f"{levels:,} different texts in {len(cells):,} rows are no category"
        problems.append(Problem(f"{message}; make numbers of them, group them, or leave the column out", name))
    elif is_target and levels == 1:
        problems.append(Problem("there is one value only; there is nothing to predict", name))
    feature = Category(name, tuple(sorted(map(str, counts.index), key=_by_number)))
    seen = f"a category; its {'level is' if levels == 1 else f'{levels} levels are'} what is in the file"
    return Column(feature, seen, int(counts.min()))


def _by_number(level: str) -> tuple[float, str]:
    return (float(level) if level.isdecimal() else math.inf, level)


def _measure(name: str, values: Sequence[float]) -> Column:
    low, high, distinct = min(values), max(values), len(set(values))
    if distinct == 1:
        seen = f"a number, always {low:g} in the file; leave it out unless that will change"
        return Column(Number(name), seen)
    whole = all(value.is_integer() for value in values)
    kind = "whole numbers" if whole else "numbers"
    seen = f"{kind} from {low:g} to {high:g} in the file; the bounds leave room"
    if whole and distinct <= MOST_CODES:
        seen += f" (are the {distinct} values codes? Then it is a Category)"
    return Column(Number(name, 0 if low >= 0 else _wide(low), 0 if high <= 0 else _wide(high)), seen)


def _wide(value: float) -> float | None:
    """The least power of ten that is at least twice as far from zero; None where no float is."""
    exponent = math.floor(math.log10(abs(value)))
    while exponent < 309 and float(f"1e{exponent}") < 2 * abs(value):
        exponent += 1
    if exponent > 308:
        return None
    bound = float(f"1e{exponent}") if not 0 <= exponent < 16 else 10**exponent
    return -bound if value < 0 else bound


def _prediction(target: str) -> str:
    return f"predicted_{snake_case(target, 'target')}"


def _stratum(features: Sequence[Column]) -> str | None:
    """The first category whose every level has rows enough."""
    for column in features:
        if isinstance(column.feature, Category) and len(column.feature.levels) > 1 and column.rarest >= FEW_ROWS:
            return column.feature.name
    return None
