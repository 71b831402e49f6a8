"""Writing the report of an evaluation. A failure of it is an event and recorded; it fails no training."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weighbridge.domain.errors import WeighbridgeError
from weighbridge.domain.registry.releases import ModelVersion
from weighbridge.domain.report.events import ReportFailed, ReportWritten

if TYPE_CHECKING:
    from weighbridge.domain.registry.provenance import Record
    from weighbridge.domain.report.renderer import ReportRenderer
    from weighbridge.domain.store.artefact_store import ArtefactStore
    from weighbridge.domain.system import EventSink
    from weighbridge.domain.training.candidate_evaluation import EvaluatedCandidate


@dataclass(frozen=True, slots=True)
class Reports:
    """How reports are made.

    Args:
        renderer: draws them.
        command_options: what the commands of this store and task need, such as `` --store ./dir``.
    """

    renderer: ReportRenderer
    command_options: str = ""


def write_report(
    evaluated: EvaluatedCandidate, record: Record, reports: Reports, store: ArtefactStore, events: EventSink
) -> dict[str, Any]:
    """Build the report of an evaluation, draw it, and store it before the record that names it.

    Returns:
        For the record: ``key``, ``sha256`` and ``size``, or the ``problem``; and ``sections``, what was found that
        no other part of the record has.
    """
    from weighbridge.domain.report.building import build_report, findings_of

    version = ModelVersion.parse(record.task, record.version)
    entry: dict[str, Any] = {}
    # No failure, not even a bug in this code, may keep a good model from its release.
    try:
        with warnings.catch_warnings():
            # The same warnings of libraries were shown during the evaluation.
            warnings.simplefilter("ignore")
            report = build_report(evaluated, record, reports.command_options)
        entry["sections"] = findings_of(report)
        data = reports.renderer.render(report)
        ref = store.write(version.report_key, data)
    except Exception as error:
        problem = str(error) if isinstance(error, WeighbridgeError) else f"{type(error).__name__}: {error}"
        events.emit(ReportFailed(str(version), problem))
        return {"problem": problem} | entry
    events.emit(ReportWritten(str(version), ref.key, len(data)))
    return {"key": ref.key, "sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} | entry
