"""Building the report of an evaluation: all sections, the verdict first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from weighbridge.domain.data.schema import Category
from weighbridge.domain.errors import WeighbridgeError
from weighbridge.domain.report.behaviour import checks_section
from weighbridge.domain.report.classes import classes_section
from weighbridge.domain.report.drifts import drift_section
from weighbridge.domain.report.influence import influence_section
from weighbridge.domain.report.origin import origin_section
from weighbridge.domain.report.outcome import outcome_section
from weighbridge.domain.report.searches import search_section
from weighbridge.domain.report.shapes import Report, Section, Table
from weighbridge.domain.report.slices import slices_section
from weighbridge.domain.report.verdict import verdict_section

if TYPE_CHECKING:
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate

#: Sections whose words and tables are not in the record otherwise.
_FOUND = ("slices", "outcome", "drift", "search", "features")


def build_report(evaluated: EvaluatedCandidate, record: Record, command_options: str) -> Report:
    """Build the report of an evaluation. A section that cannot be built says so in its place.

    Args:
        evaluated: the candidate.
        record: of the evaluation.
        command_options: what the commands of this store and task need, such as `` --store ./dir``.
    """
    by_class = isinstance(evaluated.task.schema.target, Category)
    decision = record.decision
    return Report(
        task=record.task,
        version=record.version,
        created=f"{record.created_at:%Y-%m-%d %H:%M:%S} UTC",
        verdict=str(decision.verdict),
        headline=decision.summary,
        reasons=tuple((str(one.severity), one.shown) for one in decision.reasons),
        sections=(
            verdict_section(evaluated),
            checks_section(evaluated),
            _made("slices", "Slices", lambda: slices_section(evaluated)),
            _made(
                "outcome",
                "Predicted and observed",
                lambda: (classes_section if by_class else outcome_section)(evaluated),
            ),
            _made("drift", "Drift", lambda: drift_section(evaluated)),
            _made("search", "Search", lambda: search_section(evaluated)),
            _made("features", "Features", lambda: influence_section(evaluated)),
            origin_section(record, command_options),
        ),
    )


def findings_of(report: Report) -> list[dict[str, Any]]:
    """What a report found that no other part of a record has, as plain data: words and tables by section.

    A figure is given by its description.
    """
    return [
        {
            "key": section.key,
            "title": section.title,
            "lead": list(section.lead),
            "figures": [{"title": figure.title, "description": figure.description} for figure in section.figures],
            "tables": [_plain(table) for table in section.tables if table.caption != "Rules about data"],
        }
        for section in report.sections
        if section.key in _FOUND
    ]


def _plain(table: Table) -> dict[str, Any]:
    return {"caption": table.caption, "columns": list(table.columns), "rows": [list(row) for row in table.rows]}


def _made(key: str, title: str, make: Callable[[], Section]) -> Section:
    try:
        return make()
    except (WeighbridgeError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
        return Section(key, title, (f"This section could not be built: {type(error).__name__}: {error}",))
