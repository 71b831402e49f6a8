"""The report of rows whose predictions are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weighbridge.domain.data.schema import Category
from weighbridge.domain.evaluation.checks.wording import shown
from weighbridge.domain.report.figures import Figure, Ranges
from weighbridge.domain.report.shapes import Table
from weighbridge.domain.report.wording import counted, rounded, short, titled, unit_of

if TYPE_CHECKING:
    from weighbridge.domain.data.dataset import Dataset
    from weighbridge.domain.evaluation.checks.known_rows import KnownRows
    from weighbridge.domain.model.fitted import FittedModel

#: Rows in the figure, and in the table; those at fault come first.
FIGURE_ROWS = 16
TABLE_ROWS = 100


def known_rows_seen(
    check: KnownRows, model: FittedModel, dataset: Dataset
) -> tuple[tuple[Figure, ...], tuple[Table, ...]]:
    """Ranges and predictions as a figure, for numbers; rows, expectations and predictions as a table."""
    import pandas as pd

    schema = dataset.schema
    frame = pd.DataFrame([schema.admit_row(row.inputs) for row in check.rows])[list(schema.feature_names)]
    predicted = np.asarray(model.predict(frame), object).tolist()
    faults = [row.fault(value) is not None for row, value in zip(check.rows, predicted, strict=True)]
    order = sorted(range(len(predicted)), key=lambda place: not faults[place])
    unit = unit_of(schema.target)
    table = Table(
        "Known rows" if len(order) <= TABLE_ROWS else f"{TABLE_ROWS} of {len(order):,} known rows",
        ("Row", "Inputs", "Expected", "Predicted", "Result"),
        tuple(
            (
                str(place + 1),
                ", ".join(f"{name} {shown(value)}" for name, value in check.rows[place].inputs.items()),
                check.rows[place].expectation.removeprefix("expected "),
                predicted[place]
                if isinstance(schema.target, Category)
                else rounded(float(predicted[place]), unit),
                "not as expected" if faults[place] else "as expected",
            )
            for place in order[:TABLE_ROWS]
        ),
    )
    kept = [place for place in order[:FIGURE_ROWS] if isinstance(predicted[place], float)]
    kept = [place for place in kept if np.isfinite(predicted[place])]
    if isinstance(schema.target, Category) or not kept:
        return (), (table,)
    figure = Figure(
        "Known rows: the allowed range and the prediction",
        "For each known row the range that is allowed and the prediction; "
        f"{counted(sum(faults), 'prediction')} of {len(order)} outside.",
        "" if len(kept) == len(order) else f"{len(kept)} of {len(order):,} rows; the others are in the table.",
        ranges=Ranges(
            f"predicted {titled(schema.target)}",
            tuple(f"row {place + 1}: {short(_brief(check.rows[place].inputs), 26)}" for place in kept),
            tuple((check.rows[place].low, check.rows[place].high) for place in kept),
            tuple(float(predicted[place]) for place in kept),
            tuple(at for at, place in enumerate(kept) if faults[place]),
        ),
    )
    return (figure,), (table,)


def _brief(inputs: object) -> str:
    assert hasattr(inputs, "values")
    return ", ".join(shown(value) for value in inputs.values())
