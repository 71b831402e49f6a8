"""Log lines, exactly: as text and as JSON, one for each event."""

import json
import logging
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import pytest

from weighbridge.adapters.telemetry_log import LogEventSink
from weighbridge.domain.events import Event
from weighbridge.domain.monitoring.events import (
    PredictionLogFailed,
    PredictionsLogged,
    PredictionsLost,
    RedactionUnknown,
)
from weighbridge.domain.registry.events import (
    ModelPromoted,
    ModelRefused,
    ModelReleased,
    PromotionHeld,
    PromotionLeft,
    PrunedVersionSkipped,
    RefusedBefore,
)
from weighbridge.domain.report.events import ReportFailed, ReportWritten
from weighbridge.domain.serving.events import FellBack, ModelLoaded, RefreshFailed, ShadowChanged, ShadowFailed
from weighbridge.domain.store.events import (
    DatasetChosen,
    DatasetFolderSkipped,
    DatasetNameUnreadable,
    StoreRetried,
)
from weighbridge.domain.training.events import (
    DatasetAdmitted,
    FormatSkipped,
    NothingNew,
    ScheduledTrainingFailed,
    SearchFinished,
    TrainingScheduled,
)
from weighbridge.entrypoints.logs import JsonFormatter, TextFormatter, configure_logs

#: 2021-07-03T23:05:32.25Z.
CREATED = 1_625_353_532.25

