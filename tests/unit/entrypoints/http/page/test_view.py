"""What the page is made of: the chart, the figures, and the form for any schema."""

import html
import json
import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.support.clocks import START, SettableClock
from tests.support.quick_task import two_releases
from tests.support.strategies import schemas
from weighbridge.adapters.prometheus.buckets import LATENCIES
from weighbridge.adapters.prometheus.shared_counters import SLOT_BYTES, SharedCounters
from weighbridge.adapters.prometheus.telemetry import PrometheusTelemetry
from weighbridge.domain.data.schema import Category, Number, Schema
from weighbridge.domain.evaluation.gate import Verdict
from weighbridge.domain.model.predictor import Classification, Predictor
from weighbridge.domain.registry.history import Snapshot, Weighing
from weighbridge.domain.registry.promotions import Promotion
from weighbridge.domain.registry.provenance import GoldenRow
from weighbridge.domain.registry.releases import ModelVersion, Release
from weighbridge.domain.serving.figures import Figures, quantile
from weighbridge.domain.serving.service import LoadedModel, PredictionService
from weighbridge.entrypoints.http.page.chart import HEIGHT, draw, headline
from weighbridge.entrypoints.http.page.now import figures_in_words
from weighbridge.entrypoints.http.page.trying import answered, curl_command, fields_of, row_of
from weighbridge.entrypoints.http.page.view import render

NAN = math.nan
R2 = {"metric": "r2", "error": 0.8, "warning": 0.9}
HOSTILE = "\"><script>alert('x')</script>"


def weighing(value: float, day: int = 0, verdict: Verdict = Verdict.RELEASE, metric: str = "r2") -> Weighing:
    version = ModelVersion("task", START + timedelta(days=day), f"{day:08x}")
    return Weighing(version, verdict, (), {metric: value}, (R2,), 100, has_report=False)


def model_of(schema: Schema, **golden: object) -> LoadedModel:
    """A model that predicts nothing, of any schema."""
    release = two_releases()[1]
    record = replace(release.record, schema=schema, golden=(GoldenRow(golden, 0.0),) if golden else ())  # type: ignore[arg-type]
    promotion = Promotion(release.version, START, "why", "who")
    return LoadedModel(Release(release.version, record, {}), Nothing(), promotion, START)


class Nothing(Predictor):
    def predict(self, columns):  # type: ignore[no-untyped-def]
        raise AssertionError


@given(st.lists(st.floats(allow_nan=True), min_size=1, max_size=60), st.integers(1, 50))
def test_everything_that_is_drawn_lies_within(values: list[float], most: int) -> None:
    newest_first = [weighing(value, day) for day, value in reversed(list(enumerate(values)))]
    chart = draw(newest_first, newest_first[0].version, 330, most)
    shown = [value for value in values[-most:] if abs(value) < 1e100]
    if chart is None:
        assert not shown
        return
    assert [point.value for point in chart.points] == shown
    places = [point.x for point in chart.points]
    assert places == sorted(places)
    assert all(chart.left <= x <= chart.right for x in places)
    heights = [point.y for point in chart.points] + [line.y for line in (*chart.lines, *chart.ticks)]
    assert all(0 < y <= chart.bottom < HEIGHT for y in heights)
    assert [line.text for line in chart.lines] == ["warning 0.9", "error 0.8"]
    assert 3 <= len(chart.ticks) <= 7
    # Better is higher, and what is on the same side of a level as its number is drawn there.
    error = chart.lines[1].y
    assert all(
        (point.y <= error) == (point.value >= 0.8) or math.isclose(point.y, error, abs_tol=0.1)
        for point in chart.points
    )


def test_one_very_bad_candidate_does_not_flatten_the_others() -> None:
    values = [0.95, 0.93, -40.0, 0.96]
    chart = draw([weighing(value, day) for day, value in reversed(list(enumerate(values)))], None, 900, 50)
    assert chart is not None
    assert [point.is_beyond for point in chart.points] == [False, False, True, False]
    assert chart.points[2].y == chart.bottom
    assert abs(chart.points[0].y - chart.points[1].y) > 5


def test_the_live_one_is_marked_and_a_refusal_never_is() -> None:
    one, other = weighing(0.95, 1), weighing(0.5, 1, Verdict.REJECT)
    for live, marks in ((one.version, [False, True]), (None, [False, False])):
        chart = draw([one, other], live, 900, 50)
        assert chart is not None
        assert [point.is_live for point in chart.points] == marks


def test_the_headline_is_the_first_threshold_else_the_first_metric() -> None:
    sliced = {"metric": "accuracy", "error": 0.1, "warning": 0.2, "slice_by": "x"}
    one = replace(weighing(1.0), metrics={"a": 1.0, "r2": 1.0})
    assert headline([replace(one, thresholds=(sliced, R2))]) == "r2"
    assert headline([replace(one, thresholds=(sliced,))]) == "a"
    assert headline([replace(one, thresholds=(), metrics={})]) is None
    assert headline([]) is None


@given(st.lists(st.integers(0, 9), min_size=4, max_size=4), st.floats(0, 1))
def test_a_quantile_lies_in_the_bucket_that_holds_its_rank(counts: list[int], share: float) -> None:
    bounds = [1.0, 2.0, 4.0]
    found = quantile(bounds, counts, share)
    if not sum(counts):
        assert found is None
        return
    assert found is not None
    edges = [0.0, *bounds, 4.0]
    below = sum(counts[place] for place in range(4) if edges[place + 1] < found)
    reached = sum(counts[place] for place in range(4) if edges[place] <= found)
    assert below <= share * sum(counts) + 1e-9
    assert reached >= share * sum(counts) - 1e-9


