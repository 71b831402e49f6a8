"""The report of a weighing as plain data: what is shown, in which order, and how it is worded."""

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.reports import (
    HOSTILE,
    LEVELS,
    EvaluatedCandidate,
    refused_regression,
    released_classification,
    released_regression,
)
from weighbridge.domain.evaluation.reason import Reason
from weighbridge.domain.report.figures import Figure
from weighbridge.domain.report.sampling import sample_note, sampled
from weighbridge.domain.report.shapes import Report, Section
from weighbridge.domain.report.wording import counted, listed, rounded, short
from weighbridge.domain.training.search.trials import listed_points, whole_grid

KEYS = ["metrics", "checks", "slices", "outcome", "drift", "search", "features", "provenance"]


def section(report: Report, key: str) -> Section:
    return next(section for section in report.sections if section.key == key)


def figures(report: Report) -> list[Figure]:
    return [
        figure
        for section in report.sections
        for figure in (*section.figures, *(each for check in section.checks for each in check.figures))
    ]


@pytest.fixture(
    params=[released_regression, refused_regression, released_classification], ids=["first", "second", "classes"]
)
def candidate(request: pytest.FixtureRequest) -> EvaluatedCandidate:
    return request.param()  # type: ignore[no-any-return]


def test_the_answer_comes_first_and_everything_follows(candidate: EvaluatedCandidate) -> None:
    report, document = candidate.report, candidate.document
    assert [section.key for section in report.sections] == KEYS
    assert (report.task, report.version) == (document["task"], document["version"])
    assert (report.verdict, list(report.reasons)) == (
        document["decision"]["verdict"],
        [(one["severity"], Reason.from_dict(one).shown) for one in document["decision"]["reasons"]],
    )
    assert report.headline == document["decision"]["summary"]
    assert not any("could not be built" in line for section in report.sections for line in section.lead)
    (numbers,) = section(report, "metrics").tables
    assert [row[0] for row in numbers.rows if "[" not in row[0]] == list(
        dict.fromkeys(name for name in (*_first(document), *document["metrics"]) if "[" not in name)
    )


def _first(document: dict[str, Any]) -> list[str]:
    return [threshold["metric"] for threshold in document["thresholds"]]


def test_every_figure_has_one_content_and_words(candidate: EvaluatedCandidate) -> None:
    kinds = ("gauges", "curves", "histogram", "bars", "points", "strips", "ranges", "grid")
    for figure in figures(candidate.report):
        assert sum(getattr(figure, kind) is not None for kind in kinds) == 1
        assert figure.title
        assert len(figure.description) > 20


def test_a_picture_is_plain_finite_data(candidate: EvaluatedCandidate) -> None:
    json.dumps(asdict(candidate.report), allow_nan=False)


def test_the_record_keeps_what_only_the_report_tells(candidate: EvaluatedCandidate) -> None:
    report = candidate.document["report"]
    assert set(report) == {"key", "sha256", "size", "sections"}
    assert [one["key"] for one in report["sections"]] == ["slices", "outcome", "drift", "search", "features"]
    drawn = section(candidate.report, "features")
    (kept,) = [one for one in report["sections"] if one["key"] == "features"]
    assert kept["lead"] == list(drawn.lead)
    assert [figure["title"] for figure in kept["figures"]] == [figure.title for figure in drawn.figures]
    assert [table["caption"] for table in kept["tables"]] == ["Permutation importance"]
    assert len(json.dumps(report)) < 40_000


