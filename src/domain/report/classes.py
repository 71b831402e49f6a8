"""The section of a report about predicted classes: the confusion matrix, and how reliable probabilities are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import IncompatibleModel
from weighbridge.domain.model.encoding import probabilities_of
from weighbridge.domain.report.figures import Curve, Curves, Figure, Grid, Histogram
from weighbridge.domain.report.sampling import Array, floats, sample_note, sampled
from weighbridge.domain.report.shapes import Section, Table
from weighbridge.domain.report.wording import counted, rounded, short

if TYPE_CHECKING:
    from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate

#: Classes of the confusion matrix, and of the other figures: those with the most rows.
MATRIX = 12
CLASSES = 6
BINS = 20
#: Bins of the reliability curve: of equal numbers of rows, and no more than leaves each so many.
RELIABILITY_BINS = 10
ROWS_PER_BIN = 20


def classes_section(evaluated: EvaluatedCandidate) -> Section:
    """The confusion matrix, the reliability of probabilities, and their distributions."""
    target = evaluated.task.schema.target
    assert isinstance(target, Category)
    test = evaluated.parts.test
    observed = test.target.to_numpy(object)
    predicted = np.asarray(evaluated.evaluation.predicted, object)
    sizes = {level: int((observed == level).sum()) for level in target.levels}
    levels = sorted(target.levels, key=lambda level: -sizes[level])
    figures, table = _confusion(levels, observed, predicted)
    right = float((observed == predicted).mean())
    lead = [f"{rounded(100 * right)} % of {counted(len(test), 'test row')} are predicted correctly."]
    chosen = sampled(len(test))
    try:
        likely = probabilities_of(evaluated.candidate.model, test.features.iloc[chosen], target)
    except IncompatibleModel as error:
        lead.append(f"There are no probabilities to show: {error}.")
        return Section("outcome", "Predicted and observed", tuple(lead), figures, table)
    # Of two classes, one determines the other.
    shown = [target.levels[1]] if len(levels) == 2 else [level for level in levels if sizes[level]][:CLASSES]
    if len(levels) > 2 and len(levels) > len(shown):
        lead.append(f"Probabilities are shown for the {len(shown)} commonest of {len(levels)} classes.")
    columns = {level: likely[:, target.levels.index(level)] for level in shown}
    note = sample_note(len(test))
    figures += (_reliability(columns, observed[chosen], note),)
    figures += tuple(_scores(level, columns[level], observed[chosen], note) for level in shown)
    return Section("outcome", "Predicted and observed", tuple(lead), figures, table)


def _confusion(
    levels: Sequence[str], observed: Array, predicted: Array
) -> tuple[tuple[Figure, ...], tuple[Table, ...]]:
    kept, rest = list(levels[:MATRIX]), len(levels) - MATRIX
    counts = [[int(((observed == row) & (predicted == column)).sum()) for column in kept] for row in kept]
    totals = [int((observed == row).sum()) for row in kept]
    names = tuple(short(level, 14) for level in kept)
    wrong = [
        (count, row, column)
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if row != column and count
    ]
    worst = "; ".join(
        f"{kept[row]} predicted as {kept[column]} {count:,} times" for count, row, column in sorted(wrong)[:-4:-1]
    )
    figure = Figure(
        "Confusion matrix",
        f"Rows are classes as observed, columns as predicted. {worst or 'No class is predicted as another'}.",
        "All test rows; colours are shares of a row."
        + (f" The {MATRIX} commonest classes; {rest} are left out." if rest > 0 else ""),
        grid=Grid(
            "predicted",
            "observed",
            names,
            names,
            tuple(
                tuple(count / total if total else None for count in line)
                for line, total in zip(counts, totals, strict=True)
            ),
            0.0,
            1.0,
            texts=tuple(tuple(f"{count:,}" for count in line) for line in counts),
            scale_label="share of the row",
        ),
    )
    rows = tuple((short(row), *(f"{count:,}" for count in line)) for row, line in zip(kept, counts, strict=True))
    return (figure,), (Table("Rows by observed and predicted class", ("Observed", *names), rows),)


def _reliability(columns: dict[str, Array], observed: Array, note: str) -> Figure:
    lines = tuple(_reliability_line(level, likely, observed == level) for level, likely in columns.items())
    apart = max((abs(x - y) for line in lines for x, y in zip(line.x, line.y, strict=True)), default=0.0)
    return Figure(
        "Reliability of probabilities",
        "Lines: the share of rows that are of a class against the probability that was predicted for it. On the "
        f"diagonal both are equal; they are apart by at most {rounded(apart)}.",
        note,
        curves=Curves("predicted probability", "share observed", lines, diagonal=True, dots=True),
    )


def _reliability_line(level: str, likely: Array, hit: Array) -> Curve:
    bins = int(np.clip(len(likely) // ROWS_PER_BIN, 1, RELIABILITY_BINS))
    parts = np.array_split(np.argsort(likely, kind="stable"), bins)
    means = [(float(likely[part].mean()), float(hit[part].mean())) for part in parts if len(part)]
    return Curve(short(level, 24), tuple(x for x, _ in means), tuple(y for _, y in means))


def _scores(level: str, likely: Array, observed: Array, note: str) -> Figure:
    edges = np.linspace(0, 1, BINS + 1)
    hit = observed == level
    groups = [(f"rows of {short(level, 20)}", likely[hit]), ("all other rows", likely[~hit])]
    medians = ", ".join(f"{name} {rounded(float(np.median(part)))}" for name, part in groups if len(part))
    return Figure(
        f"Probability of {short(level, 28)}",
        f"Histograms of the predicted probability of {level}, for rows of the class and for all others. Medians: "
        f"{medians}.",
        note,
        histogram=Histogram(
            f"predicted probability of {short(level, 24)}",
            floats(edges),
            tuple((name, floats(np.histogram(part, edges)[0] / max(1, len(part)))) for name, part in groups),
        ),
    )