#: Every event, with its severity, its name and the sentence that it is.
EVENTS: list[tuple[Event, str, str, str]] = [
    (
        DatasetNameUnreadable("datasets/a_x.csv"),
        "warning",
        "dataset_name_unreadable",
        (
            "skipped 'datasets/a_x.csv': its name does not end in a timestamp and .csv or .parquet, such as "
            "2021-07-03T23:05:32.csv"
        ),
    ),
    (DatasetChosen("a.csv", 1234), "info", "dataset_chosen", "the newest dataset is 'a.csv' (1,234 bytes)"),
    (DatasetAdmitted("a.csv", 1234, "ab"), "info", "dataset_admitted", "validated 1,234 rows of 'a.csv'"),
    (
        NothingNew("a.csv", "v1"),
        "info",
        "nothing_new",
        "nothing to do: 'a.csv' is what v1 was trained on",
    ),
    (
        ReportWritten("v1", "reports/a_v1.html", 1234),
        "info",
        "report_written",
        "the report of v1 is 'reports/a_v1.html' (1,234 bytes)",
    ),
    (ReportFailed("v1", "no room"), "warning", "report_failed", "there is no report of v1: no room"),
    (ShadowChanged("v1"), "info", "shadow_changed", "shadowing with v1"),
    (ShadowChanged(None), "info", "shadow_changed", "shadowing with no model"),
    (ShadowFailed("it is gone"), "error", "shadow_failed", "cannot shadow: it is gone"),
    (
        PrunedVersionSkipped("v1"),
        "warning",
        "pruned_version_passed_over",
        "skipped v1, which was live before: it has been pruned",
    ),
    (
        DatasetFolderSkipped("datasets/a_2021-07-10.parquet/"),
        "warning",
        "dataset_folder_skipped",
        "skipped 'datasets/a_2021-07-10.parquet/': it is newer than the newest dataset, and a folder; put its "
        "rows into one file with that name",
    ),
    (
        TrainingScheduled("2021-07-03T23:05:32Z"),
        "info",
        "training_scheduled",
        "the next check for a new dataset is at 2021-07-03T23:05:32Z",
    ),
    (
        ScheduledTrainingFailed("the store is away"),
        "error",
        "scheduled_training_failed",
        "this run failed, and the schedule continues: the store is away",
    ),
    (
        SearchFinished("tree_grid", 1620, 0.96789, 12.34),
        "info",
        "search_finished",
        "searched 1,620 candidates in 12.3 s; the best scores 0.9679",
    ),
    (FormatSkipped("onnx: no"), "warning", "format_passed_over", "a model format was skipped: onnx: no"),
    (ModelReleased("v1", "release", ()), "info", "model_released", "released v1"),
    (
        ModelReleased("v1", "release_with_warning", ("one", "two"), "2 warnings"),
        "info",
        "model_released",
        "released v1: 2 warnings: one; two",
    ),
    (ModelRefused("v1", ("one", "two"), "2 errors"), "warning", "model_refused", "refused v1: 2 errors: one; two"),
    (
        ReportWritten("v1", "reports/a.html", 1234),
        "info",
        "report_written",
        "the report of v1 is 'reports/a.html' (1,234 bytes)",
    ),
    (ReportFailed("v1", "no font"), "warning", "report_failed", "there is no report of v1: no font"),
    (ModelPromoted("v1", "better"), "info", "model_promoted", "v1 is live now (better)"),
    (
        PromotionHeld("v2", "v1", "until monday"),
        "warning",
        "promotion_held",
        "v2 is published but not live: v1 is held (until monday)",
    ),
    (
        PromotionLeft("v2", "v1", "complaints"),
        "warning",
        "promotion_left",
        "v2 is published but not live: v1 was promoted while it was trained (complaints); 'weighbridge models "
        "promote v2' makes it live",
    ),
    (
        RefusedBefore("a.csv", "v1", ("r2 is low", "a check failed")),
        "warning",
        "refused_before",
        "'a.csv' was refused before, as v1, beside the same live model: r2 is low; a check failed; 'weighbridge "
        "train --force' trains on it again",
    ),
    (ModelLoaded("v1", 0.123), "info", "model_loaded", "serving v1, loaded in 0.12 s"),
    (PredictionsLogged("p.parquet", 1234), "debug", "predictions_logged", "logged 1,234 answers as 'p.parquet'"),
    (
        PredictionLogFailed("the store is away", 1),
        "error",
        "prediction_log_failed",
        "cannot write the prediction log, 1 answer waiting: the store is away",
    ),
    (
        PredictionsLost(1234, "it is full"),
        "error",
        "predictions_lost",
        "the prediction log has lost 1,234 answers: it is full",
    ),
    (
        RedactionUnknown("v1", ("nmae", "cty")),
        "warning",
        "redaction_unknown",
        "nothing is redacted by nmae, cty: v1 has no such column; check WEIGHBRIDGE_PREDICTION_LOG_REDACT for "
        "a typing error",
    ),
    (
        FellBack("v1", "v2"),
        "error",
        "fell_back",
        "serving v1 instead of the live v2, which is damaged: restore it, or go back with 'weighbridge models "
        "rollback'",
    ),
    (RefreshFailed("v1", "gone"), "error", "refresh_failed", "could not refresh, still serving v1: gone"),
    (RefreshFailed(None, "gone"), "error", "refresh_failed", "could not refresh, no model is loaded: gone"),
    (
        StoreRetried("GetObject", "SlowDown"),
        "debug",
        "store_retried",
        "retrying a request to the store: GetObject ended with SlowDown",
    ),
]


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    """Leave the process's logging as it was."""
    root, ours = logging.getLogger(), logging.getLogger("weighbridge")
    before = list(root.handlers), root.level, ours.level
    yield
    root.handlers[:], root.level = before[0], before[1]
    ours.setLevel(before[2])


def record(message: str, *args: object, level: int = logging.INFO, name: str = "weighbridge") -> logging.LogRecord:
    made = logging.LogRecord(name, level, __file__, 1, message, args, None)
    made.created = CREATED
    return made


def failed() -> logging.LogRecord:
    made = record("it failed", level=logging.ERROR)
    try:
        raise ValueError("why")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_a_line_of_text() -> None:
    formatter = TextFormatter()
    assert formatter.format(record("released %s", "v1")) == "2021-07-03T23:05:32.250Z info     released v1"
    line = formatter.format(record("mind", level=logging.WARNING, name="botocore"))
    assert line == "2021-07-03T23:05:32.250Z warning  mind"


def test_a_traceback_stands_below_a_line_of_text() -> None:
    lines = TextFormatter().format(failed()).splitlines()
    assert lines[:2] == ["2021-07-03T23:05:32.250Z error    it failed", "Traceback (most recent call last):"]
    assert lines[-1] == "ValueError: why"


