"""Reports within a training: stored before the record that names them, and no obstacle to anything."""

import hashlib
import json
from dataclasses import replace
from io import BytesIO

import pytest

from tests.support.clocks import SettableClock
from tests.support.events import Recorder
from tests.support.quick_task import QUICK, csv
from tests.support.reports import RecordingRenderer
from weighbridge.adapters.memory import MemoryStore
from weighbridge.adapters.registry import StoreRegistry
from weighbridge.domain.errors import ReportFailure, StoreDenied
from weighbridge.domain.evaluation.gate import Threshold
from weighbridge.domain.events import Event
from weighbridge.domain.report.events import ReportFailed, ReportWritten
from weighbridge.domain.report.renderer import ReportRenderer
from weighbridge.domain.report.writing import Reports
from weighbridge.domain.store.artefacts import ArtefactRef
from weighbridge.domain.training.task import TaskDefinition
from weighbridge.domain.workflow import Outcome, TrainingResult, put_dataset, train_and_release
from weighbridge.entrypoints.container import wire
from weighbridge.entrypoints.settings import load_settings


class Watched(MemoryStore):
    """Remembers what was written, in order; reports may be forbidden."""

    def __init__(self, forbidden: bool = False) -> None:
        super().__init__(SettableClock())
        self.written: list[str] = []
        self.forbidden = forbidden

    def write(self, key: str, data: bytes) -> ArtefactRef:
        if self.forbidden and key.startswith("reports/"):
            raise StoreDenied(f"writing {key} is not allowed")
        self.written.append(key)
        return super().write(key, data)


def train(
    renderer: ReportRenderer | None, store: Watched, task: TaskDefinition = QUICK
) -> tuple[TrainingResult, list[Event]]:
    recorder, clock = Recorder(), SettableClock()
    reports = None if renderer is None else Reports(renderer, " --store ./here")
    ports = replace(
        wire(load_settings({"store": "memory://", "no_report": True})).ports(),
        store=store,
        registry=StoreRegistry(store, clock),
        clock=clock,
        events=recorder,
        reports=reports,
    )
    put_dataset(task, ".csv", BytesIO(csv()), clock.now(), ports)
    store.written.clear()
    result = train_and_release(task, ports)
    return result, [event for event in recorder.events if isinstance(event, ReportWritten | ReportFailed)]


def test_a_report_is_stored_before_the_record_that_names_it() -> None:
    store = Watched()
    result, events = train(RecordingRenderer(b"<html>a report"), store)
    version = result.document["version"]
    key = f"reports/{QUICK.name}_{version}.html"
    assert [written.partition("/")[0] for written in store.written] == [
        "reports",
        "models",
        "trained",
        "models",
        "promotions",
    ]
    assert store.read(key).data == b"<html>a report"
    report = result.document["report"]
    assert (report["key"], report["size"], report["sha256"]) == (
        key,
        14,
        hashlib.sha256(b"<html>a report").hexdigest(),
    )
    assert json.loads(store.read(f"models/{QUICK.name}_{version}.json").data)["report"] == report
    assert events == [ReportWritten(version, key, 14)]
    assert [phase["name"] for phase in result.document["phases"]] == [
        *("read", "admit", "search", "weigh", "encode", "report")
    ]


def test_a_refused_candidate_has_a_report_too() -> None:
    store = Watched()
    strict = replace(QUICK, thresholds=(Threshold("r2", 0.9999, 0.9999),))
    result, events = train(kept := RecordingRenderer(), store, strict)
    assert result.outcome is Outcome.REJECTED
    assert [written.partition("/")[0] for written in store.written] == ["reports", "trained", "rejected"]
    assert kept.reports[0].verdict == "reject"
    assert kept.reports[0].headline == "Refused: 1 error"
    assert result.document["report"]["key"] == store.written[0]
    assert [type(event) for event in events] == [ReportWritten]


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (ReportFailure("no ink"), "no ink"),
        (RuntimeError("a bug"), "RuntimeError: a bug"),
        (MemoryError(), "MemoryError: "),
    ],
)
def test_what_goes_wrong_in_drawing_fails_no_release(problem: Exception, told: str) -> None:
    store = Watched()
    result, events = train(RecordingRenderer(problem=problem), store)
    assert (result.outcome, str(result.live)) == (Outcome.RELEASED, result.document["version"])
    assert result.document["report"].keys() == {"problem", "sections"}
    assert result.document["report"]["problem"] == told
    assert events == [ReportFailed(result.document["version"], told)]
    assert str(events[0]) == f"there is no report of {result.document['version']}: {told}"
    assert [written.partition("/")[0] for written in store.written] == [
        "models",
        "trained",
        "models",
        "promotions",
    ]


def test_a_store_that_takes_no_report_still_takes_the_release() -> None:
    result, (event,) = train(RecordingRenderer(), Watched(forbidden=True))
    assert result.outcome is Outcome.RELEASED
    assert result.document["report"]["problem"].startswith("writing reports/")
    assert isinstance(event, ReportFailed)


def test_without_reports_nothing_is_drawn() -> None:
    store = Watched()
    result, events = train(None, store)
    assert (result.document["report"], events) == (None, [])
    assert "report" not in [phase["name"] for phase in result.document["phases"]]


def test_the_container_makes_reports_unless_told_not_to() -> None:
    assert wire(load_settings({"store": "memory://"})).ports().reports is not None
    assert wire(load_settings({"store": "memory://", "no_report": True})).ports().reports is None