def test_quantiles_by_example() -> None:
    assert quantile([1.0, 2.0], [4, 0, 0], 0.5) == 0.5
    assert quantile([1.0, 2.0], [1, 2, 1], 0.5) == 1.5
    assert quantile([1.0, 2.0], [0, 0, 3], 0.99) == 2.0


def test_figures_are_those_of_every_process() -> None:
    memory, clock = memoryview(bytearray(2 * SLOT_BYTES)), SettableClock()
    one, other = (PrometheusTelemetry(SharedCounters(memory, slot), clock) for slot in (0, 1))
    for teller, value in ((one, 2.5), (other, "a")):
        teller.answered("POST", "/api/v0.1/x", 200, 0.003)
        teller.predicted((value,))
    one.outside_training_range(["f"])
    figures = one.figures()
    counts = [2.0 if bound == 0.005 else 0.0 for bound in LATENCIES] + [0.0]
    assert figures == Figures(LATENCIES, {("POST", "/api/v0.1/x", 200): counts}, 2.0, {"f": 1.0})


def test_figures_in_words() -> None:
    answered_counts = {
        ("POST", "/api/v0.1/x", 200): [0.0, 900.0, 0.0],
        ("POST", "/api/v0.1/x/batch", 422): [0.0, 50.0, 0.0],
        ("POST", "/v2/models/x/infer", 500): [0.0, 0.0, 50.0],
        ("GET", "/page/state", 200): [9e9, 0.0, 0.0],
        ("GET", "/livez", 200): [9e9, 0.0, 0.0],
    }
    figures = Figures([0.001, 0.002], answered_counts, 2000.0, {"a": 5.0, "b": 500.0})
    assert figures_in_words(figures) == [
        ("requests", "1,000"),
        ("errors (5xx)", "50 (5.00 %)"),
        ("refused input (4xx)", "50 (5.00 %)"),
        ("latency, median", "1.53 ms"),
        ("latency, 95 %", "2 ms"),
        ("latency, 99 %", "2 ms"),
        ("rows predicted", "2,000"),
        ("outside its training range: b", "500 (25.00 %)"),
        ("outside its training range: a", "5 (0.25 %)"),
    ]


@given(schemas())
def test_a_form_can_be_made_for_every_schema_and_its_curves_stay_within_it(schema: Schema) -> None:
    model = model_of(schema)
    for feature, field in zip(schema.features, fields_of(model, None), strict=True):
        assert field.name == feature.name
        if isinstance(feature, Category):
            assert field.levels == feature.levels
            continue
        low, high = float(field.low), float(field.high)
        assert low <= high
        assert feature.admits(low)
        assert feature.admits(high)
        for text, bound in ((field.minimum, feature.minimum), (field.maximum, feature.maximum)):
            assert (float(text) if text else None) == bound


def test_an_example_has_few_digits_where_they_are_admitted() -> None:
    schema = Schema((Number("a"), Number("b", maximum=1.23456789), Number("c")), Number("y"), "z")
    fields = fields_of(model_of(schema, a=1.23456789, b=1.23456789, c=20.0), None)
    assert [field.value for field in fields] == ["1.2346", "1.23456789", "20"]


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**15), 10**15))
def test_a_number_comes_through_the_form_as_it_is(number: float) -> None:
    schema = Schema((Number("x"), Category("c", ("1", "2"))), Number("y"), "z")
    body = row_of(model_of(schema), {"x": f" {number!r} ", "c": "1"})
    assert json.loads(body) == {"x": number, "c": "1"}


class Serving(PredictionService):
    """Serves a model that no registry has."""

    def __init__(self, model: LoadedModel) -> None:
        super().__init__("task", None, [], SettableClock(), None)  # type: ignore[arg-type]
        self.model = model

    @property
    def loaded(self) -> LoadedModel:
        return self.model


def test_names_and_levels_are_never_markup_and_never_shell() -> None:
    number = Number(HOSTILE, unit="<b>kg</b>")
    schema = Schema((number, Category("c'c", (HOSTILE, "b"))), Category("y", (HOSTILE, "no")), "<i>z</i>")
    model = model_of(schema)
    service = Serving(model)
    tried = answered(
        model, {}, Classification(HOSTILE, [0.25, 0.75]), [HOSTILE], curl_command("http://h/", "t", b"it's", True)
    )
    figures = Figures([1.0], {}, 10.0, {HOSTILE: 1.0})
    now = datetime(2022, 1, 1, tzinfo=UTC)
    text = render(service, Snapshot(), figures, tried, now, now, has_keys=True)
    for hostile in (HOSTILE, "<b>kg", "<i>z"):
        assert hostile not in text
    assert text.count("<script") == 1
    levels = re.search(r'data-levels="([^"]*)"', text)
    assert levels is not None
    assert json.loads(html.unescape(levels[1])) == [HOSTILE, "no"]
    assert html.unescape(text).count(HOSTILE) >= 6
    assert '<meter value="0.25">' in text


def test_the_command_quotes_for_a_shell() -> None:
    command = curl_command("http://h:1/", "t", b"""{"c": "it's"}""", has_keys=False)
    assert command == ("""curl -H 'Content-Type: application/json' -d '{"c": "it'"'"'s"}' http://h:1/api/v0.1/t""")