def test_a_line_of_json() -> None:
    line = JsonFormatter().format(record("released %s é\n", "v1"))
    assert line == (
        '{"time": "2021-07-03T23:05:32.250Z", "level": "info", "message": "released v1 é\\n"}'  # one line
    )
    other = json.loads(JsonFormatter().format(record("mind", level=logging.WARNING, name="botocore.auth")))
    assert other == {
        "time": "2021-07-03T23:05:32.250Z",
        "level": "warning",
        "message": "mind",
        "logger": "botocore.auth",
    }


def test_a_traceback_is_a_field_of_a_line_of_json() -> None:
    line = JsonFormatter().format(failed())
    assert "\n" not in line
    document = json.loads(line)
    assert document.pop("traceback").startswith("Traceback (most recent call last):\n")
    assert document == {"time": "2021-07-03T23:05:32.250Z", "level": "error", "message": "it failed"}


def test_every_event_is_tried_here() -> None:
    # A dataclass with slots is a second class of the same name.
    kinds = {kind.__name__ for kind in Event.__subclasses__() if kind.__module__.startswith("weighbridge.domain.")}
    assert {type(event).__name__ for event, *_ in EVENTS} == kinds


def emit(event: Event, capsys: pytest.CaptureFixture[str], log_format: Any) -> str:
    """What one event writes, time aside."""
    configure_logs(log_format, "debug")
    LogEventSink().emit(event)
    out, err = capsys.readouterr()
    assert out == ""
    text, count = re.subn(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "TIME", err)
    assert count == 1
    return text


@pytest.mark.parametrize(("event", "severity", "name", "sentence"), EVENTS)
def test_an_event_is_one_line_of_text(
    event: Event, severity: str, name: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert emit(event, capsys, "text") == f"TIME {severity:8} {sentence}\n"


@pytest.mark.parametrize(("event", "severity", "name", "sentence"), EVENTS)
def test_an_event_is_one_line_of_json(
    event: Event, severity: str, name: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    line = emit(event, capsys, "json")
    assert line.count("\n") == 1
    assert json.loads(line) == {
        "time": "TIME",
        "level": severity,
        "message": sentence,
        "event": name,
        **{field: list(value) if isinstance(value, tuple) else value for field, value in asdict(event).items()},
    }


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_an_event_with_lines_in_it_is_one_line(log_format: str, capsys: pytest.CaptureFixture[str]) -> None:
    line = emit(FormatSkipped("onnx: no\n  because\r\nof %s"), capsys, log_format)
    assert line.count("\n") == 1
    assert "a model format was skipped: onnx: no because of %s" in line


def test_json_has_no_number_that_json_lacks(capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(constant: str) -> float:
        raise ValueError(constant)

    line = emit(SearchFinished("grid", 2, float("nan"), float("inf")), capsys, "json")
    document = json.loads(line, parse_constant=refuse)
    assert (document["score"], document["seconds"], document["points"]) == (None, None, 2)


@pytest.mark.parametrize(
    ("level", "written"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_is_that_of_our_own_logs(
    level: str, written: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs("json", level)
    for name in ("weighbridge", "weighbridge.part", "botocore"):
        for at in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logging.getLogger(name).log(at, "%s", name)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for name in ("weighbridge", "weighbridge.part"):
        assert [line["level"] for line in lines if line["message"] == name] == written
    assert [line["level"] for line in lines if line["message"] == "botocore"] == ["warning", "error"]


def test_what_is_configured_again_replaces_what_was(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "debug")
    configure_logs("text", "info")
    logging.getLogger("weighbridge").info("once")
    logging.getLogger("weighbridge").debug("never")
    assert [line[25:] for line in capsys.readouterr().err.splitlines()] == ["info     once"]


def test_what_the_store_is_asked_again_is_for_those_who_debug(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("text", "info")
    LogEventSink().emit(StoreRetried("GetObject", "SlowDown"))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\x9b2Jb", "a\\x9b2Jb"),
        ("a\rb", "a\\rb"),
        ("a\u202eb", "a\\u202eb"),
        ("a\u2066b", "a\\u2066b"),
        ("a\x00b", "a\\x00b"),
        ("Ünïcode ☃ 日", "Ünïcode ☃ 日"),
        ("one\n\ttwo", "one\n\ttwo"),
    ],
)
def test_text_says_what_a_terminal_would_obey(said: str, shown: str) -> None:
    assert TextFormatter().format(record("%s", said)).endswith(f" {shown}")
