"""Predicting the rows of a table, piece by piece, in bounded memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from weighbridge.domain.data.column_admission import LISTED, Examined, examine_columns
from weighbridge.domain.data.columns import Array, Encoded
from weighbridge.domain.data.schema import Category
from weighbridge.domain.data.tables import Answered, Chunk, Output, TableReader, TableWriter
from weighbridge.domain.errors import DataError, DataTooLarge, Problem
from weighbridge.domain.serving.column_predictor import ColumnPredictor
from weighbridge.domain.serving.decoded_model import DecodedModel
from weighbridge.domain.serving.row_predictor import NOT_FINITE


@dataclass(slots=True)
class BatchResult:
    """What became of a table: how many rows it had, how many were bad, and were outside of a feature's range."""

    rows: int = 0
    skipped: int = 0
    outside: dict[str, int] = field(default_factory=dict)


def output_of(model: DecodedModel, *, echo: bool, skips: bool, csv_safe: bool = False) -> Output:
    """How the predictions of a model are written."""
    target = model.schema.target
    levels = target.levels if isinstance(target, Category) else ()
    return Output(model.schema.prediction, levels, model.release.version.qualified, echo, skips, csv_safe)


def predict_table(
    predictor: ColumnPredictor,
    reader: TableReader,
    writer: TableWriter,
    output: Output,
    *,
    subject: str = "the rows",
    others_allowed: bool = False,
    most_rows: int | None = None,
    listed: int = LISTED,
    progress: Callable[[int], None] = lambda _rows: None,
) -> BatchResult:
    """Predict every row of a table.

    Args:
        predictor: of a model; it predicts chunk by chunk, and is not told that the table is answered.
        reader: gives the rows.
        writer: takes rows and predictions, and is finished when all is well.
        output: how they are written; where it skips, bad rows are reported and not predicted.
        subject: what the rows are of, for messages.
        others_allowed: whether columns that are no features are ignored.
        most_rows: that a table may have; None for any number.
        listed: how many problems a refusal lists.
        progress: told of how many rows of each chunk were predicted.

    Raises:
        DataError: it is no table of the model's features; or rows are bad, and the output does not skip. Every
            row was looked at by then, but what was written is worth nothing.
        DataTooLarge: it has more rows.
        ModelError: the model fails.
    """
    schema = predictor.model.schema
    result, problems, more = BatchResult(), list[Problem](), 0
    for chunk in reader.chunks():
        result.rows += chunk.rows
        if most_rows is not None and result.rows > most_rows:
            raise DataTooLarge(subject, [Problem(f"there are more rows than the {most_rows:,} that are allowed")])
        _check_echo(output, chunk, subject)
        examined = examine_columns(
            schema, chunk.columns, subject, first_row=chunk.first_row, others_allowed=others_allowed
        )
        bad = _bad_rows(chunk, examined)
        if bad and not output.skips:
            more += _list(problems, bad, listed)
        if problems:
            # It is refused in any case; what is left is to tell what else is wrong.
            continue
        answered, outside = _answered(predictor, chunk, examined, bad)
        if answered.problems and not output.skips:
            more += _list(problems, answered.problems, listed)
            continue
        for name, count in outside.items():
            result.outside[name] = result.outside.get(name, 0) + count
        result.skipped += len(answered.problems)
        progress(chunk.rows - len(answered.problems))
        writer.write(chunk, answered)
    if problems:
        raise DataError(subject, problems, more)
    writer.finish()
    return result


def _check_echo(output: Output, chunk: Chunk, subject: str) -> None:
    taken = [name for name in output.added_columns() if name in chunk.columns] if output.echo else []
    if taken:
        raise DataError(
            subject,
            [
                Problem("the input has a column of this name, beside which no answer of it can stand", name)
                for name in taken
            ],
        )


def _bad_rows(chunk: Chunk, examined: Examined) -> dict[int, list[Problem]]:
    found: dict[int, list[Problem]] = defaultdict(list)
    for problem in chunk.faults:
        found[int(problem.row or 0) - chunk.first_row].append(problem)
    # Of a row that is none its cells tell nothing.
    told = {int(problem.row or 0) - chunk.first_row for problem in chunk.faults if problem.column is None}
    for problem in examined.problems():
        place = int(problem.row or 0) - chunk.first_row
        if place not in told:
            found[place].append(problem)
    return dict(sorted(found.items()))


def _list(problems: list[Problem], bad: Mapping[int, Sequence[Problem]], listed: int) -> int:
    """Take so many problems into the list; how many more there are."""
    every = [problem for row in bad.values() for problem in row]
    room = listed - len(problems)
    problems += every[:room]
    return max(0, len(every) - room)


def _answered(
    predictor: ColumnPredictor, chunk: Chunk, examined: Examined, bad: dict[int, list[Problem]]
) -> tuple[Answered, Mapping[str, int]]:
    """What the rows are answered, and for each feature how many of them are outside its range in training."""
    good: Array | None = None
    columns = examined.columns
    if bad:
        good = np.ones(chunk.rows, bool)
        good[list(bad)] = False
        columns = columns.take(good)
    found = predictor.predict(columns)
    predicted, likely = found.predicted, found.probabilities
    if found.finite is not None:
        places = np.arange(chunk.rows) if good is None else np.flatnonzero(good)
        for place in places[~found.finite].tolist():
            bad[place] = [Problem(NOT_FINITE, row=chunk.first_row + place)]
        bad = dict(sorted(bad.items()))
    if good is not None:
        # For each row the place of its prediction; what stands in a bad row is not written.
        places = np.maximum(np.cumsum(good) - 1, 0)
        if not columns.rows:
            predicted, likely = _nothing(predictor.model, chunk.rows)
        elif isinstance(predicted, Encoded):
            predicted, likely = predicted.take(places), None
        else:
            predicted, likely = predicted[places], None if likely is None else likely[places]
    return Answered(predicted, likely, bad), found.outside


def _nothing(model: DecodedModel, rows: int) -> tuple[Array, Array | None]:
    """Predictions of rows that are all bad."""
    target = model.schema.target
    if isinstance(target, Category):
        return np.full(rows, target.levels[0], object), np.zeros((rows, len(target.levels)))
    return np.zeros(rows), None