def test_each_check_has_its_picture_and_failed_ones_come_first() -> None:
    checks = section(refused_regression().report, "checks").checks
    recorded = {check["name"]: check for check in refused_regression().document["checks"]}
    assert [check.passed for check in checks] == sorted(check.passed for check in checks)
    assert {check.name: (check.passed, check.detail) for check in checks} == {
        name: (check["passed"], check["detail"]) for name, check in recorded.items()
    }
    assert all(check.figures for check in checks)
    (falling,) = [check for check in checks if "is decreasing" in check.name]
    curves = falling.figures[0].curves
    assert curves is not None
    assert [line.label for line in curves.lines] == list(LEVELS)
    assert all(line.at_fault for line in curves.lines)
    assert (curves.span, curves.x_label) == ((10, 90), f"{HOSTILE} (kg)")
    # Both ends of each of two steps of every level.
    assert {x for x, _ in curves.faults} == {10, 50, 90}
    (rising,) = [check for check in checks if "increases" in check.name]
    assert rising.figures[0].curves is not None
    assert rising.figures[0].curves.faults == ()
    (bounded,) = [check for check in checks if "not below" in check.name]
    assert bounded.figures[0].note == "1,200 of 1,200 predictions are below 1,000,000."
    (known,) = [check for check in checks if "known rows" in check.name]
    assert known.figures[0].ranges is not None
    assert known.figures[0].ranges.faults == (0,)
    assert known.tables[0].rows[0][-1] == "not as expected"


def test_numbers_are_gauged_on_one_scale_beside_the_live_model() -> None:
    candidate = refused_regression()
    (figure,) = section(candidate.report, "metrics").figures
    assert figure.gauges is not None
    by_label = {gauge.label: gauge for gauge in figure.gauges}
    metrics, live = candidate.document["metrics"], candidate.document["comparison"]["metrics"]
    r2, error = by_label["r2"], by_label["mean_absolute_error"]
    assert r2.place == pytest.approx((metrics["r2"] - 0.5) / 0.4999)
    assert r2.live_place == pytest.approx((live["r2"]["live"] - 0.5) / 0.4999)
    # Where smaller is better, less is further along.
    assert error.place == pytest.approx((50 - metrics["mean_absolute_error"]) / 10)
    assert error.shown.endswith(" EUR")
    assert {f"r2[kind={level}]" for level in LEVELS} <= set(by_label)
    assert all(by_label[f"r2[kind={level}]"].live_shown for level in LEVELS)
    assert by_label["r2 against the live model"].shown.startswith("better by ")


def test_drift_is_worst_first_and_has_the_rules() -> None:
    candidate = refused_regression()
    drift = section(candidate.report, "drift")
    columns, rules = drift.tables
    distances = [float(row[1]) for row in columns.rows]
    assert distances == sorted(distances, reverse=True)
    assert columns.rows[0][0] == "cost & <b>price</b>"
    assert [figure.title.rpartition(", moved by ")[0] for figure in drift.figures] == [
        row[0] for row in columns.rows
    ]
    levels = [row[1] for row in rules.rows]
    assert levels == sorted(levels, key=["error", "warning", "ok"].index)
    assert len(levels) == len(candidate.document["findings"])
    (nothing,) = section(released_regression().report, "drift").lead
    assert nothing == "Skipped: no baseline yet (nothing is live)."


def test_the_search_marks_what_was_chosen() -> None:
    candidate = released_regression()
    found = section(candidate.report, "search")
    maps = [figure.grid for figure in found.figures if figure.grid is not None]
    params = candidate.document["training"]["params"]
    assert sum(grid.marked is not None for grid in maps) == 1
    (marked,) = [grid for grid in maps if grid.marked is not None]
    assert marked.marked is not None
    row, column = marked.marked
    shown = {marked.y_label: marked.rows[row], marked.x_label: marked.columns[column]}
    assert shown == {name: str(params[f"tree__{name}"]) for name in shown}
    assert "candidates within 0.01 of the best" in found.lead[-1]


def test_classes_have_a_confusion_matrix_and_reliable_probabilities() -> None:
    candidate = released_classification()
    outcome = section(candidate.report, "outcome")
    (table,) = outcome.tables
    counts = np.array([[int(cell) for cell in row[1:]] for row in table.rows])
    assert counts.sum() == 60
    assert counts.trace() / 60 == pytest.approx(candidate.document["metrics"]["accuracy"])
    titles = [figure.title for figure in outcome.figures]
    assert titles[:2] == ["Confusion matrix", "Reliability of probabilities"]
    assert {title.removeprefix("Probability of ") for title in titles[2:]} == {"low", "middle", "high"}
    histogram = outcome.figures[2].histogram
    assert histogram is not None
    assert [sum(shares) for _, shares in histogram.groups] == pytest.approx([1.0, 1.0])


