"""The section of a report about slices: how well each level of a category is predicted, with its size."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from weighbridge.domain.data.schema import Category
from weighbridge.domain.evaluation.metrics import METRICS, Slice, measure_slice, metric_named
from weighbridge.domain.report.figures import Bars, Figure, Limit
from weighbridge.domain.report.shapes import Section, Table
from weighbridge.domain.report.wording import counted, named, rounded, short, unit_of_metric

if TYPE_CHECKING:
    from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate

#: Bars in one figure; the worst are shown.
BARS = 16
#: Rows of the table.
TABLE_ROWS = 60
#: Categories that are looked at beside those that have thresholds.
CATEGORIES = 3


def slices_section(evaluated: EvaluatedCandidate) -> Section:
    """Slices that have thresholds, then those by the first categories among the features."""
    test, predicted = evaluated.parts.test, evaluated.evaluation.predicted
    levels = {(one.metric, one.slice_by): one for one in evaluated.task.thresholds if one.slice_by is not None}
    figures, rows = [], []
    for piece in _slices(evaluated):
        scores = measure_slice(piece, test, predicted)
        sizes = test.frame[piece.by].value_counts()
        unit = unit_of_metric(piece.metric, evaluated.task.schema)
        worst_first = sorted(
            scores, key=lambda level: scores[level] * (1 if metric_named(piece.metric).greater_is_better else -1)
        )
        shown = [level for level in worst_first if math.isfinite(scores[level])][:BARS]
        threshold = levels.get((piece.metric, piece.by))
        limits = (
            () if threshold is None else (Limit(threshold.error, "refuses"), Limit(threshold.warning, "warns"))
        )
        faults = [
            at
            for at, level in enumerate(shown)
            if threshold is not None and threshold.evaluate(scores[level]) is not None
        ]
        rows += [
            (short(piece.by), short(level), f"{int(sizes[level]):,}", piece.metric, rounded(scores[level], unit))
            for level in worst_first
        ]
        small = len(sizes) - len(scores)
        left_out = len(scores) - len(shown)
        note = " ".join(
            filter(
                None,
                [
                    f"The worst {len(shown)} of {len(scores)} levels." if left_out else "",
                    f"{counted(small, 'level')} with fewer than {piece.smallest} test rows." if small else "",
                ],
            )
        )
        if shown:
            figures.append(
                Figure(
                    f"{piece.metric} by {short(piece.by)}",
                    f"Bars, worst first: {piece.metric} of each level of {piece.by} on its test rows; the worst "
                    f"is {shown[0]} with {rounded(scores[shown[0]], unit)}.",
                    note,
                    bars=Bars(
                        named(piece.metric, unit),
                        tuple(short(level, 24) for level in shown),
                        ((piece.metric, tuple(scores[level] for level in shown)),),
                        faults=tuple(faults),
                        limits=limits,
                        notes=tuple(counted(int(sizes[level]), "row") for level in shown),
                    ),
                )
            )
    if not rows:
        return Section("slices", "Slices", ("Skipped: no category has a level with enough test rows.",))
    lead = "How well each level of a category is predicted on the test rows. Each bar says how many rows it has."
    cut = f"; the first {TABLE_ROWS} of {len(rows)}" if len(rows) > TABLE_ROWS else ""
    table = Table(
        f"Slices with their sizes{cut}",
        ("Category", "Level", "Test rows", "Metric", "Value"),
        tuple(rows[:TABLE_ROWS]),
    )
    return Section("slices", "Slices", (lead,), tuple(figures), (table,))


def _slices(evaluated: EvaluatedCandidate) -> Iterator[Slice]:
    sliced = [one.slice for one in evaluated.task.thresholds if one.slice is not None]
    yield from sliced
    first = evaluated.task.thresholds[0].metric
    plain = first in METRICS and first not in ("log_loss", "roc_auc")
    by_class = isinstance(evaluated.task.schema.target, Category)
    metric = first if plain else "accuracy" if by_class else "r2"
    categories = [feature.name for feature in evaluated.task.schema.features if isinstance(feature, Category)]
    known = {piece.by for piece in sliced}
    for name in [name for name in categories if name not in known][:CATEGORIES]:
        yield Slice(metric, name, int(np.clip(len(evaluated.parts.test) // 50, 2, 30)))
