"""The section of a report about drift: each column against the data that the live model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from weighbridge.domain.evaluation.rules.rule import FindingLevel
from weighbridge.domain.report.figures import Bars, Figure, Histogram
from weighbridge.domain.report.sampling import Array, floats
from weighbridge.domain.report.shapes import Section, Table
from weighbridge.domain.report.wording import counted, named, rounded, short, unit_of
from weighbridge.domain.statistics.column_summaries import CategorySummary, NumberSummary
from weighbridge.domain.statistics.drift import ColumnDrift, compare_statistics
from weighbridge.domain.statistics.summaries import Statistics

if TYPE_CHECKING:
    from weighbridge.domain.statistics.column_summaries import ColumnSummary
    from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate

#: Figures; columns that have drifted less are in the table only.
COLUMNS = 12
#: Rows of the table.
TABLE_ROWS = 40
#: Bars in a figure; levels that moved most are shown.
LEVELS = 8
BINS = 24


def drift_section(evaluated: EvaluatedCandidate) -> Section:
    """A small multiple for each column, worst first, and what the rules about data found."""
    before, now = _earlier(evaluated), evaluated.evaluation.statistics
    rules = _rules(evaluated)
    if before is None:
        why = "its record keeps no statistics" if evaluated.live.record is not None else evaluated.live.note
        nothing = f"Skipped: no baseline yet ({why or 'nothing is live'})."
        return Section("drift", "Drift", (nothing,), tables=rules)
    drifts = sorted(compare_statistics(before, now), key=lambda drift: -drift.distance.value)
    figures = tuple(_figure(drift, before, now, evaluated) for drift in drifts[:COLUMNS])
    lead = [
        f"{counted(now.rows, 'row')} now, against the {counted(before.rows, 'row')} that the live model, "
        f"{evaluated.live.version}, was trained and evaluated on. Worst first: by the greatest difference in the "
        "share of rows below some value, or of rows of some levels."
    ]
    if len(drifts) > COLUMNS:
        lead.append(f"The {COLUMNS} columns that moved most are drawn; {len(drifts) - COLUMNS} more are left out.")
    rows = tuple(
        (
            short(one.column),
            *(rounded(value, digits=3) for value in (one.distance.value, one.psi)),
            one.before,
            one.now,
        )
        for one in drifts[:TABLE_ROWS]
    )
    cut = f"; the first {TABLE_ROWS} of {len(drifts)}" if len(drifts) > TABLE_ROWS else ""
    table = Table(f"Columns, worst first{cut}", ("Column", "Distance", "PSI", "Live model's data", "Now"), rows)
    return Section("drift", "Drift", tuple(lead), figures, (table, *rules))


def _earlier(evaluated: EvaluatedCandidate) -> Statistics | None:
    record = evaluated.live.record
    if record is None or not record.statistics:
        return None
    try:
        return Statistics.from_dict(record.statistics)
    except ValueError:
        return None


def _rules(evaluated: EvaluatedCandidate) -> tuple[Table, ...]:
    order = {FindingLevel.ERROR: 0, FindingLevel.WARNING: 1, FindingLevel.OK: 2}
    found = sorted(evaluated.evaluation.findings, key=lambda finding: order[finding.level])
    rows = tuple((finding.name, str(finding.level), finding.detail) for finding in found)
    return (Table("Rules about data", ("Rule", "Level", "Found"), rows),) if rows else ()


def _figure(drift: ColumnDrift, before: Statistics, now: Statistics, evaluated: EvaluatedCandidate) -> Figure:
    schema = evaluated.task.schema
    column = schema.target if drift.column == schema.target.name else schema.feature(drift.column)
    earlier, later = (_column(statistics, drift.column) for statistics in (before, now))
    title = f"{short(drift.column, 28)}, moved by {rounded(drift.distance.value, digits=3)}"
    said = f"Distributions of {drift.column} in the live model's data ({drift.before}) and now ({drift.now})."
    if isinstance(earlier, NumberSummary) and isinstance(later, NumberSummary):
        return Figure(
            title, said, histogram=_histogram(named(short(drift.column, 28), unit_of(column)), earlier, later)
        )
    assert isinstance(earlier, CategorySummary)
    assert isinstance(later, CategorySummary)
    return _bars(title, said, earlier, later)


def _column(statistics: Statistics, name: str) -> ColumnSummary:
    return statistics.target if name == statistics.target_name else statistics.features[name]


def _histogram(label: str, earlier: NumberSummary, later: NumberSummary) -> Histogram:
    known = [one for one in (earlier, later) if one.rows]
    # The outermost hundredths would make most of the axis.
    low = min((one.quantile(0.01) for one in known), default=0.0)
    high = max((one.quantile(0.99) for one in known), default=1.0)
    edges = np.linspace(low, high if high > low else low + (abs(low) or 1.0), BINS + 1)
    return Histogram(
        label, floats(edges), (("live model's data", _shares(earlier, edges)), ("now", _shares(later, edges)))
    )


def _shares(column: NumberSummary, edges: Array) -> tuple[float, ...]:
    if not column.rows:
        return (0.0,) * (len(edges) - 1)
    below, up_to = column.shares(edges)
    # What is on the last edge belongs to the last bin.
    return floats(np.diff(np.append(below[:-1], up_to[-1])))


def _bars(title: str, said: str, earlier: CategorySummary, later: CategorySummary) -> Figure:
    def share(column: CategorySummary, level: str) -> float:
        return column.counts.get(level, 0) / max(1, column.rows)

    every = sorted({*earlier.counts, *later.counts})
    shown = sorted(every, key=lambda level: -abs(share(later, level) - share(earlier, level)))[:LEVELS]
    left_out = len(every) - len(shown)
    return Figure(
        title,
        said,
        f"The {LEVELS} levels that moved most; {left_out} are left out." if left_out else "",
        bars=Bars(
            "share of rows",
            tuple(short(level, 24) for level in shown),
            (
                ("live model's data", tuple(share(earlier, level) for level in shown)),
                ("now", tuple(share(later, level) for level in shown)),
            ),
        ),
    )