def test_provenance_ends_in_the_command_that_reproduces(candidate: EvaluatedCandidate) -> None:
    origin = section(candidate.report, "provenance")
    assert origin.command == f"weighbridge reproduce {candidate.document['version']} --store ./here"
    facts = dict(row for row in origin.tables[0].rows if len(row) == 2)
    assert facts["dataset sha256"] == candidate.document["dataset"]["sha256"]
    assert facts["model sha256"] == candidate.document["model"]["sha256"]
    phases = origin.tables[-1]
    assert [row[0] for row in phases.rows] == ["read", "admit", "search", "weigh", "encode"]


@given(st.floats(-1e300, 1e300), st.integers(2, 6))
def test_a_rounded_number_is_near(value: float, digits: int) -> None:
    read = float(rounded(value, digits=digits).replace(",", ""))
    assert math.isclose(read, value, rel_tol=10.0 ** (1 - digits), abs_tol=1e-300)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0, "", "0"),
        (-0.0, "", "0"),
        (-0.0312345, "hours", "-0.03123 hours"),
        (1234567.8, "", "1,234,568"),
        (0.5, "EUR", "0.5 EUR"),
        (1e-7, "", "1.000e-07"),
        (math.nan, "hours", "undefined"),
        (None, "", "undefined"),
        (math.inf, "", "undefined"),
    ],
)
def test_numbers_as_people_read_them(value: float | None, unit: str, text: str) -> None:
    assert rounded(value, unit) == text


@given(st.text(), st.integers(1, 50))
def test_a_short_name_can_be_shown_anywhere(text: str, room: int) -> None:
    shown = short(text, room)
    assert len(shown) <= room
    assert shown.isprintable()
    if text.isprintable() and len(text) <= room:
        assert shown == text


def test_counts_and_lists() -> None:
    assert (counted(1, "row"), counted(1200, "row"), counted(0, "class", "classes")) == (
        "1 row",
        "1,200 rows",
        "0 classes",
    )
    assert (listed("abc", 3), listed("abcd", 3)) == ("a, b, c", "a, b, c and 1 more")


@given(st.integers(0, 300), st.integers(1, 300))
def test_a_sample_is_of_different_rows_in_order_and_says_so(rows: int, wanted: int) -> None:
    chosen = sampled(rows, wanted)
    assert len(chosen) == min(rows, wanted)
    assert (np.diff(chosen) > 0).all()
    assert set(chosen.tolist()) <= set(range(rows))
    assert sample_note(rows, wanted).startswith("All" if rows <= wanted else "A sample")


@given(st.lists(st.integers(1, 4), max_size=3))
def test_a_whole_grid_is_its_points_one_by_one(sizes: list[int]) -> None:
    axes = {f"p{number}": list(range(size)) for number, size in enumerate(sizes)}
    scores = np.arange(math.prod(sizes), dtype=float)
    grid = whole_grid(axes, scores)
    points = [
        {name: grid.axes[name][place] for name, place in zip(axes, places, strict=True)} for places in grid.places
    ]
    again = listed_points(points, scores)
    assert (dict(again.axes), again.places.tolist()) == (dict(grid.axes), grid.places.tolist())
    assert [grid.place_of(point) for point in points] == [tuple(places) for places in grid.places.tolist()]
    assert grid.place_of({"p0": "none of these"}) == (None if axes else ())


def test_of_a_point_that_was_tried_again_the_last_score_counts() -> None:
    trials = listed_points([{"a": 1}, {"a": None}, {"a": 1}], [0.1, 0.2, 0.3])
    assert (trials.axes, trials.scores.tolist(), len(trials)) == ({"a": (1, None)}, [0.3, 0.2], 2)
